"""The quick evaluator: a checked tree to one Python function, for evaluations in which nothing fails."""
