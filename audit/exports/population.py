"""The records that an export is made of: only those of a log that verifies, under its signed checkpoint.

A log is verified before the first record is handed out, and every record read afterwards is hashed into the same root
once more, so that what an export holds is what was verified, also when somebody writes into the directory meanwhile.
Records newer than the checkpoint are left out and counted: nothing vouches for them yet. Somebody who wants to see a
log that doesn't verify says so, and then every export says it inside.
"""

from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import orjson

from audit.checks.verify import Report, verify_log
from audit.errors import AuditError, LogCorrupt, MerkleError
from audit.exports.selection import Selection, tenant_of
from audit.files.store import Disk
from audit.reading import LoggedRecord, bundle_leaves, checkpoint_bytes, read_records, read_tile, record_of
from audit.tlog.checkpoints import Checkpoint, verified_checkpoint
from audit.tlog.merkle import Frontier, leaf_hash
from audit.tlog.notes import VerifierKey, parse_note
from audit.tlog.proofs import Subtrees
from audit.tlog.tiles import subtrees_in

Progress = Callable[[int, int], None]
"""`progress(done, total)` in records."""


class NotVerified(AuditError):
    """The log doesn't verify: find out why before anything is made of it."""

    hint = "run `bailiwick audit verify` for the details; `--unverified` exports what is there, and says so inside"


class NoCheckpoint(AuditError):
    """This form of export is built on a checkpoint, and the log has none that can be read."""

    hint = "a log gets its first checkpoint about a second after its first record"


UNREADABLE = "unreadable"  # the schema of a record that no log wrote


@dataclass(frozen=True, slots=True)
class Population:
    """A log whose state is known, and what is chosen of it."""

    directory: Path
    keys: tuple[VerifierKey, ...]
    report: Report
    note: bytes  # the checkpoint, verbatim; empty when there is none
    checkpoint: Checkpoint | None
    origin: str
    selection: Selection = field(default_factory=Selection)

    @property
    def is_verified(self) -> bool:
        """Whether everything handed out is verified."""
        return self.report.ok and self.checkpoint is not None

    @property
    def size(self) -> int:
        """Records that are offered for selection: those under the checkpoint, or all of a log that doesn't verify."""
        return self.checkpoint.size if self.is_verified and self.checkpoint else self.report.records

    def signed(self) -> tuple[Checkpoint, bytes]:
        """The checkpoint and its note. Raises NoCheckpoint."""
        if self.checkpoint is None:
            raise NoCheckpoint(f"`{self.directory}` has no checkpoint to build on")
        return self.checkpoint, self.note

    def subtrees(self) -> Subtrees:
        """A reader of the tree under the checkpoint; remembers the tiles that it read last. Raises NoCheckpoint."""
        checkpoint, _ = self.signed()
        return subtrees_in(_RecentTiles(self.directory), checkpoint.size)

    def warning(self) -> str:
        """Empty, or why nothing here may be relied on."""
        if self.is_verified:
            return ""
        count = self.report.total_problems
        many = f"{count:,} problem{'s' if count != 1 else ''} found"
        return f"UNVERIFIED: this log does not verify ({many}); nothing made of it is evidence"


def verified_population(
    directory: Path,
    keys: Sequence[VerifierKey],
    *,
    selection: Selection | None = None,
    unverified: bool = False,
    progress: Progress = lambda _done, _total: None,
) -> Population:
    """Verify the log and open it for exports. Raises NotVerified unless told `unverified`."""
    # first: a log that is being written only grows beyond it, and its newer checkpoint must extend this one
    note, checkpoint = _claimed(directory, keys)
    report = verify_log(directory, keys, remembered=[checkpoint] if checkpoint else (), progress=progress)
    if checkpoint is None and unverified:
        note, checkpoint = _claimed(directory, None)
    population = Population(
        directory=directory,
        keys=tuple(keys),
        report=report,
        note=note,
        checkpoint=checkpoint,
        origin=checkpoint.origin if checkpoint else "",
    )
    if not population.is_verified and not unverified:
        first = f": {report.problems[0]}" if report.problems else ""
        raise NotVerified(f"`{directory}` does not verify, {report.total_problems:,} problems found{first}")
    return replace(population, selection=_learned(population, selection or Selection()))


def _learned(population: Population, selection: Selection) -> Selection:
    """With the tags of the namespaces that were named: records without a namespace may carry one of them."""
    if not selection.namespaces:
        return selection
    named = (one.fields for one in selected(population) if one.fields.get("namespace") in selection.namespaces)
    return replace(selection, known=frozenset(tenant_of(fields) for fields in named) - {""})


def selected(population: Population, progress: Progress = lambda _done, _total: None) -> Iterator[LoggedRecord]:
    """The chosen records in order. Raises NotVerified at the end when what was read isn't what had been verified."""
    if not population.is_verified:
        yield from _readable(population, progress)
        return
    checkpoint, _ = population.signed()
    takes = population.selection.chooser().takes
    everything = population.selection.is_everything
    frontier, size = Frontier(), checkpoint.size
    for record in read_records(population.directory, 0, size):
        frontier.append(record.hash)
        if not record.index & 1023:
            progress(record.index, size)
        if everything or takes(record.fields):
            yield record
    progress(size, size)
    if (frontier.size, frontier.root()) != (size, checkpoint.root):
        raise NotVerified(f"`{population.directory}` was changed between its verification and the export")


def _readable(population: Population, progress: Progress) -> Iterator[LoggedRecord]:
    """What can be read of a log that doesn't verify: the segments up to their damage, then the published bundles."""
    takes = population.selection.chooser().takes
    following = 0
    try:
        for record in read_records(population.directory):
            progress(record.index, population.size)
            following = record.index + 1
            if takes(record.fields):
                yield record
    except (AuditError, OSError):
        yield from (record for record in _published(population, following) if takes(record.fields))


def _published(population: Population, begin: int) -> Iterator[LoggedRecord]:
    size = population.checkpoint.size if population.checkpoint else 0
    try:
        for index, leaf in bundle_leaves(Disk(), population.directory, begin, size):
            yield _shown(index, leaf)
    except (AuditError, OSError):
        return  # the report says that the log doesn't verify, and every export that it says so


def _shown(index: int, leaf: bytes) -> LoggedRecord:
    """A record of any bytes: what no log writes is shown as bytes, under its own hash."""
    try:
        return record_of(index, leaf)
    except AuditError:
        fields = {"schema": UNREADABLE, "bytes": b64encode(leaf).decode()}
        return LoggedRecord(index, leaf_hash(leaf), orjson.dumps(fields), fields)


def _claimed(directory: Path, keys: Sequence[VerifierKey] | None) -> tuple[bytes, Checkpoint | None]:
    """The checkpoint's note, and what it says; without `keys` unverified."""
    try:
        note = checkpoint_bytes(directory)
        return note, verified_checkpoint(note, keys)[0] if keys is not None else Checkpoint.parse(parse_note(note).text)
    except (LogCorrupt, MerkleError, OSError):
        return b"", None


class _RecentTiles:
    """Reads tiles and keeps the last one of each level: proofs are made from left to right."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._files = Disk()
        self._recent: dict[int, tuple[int, int, bytes]] = {}

    def __call__(self, level: int, index: int, width: int) -> bytes:
        known = self._recent.get(level)
        if known is None or known[:2] != (index, width):
            data = read_tile(self._files, self._directory, level, index, width)
            known = self._recent[level] = (index, width, data)
        return known[2]
