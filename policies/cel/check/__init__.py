"""Type checking: a tree and an environment to the types of every node and the overloads of every call."""
