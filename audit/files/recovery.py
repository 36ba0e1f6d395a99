"""What a directory holds after whatever happened to it: the durable records, or a refusal with the reason.

A last batch that is not whole was never acknowledged: it is left for the writer to remove. Anything else that doesn't
fit is refused, since it had been durable. Segments that are wholly published are not read again here: `audit verify`
does that.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audit.errors import LogCorrupt
from audit.files.segments import HASHERS, Frame, Scan, frames, is_erased, parse_header, scan, segment_first
from audit.files.store import FileSystem
from audit.leaves.counters import Counters


@dataclass(frozen=True, slots=True)
class LastSegment:
    """Where to go on writing."""

    path: Path
    end: int
    torn: int  # bytes after `end` that are no whole batch and no zeros


@dataclass(frozen=True, slots=True)
class LoadedSegment:
    """A segment read into memory, its batches found."""

    path: Path
    data: bytes
    state: dict[str, Any]
    scan: Scan

    def frames(self) -> Iterator[Frame]:
        """Every frame of the valid batches."""
        for batch in self.scan.batches:
            yield from frames(self.data, batch)


@dataclass(frozen=True, slots=True)
class Recovered:
    """What was found of one kind of segments."""

    size: int  # the next index
    last: LastSegment | None
    last_leaf: bytes = b""
    tail: LoadedSegment | None = None  # the last segment as it was read


def segment_paths(files: FileSystem, directory: Path, begin: int = 0) -> list[Path]:
    """The segments that may hold indices from `begin` on, in order."""
    firsts = [(first, name) for name in files.names(directory) if (first := segment_first(name)) is not None]
    after = [first for first, _ in firsts if first <= begin]
    start = after[-1] if after else 0
    return [directory / name for first, name in firsts if first >= start]


def load_segment(files: FileSystem, path: Path, kind: str, origin: str) -> LoadedSegment:
    """Read one segment. Raises LogCorrupt when its header doesn't belong here."""
    data = files.read(path)
    state, begin = parse_header(data, path.name)
    if state["kind"] != kind or state["origin"] != origin:
        belongs = f"to the {state['kind']} of `{state['origin']}`"
        raise LogCorrupt(f"segment `{path.name}` belongs {belongs}, not to the {kind} of `{origin}`")
    return LoadedSegment(path, data, state, scan(data, begin, state["first"]))


def recover_segments(
    files: FileSystem,
    directory: Path,
    kind: str,
    origin: str,
    *,
    begin: int | None = None,
    counters: Counters | None = None,
) -> Recovered:
    """Read the segments from the one that holds `begin` on (without one: the last), recompute every hash.

    `counters` are brought up to the last record. Raises LogCorrupt: damage with valid batches after it, a missing
    segment, a hash that doesn't fit.
    """
    paths = segment_paths(files, directory, 1 << 62 if begin is None else begin)
    if paths and begin is not None and (segment_first(paths[0].name) or 0) > begin:
        raise LogCorrupt(f"the segment with record {begin} is missing: restore it from the mirror")
    size: int | None = None
    last, leaf, loaded = None, b"", None
    for path in paths:
        loaded = load_segment(files, path, kind, origin)
        first = loaded.state["first"]
        if size is not None and first != size:
            raise LogCorrupt(f"segment `{path.name}` should begin with {size}: a segment is missing or was cut")
        _check_damage(loaded, is_last=path is paths[-1])
        leaf = _check_frames(loaded, kind, counters if path is paths[-1] else None) or leaf
        size = loaded.scan.next_index
        last = LastSegment(path, loaded.scan.end, len(loaded.data[loaded.scan.end :].rstrip(b"\0")))
    return Recovered(size or 0, last, leaf, loaded)


def _check_damage(loaded: LoadedSegment, *, is_last: bool) -> None:
    damage = loaded.scan.damage
    if damage is None:
        return
    where = f"segment `{loaded.path.name}` at offset {damage.offset}: {damage.message}"
    if damage.corrupt:
        raise LogCorrupt(f"{where}; keep the directory as evidence and restore it from the mirror")
    if not is_last:
        raise LogCorrupt(f"{where}, yet a later segment exists; restore the directory from the mirror")


def _check_frames(loaded: LoadedSegment, kind: str, counters: Counters | None) -> bytes:
    """Recompute each hash; the last frame's bytes."""
    hasher = HASHERS[kind]
    if counters is not None:
        counters.restore(loaded.state["counters"])
    data = b""
    for frame in loaded.frames():
        if hasher(frame.data) != frame.hash and not (kind == "archive" and is_erased(frame.data)):
            raise LogCorrupt(f"segment `{loaded.path.name}`: record {frame.index} doesn't match its hash")
        if counters is not None:
            counters.replay(frame.data, frame.hash)
        data = frame.data
    return data
