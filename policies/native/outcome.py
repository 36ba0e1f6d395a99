"""What became of a request: admitted or not, with everything the API server says about it, as data."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from policies.json import Json, JsonObject
from policies.snapshot import Question

_CODES = {"Forbidden": 403, "Unauthorized": 401, "RequestEntityTooLarge": 413}


@dataclass(frozen=True, slots=True)
class Status:
    """The API server's answer to a refused request (meta/v1 Status)."""

    code: int
    reason: str
    message: str
    causes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Denial:
    """One thing that refuses the request. `binding` is empty where the policy itself is at fault."""

    policy: str
    binding: str
    message: str
    reason: str = "Invalid"
    expression: int | None = None  # index of the validation or mutation, where it is about one


@dataclass(frozen=True, slots=True)
class Outcome:
    """`allowed` is false as well where something isn't known: `undetermined` says what, `questions` who could tell.

    `denials` are all of them, also those after the first, which alone the API server reports. `policies` are those that
    matched, with a binding. `object` is the object after all mutations, `patch` the way there.
    """

    denials: tuple[Denial, ...] = ()
    status: Status | None = None
    warnings: tuple[str, ...] = ()
    annotations: Mapping[str, str] = field(default_factory=dict)
    undetermined: tuple[str, ...] = ()
    questions: tuple[Question, ...] = ()
    policies: tuple[str, ...] = ()
    object: Json = None
    patch: tuple[JsonObject, ...] = ()

    @property
    def allowed(self) -> bool:
        return self.status is None and not self.undetermined


def code_of(reason: str) -> int:
    """The HTTP status of a validation's reason; 422 for `Invalid` and whatever isn't known."""
    return _CODES.get(reason, 422)
