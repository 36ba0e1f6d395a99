"""A stretch of a log, checked by itself: all that can be said of a segment without its neighbours.

Stretches can be checked in any order and in several processes; whoever joins them (`verify`) sees to it that each
follows on the one before. Records whose tile has neighbours in another stretch are handed on; of all others only the
roots of their tiles are.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from audit.checks.findings import Findings, unread
from audit.checks.record_check import RecordCheck
from audit.checks.tile_check import PublishedFiles
from audit.errors import LogCorrupt, TileMalformed
from audit.files.layout import archive_of, wal_of
from audit.files.recovery import LoadedSegment, load_segment
from audit.files.segments import archive_hashes, batch_pairs, is_erased, segment_name
from audit.files.store import FileSystem
from audit.reading import bundle_leaves
from audit.tlog.merkle import complete_root, leaf_hashes
from audit.tlog.tiles import ENTRIES, TILE_WIDTH, tile_path

Leaves = tuple[list[bytes], list[bytes]]  # hashes and entries
Batched = tuple[int, list[bytes], list[bytes]]  # first number, hashes, bytes
_PART = "sealed part"
_LOOKS = 3  # at a last segment that seems damaged


@dataclass(frozen=True, slots=True)
class Ground:
    """What every stretch of one verification has in common."""

    files: FileSystem
    directory: Path
    origin: str
    published: int  # records that were
    sizes: frozenset[int]  # at which the root is wanted: their tiles are handed on with all hashes
    begin: int = 0  # records outside are passed over; multiples of a tile's width
    end: int = 1 << 62
    foreign: bool = False  # somebody else's records
    quick: bool = False  # leaves are not looked into beyond their ends


@dataclass(slots=True)
class Stretch:
    """What was found in one segment, or in a run of bundles."""

    findings: Findings
    records: RecordCheck
    first: int | None = None  # None when nothing could be read
    begin: int = 0  # of the records that were looked at
    next: int = 0
    state: dict[str, Any] = field(default_factory=dict)
    pieces: list[bytes | Leaves] = field(default_factory=list)  # in order: the root of a full tile, or what isn't one
    tiles: list[int] = field(default_factory=list)  # those whose files were compared
    parts: dict[bytes, int] = field(default_factory=dict)  # of an archive: size by digest
    lost: bool = False  # what follows can't be placed


def check_segment(ground: Ground, first: int, is_last: bool) -> Stretch:
    """The segment with this first record: header, batches, hashes, counters within, tiles within."""
    stretch = _empty(ground)
    loaded = _load(ground, wal_of(ground.directory) / segment_name(first), "log", stretch, is_last=is_last)
    if loaded is None:
        return stretch
    _take(ground, stretch, _batches(loaded, leaf_hashes, "record", stretch), has_wal=True)
    return stretch


def check_bundles(ground: Ground, first: int, end: int) -> Stretch:
    """The records `[first, end)` as the published bundles hold them; `first` begins one unless segments end there."""
    stretch = _empty(ground)
    stretch.first = stretch.next = first
    _take(ground, stretch, _bundled(ground, stretch, first, end), has_wal=False)
    return stretch


def check_parts(ground: Ground, first: int, is_last: bool) -> Stretch:
    """The segment of sealed parts with this first number."""
    stretch = _empty(ground)
    loaded = _load(ground, archive_of(ground.directory) / segment_name(first), "archive", stretch, is_last=is_last)
    if loaded is not None:
        for _, digests, parts in _batches(loaded, archive_hashes, _PART, stretch):
            found = zip(digests, parts, strict=True)
            stretch.parts.update((digest, len(part)) for digest, part in found if not is_erased(part))
    return stretch


def _empty(ground: Ground) -> Stretch:
    findings = Findings()
    return Stretch(findings, RecordCheck(findings, quick=ground.quick))


def _load(ground: Ground, path: Path, kind: str, stretch: Stretch, *, is_last: bool) -> LoadedSegment | None:
    """A segment; the last one again when it seems damaged, since a writer may be in the middle of a batch."""
    where = f"{path.parent.name}/{path.name}"
    try:
        for _ in range(_LOOKS if is_last else 1):
            loaded = load_segment(ground.files, path, kind, ground.origin)
            if loaded.scan.damage is None:
                break
    except (LogCorrupt, OSError) as error:
        stretch.findings.problem(where, unread(error))
        stretch.lost = True
        return None
    stretch.first, stretch.next, stretch.state = loaded.state["first"], loaded.scan.next_index, loaded.state
    if (damage := loaded.scan.damage) is not None:
        unacknowledged = is_last and not damage.corrupt
        hint = ": a write that was never acknowledged, or tampering" if unacknowledged else ""
        stretch.findings.problem(where, f"at offset {damage.offset}: {damage.message}{hint}", loaded.scan.next_index)
    elif not is_last and loaded.scan.end != len(loaded.data):
        stretch.findings.problem(where, "is finished and has bytes after its last batch")
    return loaded


def _batches(
    loaded: LoadedSegment, hasher: Callable[[list[bytes]], list[bytes]], what: str, stretch: Stretch
) -> Iterator[Batched]:
    """First number, recomputed hashes and bytes of each batch; what differs from the hash beside it is a problem."""
    for batch in loaded.scan.batches:
        try:
            stored, parts = batch_pairs(loaded.data, batch)
        except LogCorrupt as error:
            stretch.findings.problem(f"{loaded.path.parent.name}/{loaded.path.name}", str(error))
            stretch.lost, stretch.next = True, batch.first
            return
        digests = hasher(parts)
        if digests != stored:
            compared = zip(digests, stored, parts, strict=True)
            for index, (left, right, part) in enumerate(compared, batch.first):
                if left != right and not (what == _PART and is_erased(part)):  # what is gone is asked about later
                    stretch.findings.problem(f"{what} {index}", "doesn't match the hash beside it", index)
        yield batch.first, digests, parts


def _bundled(ground: Ground, stretch: Stretch, first: int, end: int) -> Iterator[Batched]:
    try:
        rest = bundle_leaves(ground.files, ground.directory, first, end)
        while entries := [entry for _, entry in islice(rest, TILE_WIDTH)]:
            yield stretch.next, leaf_hashes(entries), entries
            stretch.next += len(entries)
    except (OSError, TileMalformed) as error:
        stretch.findings.problem(tile_path(ENTRIES, stretch.next // TILE_WIDTH), unread(error), stretch.next)
        stretch.lost = True


def _take(ground: Ground, stretch: Stretch, batches: Iterator[Batched], *, has_wal: bool) -> None:
    """Check the records of the batches, and their tiles."""
    published = PublishedFiles(ground.files, ground.directory, ground.published, stretch.findings)
    hashes: list[bytes] = []
    entries: list[bytes] = []
    at = -1
    is_all = ground.begin <= (stretch.first or 0) and stretch.next <= ground.end
    for first, digests, leaves in batches if is_all else _within(ground, batches):
        if at < 0:
            at = stretch.begin = first
        if not ground.foreign:
            stretch.records.records(first, digests, leaves)
        hashes += digests
        entries += leaves
        while (width := TILE_WIDTH - at % TILE_WIDTH) <= len(hashes):
            _piece(ground, stretch, published, at, (hashes[:width], entries[:width]), has_wal=has_wal)
            del hashes[:width], entries[:width]
            at += width
    if hashes:
        stretch.pieces.append((hashes, entries))


def _within(ground: Ground, batches: Iterator[Batched]) -> Iterator[Batched]:
    """Only the records that are asked for."""
    for first, digests, leaves in batches:
        skip, end = max(0, ground.begin - first), max(0, ground.end - first)
        if kept := leaves[skip:end]:
            yield first + skip, digests[skip:end], kept


def _piece(
    ground: Ground, stretch: Stretch, published: PublishedFiles, at: int, leaves: Leaves, *, has_wal: bool
) -> None:
    hashes, entries = leaves
    index = at // TILE_WIDTH
    if len(hashes) < TILE_WIDTH or not ground.sizes.isdisjoint(range(at + 1, at + TILE_WIDTH)):
        stretch.pieces.append(leaves)
        return
    published.compare_leaves(index, hashes, entries if has_wal else None)
    stretch.tiles.append(index)
    stretch.pieces.append(complete_root(hashes))
