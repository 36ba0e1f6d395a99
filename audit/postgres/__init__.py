"""The log in PostgreSQL: many replicas, one order. Needs the extra `bailiwick[postgres]`."""
