"""The catalogue and the tables beside it: data, how it is checked and compiled, and how its paths are walked."""
