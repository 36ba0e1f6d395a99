"""Real parts that misbehave when asked: by annotations on the object (engine), by attributes (log, resolver)."""

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from hashlib import sha256

from audit.errors import LogUnavailable
from audit.files.committer import Item
from audit.leaves.drafts import made
from audit.leaves.record import Draft, Record, SealedPart, Unsealed
from audit.ports import Envelope, Position
from keymgmt.ports import Binding
from policies.decision import Action, Decision, Inputs, Needs, Reason, Summary, Verdict
from policies.request import Phase, Request
from policies.snapshot import Answer, Lookup, MemorySnapshot, Ref, Snapshot

BEHAVE = "test.bailiwick.dev/behave"
FAILURE_POLICY = "test.bailiwick.dev/failure-policy"
QUESTION = Lookup(Ref("", "Namespace", "", "inference"))


class ScriptedEngine:
    """An `Engine` that does what an annotation of the object says; without one, it allows."""

    def __init__(self, name: str = "scripted") -> None:
        self.name = name

    def decide(self, request: Request, phase: Phase, snapshot: Snapshot, now: datetime) -> Decision | Needs:
        annotations = ((request.subject or {}).get("metadata") or {}).get("annotations") or {}
        closed = annotations.get(FAILURE_POLICY, "Fail") == "Fail" and phase is not Phase.IGNORE
        behaviour = annotations.get(BEHAVE, "allow")
        act: Callable[[Snapshot, bool], Decision | Needs] = getattr(self, "_" + behaviour.replace("-", "_"))
        return act(snapshot, closed)

    def _allow(self, snapshot: Snapshot, closed: bool) -> Decision:
        inputs = Inputs(sha256(b"request").digest(), snapshot.digest, sha256(b"policies").digest(), b"", self.name)
        summary = Summary("restricted", "eu", ("aws.eu-central-1",), "exclusive")
        return Decision(Verdict.ALLOWED, policies=("placement",), fail_closed=closed, inputs=inputs, summary=summary)

    def _deny(self, snapshot: Snapshot, closed: bool) -> Decision:
        where = "spec.template.spec.containers[0].image"
        reasons = (
            Reason("image-not-pinned", "provenance", "image `vllm:latest` is not pinned", where, "use a digest"),
            Reason("image-not-pinned", "provenance", "image `vllm:latest` is not pinned", "spec.other", "use a digest"),
            Reason("place-outside-jurisdiction", "placement", "could run in `aws.us-east-1`", fix="require a place"),
        )
        return Decision(Verdict.DENIED, reasons, policies=("placement", "provenance"), fail_closed=closed)

    def _warn(self, snapshot: Snapshot, closed: bool) -> Decision:
        reason = Reason("policy-violated", "placement", "soon refused", actions=(Action.WARN,))
        return Decision(Verdict.WARNED, (reason,), ("soon\nrefused", "x" * 300), fail_closed=closed)

    def _patch(self, snapshot: Snapshot, closed: bool) -> Decision:
        step = {"op": "add", "path": "/metadata/labels", "value": {"a": "b"}}
        return Decision(Verdict.MUTATED, patch=(step,), fail_closed=closed)

    def _raise(self, snapshot: Snapshot, closed: bool) -> Decision:
        raise RuntimeError("the engine broke, as asked")

    def _block(self, snapshot: Snapshot, closed: bool) -> Decision:
        time.sleep(1.2)  # what a rule that never ends does to an event loop
        return self._allow(snapshot, closed)

    def _ask(self, snapshot: Snapshot, closed: bool) -> Decision | Needs:
        answer = snapshot.answer(QUESTION)
        if not isinstance(answer, Answer):
            return Needs((QUESTION,))
        return self._allow(snapshot, closed) if answer.value == {"known": True} else self._deny(snapshot, closed)

    def _ask_forever(self, snapshot: Snapshot, closed: bool) -> Needs:
        return Needs((QUESTION,))


class ScriptedResolver:
    """Answers after `delay` seconds, whatever the deadline says: a resolver that keeps no time."""

    def __init__(self, delay: float = 0.0) -> None:
        self.delay = delay
        self.asked: list[Needs] = []

    async def resolve(self, needs: Needs, deadline: float) -> Snapshot:
        self.asked.append(needs)
        await asyncio.sleep(self.delay)
        return MemorySnapshot(live=True).with_answers({q: Answer({"known": True}) for q in needs.questions})


class MemoryLog:
    """A log that forgets at the end. `broken` makes it unavailable, `delay` makes it slow."""

    def __init__(self) -> None:
        self.broken: Exception | None = None
        self.delay = 0.0
        self.records: list[Item] = []

    async def append(self, record: Record | Draft, sealed: Sequence[Envelope | Unsealed]) -> Position:
        if self.broken is not None:
            raise self.broken
        if self.delay:
            await asyncio.sleep(self.delay)
        finished = made(record, sealed, lambda plain, _namespace: SealedPart("", plain))
        self.records.append(finished)
        return Position("test", len(self.records) - 1, sha256(finished[0].body).digest())

    def break_down(self) -> None:
        self.broken = LogUnavailable("the disk is gone, as asked")


class OpenEnvelope:
    """What a seal would hide, kept in sight for tests."""

    def __init__(self, region: str, data: bytes, bound: Binding) -> None:
        self.region, self.data, self.bound = region, data, bound

    def to_bytes(self) -> bytes:
        return self.data


class OpenSealer:
    """A `Sealer` that seals nothing: tests look at what would have been sealed."""

    def seal(self, data: bytes, bound: Binding) -> OpenEnvelope:
        return OpenEnvelope(bound.region, data, bound)
