"""Decisions that were asked for before: a controller tries what was refused again and again, and GitOps re-applies.

A decision is a function of the request but its uid, the door, the day, the rules, and what was read of the snapshot. A
remembered one is given again only for an equal request, and only after everything that was read has been read again
and found to be the same. Nothing here decides anything.
"""

from dataclasses import dataclass, replace
from datetime import date
from hashlib import sha256

from policies.cel import ast
from policies.consulted import Notes
from policies.decision import Decision
from policies.remembered import Shelf
from policies.request import Phase, Request, request_digest
from policies.snapshot import Snapshot

_REMEMBERED, _BYTES = 1024, 16 << 20  # decisions; of their JSON, and of the names that were read

Key = tuple[bytes, Phase, date]  # what is asked, without the request's uid


@dataclass(frozen=True, slots=True)
class _Remembered:
    decision: Decision
    notes: Notes


class Recall:
    """Remembered decisions. One for each set of rules."""

    def __init__(self) -> None:
        self._known: Shelf[Key, _Remembered] = Shelf(_REMEMBERED, _BYTES)

    def find(self, key: Key, snapshot: Snapshot) -> Decision | None:
        """The decision, where everything that it was made from is the same."""
        known = self._known.get(key)
        if known is None or not known.notes.hold_in(snapshot):
            return None
        inputs = known.decision.inputs
        if inputs.snapshot == snapshot.digest:
            return known.decision
        return replace(known.decision, inputs=replace(inputs, snapshot=snapshot.digest))

    def keep(self, key: Key, decision: Decision, notes: Notes) -> None:
        """Remember a decision and what was read for it; the oldest are forgotten when there are too many."""
        self._known.keep(key, _Remembered(decision, notes), len(decision.to_bytes()) + notes.weight)


def question_of(request: Request) -> bytes:
    """SHA-256 of what is asked: two requests with equal ones differ in nothing but their uid.

    Of the bytes that came, where they are known, with a mark in the place of the uid; else of the canonical JSON.
    """
    uid, arrived = request.uid.encode(), request.arrived
    raw = arrived.body if arrived is not None and arrived.review is request.review else b""
    at = raw.find(uid) if uid else -1
    if at < 0:
        return request_digest(request)
    asked = sha256(raw[:at])
    asked.update(b"\0")  # which no JSON text holds
    asked.update(raw[at + len(uid) :])
    return asked.digest()


def sees_uid(node: ast.Node) -> bool:
    """Whether an expression may read `request.uid`: then equal requests may get different decisions.

    `request` is harmless where one of its other fields is taken at once, and nowhere else.
    """
    match node:
        case ast.Ident(name="request"):
            return True
        case (ast.Select(operand=ast.Ident(name="request")) | ast.Has(operand=ast.Ident(name="request"))) as taken:
            return taken.field == "uid"
    return any(sees_uid(child) for child in ast.children(node))
