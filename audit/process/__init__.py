"""The log in a process of its own: the bytes between, and both ends."""
