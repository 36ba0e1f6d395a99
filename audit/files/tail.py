"""Reads the records of a log from its segments while they are written, from some record on.

For whoever publishes: what is published is what the disk gives back, and nobody keeps records in memory until then.
Hashes are not recomputed here.
"""

from pathlib import Path

from audit.errors import LogCorrupt
from audit.files.layout import wal_of
from audit.files.recovery import segment_paths
from audit.files.segments import HEADER_SIZE, batch_pairs, batch_size, header_size, parse_header, segment_name, walk
from audit.files.store import FileSystem
from audit.leaves.counters import Pair

CHUNK = 1 << 20  # bytes read at once; more where one batch is larger


class Tail:
    """A place among the records of a log, which moves on as they are read. For one thread."""

    def __init__(self, files: FileSystem, directory: Path, begin: int) -> None:
        """At record `begin`; nothing is read yet."""
        self._files = files
        self._folder = wal_of(directory)
        self._begin = begin
        self._path: Path | None = None
        self._offset = 0  # where the next batch begins,
        self._next = begin  # and with which record

    def read(self, end: int) -> list[Pair]:
        """Some more of the records below `end`, which are durable, as (hash, leaf); none when all were read.

        Raises LogCorrupt when they are not there, OSError.
        """
        pairs: list[Pair] = []
        while self._next < end and not pairs:
            data, first = self._chunk(), self._next
            for batch in walk(data, 0, first):
                if batch.first + batch.count > end:  # written, and maybe not durable yet
                    break
                pairs += zip(*batch_pairs(data, batch), strict=True)
                self._next = batch.first + batch.count
                self._offset += batch.end - batch.begin
            if not pairs:
                raise LogCorrupt(f"record {first} is durable and does not read back: the disk is not to be trusted")
            del pairs[: max(self._begin - first, 0)]
        return pairs

    def _chunk(self) -> bytes:
        """Bytes that begin with a whole batch. Raises LogCorrupt when there is none."""
        if self._path is None:
            paths = segment_paths(self._files, self._folder, self._begin)
            if not paths:
                raise LogCorrupt("the log has no segments")
            self._enter(paths[0])
        return self._whole() or self._whole_in_next()

    def _whole(self) -> bytes:
        assert self._path is not None
        size, needed = 0, CHUNK
        while size < needed:
            size = needed
            data = self._files.read(self._path, self._offset, size)
            needed = batch_size(data)
        return data if 0 < needed <= len(data) else b""

    def _whole_in_next(self) -> bytes:
        """The segment has ended, and the next one is named by its first record."""
        path = self._folder / segment_name(self._next)
        try:
            self._enter(path)
        except FileNotFoundError:
            raise LogCorrupt(f"record {self._next} is durable and is not where it was written") from None
        return self._whole()

    def _enter(self, path: Path) -> None:
        size = header_size(self._files.read(path, 0, HEADER_SIZE))
        state, self._offset = parse_header(self._files.read(path, 0, size), path.name)
        self._path, self._next = path, state["first"]
