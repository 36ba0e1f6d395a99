"""Judging manifests as the webhook would judge their creation: corrected first, then validated behind both doors.

One engine serves both uses, so a decision here is the decision in the cluster. What the snapshot doesn't know makes a
case undetermined, which is a finding of its own kind.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from policies.decision import Action, Decision, Needs, Reason
from policies.json import Json, JsonObject
from policies.manifests import Document
from policies.patch import apply
from policies.ports import Engine
from policies.request import GroupKind, Operation, Phase, Request, Resource
from policies.snapshot import Ref, Snapshot
from policies.workloads import kind_of, makes_pods


class Outcome(StrEnum):
    """What a case comes to, worst last."""

    ALLOWED = "allowed"
    NOT_JUDGED = "not judged"  # no workload, or a kind that the catalogue doesn't know, and no policy concerns it
    MUTATED = "mutated"
    WARNED = "warned"
    UNDETERMINED = "undetermined"
    DENIED = "denied"


@dataclass(frozen=True, slots=True)
class Case:
    """One object and what became of it."""

    document: Document
    outcome: Outcome
    known: bool  # is its kind in the catalogue?
    reasons: tuple[Reason, ...] = ()
    patch: tuple[Json, ...] = ()
    policies: tuple[str, ...] = ()
    decisions: tuple[Decision, ...] = field(default=(), repr=False)

    @property
    def violated(self) -> bool:
        return self.outcome in (Outcome.DENIED, Outcome.UNDETERMINED)
