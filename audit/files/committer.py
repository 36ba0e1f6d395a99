"""The writer's work on one batch: sealed parts, counters, frames, one sync per file, in that order.

Guarantees that a record whose batch is committed is durable with its sealed parts, and that a batch that failed left
no number used. Knows nothing of threads, queues or who waits.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audit.files.archive_end import PARTS_BEFORE
from audit.files.layout import archive_of, wal_of
from audit.files.recovery import Recovered
from audit.files.segment_writer import SegmentWriter
from audit.files.segments import archive_hash, frames_body
from audit.files.store import FileSystem
from audit.leaves.counters import Counters, Pair, SealedName
from audit.leaves.record import LEAF_LIMIT, Record

Part = tuple[str, bytes]  # id of the key that it is sealed to, ciphertext
Item = tuple[Record, Sequence[Part]]
Late = Callable[[], Sequence[Item]]  # who came while others had their turn


def nobody() -> Sequence[Item]:
    """Whoever comes late, where nobody does."""
    return ()


@dataclass(frozen=True, slots=True)
class Committed:
    """A durable batch: its first index and, for each record, leaf hash and bytes."""

    first: int
    pairs: list[Pair]


class Committer:
    """Writes batches of one log. For one thread, except `prepare`."""

    def __init__(self, files: FileSystem, directory: Path, origin: str, limit: int, counters: Counters) -> None:
        self._origin = origin
        self._counters = counters
        self._wal = SegmentWriter(files, wal_of(directory), limit)
        self._archive = SegmentWriter(files, archive_of(directory), limit)
        self._next = 0
        self._next_part = 0

    def create(self) -> None:
        """Make the directories."""
        self._wal.create()
        self._archive.create()

    def resume(self, records: Recovered, parts: Recovered) -> None:
        """Go on after what was recovered."""
        self._next, self._next_part = records.size, parts.size
        for writer, found in ((self._wal, records), (self._archive, parts)):
            if found.last is not None:
                writer.resume(found.last.path, found.last.end)

    def prepare(self) -> None:
        """Make space for the next segments; from any one other thread. Raises OSError, which harms nothing."""
        self._wal.prepare()
        self._archive.prepare()

    def close(self) -> None:
        """Let go of the files."""
        self._wal.close()
        self._archive.close()

    def commit(self, items: Sequence[Item]) -> Committed:
        """Make a batch durable. Raises OSError when none of it counts, SyncFailed when all is uncertain."""
        try:
            pairs, parts = numbered(self._counters, items)
            archived = self._next_part
            if parts:
                self._append_parts(parts)
            first = self._append_leaves(pairs, archived)
        except BaseException:
            self._counters.take_back()
            raise
        self._counters.keep()
        self._next += len(pairs)
        return Committed(first, pairs)

    def _append_parts(self, parts: Sequence[Pair]) -> None:
        body = frames_body(parts)
        if not self._archive.has_room(len(body)):
            self._archive.rotate(self._state("archive", self._next_part))
        self._archive.write(self._next_part, len(parts), body)
        self._archive.sync()
        self._next_part += len(parts)

    def _append_leaves(self, pairs: Sequence[Pair], archived: int) -> int:
        body = frames_body(pairs)
        if not self._wal.has_room(len(body)):
            state = {"counters": self._counters.state(), PARTS_BEFORE: archived}
            self._wal.rotate(self._state("log", self._next) | state)
        self._wal.write(self._next, len(pairs), body)
        self._wal.sync()
        return self._next

    def _state(self, kind: str, first: int) -> dict[str, Any]:
        return {"first": first, "kind": kind, "origin": self._origin}


def numbered(counters: Counters, items: Sequence[Item]) -> tuple[list[Pair], list[Pair]]:
    """Hash and leaf of each record under the next numbers, hash and ciphertext of each sealed part."""
    parts: list[Pair] = []
    sealed = {place: _named(item[1], parts) for place, item in enumerate(items) if item[1]}
    pairs = counters.number([item[0] for item in items], sealed)
    assert all([len(leaf) <= LEAF_LIMIT for _, leaf in pairs]), "a record leaves room for what the log adds"  # noqa: C419
    return pairs, parts


def _named(sealed: Sequence[Part], parts: list[Pair]) -> list[SealedName]:
    """What the leaf says about each sealed part; the parts themselves are added to `parts`."""
    names = []
    for key_id, data in sealed:
        digest = archive_hash(data)
        parts.append((digest, data))
        names.append((key_id, digest, len(data)))
    return names
