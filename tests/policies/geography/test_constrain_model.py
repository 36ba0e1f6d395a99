"""The algebra against enumerated nodes: whatever pod, whatever fleet, nothing escapes and nothing is lost.

`BAILIWICK_LONG=1` runs 100,000 cases of the two main properties instead of a few thousand, and 20,000 of the others.
"""

import os
from copy import deepcopy
from itertools import product
from typing import Any

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from policies.geography import (
    PLACE_LABEL,
    UNPLACED,
    Geography,
    JurisdictionRule,
    PlaceSet,
    Regions,
    conflict,
    constrain,
    possible,
)
from policies.geography.affinity import terms_places
from policies.geography.possible import topologies_places
from policies.snapshot import MemorySnapshot
from tests.policies.geography.scheduling import matches, patched, provisions, selects

LONG = os.environ.get("BAILIWICK_LONG") == "1"
CASES = settings(
    max_examples=100_000 if LONG else 3_000,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
FEWER = settings(CASES, max_examples=20_000 if LONG else 1_000)

# Sites stand for all places; two have names that Gt and Lt can compare. `elsewhere` is a label nobody knows.
SITES = {"fra-dc1": "DE", "par-dc1": "FR", "nyc-dc1": "US", "7": "DE", "12": "US"}
LABELS = [*SITES, "elsewhere"]
POOL, REGION = "pool", "topology.kubernetes.io/region"
EVERYWHERE = st.sampled_from(LABELS)
CODES = st.frozensets(EVERYWHERE, max_size=4)
GEOGRAPHY = Geography(
    Regions.builtin(),
    {
        "sites": [
            {"name": name, "country": country, "match": {"nodeNames": [f"{name}--*"]}}
            for name, country in SITES.items()
        ]
    },
)
RULE = JurisdictionRule.of({"locatedIn": {"sets": ["EU"]}}, GEOGRAPHY)
INSIDE = {"fra-dc1", "par-dc1", "7"}

Object = dict[str, Any]


def node(name: str, labels: Object) -> Object:
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}, "spec": {}}


def _fleet() -> list[Object]:
    """Every mix of where a node is, whether its label says so, and what its kubelet says of pool and region."""
    kubelet = [None, "fra-dc1", "7"]
    mixes = product(SITES, [True, False], kubelet, kubelet)
    return [
        node(f"{site}--{index}", _labels({PLACE_LABEL: site if labelled else None, POOL: pool, REGION: region}))
        for index, (site, labelled, pool, region) in enumerate(mixes)
    ]


def _labels(labels: dict[str, str | None]) -> Object:
    return {key: value for key, value in labels.items() if value is not None}


FLEET = _fleet()
NAMES = [each["metadata"]["name"] for each in FLEET]
SNAPSHOTS = [MemorySnapshot.of(known) for known in ([], FLEET[::2], FLEET)]
KEYS = st.sampled_from([PLACE_LABEL, PLACE_LABEL, PLACE_LABEL, POOL, REGION])
VALUES = st.lists(EVERYWHERE, min_size=1, max_size=4, unique=True)
EXPRESSIONS = st.one_of(
    st.builds(
        lambda key, op, values: {"key": key, "operator": op, "values": values},
        KEYS,
        st.sampled_from(["In", "NotIn"]),
        VALUES,
    ),
    st.builds(lambda key, op: {"key": key, "operator": op}, KEYS, st.sampled_from(["Exists", "DoesNotExist"])),
    st.builds(
        lambda key, op, bound: {"key": key, "operator": op, "values": [str(bound)]},
        KEYS,
        st.sampled_from(["Gt", "Lt"]),
        st.sampled_from([0, 7, 9, 12, 20]),
    ),
)
FIELDS = st.builds(
    lambda op, name: {"key": "metadata.name", "operator": op, "values": [name]},
    st.sampled_from(["In", "NotIn"]),
    st.sampled_from(NAMES[::7]),
)
TERMS = st.fixed_dictionaries(
    {},
    optional={
        "matchExpressions": st.one_of(st.none(), st.lists(EXPRESSIONS, max_size=3)),
        "matchFields": st.one_of(st.none(), st.lists(FIELDS, min_size=1, max_size=1)),
    },
)
REQUIRED = st.one_of(
    st.none(),
    st.fixed_dictionaries({}, optional={"nodeSelectorTerms": st.one_of(st.none(), st.lists(TERMS, max_size=4))}),
)
AFFINITY = st.fixed_dictionaries(
    {},
    optional={
        "nodeAffinity": st.one_of(
            st.none(),
            st.fixed_dictionaries(
                {},
                optional={
                    "requiredDuringSchedulingIgnoredDuringExecution": REQUIRED,
                    "preferredDuringSchedulingIgnoredDuringExecution": st.lists(
                        st.builds(lambda term: {"weight": 1, "preference": term}, TERMS), max_size=1
                    ),
                },
            ),
        ),
        "podAntiAffinity": st.just({}),
    },
)
SPECS = st.fixed_dictionaries(
    {"containers": st.just([{"name": "llm", "image": "vllm"}])},
    optional={
        "nodeSelector": st.one_of(st.none(), st.dictionaries(KEYS, EVERYWHERE, max_size=2)),
        "affinity": st.one_of(st.none(), AFFINITY),
        "tolerations": st.just([{"operator": "Exists"}]),
    },
)
PODS = st.builds(lambda spec: {"metadata": {"name": "p", "namespace": "team"}, "spec": spec}, SPECS)


def label(of: Object) -> str:
    return of["metadata"]["labels"].get(PLACE_LABEL, UNPLACED)


def truth(of: Object) -> str:
    return of["metadata"]["name"].partition("--")[0]


@CASES
@given(PODS, CODES)
def test_constrained_pods_stay_inside_and_lose_nothing(pod: Object, codes: frozenset[str]) -> None:
    """After `constrain` a pod matches exactly the nodes it matched before whose place is admitted."""
    untouched = deepcopy(pod)
    constrained = patched(pod, constrain(pod, codes))
    assert pod == untouched
    for each in FLEET:
        before, after = matches(pod, each), matches(constrained, each)
        assert after == (before and label(each) in codes)


@FEWER
@given(PODS, CODES)
def test_constraining_twice_is_constraining_once(pod: Object, codes: frozenset[str]) -> None:
    """The second time there is nothing to do, and what could be possible afterwards lies in the codes."""
    constrained = patched(pod, constrain(pod, codes))
    assert constrain(constrained, codes) == []
    assert possible(constrained, SNAPSHOTS[0], GEOGRAPHY).places <= PlaceSet(codes)


@FEWER
@given(PODS, CODES)
def test_pods_that_are_inside_already_are_left_alone(pod: Object, codes: frozenset[str]) -> None:
    """No operations exactly where the pod's own terms leave nothing outside the codes."""
    inside = possible(pod, SNAPSHOTS[0], GEOGRAPHY).places <= PlaceSet(codes)
    assert (constrain(pod, codes) == []) == inside


@CASES
@given(PODS)
def test_possible_holds_every_node_that_matches(pod: Object) -> None:
    """Every node that the scheduler would pass is in the set, whether the snapshot knows the node or not."""
    passed = [each for each in FLEET if matches(pod, each)]
    for snapshot in SNAPSHOTS:
        places = possible(pod, snapshot, GEOGRAPHY).places
        for each in passed:
            assert label(each) in places


@FEWER
@given(PODS)
def test_admitted_pods_run_inside(pod: Object) -> None:
    """When the jurisdiction admits the set, every node that matches truly lies inside."""
    found = possible(pod, SNAPSHOTS[2], GEOGRAPHY).under(RULE)
    admitted = isinstance(found, PlaceSet) and RULE.admits(found)
    event(f"admitted: {admitted}")
    if admitted:
        assert {truth(each) for each in FLEET if matches(pod, each)} <= INSIDE


@FEWER
@given(PODS, CODES)
def test_a_conflict_is_a_pod_that_fits_nowhere(pod: Object, codes: frozenset[str]) -> None:
    """A conflict is told only of pods that match no node once they are constrained."""
    told = conflict(pod, codes)
    event(f"conflict: {told is not None}")
    if told is not None:
        constrained = patched(pod, constrain(pod, codes))
        assert not any(matches(constrained, each) for each in FLEET)


@FEWER
@given(PODS, CODES)
def test_pods_that_speak_of_places_alone_are_judged_exactly(pod: Object, codes: frozenset[str]) -> None:
    """Where a pod's terms are about places and nothing else, a conflict is told exactly when no place is left."""
    for term in _terms(pod):
        for name in ("matchExpressions", "matchFields"):
            term[name] = [each for each in term.get(name) or [] if each["key"] == PLACE_LABEL]
    selector = pod["spec"].get("nodeSelector") or {}
    pod["spec"]["nodeSelector"] = {key: value for key, value in selector.items() if key == PLACE_LABEL}
    constrained = patched(pod, constrain(pod, codes))
    fits = any(matches(constrained, node("n", {PLACE_LABEL: code})) for code in codes)
    assert (conflict(pod, codes) is None) == fits


def _terms(pod: Object) -> list[Object]:
    affinity = (pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    return required.get("nodeSelectorTerms") or []


TOPOLOGIES = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "matchLabelExpressions": st.lists(
                st.builds(lambda key, values: {"key": key, "values": values}, KEYS, VALUES), max_size=2
            )
        },
    ),
    max_size=2,
)


@FEWER
@given(st.lists(TERMS, max_size=3), TOPOLOGIES)
def test_selectors_of_volumes_and_classes(terms: list[Object], topologies: list[Object]) -> None:
    """Where a volume's or a class's own selector lets a node through, the node's label is in its set."""
    for each in FLEET:
        if provisions({"allowedTopologies": topologies}, each):
            assert label(each) in topologies_places(topologies)
        if selects(terms, each):
            assert label(each) in terms_places(terms)


@FEWER
@given(PODS, st.lists(TERMS, min_size=1, max_size=2), TOPOLOGIES, EVERYWHERE, st.booleans())
def test_volumes_and_runtimes_narrow_as_the_scheduler_does(
    pod: Object, terms: list[Object], topologies: list[Object], place: str, known: bool
) -> None:
    """With a bound volume, one still to be made and a RuntimeClass, every node that passes them all is in the set."""
    for term in terms:  # a volume's affinity knows labels only
        term.pop("matchFields", None)
    pod["spec"]["runtimeClassName"] = "kata"
    pod["spec"]["volumes"] = [
        {"name": "weights", "persistentVolumeClaim": {"claimName": "weights"}},
        {"name": "cache", "ephemeral": {"volumeClaimTemplate": {"spec": {"storageClassName": "fast"}}}},
        {"name": "none", "emptyDir": {}},
    ]
    storage_class = _object("storage.k8s.io/v1", "StorageClass", "fast", {"allowedTopologies": topologies})
    objects = [
        _object("v1", "PersistentVolumeClaim", "weights", {"spec": {"volumeName": "pv"}}, "team"),
        _object("v1", "PersistentVolume", "pv", {"spec": {"nodeAffinity": {"required": {"nodeSelectorTerms": terms}}}}),
        _object("node.k8s.io/v1", "RuntimeClass", "kata", {"scheduling": {"nodeSelector": {PLACE_LABEL: place}}}),
        storage_class,
    ]
    found = possible(pod, SNAPSHOTS[1].with_objects(objects if known else []), GEOGRAPHY)
    assert known or found.unresolved
    for each in FLEET:
        passes = matches(pod, each) and selects(terms, each) and provisions(storage_class, each)
        if passes and label(each) == place:
            assert place in found.places


def _object(version: str, kind: str, name: str, fields: Object, namespace: str = "") -> Object:
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **fields}
