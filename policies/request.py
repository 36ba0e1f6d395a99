"""One admission request as the rules see it: an AdmissionRequest (admission.k8s.io/v1), its object a plain dict."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256

from policies.json import Json, JsonObject, canonical


class Operation(StrEnum):
    CREATE = "CREATE"
    UPDATE = "UPDATE"
    DELETE = "DELETE"
    CONNECT = "CONNECT"


class Phase(StrEnum):
    """Which door the request came through. A policy is evaluated behind exactly one of the two validating doors."""

    MUTATE = "mutate"
    FAIL = "validate-fail"  # policies whose failurePolicy is Fail
    IGNORE = "validate-ignore"  # policies whose failurePolicy is Ignore


@dataclass(frozen=True, slots=True)
class GroupKind:
    group: str
    version: str
    kind: str

    def __str__(self) -> str:
        return f"{self.group}/{self.version}/{self.kind}" if self.group else f"{self.version}/{self.kind}"


@dataclass(frozen=True, slots=True)
class Resource:
    group: str
    version: str
    plural: str


@dataclass(frozen=True, slots=True)
class Arrived:
    """The bytes that a review was parsed from. Of another review than this very one they say nothing."""

    review: JsonObject
    body: bytes


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked. `review` is the AdmissionRequest as it came and is what CEL sees as `request`."""

    uid: str
    operation: Operation
    kind: GroupKind
    resource: Resource
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    object: Json = None
    old_object: Json = None
    options: Json = None
    user: JsonObject = field(default_factory=dict)
    dry_run: bool = False
    review: JsonObject = field(default_factory=dict)
    arrived: Arrived | None = field(default=None, repr=False, compare=False)

    @property
    def subject(self) -> Json:
        """The object that the request is about: the new one, or on DELETE the one that goes."""
        return self.object if self.object is not None else self.old_object


def request_digest(request: Request) -> bytes:
    """SHA-256 over the canonical JSON of the AdmissionRequest, its uid left out: equal questions, equal digests."""
    asked = {key: value for key, value in request.review.items() if key != "uid"}
    return sha256(canonical(asked)).digest()


def labels_of(found: Json) -> Mapping[str, Json]:
    """The labels of an object; none where it has none, or something else in their place."""
    metadata = found.get("metadata") if isinstance(found, dict) else None
    labels = metadata.get("labels") if isinstance(metadata, dict) else None
    return labels if isinstance(labels, dict) else {}
