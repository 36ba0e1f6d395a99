"""Reads a log's directory: its records in order, a sealed part by its hash, a proof by its index.

Reading believes the bytes it finds; `checks.verify` is what checks them. A directory with only the published files
(tiles, bundles, checkpoint), such as a mirror, is read as far as its checkpoint goes.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from audit.errors import LogCorrupt
from audit.files.layout import CHECKPOINT, archive_of, wal_of
from audit.files.recovery import load_segment, segment_paths
from audit.files.segments import frames, parse_header, scan
from audit.files.store import Disk, FileSystem
from audit.leaves.readable import read_leaf
from audit.published import NotPublished, PublishedFiles, proof_of
from audit.tlog.checkpoints import Checkpoint
from audit.tlog.merkle import leaf_hash
from audit.tlog.notes import parse_note
from audit.tlog.tiles import ENTRIES, TILE_WIDTH, parse_bundle, tile_path
from audit.tlog.tlog_proof import TlogProof


@dataclass(frozen=True, slots=True)
class LoggedRecord:
    """A leaf where it lies. `fields` is what its bytes say, of the types that the leaf's table gives them.

    Of a leaf that nobody can read, `unreadable` is the reason and `fields` what stands in for it: the schema
    `unreadable`, the reason and the bytes. No reader ends there, and none passes over it without a word.
    """

    index: int
    hash: bytes
    leaf: bytes
    fields: Mapping[str, Any]
    unreadable: str = ""


def read_records(
    directory: Path, begin: int = 0, end: int | None = None, files: FileSystem | None = None
) -> Iterator[LoggedRecord]:
    """The records `[begin, end)` in order, to the last whole one. Raises LogCorrupt where a segment is damaged."""
    files = files or Disk()
    leaves = _wal_leaves(files, directory, begin) if has_segments(directory, files) else None
    if leaves is None:
        leaves = bundle_leaves(files, directory, begin, read_checkpoint(directory, files).size)
    for index, leaf in leaves:
        if end is not None and index >= end:
            return
        yield record_of(index, leaf)


def record_of(index: int, leaf: bytes) -> LoggedRecord:
    """A leaf's bytes as a record, whatever they are."""
    fields, why = read_leaf(leaf)
    return LoggedRecord(index, leaf_hash(leaf), leaf, fields, why)


def time_of(record: LoggedRecord) -> datetime:
    """When the record was made. Raises LogCorrupt for one that can't be read."""
    if record.unreadable:
        raise LogCorrupt(f"record {record.index} can't be read: it {record.unreadable}")
    return datetime.fromisoformat(record.fields["time"])


def read_checkpoint(directory: Path, files: FileSystem | None = None) -> Checkpoint:
    """The checkpoint as it lies there, unverified. Raises LogCorrupt when there is none."""
    return Checkpoint.parse(parse_note(checkpoint_bytes(directory, files)).text)


def checkpoint_bytes(directory: Path, files: FileSystem | None = None) -> bytes:
    """The checkpoint's note. Raises LogCorrupt when there is none."""
    try:
        return (files or Disk()).read(directory / CHECKPOINT)
    except FileNotFoundError:
        raise LogCorrupt(f"`{directory}` has no checkpoint: is it the directory of a log?") from None


def prove(directory: Path, index: int, files: FileSystem | None = None) -> TlogProof:
    """The proof that record `index` lies under the checkpoint. Raises ProofInvalid, LogCorrupt."""
    try:
        return proof_of(PublishedFiles(directory, files), index)
    except NotPublished as error:
        raise LogCorrupt(f"`{directory}` can't be proved from: {error}; is it the directory of a log?") from None


def sealed_parts(directory: Path, files: FileSystem | None = None) -> Iterator[tuple[bytes, bytes]]:
    """Every sealed part of the archive with its SHA-256, in the order of their durability."""
    files = files or Disk()
    for path in segment_paths(files, archive_of(directory)):
        data = files.read(path)
        state, at = parse_header(data, path.name)
        for batch in scan(data, at, state["first"]).batches:
            for frame in frames(data, batch):
                yield frame.hash, frame.data


def read_sealed(directory: Path, digest: bytes, files: FileSystem | None = None) -> bytes | None:
    """The sealed part with this SHA-256, None when the archive hasn't it (any more). Reads the archive up to it."""
    return next((data for found, data in sealed_parts(directory, files) if found == digest), None)


def has_segments(directory: Path, files: FileSystem) -> bool:
    """Whether the directory is a writer's, with segments, and not only what was published."""
    return bool(segment_paths(files, wal_of(directory)))


def read_tile(files: FileSystem, directory: Path, level: int | str, index: int, width: int) -> bytes:
    """A tile or bundle; for a partial one that is gone, the first `width` hashes of the full one (not for bundles)."""
    try:
        return files.read(directory / tile_path(level, index, width))
    except FileNotFoundError:
        if width == TILE_WIDTH or level == ENTRIES:
            raise
        return files.read(directory / tile_path(level, index))[: width * 32]


def bundle_leaves(files: FileSystem, directory: Path, begin: int, size: int) -> Iterator[tuple[int, bytes]]:
    """The entries `[begin, size)` from the published bundles. Raises OSError, TileMalformed."""
    for number in range(begin // TILE_WIDTH, -(-size // TILE_WIDTH)):
        width = min(TILE_WIDTH, size - number * TILE_WIDTH)
        for index, entry in enumerate(_bundle(files, directory, number, width), number * TILE_WIDTH):
            if index >= begin:
                yield index, entry


def _bundle(files: FileSystem, directory: Path, number: int, width: int) -> list[bytes]:
    try:
        return parse_bundle(files.read(directory / tile_path(ENTRIES, number, width)), width)
    except FileNotFoundError:
        if width == TILE_WIDTH:
            raise
        return parse_bundle(files.read(directory / tile_path(ENTRIES, number)), TILE_WIDTH)[:width]


def _wal_leaves(files: FileSystem, directory: Path, begin: int) -> Iterator[tuple[int, bytes]]:
    folder = wal_of(directory)
    for path in segment_paths(files, folder, begin):
        data = files.read(path)
        state, _ = parse_header(data, path.name)
        loaded = load_segment(files, path, "log", state["origin"])
        if loaded.scan.damage is not None and loaded.scan.damage.corrupt:
            raise LogCorrupt(f"segment `{path.name}`: {loaded.scan.damage.message}; run `audit verify`")
        for frame in loaded.frames():
            if frame.index >= begin:
                yield frame.index, frame.data
