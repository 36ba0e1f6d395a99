"""A witness's states in a directory: `<sha256 of the origin>/checkpoint`, each put in place as a whole and durably.

One process at a time: the directory is locked while it is open.
"""

import re
from hashlib import sha256
from pathlib import Path

from audit.errors import LogCorrupt, LogLocked, MerkleError
from audit.files.layout import CHECKPOINT, LOCK
from audit.files.store import Disk, FileSystem, make_durable_directory, write_file
from audit.tlog.checkpoints import Checkpoint
from audit.tlog.notes import parse_note

_FOLDER = re.compile(r"[0-9a-f]{64}")


def folder_of(origin: str) -> str:
    """Where a log's state lies, and where monitors ask for it."""
    return sha256(origin.encode()).hexdigest()


class FileStates:
    """The states in a directory."""

    @classmethod
    def open(cls, directory: Path, files: FileSystem | None = None) -> "FileStates":
        """Lock the directory, made where there is none. Raises LogLocked, OSError."""
        files = files or Disk()
        make_durable_directory(files, directory)
        lock = files.open(directory / LOCK, create=True)
        if not files.lock(lock):
            files.close(lock)
            raise LogLocked(f"another witness runs in `{directory.name}`: stop it first")
        return cls(directory, files, lock)

    def __init__(self, directory: Path, files: FileSystem, lock: int) -> None:
        self._directory = directory
        self._files = files
        self._lock = lock

    def read(self, origin: str) -> bytes | None:
        """The note. Raises LogCorrupt when it is damaged: to begin anew would be to forget."""
        path = self._directory / folder_of(origin) / CHECKPOINT
        try:
            data = self._files.read(path)
        except FileNotFoundError:
            return None
        try:
            found = Checkpoint.parse(parse_note(data).text).origin
        except MerkleError as error:
            raise LogCorrupt(f"the state of `{origin}` is damaged: {error}; restore it from a copy") from error
        if found != origin:
            raise LogCorrupt(f"the state of `{origin}` is that of `{found}`: restore it from a copy")
        return data

    def shown(self, folder: str) -> bytes | None:
        """The note in a folder, for whoever asks by its name."""
        if not _FOLDER.fullmatch(folder):
            return None
        try:
            return self._files.read(self._directory / folder / CHECKPOINT)
        except FileNotFoundError:
            return None

    def write(self, origin: str, note: bytes) -> None:
        folder = self._directory / folder_of(origin)
        make_durable_directory(self._files, folder)
        write_file(self._files, folder / CHECKPOINT, note)
        self._files.sync_directory(folder)

    def close(self) -> None:
        """Let another have the directory."""
        self._files.close(self._lock)
