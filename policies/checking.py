"""Judging manifests as the webhook would judge their creation: corrected first, then validated behind both doors.

An AdmissionReview among them is judged as what it asks, whatever the operation. One engine serves both uses, so a
decision here is the decision in the cluster. What the snapshot doesn't know makes a case undetermined, which is a
finding of its own kind.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from policies.decision import Decision, Reason, Verdict
from policies.json import Json, JsonObject
from policies.manifests import Document
from policies.patch import apply
from policies.ports import Engine
from policies.reasons import reason_codes
from policies.request import GroupKind, Operation, Phase, Request, Resource
from policies.reviews import ReviewMalformed, is_review, request_of
from policies.snapshot import Snapshot
from policies.workloads import Catalogue, kind_of, knows_scope, resource_of


class Outcome(StrEnum):
    """What a case comes to."""

    ALLOWED = "allowed"
    MUTATED = "mutated"
    WARNED = "warned"
    NOT_JUDGED = "not judged"  # no policy concerns it: no workload, or a kind that nobody knows
    UNDETERMINED = "undetermined"
    DENIED = "denied"


@dataclass(frozen=True, slots=True)
class Case:
    """One object and what became of it."""

    document: Document  # the object's own, also where it lay in a review
    outcome: Outcome
    known: bool  # is its kind in the catalogue?
    reasons: tuple[Reason, ...] = ()
    patch: tuple[Json, ...] = ()
    policies: tuple[str, ...] = ()
    review: Request | None = None  # what was asked, where it was an AdmissionReview
    supposed: str = ""  # the namespace of an object that names none, where nobody knows whether its kind has namespaces

    @property
    def violated(self) -> bool:
        return self.outcome in (Outcome.DENIED, Outcome.UNDETERMINED)


def check(
    documents: Iterable[Document],
    engine: Engine,
    snapshot: Snapshot,
    now: datetime,
    namespace: str = "default",
    catalogue: Catalogue | None = None,
) -> Iterator[Case]:
    """A case for every document, in order. `namespace` is for objects that name none.

    `catalogue` is the one that the engine decides by, where that isn't the built-in one.
    """
    for document in documents:
        yield _case(document, engine, snapshot, now, namespace, catalogue)


def _case(
    document: Document, engine: Engine, snapshot: Snapshot, now: datetime, namespace: str, catalogue: Catalogue | None
) -> Case:
    request, document, reviewed = asked(document, namespace, catalogue)
    corrected = _decided(engine, request, Phase.MUTATE, snapshot, now)
    decisions = [corrected]
    if corrected.patch:
        request = with_object(request, apply(request.object, corrected.patch))
    if corrected.allowed:
        decisions += [_decided(engine, request, phase, snapshot, now) for phase in (Phase.FAIL, Phase.IGNORE)]
    policies = tuple(dict.fromkeys(name for decision in decisions for name in decision.policies))
    reasons = tuple(dict.fromkeys(reason for decision in decisions for reason in decision.reasons))
    known = kind_of(request.kind.group, request.kind.version, request.kind.kind, catalogue) is not None
    outcome = _outcome(decisions) if policies or reasons else Outcome.NOT_JUDGED
    refused = outcome in (Outcome.DENIED, Outcome.UNDETERMINED)
    patch = () if refused else corrected.patch
    supposed = "" if reviewed or outcome is Outcome.NOT_JUDGED else _supposed(request, catalogue)
    return Case(document, outcome, known, reasons, patch, policies, request if reviewed else None, supposed)


def _supposed(request: Request, catalogue: Catalogue | None) -> str:
    kind, metadata = request.kind, (request.object or {}).get("metadata")
    named = isinstance(metadata, dict) and metadata.get("namespace")
    return "" if named or knows_scope(kind.group, kind.version, kind.kind, catalogue) else request.namespace


def asked(document: Document, namespace: str, catalogue: Catalogue | None = None) -> tuple[Request, Document, bool]:
    """What a document asks for, the document of the object that it is about, and whether it lay in a review.

    An AdmissionReview that can't be read is an object like any other.
    """
    if not is_review(document.value):
        return creation(document.value, namespace, catalogue=catalogue), document, False
    try:
        request = request_of(document.value)
    except ReviewMalformed:
        return creation(document.value, namespace, catalogue=catalogue), document, False
    name = "object" if request.object is not None else "oldObject"
    about = replace(document, value=request.subject, path=(*document.path, "request", name))
    return request, about, True


def creation(found: JsonObject, namespace: str, uid: str = "", catalogue: Catalogue | None = None) -> Request:
    """The request that the API server would send for the creation of this object."""
    group, _, version = str(found.get("apiVersion") or "").rpartition("/")
    kind = GroupKind(group, version, str(found.get("kind") or ""))
    plural, namespaced = resource_of(kind.group, kind.version, kind.kind, catalogue)
    metadata = found["metadata"] if isinstance(found.get("metadata"), dict) else {}
    request = Request(
        uid=uid,
        operation=Operation.CREATE,
        kind=kind,
        resource=Resource(group, version, plural),
        namespace=str(metadata.get("namespace") or namespace) if namespaced else "",
        name=str(metadata.get("name") or ""),
        dry_run=True,
    )
    return with_object(request, found)


def with_object(request: Request, found: Json) -> Request:
    """The same request about another version of the object; `review` is kept in step."""
    kind, resource = request.kind, request.resource
    review: dict[str, Json] = {
        **request.review,
        "uid": request.uid,
        "kind": {"group": kind.group, "version": kind.version, "kind": kind.kind},
        "resource": {"group": resource.group, "version": resource.version, "resource": resource.plural},
        "name": request.name,
        "namespace": request.namespace,
        "operation": str(request.operation),
        "userInfo": request.user,
        "object": found,
        "dryRun": request.dry_run,
    }
    if request.subresource:
        review["subResource"] = request.subresource
    if request.old_object is not None:
        review["oldObject"] = request.old_object
    return replace(request, object=found, review=review)


def _decided(engine: Engine, request: Request, phase: Phase, snapshot: Snapshot, now: datetime) -> Decision:
    decision = engine.decide(request, phase, snapshot, now)
    if isinstance(decision, Decision):
        return decision
    known = reason_codes()["undetermined"]
    reasons = (Reason("undetermined", "", f"not known: {question}", fix=known.fix) for question in decision.questions)
    return Decision(Verdict.UNDETERMINED, tuple(replace(reason, undetermined=True) for reason in reasons))


_WORST_FIRST = (
    (Verdict.DENIED, Outcome.DENIED),
    (Verdict.UNDETERMINED, Outcome.UNDETERMINED),
    (Verdict.WARNED, Outcome.WARNED),
    (Verdict.MUTATED, Outcome.MUTATED),
)


def _outcome(decisions: Sequence[Decision]) -> Outcome:
    verdicts = {decision.verdict for decision in decisions}
    return next((outcome for verdict, outcome in _WORST_FIRST if verdict in verdicts), Outcome.ALLOWED)
