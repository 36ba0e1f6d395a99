"""One PodSpec, wherever it stands: what it says of nodes, volumes, identities, and what can't be read of it."""
