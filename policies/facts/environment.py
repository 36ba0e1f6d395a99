"""What Bailiwick adds to the API server's CEL: the typed facts and the functions over them, as one table."""

from collections.abc import Callable
from functools import cache

from policies.cel import Environment, EvaluationError
from policies.cel.functions import Function, free, method
from policies.cel.library.patch import JSON_PATCH
from policies.cel.types import BOOL, DYN, INT, STRING, CelType, list_of
from policies.facts.classification import JurisdictionFact
from policies.facts.cluster import Cluster
from policies.facts.types import (
    ACTOR,
    CLUSTER,
    DATA_CLASS,
    DEBUGGER,
    DESTINATION,
    JURISDICTION,
    KEY,
    PLACE,
    PLACE_SET,
    POD,
    VOLUME,
    WHEREABOUTS,
    WORKLOAD,
)
from policies.geography import Place, PlaceSet, Regions
from policies.json import JsonObject
from policies.workloads import rank as device_rank
from policies.workloads import runtime_rank

JSON_PATCHES = list_of(JSON_PATCH)

# What a call costs, in the units of the API server's budget: a tenth of a microsecond each.
_PLACES, _CORRECTION, _LOOKUP = 200, 500, 20


def environment(kubernetes: tuple[int, int] = (1, 36), regions: Regions | None = None) -> Environment:
    """The admission environment of that Kubernetes version, with our facts; the places are those of `regions`."""
    return _builtin(kubernetes) if regions is None else _made(kubernetes, regions)


@cache
def _builtin(kubernetes: tuple[int, int]) -> Environment:
    return _made(kubernetes, None)


def _made(kubernetes: tuple[int, int], regions: Regions | None) -> Environment:
    facts: dict[str, CelType] = {
        "workload": WORKLOAD,
        "dataClass": DATA_CLASS,
        "jurisdiction": JURISDICTION,
        "cluster": CLUSTER,
        "actor": ACTOR,
    }
    return Environment.admission(kubernetes, patches=True).extend(
        variables=facts, functions=[*_FUNCTIONS, _place(regions)]
    )


def _admits(jurisdiction: JurisdictionFact, places: PlaceSet) -> bool:
    return jurisdiction.rule is not None and jurisdiction.rule.admits(places)


def _refusals(jurisdiction: JurisdictionFact, places: PlaceSet) -> list[str]:
    if jurisdiction.rule is None:
        return [f"jurisdiction `{jurisdiction['name']}` is not defined"]
    return jurisdiction.rule.refusals(places)


def _refusals_of(jurisdiction: JurisdictionFact, places: PlaceSet, what: str) -> list[str]:
    """The same of one kind of data: a transfer that would have let it go, and is over, is part of the reason."""
    told, rule = _refusals(jurisdiction, places), jurisdiction.rule
    if rule is None or places.cofinite:
        return told
    outside = [place for place in map(rule.geography.by_code, sorted(places.codes)) if not rule.admits_place(place)]
    over = dict.fromkeys(each for place in outside for each in rule.lapsed(place, what, jurisdiction.on))
    return [*told, *(f"transfer `{each.name}` lapsed after {each.last_day}" for each in over)]


def _transfers(jurisdiction: JurisdictionFact, places: PlaceSet, what: str) -> bool:
    """Is every place of a finite set inside or reached by a transfer that is in force today, and one by a transfer?"""
    rule = jurisdiction.rule
    if rule is None or places.cofinite:
        return False
    found = [rule.geography.by_code(code) for code in places.codes]
    outside = [place for place in found if not rule.admits_place(place)]
    return bool(outside) and all(rule.transfer(place, what, jurisdiction.on) for place in outside)


def _place(regions: Regions | None) -> Function:
    """`place('aws', 'eu-west-2')`; the built-in regions are read when it is first asked."""

    def place(provider: str, region: str) -> JsonObject:
        return _shown((regions or Regions.builtin()).place(provider, region), f"{provider}.{region}")

    return Function("place", [free([STRING, STRING], PLACE, place)], cost=_LOOKUP)


def _shown(place: Place | None, code: str) -> JsonObject:
    """A place as CEL reads it; one that nobody knows has no country and no operator."""
    return {
        "code": place.code if place else code,
        "known": place is not None,
        "provider": place.provider if place else "",
        "region": place.region if place else "",
        "country": place.country if place else "",
        "operator": place.operator if place else "",
        "operatedBy": place.operator_country if place else "",
        "controlledFrom": sorted(place.controlled_from) if place else [],
    }


def _rank(ranks: Callable[[str], int], what: str) -> Callable[[str], int]:
    def rank(level: str) -> int:
        try:
            return ranks(level)
        except KeyError as unknown:
            raise EvaluationError(f"`{level}` is no level of {what} isolation") from unknown

    return rank


def _asks(name: str, args: list[CelType], result: CelType, call: Callable[..., object], cost: int) -> Function:
    """A method of `cluster`."""
    return Function(name, [method([CLUSTER, *args], result, call)], cost=cost)


_FUNCTIONS = (
    Function("admits", [method([JURISDICTION, PLACE_SET], BOOL, _admits)], cost=_LOOKUP),
    Function(
        "refusals",
        [
            method([JURISDICTION, PLACE_SET], list_of(STRING), _refusals),
            method([JURISDICTION, PLACE_SET, STRING], list_of(STRING), _refusals_of),
        ],
        cost=_LOOKUP,
    ),
    Function("transfers", [method([JURISDICTION, PLACE_SET, STRING], BOOL, _transfers)], cost=_LOOKUP),
    Function("isolation", [free([STRING], INT, _rank(device_rank, "device"))]),
    Function("runtimeIsolation", [free([STRING], INT, _rank(runtime_rank, "runtime"))]),
    _asks("places", [POD], PLACE_SET, Cluster.places, _PLACES),
    _asks("conflict", [POD, JURISDICTION], STRING, Cluster.conflict, _PLACES),
    _asks("constrain", [WORKLOAD, JURISDICTION], JSON_PATCHES, Cluster.constrain, _CORRECTION),
    _asks("isolate", [WORKLOAD, STRING], JSON_PATCHES, Cluster.isolate, _CORRECTION),
    _asks("placeOfNode", [STRING], PLACE_SET, Cluster.place_of_node, _PLACES),
    _asks("jurisdictions", [STRING], list_of(JURISDICTION), Cluster.jurisdictions, _PLACES),
    _asks("opened", [STRING, BOOL], list_of(JURISDICTION), Cluster.opened, _PLACES),
    _asks("isInfrastructure", [STRING], BOOL, Cluster.is_infrastructure, 1),
    _asks("changed", [DYN, DYN], BOOL, Cluster.changed, _PLACES),
    _asks("debuggers", [POD], list_of(DEBUGGER), Cluster.debuggers, _LOOKUP),
    _asks("isolationOf", [POD], STRING, Cluster.isolation, _LOOKUP),
    _asks("runtime", [POD], STRING, Cluster.runtime, _LOOKUP),
    _asks("keys", [WORKLOAD], list_of(KEY), Cluster.keys, _PLACES),
    _asks("whereIsKey", [STRING], WHEREABOUTS, Cluster.key, _LOOKUP),
    _asks("whereIsVolume", [VOLUME], WHEREABOUTS, Cluster.volume, _LOOKUP),
    _asks("keysOf", [VOLUME], list_of(KEY), Cluster.keys_of, _LOOKUP),
    _asks("governing", [WORKLOAD], list_of(JURISDICTION), Cluster.governing, _PLACES),
    _asks("classes", [WORKLOAD], list_of(DATA_CLASS), Cluster.classes, _PLACES),
    _asks("bound", [], BOOL, Cluster.bound, 1),
    _asks("declares", [PLACE_SET], BOOL, Cluster.declares, _LOOKUP),
    _asks("whereIs", [DESTINATION], WHEREABOUTS, Cluster.destination, _LOOKUP),
)
