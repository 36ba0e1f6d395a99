"""What the engine answers: a decision with every reason, or the needs that only I/O can meet."""

from dataclasses import dataclass, field
from enum import StrEnum

import orjson

from policies.json import Json
from policies.snapshot import Question


class Verdict(StrEnum):
    ALLOWED = "allowed"
    MUTATED = "mutated"
    WARNED = "warned"
    DENIED = "denied"
    UNDETERMINED = "undetermined"  # something needed is unknown; never allowed


class Action(StrEnum):
    """What a failed validation does (the VAP's validationActions)."""

    DENY = "Deny"
    WARN = "Warn"
    AUDIT = "Audit"


@dataclass(frozen=True, slots=True)
class Reason:
    """One failed rule at one place of the object."""

    code: str  # stable id, see reasons.yaml
    policy: str
    message: str
    path: str = ""  # where in the object, e.g. `spec.template.spec.containers[0]`
    fix: str = ""  # what to change
    controls: tuple[str, ...] = ()
    actions: tuple[Action, ...] = (Action.DENY,)
    undetermined: bool = False


@dataclass(frozen=True, slots=True)
class Summary:
    """What the decision was about, in the words that registers and queries need; nothing personal."""

    data_class: str = ""
    jurisdiction: str = ""
    places: tuple[str, ...] = ()  # place codes; a leading `!` marks a co-finite set
    isolation: str = ""
    models: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    actor_places: tuple[str, ...] = ()  # where whoever asks acts from, where a rule asked for it


@dataclass(frozen=True, slots=True)
class Inputs:
    """SHA-256 of everything that the decision depends on."""

    request: bytes = b""
    snapshot: bytes = b""
    policies: bytes = b""
    data: bytes = b""  # regions and catalogue
    engine: str = ""  # version


@dataclass(frozen=True, slots=True)
class Decision:
    """Total: for every request there is one. Equal inputs give equal bytes."""

    verdict: Verdict
    reasons: tuple[Reason, ...] = ()
    warnings: tuple[str, ...] = ()
    patch: tuple[Json, ...] = ()  # RFC 6902 operations
    annotations: tuple[tuple[str, str], ...] = ()
    waivers: tuple[str, ...] = ()
    policies: tuple[str, ...] = ()  # names of the policies that matched
    fail_closed: bool = True  # some matching policy says `failurePolicy: Fail`
    summary: Summary = field(default_factory=Summary)
    inputs: Inputs = field(default_factory=Inputs)

    @property
    def allowed(self) -> bool:
        return self.verdict not in (Verdict.DENIED, Verdict.UNDETERMINED)

    def to_bytes(self) -> bytes:
        """Canonical JSON: keys sorted, digests in hex."""
        return orjson.dumps(self, default=bytes.hex, option=orjson.OPT_SORT_KEYS)


@dataclass(frozen=True, slots=True)
class Needs:
    """The decision can't be made yet: resolve these questions and call again with the richer snapshot."""

    questions: tuple[Question, ...]
