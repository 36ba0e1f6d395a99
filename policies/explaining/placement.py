"""Where one pod of an object could run: as it is written, and as the webhook would correct it. Pure.

Each constraint has its line and what it leaves of the places before it. The places shown are those that the
ClusterProfile declares and those that the pod itself names; sets that reach further say so in words.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from policies.checking import creation
from policies.decision import Decision
from policies.explaining.devices import claims_told
from policies.explaining.expressions import place_expressions
from policies.explaining.uncounted import Uncounted, uncounted
from policies.geography import (
    ANYWHERE,
    PLACE_LABEL,
    UNPLACED,
    Geography,
    JurisdictionRule,
    Place,
    PlaceSet,
    Possible,
    possible,
)
from policies.geography.affinity import REQUIRED_PATH, required_affinity
from policies.json import Json, JsonObject
from policies.manifests import Document
from policies.patch import apply, parse_pointer
from policies.ports import Engine
from policies.positions import line_at
from policies.request import Phase
from policies.snapshot import Pending, Snapshot, Unknown
from policies.workloads import PodFact, rebase
from policies.workloads.catalogue.paths import member, pointer


@dataclass(frozen=True, slots=True)
class Narrowing:
    """One constraint: where it is written, what it says, and what is left of the places with those before it."""

    path: str
    line: int
    says: str
    leaves: PlaceSet


@dataclass(frozen=True, slots=True)
class Addition:
    """One operation of the webhook's correction, by JSON pointer into the object."""

    path: str
    value: Json


@dataclass(frozen=True, slots=True)
class PlaceRow:
    """One place: could the pod run there as written, and as corrected; `refusals` are the jurisdiction's."""

    code: str
    place: Place | None  # None: no such place is known
    written: bool
    corrected: bool
    refusals: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PodExplained:
    """One pod of an object. `corrected` is None where the webhook would not correct but refuse it."""

    path: str
    line: int
    planned: bool  # a controller plans by the template, so it is corrected where it stands
    isolation: str
    runtime: str
    written: PlaceSet
    corrected: PlaceSet | None
    narrowings: tuple[Narrowing, ...]
    uncounted: tuple[Uncounted, ...]
    unresolved: tuple[str, ...]  # what the snapshot doesn't tell and could make the set smaller
    rows: tuple[PlaceRow, ...]
    additions: tuple[Addition, ...]
    refusals: tuple[str, ...]  # why the jurisdiction doesn't admit it, as corrected where it is corrected


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What pods are placed in."""

    engine: Engine
    snapshot: Snapshot
    geography: Geography
    rule: JurisdictionRule | None
    namespace: str
    now: datetime


def explain_pod(pod: PodFact, document: Document, around: Surroundings) -> PodExplained:
    """Never raises, whatever the pod holds."""
    metadata = {**pod["metadata"], "namespace": around.namespace}  # a template's own namespace is ignored
    synthetic = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod["spec"]}
    written = possible(synthetic, around.snapshot, around.geography, around.namespace)
    operations = _correction(synthetic, around)
    after = None if operations is None else _corrected(synthetic, operations, around)
    judged = written.places if after is None else after
    base = _base(pod)
    return PodExplained(
        path=pod["path"],
        line=line_at(document, pod["pointer"]),
        planned=pod["planned"],
        isolation=pod["isolation"],
        runtime=pod["runtime"],
        written=written.places,
        corrected=after,
        narrowings=tuple(_narrowings(written, pod["spec"], base, document)),
        uncounted=tuple(_uncounted(pod["spec"], base, document, around)),
        unresolved=tuple(_missing(one) for one in written.unresolved),
        rows=tuple(_rows(written.places, after, around)),
        additions=tuple(Addition(str(one["path"]), one.get("value")) for one in rebase(pod, operations or ())),
        refusals=tuple(around.rule.refusals(judged)) if around.rule else (),
    )


def _base(pod: PodFact) -> str:
    """Where the pod's spec stands, as a JSON pointer."""
    return str(pod.source.pointers()["spec"])


def _correction(pod: JsonObject, around: Surroundings) -> list[JsonObject] | None:
    """What the webhook would do to such a pod; None where it would refuse it, or can't tell."""
    request = creation(pod, around.namespace)
    decision = around.engine.decide(request, Phase.MUTATE, around.snapshot, around.now)
    return list(decision.patch) if isinstance(decision, Decision) and decision.allowed else None


def _corrected(pod: JsonObject, operations: list[JsonObject], around: Surroundings) -> PlaceSet:
    return possible(apply(pod, operations), around.snapshot, around.geography, around.namespace).places


def _narrowings(found: Possible, spec: JsonObject, base: str, document: Document) -> Iterator[Narrowing]:
    required = required_affinity(spec)
    left = ANYWHERE
    for each in found.constraints:
        left = left & each.places
        below = each.path.removeprefix("spec.").replace(f"[{PLACE_LABEL}]", f'["{PLACE_LABEL}"]')
        expressions = list(place_expressions(required)) if each.path == REQUIRED_PATH else []
        if len(expressions) == 1:  # the one line to change; several are all in the same words
            below = f"{below}.{expressions[0]}"
        where = base + pointer(below)
        yield Narrowing(_dotted(where), line_at(document, where), each.says, left)


def _uncounted(spec: JsonObject, base: str, document: Document, around: Surroundings) -> Iterator[Uncounted]:
    for below, why in (*uncounted(spec), *claims_told(spec, around.namespace, around.snapshot)):
        where = base + pointer(below)
        yield Uncounted(_dotted(where), line_at(document, where), why)


def _dotted(where: str) -> str:
    """A JSON pointer as a path: `/spec/volumes/0` is `spec.volumes[0]`."""
    path = ""
    for part in parse_pointer(where):
        path = f"{path}[{part}]" if part.isdigit() else member(path, part)
    return path


def _missing(one: Unknown | Pending) -> str:
    return one.missing if isinstance(one, Unknown) else str(one.question)


def _rows(written: PlaceSet, after: PlaceSet | None, around: Surroundings) -> Iterator[PlaceRow]:
    named = [set(places.codes) for places in (written, after) if places is not None]
    declared = [place.code for place in around.geography.inhabited()]
    codes = dict.fromkeys([*declared, *sorted(set().union(*named) - {UNPLACED, ""})])
    for code in codes:
        place = around.geography.by_code(code)
        refusals = around.rule.refusals(PlaceSet.of((code,))) if around.rule else []
        yield PlaceRow(code, place, code in written, after is not None and code in after, tuple(refusals))
