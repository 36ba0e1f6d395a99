"""Carries out an erasure: approved, held by nothing, recorded first, then done.

Guarantees that nothing is erased that wasn't approved part by part, that approvals count once, that a hold stops it,
and that the records of the erasure are durable before the first byte goes: after a crash in between it is done again,
with the same approvals. The records that named the parts stay and verify; replay says that they are erased.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from audit.leaves.record import Record, event_record
from audit.ports import Envelope, Position
from audit.reading import LoggedRecord
from audit.sealed.erasure_plan import Chosen, ErasureRefused, Scope, Survey, action_bytes, parse_action, parts_of
from audit.sealed.inputs import Origin
from audit.whole import Place

_FOREVER: Place = (1 << 62, 0)
AT_ONCE = 500  # parts that one erasure record names


class Log(Protocol):
    """The open log: appends in the caller's thread."""

    def append_now(self, record: Record, sealed: Sequence[Envelope] = ()) -> Position: ...


class Whole(Protocol):
    """A log's records and sealed parts, wherever they lie: `audit.whole.WholeFiles`, `audit.postgres.whole`."""

    def name(self) -> str: ...

    def records(self) -> Iterator[tuple[int, LoggedRecord]]: ...

    def end(self) -> Place: ...

    def erase(self, parts: Sequence[bytes]) -> None: ...


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
    unread: tuple[Place, ...] = ()  # records that nobody can read: whether they are in the scope is unknown


def plan(whole: Whole, scope: Scope, basis: str, *, progress: Progress = lambda _done: None) -> Plan:
    """What erasing would take now. Raises ErasureRefused where the scope is empty."""
    scope = with_siblings(whole, scope)
    shard, index = max(scope.records, default=(0, -1))
    end = (shard, index + 1) if scope.kind == "records" else whole.end()
    survey = surveyed(whole, scope, end, progress)
    if not survey.chosen:
        raise ErasureRefused("no record with a sealed part lies in this scope", "look for them with `audit query`")
    action = action_bytes(whole.name(), end, scope, basis, survey.chosen)
    return Plan(action, len(survey.chosen), len(parts_of(survey.chosen)), survey.held(), tuple(survey.unread))


def surveyed(whole: Whole, scope: Scope, end: Place, progress: Progress = lambda _done: None) -> Survey:
    """Read the whole log for a scope."""
    survey = Survey(scope, end)
    for done, (shard, record) in enumerate(whole.records()):
        survey.take(shard, record)
        progress(done)
    return survey


def with_siblings(whole: Whole, scope: Scope) -> Scope:
    """Records of the same request behind the other validating door hold the same object: they go along."""
    if scope.kind != "records":
        return scope
    tagged: dict[Place, str] = {}
    for shard, record in whole.records():
        tag = (record.fields.get("tags") or {}).get("object")
        if tag:
            tagged[shard, record.index] = tag
    tags = {tagged[place] for place in scope.records if place in tagged}
    return Scope("records", records=scope.records | {place for place, tag in tagged.items() if tag in tags})


@dataclass(frozen=True, slots=True)
class Eraser:
    """Erases in one log, for the process that holds it."""

    log: Log
    whole: Whole
    origin: Origin
    clock: Callable[[], datetime]

    def erase(self, action: bytes, approve: Approve) -> Done:
        """Do what was approved. Raises ErasureRefused, what `approve` raises, LogUnavailable, OSError."""
        end, scope, basis = parse_action(action)
        survey = surveyed(self.whole, scope, end)
        if action_bytes(self.whole.name(), end, scope, basis, survey.chosen) != action:
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
        self.whole.erase(parts)
        return Done(len(survey.chosen), len(parts), leaves)

    def expire(self, scope: Scope, basis: str) -> Done:
        """Erase what a retention time has ended for; what a hold covers stays. Raises LogUnavailable, OSError."""
        survey = surveyed(self.whole, scope, _FOREVER)
        chosen: list[Chosen] = survey.free()
        parts = [part for part in parts_of(chosen) if part not in survey.erased]
        leaves = tuple(self._record({"basis": basis, **scope.fields()}, parts, ()))
        self.whole.erase(parts_of(chosen))
        return Done(sum(not survey.erased.issuperset(one.parts) for one in chosen), len(parts), leaves)

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
