"""Kyverno's policies made ready, and what comes of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from policies.cel import Program
from policies.json import Json, JsonObject
from policies.native.model import Annotation, Condition, Constraints, Mutation, Validation
from policies.native.patches import Steps
from policies.snapshot import Question


@dataclass(frozen=True, slots=True)
class Template:
    """Pod controllers that a policy about pods covers too, and where their pod template lies."""

    steps: Steps
    constraints: Constraints


@dataclass(frozen=True, slots=True)
class KyvernoPolicy:
    """What both kinds have. `namespace` is set for the namespaced twins, which only concern their own namespace."""

    kind: str
    name: str
    constraints: Constraints
    namespace: str = ""
    conditions: tuple[Condition, ...] = ()
    variables: Mapping[str, Program] = field(default_factory=dict)
    annotations: tuple[Annotation, ...] = ()
    templates: tuple[Template, ...] = ()
    fail_closed: bool = True


@dataclass(frozen=True, slots=True)
class KyvernoValidatingPolicy(KyvernoPolicy):
    validations: tuple[Validation, ...] = ()
    actions: tuple[str, ...] = ("Deny",)


@dataclass(frozen=True, slots=True)
class KyvernoMutatingPolicy(KyvernoPolicy):
    mutations: tuple[Mutation, ...] = ()


class Result(StrEnum):
    """Kyverno's words."""

    PASS = "pass"  # noqa: S105  # no password
    FAIL = "fail"
    SKIP = "skip"  # the match conditions don't hold
    ERROR = "error"
    UNDETERMINED = "undetermined"  # ours: something isn't known, and nobody may decide without it


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one policy makes of one request. A policy stops at its first validation that doesn't hold: `index`."""

    policy: str
    result: Result
    message: str = ""
    index: int | None = None
    actions: tuple[str, ...] = ()
    fail_closed: bool = True
    annotations: tuple[tuple[str, str], ...] = ()
    questions: tuple[Question, ...] = ()

    @property
    def refuses(self) -> bool:
        """Whether Kyverno's webhook would refuse the request for it."""
        if self.result is Result.FAIL:
            return "Deny" in self.actions
        return self.result is Result.UNDETERMINED or (self.result is Result.ERROR and self.fail_closed)


@dataclass(frozen=True, slots=True)
class Mutated:
    """The object after all mutating policies; those that failed left it as it was."""

    object: Json
    patch: tuple[JsonObject, ...]
    verdicts: tuple[Verdict, ...]
