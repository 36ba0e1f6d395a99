"""One object, explained: what it boils down to, what binds it, where its pods could run, and what was decided. Pure.

Guarantees: never raises, whatever the object holds. The decision is the engine's, made as `policies.checking` makes
it; nothing here decides. What isn't known is said to be unknown.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from policies.cel import EvaluationError
from policies.checking import Case, asked, check
from policies.engine import RuleEngine
from policies.explaining.placement import PodExplained, Surroundings, explain_pod
from policies.facts.context import Situation
from policies.geography import UNPLACED, PlaceSet
from policies.json import Json
from policies.manifests import Document
from policies.positions import line_of
from policies.snapshot import Snapshot
from policies.workloads import Catalogue, Workload, extract, is_workload, kind_of

FACTS = ("images", "models", "devices", "destinations", "volumes", "keys", "identities")


@dataclass(frozen=True, slots=True)
class Found:
    """One thing of an object, and its line. `where` says where it lies, for destinations and keys."""

    fact: str
    path: str
    line: int
    value: Mapping[str, Json]
    where: str = ""


@dataclass(frozen=True, slots=True)
class Bound:
    """What an object is bound to. Where that can't be known, `unknown` says what is missing."""

    data_class: str = ""
    requires: Mapping[str, Json] = field(default_factory=dict)
    jurisdiction: str = ""
    class_defined: bool = True  # otherwise the strictest is assumed
    jurisdiction_defined: bool = True
    governing: tuple[str, ...] = ()  # jurisdictions that bind it by whose data it moves, not by its own namespace
    exempt: bool = False  # an infrastructure namespace: nothing in it is judged
    unknown: str = ""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything that there is to show of one object."""

    document: Document
    api_version: str
    kind: str
    namespace: str
    name: str
    recognised: str  # catalogued | by its shape | not known
    bound: Bound
    pods: tuple[PodExplained, ...]
    found: tuple[Found, ...]
    case: Case
    actor: Mapping[str, Json] | None = None  # where whoever asks acts from; None where nobody does, as in a manifest


def explain(
    document: Document, engine: RuleEngine, snapshot: Snapshot, now: datetime, namespace: str = "default"
) -> Explanation:
    """`namespace` is for objects that name none."""
    catalogue = engine.law.catalogue
    (case,) = check((document,), engine, snapshot, now, namespace, catalogue)
    request, document, _ = asked(document, namespace, catalogue)
    workload = extract(document.value, catalogue=catalogue)
    with Situation(engine.law, request, snapshot, now) as situation:
        bound = _bound(situation, workload)
        rule = situation.jurisdiction.rule if not bound.unknown else None
        around = Surroundings(engine, snapshot, engine.law.geography, rule, request.namespace, now)
        return Explanation(
            document=document,
            api_version=str(document.value.get("apiVersion") or ""),
            kind=request.kind.kind,
            namespace=request.namespace,
            name=request.name,
            recognised=_recognised(document.value, workload, catalogue),
            bound=bound,
            pods=tuple(explain_pod(pod, document, around) for pod in workload["pods"]),
            found=tuple(_found(workload, document, situation)),
            case=case,
            actor=_actor(situation) if case.review is not None else None,
        )


def _actor(situation: Situation) -> Mapping[str, Json]:
    try:
        return situation.actor
    except EvaluationError as missing:
        return {"kind": "somebody", "places": PlaceSet.of((UNPLACED,)), "unknown": str(missing)}


def _recognised(value: Json, workload: Workload, catalogue: Catalogue | None) -> str:
    if kind_of(workload["group"], workload["version"], workload["kind"], catalogue) is not None:
        return "catalogued"
    if workload["known"]:
        return "the API server's own"
    return "by its shape" if is_workload(value, catalogue) else "not known"


def _bound(situation: Situation, workload: Workload) -> Bound:
    try:
        data_class, jurisdiction = situation.data_class, situation.jurisdiction
    except EvaluationError as missing:
        return Bound(unknown=str(missing))
    return Bound(
        data_class=str(data_class["name"]),
        requires={key: value for key, value in data_class.items() if key not in ("name", "known", "rank")},
        jurisdiction=str(jurisdiction["name"]),
        class_defined=bool(data_class["known"]),
        jurisdiction_defined=bool(jurisdiction["known"]),
        governing=_governing(situation, workload),
        exempt=situation.request.namespace in situation.law.exempt,
    )


def _governing(situation: Situation, workload: Workload) -> tuple[str, ...]:
    if situation.request.namespace and not workload["namespaces"]:
        return ()
    try:
        return tuple(str(one["name"]) or "unknown" for one in situation.cluster.governing(workload))
    except EvaluationError as missing:
        return (str(missing),)


def _found(workload: Workload, document: Document, situation: Situation) -> Iterator[Found]:
    for fact in FACTS if workload["pods"] else (*FACTS, "placement"):  # each pod shows its own constraints
        for one in workload[fact]:
            path = str(one["path"])
            yield Found(fact, path, line_of(document, path), one, _where(fact, one, situation))


def _where(fact: str, one: Mapping[str, Json], situation: Situation) -> str:
    if fact in ("destinations", "volumes"):
        look = situation.cluster.destination if fact == "destinations" else situation.cluster.volume
        try:
            place = look(dict(one))
        except EvaluationError as missing:
            return str(missing)
        if place["inside"]:
            return str(place["unknown"]).partition(",")[0]
    elif fact == "keys":
        place = situation.cluster.key(str(one["reference"]))
    else:
        return ""
    return str(place["unknown"] or place["places"])
