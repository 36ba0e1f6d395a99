"""Whether a file is still the one that was looked at last."""

from pathlib import Path


def stamp_of(path: Path) -> tuple[int, ...]:
    """Tells one content of a file from the next, by a stat alone; empty while there is none."""
    try:
        found = path.stat()
    except OSError:
        return ()
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
