"""The one path from a review to its ruling: decide, ask what only I/O knows, decide again, make it durable, answer.

Guarantees that every call is ruled within its deadline, that nothing is admitted because something went wrong except
behind the door whose policies all say `failurePolicy: Ignore`, and that what is admitted has a durable record, unless
every matching policy says `Ignore` or it was a dry run. It never raises. A record that comes too late is a denial, so
the log may hold an admission that was refused in the end; never a refusal that was admitted.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from audit.errors import LogUnavailable
from audit.leaves.record import Draft, Record, Unsealed
from audit.ports import Envelope, Log
from policies.consulted import Consulted
from policies.decision import Action, Decision, Needs, Reason, Verdict
from policies.ports import Engine, Resolver
from policies.reasons import reason_codes
from policies.request import Phase, Request
from policies.snapshot import Snapshot

logger = logging.getLogger("bailiwick.webhook")

OURS = "bailiwick"  # stands for the policy where a reason is not a policy's
T = TypeVar("T")


class Current(Generic[T]):
    """What is in force now. Swapped as a whole between two requests; a request under way keeps what it began with."""

    __slots__ = ("_value",)

    def __init__(self, value: T) -> None:
        self._value = value

    def __call__(self) -> T:
        return self._value

    def swap(self, value: T) -> None:
        self._value = value


@dataclass(frozen=True, slots=True)
class Call:
    """One review as it came through a door. Times are monotonic seconds, as `time.monotonic` gives them."""

    request: Request
    phase: Phase
    body: bytes  # the AdmissionReview as it came
    received: float  # when its body had been read
    deadline: float  # when the answer must leave
    address: str = ""  # of the caller, for the record


@dataclass(frozen=True, slots=True)
class Ruling:
    """A decision, final. `leaf_index` says where its record lies; a dry run has none."""

    decision: Decision
    id: str
    leaf_index: int | None = None


@dataclass(frozen=True, slots=True)
class Judged:
    """A decision with what its record says of how it came about."""

    call: Call
    decision: Decision
    id: str
    now: datetime  # when it was made
    latency: float  # seconds since the review had been read
    consulted: Consulted | None = None  # what was read of the snapshot; None where nobody decided


_Made = tuple[Record | Draft, Sequence[Envelope | Unsealed]]


class Recording(Protocol):
    """Makes the record of a decision and its sealed parts. Pure but for salts; the log is someone else's."""

    def __call__(self, judged: Judged) -> _Made: ...


class Observer(Protocol):
    """Is told of what operators must see."""

    def failed_open(self, code: str) -> None: ...

    def log_failed(self, cause: Exception) -> None: ...


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a call may take and how often it may ask."""

    rounds: int = 8  # decide, ask, decide again: an engine that still asks after this many rounds never ends
    log_reserve: float = 0.5  # seconds kept for the log; answers to questions must be there before
    late_record: float = 0.1  # seconds; what a refusal that comes too late still gives its own record


class Judge:
    """Rules on calls. The engine and the snapshot are read anew for each call, so both can be swapped under load."""

    def __init__(
        self,
        *,
        engine: Callable[[], Engine],
        snapshot: Callable[[], Snapshot],
        resolver: Resolver,
        log: Log,
        recording: Recording,
        ids: Callable[[], str],
        clock: Callable[[], datetime],
        observer: Observer,
        limits: Limits | None = None,
    ) -> None:
        self._engine = engine
        self._snapshot = snapshot
        self._resolver = resolver
        self._log = log
        self._recording = recording
        self._ids = ids
        self._clock = clock
        self._observer = observer
        self._limits = limits or Limits()
        reason_codes()  # reads the table now instead of during the first fault

    async def rule(self, call: Call) -> Ruling:
        """The ruling, by the call's deadline as far as pure code lets it. Never raises."""
        decision_id, now = self._ids(), self._clock()
        decision, consulted = await self._decided(call, now)
        if call.request.dry_run:
            return Ruling(decision, decision_id)
        latency = time.monotonic() - call.received
        made = self._record_of(Judged(call, decision, decision_id, now, latency, consulted))
        deadline = call.deadline
        # While the disk works, dozens of calls wait here. Their parsed reviews would push each other out of the
        # processor's cache; freed now, the next one is parsed into warm memory.
        del call, consulted
        if isinstance(made, Decision):
            return Ruling(made, decision_id)
        return await self._durable(made, decision, decision_id, deadline)

    async def _decided(self, call: Call, now: datetime) -> tuple[Decision, Consulted | None]:
        try:
            decision, consulted = await self._decide(call, now)
        except TimeoutError:
            return self._without_decision(call.phase, "deadline-exceeded", "no decision was reached in time"), None
        except Exception as fault:  # whatever goes wrong is answered
            logger.exception("fault while a request was judged; it was answered by its door's failure policy")
            message = f"the request could not be judged: {type(fault).__name__}"
            return self._without_decision(call.phase, "internal-fault", message), None
        if time.monotonic() > call.deadline:
            return self._without_decision(call.phase, "deadline-exceeded", "the decision took too long"), None
        return decision, consulted

    async def _decide(self, call: Call, now: datetime) -> tuple[Decision, Consulted]:
        engine, snapshot = self._engine(), self._snapshot()
        for _ in range(self._limits.rounds):
            consulted = Consulted(snapshot)
            outcome = engine.decide(call.request, call.phase, consulted, now)
            if isinstance(outcome, Decision):
                return outcome, consulted
            snapshot = await self._resolve(outcome, call)
        raise RuntimeError(f"the engine still asks after {self._limits.rounds} rounds")

    async def _resolve(self, needs: Needs, call: Call) -> Snapshot:
        until = call.deadline - min(self._limits.log_reserve, (call.deadline - call.received) / 2)
        async with asyncio.timeout(until - time.monotonic()):
            return await self._resolver.resolve(needs, until)

    def _record_of(self, judged: Judged) -> _Made | Decision:
        """The record to append, or what is decided without one."""
        try:
            return self._recording(judged)
        except Exception as fault:  # a record that can't be made is a record that isn't there
            logger.exception("fault while a decision was recorded")
            message = f"the decision could not be recorded: {type(fault).__name__}"
            return self._unrecorded(judged.decision, "internal-fault", message)

    async def _durable(self, made: _Made, decision: Decision, decision_id: str, deadline: float) -> Ruling:
        try:
            async with asyncio.timeout(max(deadline - time.monotonic(), self._limits.late_record)):
                position = await self._log.append(*made)
        except LogUnavailable as cause:
            self._observer.log_failed(cause)
            decision = self._unrecorded(decision, "record-not-durable", "the audit log takes no records")
        except TimeoutError as cause:
            self._observer.log_failed(cause)
            decision = self._unrecorded(decision, "deadline-exceeded", "the record was not durable in time")
        except Exception as fault:
            logger.exception("fault while a record was appended")
            self._observer.log_failed(fault)
            message = f"the decision could not be recorded: {type(fault).__name__}"
            decision = self._unrecorded(decision, "internal-fault", message)
        else:
            return Ruling(decision, decision_id, position.index)
        return Ruling(decision, decision_id)

    def _without_decision(self, phase: Phase, code: str, message: str) -> Decision:
        """No policy has spoken: what the door's policies say about failures holds."""
        reason = _reason(code, message)
        if phase is Phase.IGNORE:
            return self._let_pass(Decision(Verdict.WARNED, fail_closed=False), reason)
        return Decision(Verdict.DENIED, (reason,))

    def _unrecorded(self, decision: Decision, code: str, message: str) -> Decision:
        """The policies have spoken, and there is no durable record of it."""
        reason = _reason(code, message)
        if not decision.allowed:
            return replace(decision, reasons=(*decision.reasons, reason))
        if decision.fail_closed:
            return replace(decision, verdict=Verdict.DENIED, reasons=(*decision.reasons, reason), patch=())
        return self._let_pass(decision, reason)

    def _let_pass(self, decision: Decision, reason: Reason) -> Decision:
        self._observer.failed_open(reason.code)
        warned = replace(reason, actions=(Action.WARN,))
        warning = f"not enforced by {OURS}: {reason.message} ({reason.code})"
        return replace(decision, reasons=(*decision.reasons, warned), warnings=(*decision.warnings, warning))


def _reason(code: str, message: str) -> Reason:
    known = reason_codes()[code]
    return Reason(code, OURS, message, fix=known.fix, controls=known.controls)
