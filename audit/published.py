"""What a log shows to the world, as a port, and as it lies in a directory: signed checkpoints, tiles, entry bundles.

Serving, mirroring, witnessing and proving read a log through this, whether it lies in files, in a database or behind
HTTP. What comes back is bytes that nobody has checked yet.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from audit.errors import AuditError, ProofInvalid
from audit.files.layout import CHECKPOINT
from audit.files.store import Disk, FileSystem, write_file
from audit.tlog.checkpoints import Checkpoint
from audit.tlog.notes import parse_note
from audit.tlog.proofs import inclusion_proof
from audit.tlog.tiles import ENTRIES, TILE_WIDTH, bundle_bytes, parse_bundle, subtrees_in, tile_path
from audit.tlog.tlog_proof import TlogProof

WITNESSED = "checkpoint.witnessed"  # the newest checkpoint with a quorum of cosignatures
NOTES = (CHECKPOINT, WITNESSED)


class NotPublished(AuditError):
    """The log shows no such file, now or any more."""


class Published(Protocol):
    """A log's public side."""

    def note(self, name: str = CHECKPOINT) -> bytes:
        """A signed checkpoint: the newest, or `WITNESSED`. Raises NotPublished, OSError."""
        ...

    def tile(self, level: int | str, index: int, width: int) -> bytes:
        """A tile, or a bundle at the level `entries`, of just this width. Raises NotPublished, OSError."""
        ...

    def close(self) -> None:
        """Let go of what it is read through."""
        ...


class PublishedFiles:
    """A log in a directory, its writer's or a mirror's; the directory may be found anew each time."""

    def __init__(self, directory: Path | Callable[[], Path], files: FileSystem | None = None) -> None:
        self._found = directory
        self._files = files or Disk()

    def note(self, name: str = CHECKPOINT) -> bytes:
        return self._read(name)

    def tile(self, level: int | str, index: int, width: int) -> bytes:
        return self._read(tile_path(level, index, width))

    def close(self) -> None:
        """Nothing is held."""

    @property
    def _directory(self) -> Path:
        return self._found if isinstance(self._found, Path) else self._found()

    def keep_witnessed(self, note: bytes) -> None:
        """Put the cosigned checkpoint in place, durably. Raises OSError."""
        directory = self._directory
        write_file(self._files, directory / WITNESSED, note)
        self._files.sync_directory(directory)

    def _read(self, path: str) -> bytes:
        try:
            return self._files.read(self._directory / path)
        except (FileNotFoundError, NotADirectoryError):
            raise NotPublished(f"the log has no `{path}`") from None


def proof_of(log: Published, index: int) -> TlogProof:
    """The proof that record `index` lies under the log's checkpoint. Raises ProofInvalid when it isn't under it yet."""
    note = log.note()
    size = Checkpoint.parse(parse_note(note).text).size
    if index >= size:
        raise ProofInvalid(f"record {index} is not under the checkpoint of {size} records: wait for the next")

    def tile(level: int, number: int, width: int) -> bytes:
        return whole_tile(log, level, number, width)

    return TlogProof(index, inclusion_proof(index, size, subtrees_in(tile, size)), note)


def whole_tile(log: Published, level: int | str, index: int, width: int) -> bytes:
    """A tile or bundle of this width, cut from the full one where the partial one is gone. Raises as `tile` does."""
    try:
        return log.tile(level, index, width)
    except NotPublished:
        if width == TILE_WIDTH:
            raise
        full = log.tile(level, index, TILE_WIDTH)
    if level == ENTRIES:
        return bundle_bytes(parse_bundle(full, TILE_WIDTH)[:width])
    return full[: width * 32]
