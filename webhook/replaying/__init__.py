"""Old decisions, made again from the log and its archive."""
