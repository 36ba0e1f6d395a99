"""Whether the archive holds at its end what the records name: looked at by each start, before anything is written.

A sealed part is durable before the record that names it, so no crash loses one: a part that is gone at the end was
cut off, or an older archive was put back. It can't be made again (the record has its hash only), so the start refuses.
Guarantees that the cost follows the last segments and not the archive; what is missing elsewhere, `audit verify` finds.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from audit.errors import LogCorrupt, LogRolledBack
from audit.files.layout import ARCHIVE, archive_of
from audit.files.recovery import LoadedSegment, Recovered, load_segment, segment_paths
from audit.files.segments import batch_pairs
from audit.files.store import FileSystem
from audit.leaves.counters import WRITTEN, WRITTEN_KEY

PARTS_BEFORE = "parts"  # in the header of a segment of records: how many parts were archived before its first record
_DIGEST = re.compile(rb'"sha256":"([0-9a-f]{64})"')
_HINT = f"an old `{ARCHIVE}` was put back, or its end is lost; bring the newer copy back, a mirror has no sealed parts"


def check_archive_end(files: FileSystem, directory: Path, origin: str, records: Recovered, parts: Recovered) -> None:
    """Raise LogRolledBack when parts are gone that the newest records name, LogCorrupt for a header of nonsense."""
    if records.tail is None:
        return
    before = parts_before(records.tail.state)
    if before is None:
        raise LogCorrupt(f"segment `{records.tail.path.name}` says nothing of the sealed parts before it")
    if parts.size < before:
        told = f"the archive ends after {parts.size} sealed parts, at least {before} had been written"
        raise LogRolledBack(f"{told}: {_HINT}")
    there = _Ending(files, directory, origin, before)
    missing: dict[bytes, int] = {}
    for index, digest in _named(records.tail):
        if digest in there:
            break  # parts are archived in the order of their records
        missing[digest] = index
    if missing:
        first, last = min(missing.values()), max(missing.values())
        where = f"record {first} names" if first == last else f"records {first} to {last} name"
        raise LogRolledBack(f"the archive has lost {len(missing)} sealed parts that {where}: {_HINT}")


def parts_before(state: Mapping[str, Any]) -> int | None:
    """How many parts were archived before a segment of records, 0 where no release said so; None for nonsense."""
    said = state.get(PARTS_BEFORE, 0)
    return said if type(said) is int and said >= 0 else None


def _named(tail: LoadedSegment) -> Iterator[tuple[int, bytes]]:
    """Record and hash of each part that the records of a segment name, the newest first."""
    for batch in reversed(tail.scan.batches):
        leaves = batch_pairs(tail.data, batch)[1]
        for place in reversed(range(len(leaves))):
            leaf = leaves[place]
            written = WRITTEN.fullmatch(leaf, max(leaf.rfind(WRITTEN_KEY), 0))
            if written is not None and written["sealed"]:
                for digest in reversed(_DIGEST.findall(written["sealed"])):
                    yield batch.first + place, bytes.fromhex(digest.decode())


class _Ending:
    """The hashes of an archive's newest parts, back to the part `first`: read segment by segment, as far as asked."""

    def __init__(self, files: FileSystem, directory: Path, origin: str, first: int) -> None:
        self._files = files
        self._origin = origin
        self._left = segment_paths(files, archive_of(directory), first)
        self._seen: set[bytes] = set()

    def __contains__(self, digest: bytes) -> bool:
        while digest not in self._seen and self._left:
            loaded = load_segment(self._files, self._left.pop(), "archive", self._origin)
            for batch in loaded.scan.batches:
                self._seen.update(batch_pairs(loaded.data, batch)[0])
        return digest in self._seen
