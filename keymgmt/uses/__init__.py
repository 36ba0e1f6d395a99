"""Every use of a key: written down, counted for the log, and held against the key service's own account."""
