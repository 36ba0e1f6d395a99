"""A leaf: its table, its checks, its canonical bytes, its tags and counters."""
