"""The functions of CEL and of Kubernetes, one table a file."""
