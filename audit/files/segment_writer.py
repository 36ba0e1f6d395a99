"""Appends batches to segment files: rotation, space made in advance, and the difference between full and broken.

Guarantees that a segment appears under its name only with a durable header, that a finished segment ends at its last
batch, and that a failed sync is never tried again (SyncFailed). Which thread calls is the log's business: everything
but `prepare` is the writer's alone.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from audit.files.segments import BATCH_HEADER_SIZE, batch_head, header_bytes, segment_name
from audit.files.store import FileSystem, write_all

_ASIDE = "segment.tmp"
_ZEROS = bytes(1 << 20)
_STEP = 1 << 18


class SyncFailed(Exception):
    """A sync failed: what was written may or may not be there, and a second sync would lie about it."""


class SegmentWriter:
    """Writes one kind of segments in one directory."""

    def __init__(self, files: FileSystem, directory: Path, limit: int) -> None:
        self._files = files
        self._directory = directory
        self._limit = limit
        self._descriptor: int | None = None
        self._offset = 0
        self._pending = 0  # bytes written since the last sync
        self._spare: Path | None = None
        self._spares = 0

    def create(self) -> None:
        """Make the directory, and remove what a crash left aside."""
        self._files.make_directory(self._directory)
        for name in self._files.names(self._directory):
            if name.endswith(".tmp"):
                self._files.remove(self._directory / name)

    def resume(self, path: Path, end: int) -> None:
        """Go on in an existing segment after its last batch; whatever follows is removed."""
        self._descriptor = self._files.open(path)
        self._files.truncate(self._descriptor, end)
        self._zero(self._descriptor, end)
        self._sync(self._descriptor)
        self._offset = end

    def prepare(self) -> None:
        """Make the next segment's space, zeroed and durable: a sync then writes data only. For another thread."""
        if self._spare is not None:
            return
        self._spares += 1  # a name of its own: the writer may still be at work on the one before
        path = self._directory / f"spare-{self._spares}.tmp"
        descriptor = self._files.open(path, create=True)
        try:
            self._files.truncate(descriptor, 0)
            for offset in range(0, self._limit, _STEP):
                write_all(self._files, descriptor, _ZEROS[: min(_STEP, self._limit - offset)], offset)
                self._files.sync_data(
                    descriptor
                )  # in small steps, so that a record's own sync never waits for all of it
            self._files.sync(descriptor)
        finally:
            self._files.close(descriptor)
        self._spare = path

    def has_room(self, size: int) -> bool:
        """Whether a batch whose frames take `size` bytes goes into the present segment."""
        return self._descriptor is not None and self._offset + size + BATCH_HEADER_SIZE <= self._limit

    def rotate(self, state: Mapping[str, Any]) -> None:
        """Finish the segment and begin the one that `state` describes. Raises OSError, and may be tried again."""
        self._finish()
        path, self._spare = self._spare or self._directory / _ASIDE, None
        header = header_bytes(state)
        descriptor = self._files.open(path, create=True)
        try:
            write_all(self._files, descriptor, header, 0)
            self._sync(descriptor)
            self._files.rename(path, self._directory / segment_name(state["first"]))
            self._sync_directory()
        except BaseException:
            self._files.close(descriptor)
            raise
        self._descriptor, self._offset = descriptor, len(header)

    def write(self, first: int, count: int, body: bytes) -> None:
        """Write a batch; it is durable after `sync`. After an OSError the next batch goes to the same place."""
        assert self._descriptor is not None
        data = batch_head(first, count, body) + body  # in one write: who reads meanwhile sees all of it, or nothing
        write_all(self._files, self._descriptor, data, self._offset)
        self._pending = len(data)

    def sync(self) -> None:
        """Make the batch durable. Raises SyncFailed, after which this writer must not be used any more."""
        assert self._descriptor is not None
        try:
            self._files.sync_data(self._descriptor)
        except OSError as error:
            raise SyncFailed(f"cannot sync `{self._directory.name}`: {error}") from error
        self._offset += self._pending

    def close(self) -> None:
        """Let go of the files; nothing is written."""
        descriptor, self._descriptor = self._descriptor, None
        spare, self._spare = self._spare, None
        if descriptor is not None:
            self._files.close(descriptor)
        if spare is not None:
            self._files.remove(spare)

    def _finish(self) -> None:
        """A finished segment has no zeros, and nothing of a batch that failed, after its last batch."""
        if self._descriptor is None:
            return
        self._files.truncate(self._descriptor, self._offset)
        self._sync(self._descriptor)
        descriptor, self._descriptor = self._descriptor, None
        self._files.close(descriptor)

    def _zero(self, descriptor: int, offset: int) -> None:
        while offset < self._limit:
            size = min(len(_ZEROS), self._limit - offset)
            write_all(self._files, descriptor, _ZEROS[:size], offset)
            offset += size

    def _sync(self, descriptor: int) -> None:
        try:
            self._files.sync(descriptor)
        except OSError as error:
            raise SyncFailed(f"cannot sync a segment of `{self._directory.name}`: {error}") from error

    def _sync_directory(self) -> None:
        try:
            self._files.sync_directory(self._directory)
        except OSError as error:
            raise SyncFailed(f"cannot sync the directory `{self._directory.name}`: {error}") from error
