"""One container: its lines, and the models and destinations that it names."""
