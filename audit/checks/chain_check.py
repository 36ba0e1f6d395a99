"""Verifies all shards of a log: each by itself, and that each commits to the one before.

Found are shards that are missing, swapped, exchanged or removed without a record, records after a shard's end, and a
first record that commits to another predecessor. A shard that was pruned is verified by what its pruning left: all
hashes, the checkpoint, and the signed record of the pruning.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

from audit.checks.findings import Finding, Findings, unread
from audit.checks.pruned_check import PrunedCheck, report_without_records
from audit.checks.report import Progress, Report
from audit.checks.verify import verify_log
from audit.errors import AuditError, LogCorrupt
from audit.files.layout import CHECKPOINT, wal_of
from audit.files.log import successor_in
from audit.files.recovery import segment_paths
from audit.files.segments import parse_header
from audit.files.shards import (
    SHARDS,
    Shard,
    is_pruned,
    keys_of_shards,
    shard_directory,
    shard_numbers,
    shard_origin,
)
from audit.files.store import Disk, FileSystem
from audit.reading import has_segments, read_checkpoint, read_records
from audit.tlog.checkpoints import Checkpoint
from audit.tlog.notes import VerifierKey

MOMENT = 1.0  # seconds that a writer may take between two shards


@dataclass(frozen=True, slots=True)
class ShardReport:
    """What was found of one shard."""

    shard: Shard
    pruned: bool
    report: Report


@dataclass(frozen=True, slots=True)
class ChainReport:
    """What was found of all, and between them."""

    shards: tuple[ShardReport, ...]
    problems: tuple[Finding, ...]
    notes: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        return not self.problems and all(one.report.ok for one in self.shards)

    @property
    def is_intact(self) -> bool:
        """As `Report.is_intact`, of all shards and between them."""
        return not self.problems and all(one.report.is_intact for one in self.shards)


def verify_chain(
    directory: Path,
    keys: Iterable[VerifierKey],
    *,
    origin: str | None = None,
    remembered: Iterable[Checkpoint] = (),
    jobs: int = 1,
    quick: bool = False,
    files: FileSystem | None = None,
    progress: Progress = lambda _done, _total: None,
) -> ChainReport:
    """Check every shard of the log in this directory; for a log without shards, `verify_log` in other words.

    `keys` name the log; under the name of a shard the same keys count.
    """
    check = _ChainCheck(files, directory, tuple(keys), tuple(remembered), jobs, progress, quick=quick)
    return check.run(origin)


class _ChainCheck:
    def __init__(
        self,
        files: FileSystem | None,
        directory: Path,
        keys: tuple[VerifierKey, ...],
        remembered: tuple[Checkpoint, ...],
        jobs: int,
        progress: Progress,
        *,
        quick: bool,
    ) -> None:
        self._given = files
        self._files = files or Disk()
        self._directory = directory
        self._keys = keys
        self._remembered = remembered
        self._jobs = jobs
        self._quick = quick
        self._progress = progress
        self._between = Findings()
        self._pruned = PrunedCheck(self._files, keys)
        self._geneses: dict[int, Mapping[str, Any] | str] = {}  # first records by shard, or why they can't be read
        self._successors: dict[int, str] = {}

    def run(self, origin: str | None) -> ChainReport:
        numbers = shard_numbers(self._directory, self._files)
        base = origin or self._base(numbers)
        found: list[ShardReport] = []
        erased: frozenset[bytes] = frozenset()
        for number in reversed(numbers):  # what an earlier shard has lost may be declared erased by a later one
            shard = Shard(number, shard_origin(base, number) if base else "", shard_directory(self._directory, number))
            try:
                if number and number == numbers[-1]:  # it may have begun just now
                    self._within_a_moment(partial(self._is_signed, shard.directory))
                one = self._shard(shard, origin, erased, is_only=len(numbers) == 1)
            except OSError as error:
                one = self._unreadable(shard, error)
            erased |= one.report.erasures
            found.append(one)
        found.reverse()
        self._links(found)
        self._end(found[-1])
        return ChainReport(tuple(found), tuple(self._between.problems), tuple(self._between.notes))

    def _shard(self, shard: Shard, origin: str | None, erased: frozenset[bytes], *, is_only: bool) -> ShardReport:
        """What is found of one shard, and kept of its ends: it may be pruned while it is looked at."""
        if not is_pruned(shard.directory, self._files):
            report = verify_log(
                shard.directory,
                keys_of_shards(self._keys, shard.origin) if shard.number and shard.origin else self._keys,
                origin=shard.origin or None if shard.number else origin,
                remembered=[one for one in self._remembered if is_only or one.origin == shard.origin],
                jobs=self._jobs,
                quick=self._quick,
                erased=erased,
                files=self._given,
                progress=self._progress,
            )
            one = ShardReport(shard, pruned=False, report=report)
            self._geneses[shard.number], self._successors[shard.number] = self._first(one), self._successor(one)
            if not is_pruned(shard.directory, self._files):
                return one
        one = ShardReport(shard, pruned=True, report=self._pruned.report(shard))
        self._geneses[shard.number] = self._first(one)
        return one

    def _unreadable(self, shard: Shard, error: OSError) -> ShardReport:
        """What has a shard's name and isn't even a directory."""
        self._geneses[shard.number], self._successors[shard.number] = unread(error), ""
        findings = Findings()
        findings.problem("directory", unread(error))
        return ShardReport(shard, pruned=False, report=report_without_records(findings, None, ()))

    def _base(self, numbers: list[int]) -> str:
        """The log's name, as the first shard that has one says."""
        for number in numbers:
            name = _origin_of(shard_directory(self._directory, number), self._files)
            if name and (not number or name.endswith(f"/{number}")):
                return name.removesuffix(f"/{number}") if number else name
        return ""

    # — between shards —

    def _links(self, found: list[ShardReport]) -> None:
        present = {one.shard.number: one for one in found}
        for number in range(found[-1].shard.number + 1):
            if number not in present:
                name = shard_origin(found[-1].shard.origin.removesuffix(f"/{found[-1].shard.number}"), number)
                self._between.problem(_where(number), f"the shard `{name}` is missing")
            elif number and number - 1 in present:
                self._link(present[number - 1], present[number])

    def _end(self, last: ShardReport) -> None:
        """The last shard that is here hasn't ended, or what follows on it is elsewhere for a reason."""
        successor = "" if last.pruned else self._successors[last.shard.number]
        where = _where(last.shard.number)
        if successor and not last.shard.number and self._is_alone(successor):
            self._between.note(where, f"has ended; `{successor}` goes on and was not verified")
        elif successor and last.report.unsigned:
            self._between.note(where, f"has ended and is not signed yet; `{successor}` will follow")
        elif successor and self._has_begun(last.shard.number + 1):
            self._between.note(where, f"has ended meanwhile; `{successor}` goes on and was not verified")
        elif successor:
            self._between.problem(where, f"goes on as `{successor}`, which is missing")

    def _is_alone(self, successor: str) -> bool:
        """Whether this is one shard by itself: a copy of what one published, or one that lies among its neighbours."""
        beside = self._directory.parent / successor.rpartition("/")[2].zfill(6)
        is_among = self._directory.parent.name == SHARDS and beside.name in self._files.names(beside.parent)
        return is_among or not has_segments(self._directory, self._files)

    def _has_begun(self, number: int) -> bool:
        """Whether a shard is there now."""
        return self._within_a_moment(lambda: number in shard_numbers(self._directory, self._files))

    def _is_signed(self, place: Path) -> bool:
        return CHECKPOINT in self._files.names(place)

    def _within_a_moment(self, condition: Callable[[], bool]) -> bool:
        """Whether it holds now, or very soon: a writer may be between two shards."""
        until = time.monotonic() + MOMENT
        while not condition():
            if time.monotonic() > until:
                return False
            time.sleep(MOMENT / 20)
        return True

    def _link(self, before: ShardReport, after: ShardReport) -> None:
        """The first record of a shard commits to the one before, as it lies there."""
        where = _where(after.shard.number)
        said = self._geneses[after.shard.number]
        if isinstance(said, str):
            self._between.problem(where, f"what it commits to can't be read: {said}")
            return
        checkpoint = before.report.checkpoint
        if checkpoint is None:
            return  # said already
        note = self._files.read(before.shard.directory / CHECKPOINT)
        expected = {
            "shard": after.shard.number,
            "previous_origin": before.shard.origin,
            "previous_size": checkpoint.size,
            "previous_root": checkpoint.root.hex(),
        }
        for name, value in expected.items():
            if said.get(name) != value:
                told = f"commits to another predecessor: `{name}` is {said.get(name)!r}, that shard has {value!r}"
                self._between.problem(where, told)
        if said.get("previous_checkpoint") != sha256(note).hexdigest():
            self._between.problem(where, "commits to another checkpoint of its predecessor than lies there")
        if not before.pruned and self._successors[before.shard.number] != after.shard.origin:
            self._between.problem(
                _where(before.shard.number), f"doesn't end with `{after.shard.origin}` as its successor"
            )

    def _first(self, one: ShardReport) -> Mapping[str, Any] | str:
        """The first record's fields, or why they can't be read."""
        try:
            return self._genesis(one)
        except (AuditError, OSError, ValueError, StopIteration) as error:
            return str(error) or "there is none"

    def _genesis(self, one: ShardReport) -> Mapping[str, Any]:
        """The first record: of a pruned shard, as its proof holds it."""
        if one.pruned:
            return self._pruned.first(one.shard)
        first = next(iter(read_records(one.shard.directory, 0, 1, self._files)))
        if first.unreadable:
            raise LogCorrupt(f"record 0 {first.unreadable}")
        return first.fields

    def _successor(self, one: ShardReport) -> str:
        if not one.report.records:
            return ""
        last = one.report.records - 1
        try:
            return successor_in(next(iter(read_records(one.shard.directory, last, last + 1, self._files))).leaf)
        except (AuditError, OSError, ValueError, StopIteration):
            return ""  # what can't be read is said by whoever verified the shard


def _origin_of(directory: Path, files: FileSystem) -> str:
    """Whose log lies there, by its checkpoint or its first segment; empty when neither says."""
    try:
        return read_checkpoint(directory, files).origin
    except (AuditError, OSError):
        pass
    try:
        path = segment_paths(files, wal_of(directory))[0]
        return str(parse_header(files.read(path), path.name)[0]["origin"])
    except (AuditError, OSError, IndexError):
        return ""


def _where(number: int) -> str:
    return f"shard {number}"
