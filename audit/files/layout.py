"""Where everything of a log lies in its directory.

wal/<first>.seg      the records, in the order of their durability
archive/<first>.seg  sealed parts, addressed by their SHA-256
tile/…, checkpoint   what is published: C2SP tlog-tiles, readable by anyone's tools
head.json            the last published size and root
lock                 held by the writer
"""

from pathlib import Path

WAL = "wal"
ARCHIVE = "archive"
CHECKPOINT = "checkpoint"
HEAD = "head.json"
LOCK = "lock"


def wal_of(directory: Path) -> Path:
    """The segments with the records."""
    return directory / WAL


def archive_of(directory: Path) -> Path:
    """The segments with the sealed parts."""
    return directory / ARCHIVE
