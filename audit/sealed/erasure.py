"""Carries out an erasure: approved, held by nothing, recorded first, then done.

Guarantees that nothing is erased that wasn't approved part by part, that approvals count once, that a hold stops it,
and that the records of the erasure are durable before the first byte goes: after a crash in between it is done again,
with the same approvals. The records that named the parts stay and verify; replay says that they are erased.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from audit.files.store import Disk, FileSystem
from audit.leaves.record import Record, event_record
from audit.ports import Envelope, Position
from audit.reading import read_records
from audit.sealed.erasing import erase_parts
from audit.sealed.erasure_plan import Chosen, ErasureRefused, Scope, Survey, action_bytes, parse_action, parts_of
from audit.sealed.inputs import Origin
from audit.whole import Place, name_of_log, present_shards, whole_log

_FOREVER: Place = (1 << 62, 0)
AT_ONCE = 500  # parts that one erasure record names


class Log(Protocol):
    """The open log: appends in the caller's thread."""

    @property
    def origin(self) -> str: ...

    def append_now(self, record: Record, sealed: Sequence[Envelope] = ()) -> Position: ...


@dataclass(frozen=True, slots=True)
class Approved:
    """A quorum, as it is recorded. `evidence` is the sealed votes: names of people stand in no leaf."""

    count: int
    needed: int
    nonce: bytes
    evidence: tuple[Envelope, ...] = ()


Approve = Callable[[bytes], Approved]  # of an action's bytes; raises what the keyring raises
Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Done:
    """What an erasure did."""

    records: int
    parts: int
    leaves: tuple[int, ...]  # indices of the erasure's own records


@dataclass(frozen=True, slots=True)
class Plan:
    """What an erasure would do, for people to approve."""

    action: bytes
    records: int
    parts: int
    held: dict[str, int]  # holds against it


def plan(directory: Path, name: str, scope: Scope, basis: str, *, progress: Progress = lambda _done: None) -> Plan:
    """What erasing would take now; `name` is the log's. Raises ErasureRefused where the scope is empty."""
    scope = with_siblings(directory, scope)
    end = max(scope.records, default=(0, -1)) if scope.kind == "records" else _last(directory)
    end = (end[0], end[1] + 1)
    survey = surveyed(directory, scope, end, progress)
    if not survey.chosen:
        raise ErasureRefused("no record with a sealed part lies in this scope", "look for them with `audit query`")
    action = action_bytes(name, end, scope, basis, survey.chosen)
    return Plan(action, len(survey.chosen), len(parts_of(survey.chosen)), survey.held())


def surveyed(
    directory: Path,
    scope: Scope,
    end: Place,
    progress: Progress = lambda _done: None,
    files: FileSystem | None = None,
) -> Survey:
    """Read the whole log for a scope."""
    survey = Survey(scope, end)
    for done, (shard, record) in enumerate(whole_log(directory, files)):
        survey.take(shard, record)
        progress(done)
    return survey


def with_siblings(directory: Path, scope: Scope, files: FileSystem | None = None) -> Scope:
    """Records of the same request behind the other validating door hold the same object: they go along."""
    if scope.kind != "records":
        return scope
    tagged: dict[Place, str] = {}
    for shard, record in whole_log(directory, files):
        tag = (record.fields.get("tags") or {}).get("object")
        if tag:
            tagged[shard, record.index] = tag
    tags = {tagged[place] for place in scope.records if place in tagged}
    return Scope("records", records=scope.records | {place for place, tag in tagged.items() if tag in tags})


def _last(directory: Path) -> Place:
    """The last record there is."""
    number, place = present_shards(directory)[-1]
    return number, max((record.index for record in read_records(place)), default=-1)


@dataclass(frozen=True, slots=True)
class Eraser:
    """Erases in one log, for the process that holds it."""

    log: Log
    directory: Path
    origin: Origin
    clock: Callable[[], datetime]
    files: FileSystem | None = None

    def erase(self, action: bytes, approve: Approve) -> Done:
        """Do what was approved. Raises ErasureRefused, what `approve` raises, LogUnavailable, OSError."""
        end, scope, basis = parse_action(action)
        survey = surveyed(self.directory, scope, end, files=self.files)
        name_now = name_of_log(self.directory, self.log.origin, self.files)
        if action_bytes(name_now, end, scope, basis, survey.chosen) != action:
            raise ErasureRefused("what was approved is not what this log holds", "make a new request for this log")
        approved = approve(action)
        name = hashlib.sha256(action).hexdigest()
        self._check(survey, approved, name)
        said = {
            "basis": basis,
            "approvals": approved.count,
            "needed": approved.needed,
            "action": name,
            "nonce": _nonce(approved),
        }
        parts = parts_of(survey.chosen)
        left = [part for part in parts if part not in survey.actions.get(name, ())]
        leaves = tuple(self._record({**said, **scope.fields()}, left, approved.evidence))
        self._erase(parts)
        return Done(len(survey.chosen), len(parts), leaves)

    def expire(self, scope: Scope, basis: str) -> Done:
        """Erase what a retention time has ended for; what a hold covers stays. Raises LogUnavailable, OSError."""
        survey = surveyed(self.directory, scope, _FOREVER, files=self.files)
        chosen: list[Chosen] = survey.free()
        parts = [part for part in parts_of(chosen) if part not in survey.erased]
        leaves = tuple(self._record({"basis": basis, **scope.fields()}, parts, ()))
        self._erase(parts_of(chosen))
        return Done(sum(not survey.erased.issuperset(one.parts) for one in chosen), len(parts), leaves)

    def _erase(self, parts: Sequence[bytes]) -> None:
        for _, place in present_shards(self.directory, self.files):
            erase_parts(self.files or Disk(), place, parts)

    def _check(self, survey: Survey, approved: Approved, name: str) -> None:
        held = survey.held()
        if held:
            holds = ", ".join(f"`{hold}` on {count} records" for hold, count in sorted(held.items()))
            raise ErasureRefused(f"legal holds stand against it: {holds}", "lift them with `bailiwick audit hold`")
        if _nonce(approved) in survey.nonces and name not in survey.actions:
            raise ErasureRefused("these approvals were used already", "make a new request, with a nonce of its own")

    def _record(self, said: dict[str, object], parts: Sequence[bytes], evidence: tuple[Envelope, ...]) -> Iterator[int]:
        """Erasure records, durable one after the other; the votes go with the first."""
        for begin in range(0, len(parts), AT_ONCE):
            named = [part.hex() for part in parts[begin : begin + AT_ONCE]]
            fields = {**self.origin.fields(self.clock()), **said, "sealed": named}
            record = event_record("erasure", fields)
            yield self.log.append_now(record, evidence if begin == 0 else ()).index


def _nonce(approved: Approved) -> str:
    return hashlib.sha256(approved.nonce).hexdigest()
