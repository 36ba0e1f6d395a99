"""Planning: a checked tree to closures that evaluate it and count what it costs."""
