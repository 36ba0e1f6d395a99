"""The head: size and root of what was last published, kept where a restored copy of the log can't take it back.

The file beside the log finds a log that lost its end. Kept elsewhere (another volume, a Lease), it also finds a
directory that was put back as a whole.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import orjson

from audit.errors import HeadMoved, LogCorrupt
from audit.files.store import FileSystem, write_file


@dataclass(frozen=True, slots=True)
class TreeHead:
    """A tree by its size and root."""

    size: int
    root: bytes

    def to_bytes(self) -> bytes:
        """The head as a file."""
        return orjson.dumps({"root": self.root.hex(), "size": self.size}) + b"\n"

    @classmethod
    def parse(cls, data: bytes, name: str) -> "TreeHead":
        """A head from the file of this name. Raises LogCorrupt for anything but the bytes of `to_bytes`."""
        try:
            value = orjson.loads(data)
            head = cls(int(value["size"]), bytes.fromhex(value["root"]))
        except (ValueError, KeyError, TypeError) as error:
            raise LogCorrupt(f"the head `{name}` is damaged: restore it, or the log, from a copy") from error
        if head.to_bytes() != data:
            raise LogCorrupt(f"the head `{name}` is not in the form in which it is written: somebody changed it")
        return head


class Head(Protocol):
    """Remembers the last published tree head, for one writer at a time."""

    def read(self) -> TreeHead | None:
        """The head, or None before the first. Raises OSError, LogCorrupt."""
        ...

    def swap(self, old: TreeHead | None, new: TreeHead) -> None:
        """Put `new` in the place of `old`, durably. Raises HeadMoved when another is there, OSError."""
        ...


class FileHead:
    """A head in a file."""

    def __init__(self, files: FileSystem, path: Path) -> None:
        self._files = files
        self._path = path

    def read(self) -> TreeHead | None:
        try:
            data = self._files.read(self._path)
        except FileNotFoundError:
            return None
        return TreeHead.parse(data, self._path.name)

    def swap(self, old: TreeHead | None, new: TreeHead) -> None:
        found = self.read()
        if found != old:
            raise HeadMoved(f"the head is at {found.size if found else 0} records, expected {old.size if old else 0}")
        write_file(self._files, self._path, new.to_bytes())
        self._files.sync_directory(self._path.parent)
