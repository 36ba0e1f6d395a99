"""The records that an export is made of: only those of a log that verifies, under its signed checkpoint.

A log is verified before the first record is handed out, and every record read afterwards is hashed into the same root
once more, so that what an export holds is what was verified, also when somebody writes into the directory meanwhile.
Records newer than the checkpoint are left out and counted: nothing vouches for them yet. Somebody who wants to see a
log that doesn't verify says so, and then every export says it inside.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from audit.checks.report import Report
from audit.checks.verify import verify_log
from audit.errors import AuditError, LogCorrupt, MerkleError
from audit.exports.selection import Selection, tenant_of
from audit.files.store import Disk
from audit.reading import LoggedRecord, bundle_leaves, checkpoint_bytes, read_records, read_tile, record_of
from audit.tlog.checkpoints import Checkpoint, verified_checkpoint
from audit.tlog.merkle import Frontier
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


_MOST_NAMED = 20  # numbers in a sentence


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
        """Whether everything handed out is verified to be what was appended, also what nobody can read."""
        return self.report.is_intact and self.checkpoint is not None

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

    def unread(self) -> list[dict[str, Any]]:
        """The records under the checkpoint that nobody can read, each with the reason; in order.

        Whose they are nobody can say either: for somebody's part of the log the reasons are left out, which quote them.
        """
        known = [(index, why) for index, why in sorted(self.report.unreadable.items()) if index < self.size]
        return [{"record": index} | ({} if self.selection.is_narrow else {"why": why}) for index, why in known]

    def remark(self) -> str:
        """Empty, or what must be said of records that nobody can read, wherever somebody draws conclusions."""
        count = len(self.unread())
        if not count:
            return ""
        which = ", ".join(f"{one['record']:,}" for one in self.unread()[:_MOST_NAMED]) + (", …" * (count > _MOST_NAMED))
        many = f"{count:,} records of this log" if count != 1 else "One record of this log"
        return f"{many} can't be read and {'are' if count != 1 else 'is'} counted nowhere: number {which}"

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
    takes = _Takes(population.selection)
    frontier, size = Frontier(), checkpoint.size
    for record in read_records(population.directory, 0, size):
        frontier.append(record.hash)
        if not record.index & 1023:
            progress(record.index, size)
        if takes(record):
            yield record
    progress(size, size)
    if (frontier.size, frontier.root()) != (size, checkpoint.root):
        raise NotVerified(f"`{population.directory}` was changed between its verification and the export")


class _Takes:
    """Whether a record is chosen. One that nobody can read counts at the time of the record before it."""

    def __init__(self, selection: Selection) -> None:
        self._selection, self._takes = selection, selection.chooser().takes
        self._everything = selection.is_everything
        self._time = ""

    def __call__(self, record: LoggedRecord) -> bool:
        if self._everything:
            return True
        if record.unreadable:
            return not self._selection.is_narrow and self._takes({"time": self._time})
        self._time = str(record.fields.get("time", ""))
        return self._takes(record.fields)


def _readable(population: Population, progress: Progress) -> Iterator[LoggedRecord]:
    """What can be read of a log that doesn't verify: the segments up to their damage, then the published bundles."""
    takes = _Takes(population.selection)
    following = 0
    try:
        for record in read_records(population.directory):
            progress(record.index, population.size)
            following = record.index + 1
            if takes(record):
                yield record
    except (AuditError, OSError):
        yield from (record for record in _published(population, following) if takes(record))


def _published(population: Population, begin: int) -> Iterator[LoggedRecord]:
    size = population.checkpoint.size if population.checkpoint else 0
    try:
        for index, leaf in bundle_leaves(Disk(), population.directory, begin, size):
            yield record_of(index, leaf)
    except (AuditError, OSError):
        return  # the report says that the log doesn't verify, and every export that it says so


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
