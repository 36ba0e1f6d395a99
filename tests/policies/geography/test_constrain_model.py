"""The algebra against enumerated nodes: whatever pod, whatever fleet, nothing escapes and nothing is lost.

`BAILIWICK_LONG=1` runs 100,000 cases of the three main properties instead of a few thousand, and 20,000 of the others.
"""

import os
from copy import deepcopy

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from policies.geography import (
    PLACE_LABEL,
    UNPLACED,
    PlaceSet,
    conflict,
    constrain,
    labelled_place,
    possible,
)
from policies.geography.affinity import terms_places
from policies.geography.volumes import topologies_places
from tests.policies.geography.drawn import (
    CODES,
    EVERYWHERE,
    EXPRESSIONS,
    FLEET,
    GEOGRAPHY,
    INSIDE,
    KEYS,
    NAMES,
    PODS,
    RULE,
    SNAPSHOTS,
    TERMS,
    VALUES,
    Object,
    label,
    node,
    truth,
)
from tests.policies.geography.scheduling import attaches, matches, patched, provisions, selects

LATE = "WaitForFirstConsumer"
LONG = os.environ.get("BAILIWICK_LONG") == "1"
CASES = settings(
    max_examples=100_000 if LONG else 3_000,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
FEWER = settings(CASES, max_examples=20_000 if LONG else 1_000)


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
@given(PODS, st.integers(0, len(FLEET) - 1), st.integers(0, len(SNAPSHOTS) - 1))
def test_a_pod_that_names_its_node_is_where_that_node_is(pod: Object, at: int, knowing: int) -> None:
    """Its place is in the set, or nobody knows; it is admitted only where the node is inside, and labelled so."""
    chosen, snapshot = FLEET[at], SNAPSHOTS[knowing]
    pod["spec"]["nodeName"] = chosen["metadata"]["name"]
    assert constrain(pod, frozenset(INSIDE)) == []
    found = possible(pod, snapshot, GEOGRAPHY)
    fits, inside = matches(pod, chosen), truth(chosen) in INSIDE
    assert not fits or truth(chosen) in found.places or UNPLACED in found.places
    under = found.under(RULE)
    admitted = isinstance(under, PlaceSet) and RULE.admits(under)
    event(f"fits: {fits}, inside: {inside}, admitted: {admitted}")
    labelled = labelled_place(chosen) is not None
    assert (inside and labelled) or not admitted
    if snapshot is SNAPSHOTS[-1]:
        assert admitted or not (fits and inside and labelled)


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
        if provisions({"allowedTopologies": topologies, "volumeBindingMode": LATE}, each):
            assert label(each) in topologies_places(topologies)
        if selects(terms, each):
            assert label(each) in terms_places(terms)


VOLUME_TERMS = st.lists(
    st.fixed_dictionaries({"matchExpressions": st.lists(EXPRESSIONS, min_size=1, max_size=2)}), min_size=1, max_size=2
)
STORAGE = st.sampled_from(["fast", "slow", ""])
ANNOTATED = st.sampled_from([{}, {}, {"annotations": {"volume.beta.kubernetes.io/storage-class": "fast"}}])
PERSISTENT = st.builds(
    lambda storage, terms, claim, annotated: {
        "metadata": annotated,
        "spec": {"storageClassName": storage}
        | ({"nodeAffinity": {"required": {"nodeSelectorTerms": terms}}} if terms else {})
        | ({"claimRef": {"namespace": "team", "name": claim}} if claim else {}),
    },
    STORAGE,
    st.none() | VOLUME_TERMS,
    st.sampled_from([None, "weights", "p-cache", "other"]),
    ANNOTATED,
)
CLAIMS = st.builds(
    lambda storage, volume, annotated: {
        "metadata": annotated,
        "spec": {"storageClassName": storage} | ({"volumeName": volume} if volume else {}),
    },
    STORAGE,
    st.sampled_from([None, None, "pv0", "pv1"]),
    ANNOTATED,
)
MODES = st.sampled_from([{}, {"volumeBindingMode": "Immediate"}, *[{"volumeBindingMode": LATE}] * 4])
DEVICES = st.sampled_from(["unheard-of", "allocated"])
ALLOCATED = {  # to one node, until the last pod that uses it ends
    "status": {
        "allocation": {
            "nodeSelector": {
                "nodeSelectorTerms": [
                    {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [NAMES[0]]}]}
                ]
            }
        }
    }
}


@settings(CASES, max_examples=100_000 if LONG else 1_000)
@given(
    PODS,
    st.lists(PERSISTENT, max_size=3),
    TOPOLOGIES,
    MODES,
    CLAIMS,
    CLAIMS,
    st.none() | EVERYWHERE,
    DEVICES,
    st.booleans(),
)
def test_volumes_runtimes_and_devices_narrow_no_more_than_the_scheduler_does(
    pod: Object,
    persistent: list[Object],
    topologies: list[Object],
    mode: Object,
    claim: Object,
    ephemeral: Object,
    place: str | None,
    devices: str,
    known: bool,
) -> None:
    """Every node that passes a pod's terms, volumes of all kinds and RuntimeClass is in the set, whatever it claims."""
    pod["spec"] |= {
        "runtimeClassName": "kata",
        "resourceClaims": [{"name": "gpu", "resourceClaimName": devices}],
        "volumes": [
            {"name": "weights", "persistentVolumeClaim": {"claimName": "weights"}},
            {"name": "cache", "ephemeral": {"volumeClaimTemplate": ephemeral}},
            {"name": "none", "emptyDir": {}},
        ],
    }
    storage_class = _object("storage.k8s.io/v1", "StorageClass", "fast", {"allowedTopologies": topologies} | mode)
    volumes = [_object("v1", "PersistentVolume", f"pv{index}", one) for index, one in enumerate(persistent)]
    claims = [
        _object("v1", "PersistentVolumeClaim", "weights", claim, "team"),
        _object("v1", "PersistentVolumeClaim", "p-cache", ephemeral, "team"),
    ]
    runtime = {"scheduling": {"nodeSelector": {PLACE_LABEL: place}}} if place else {}
    objects = [
        claims[0],
        storage_class,
        *volumes,
        _object("node.k8s.io/v1", "RuntimeClass", "kata", runtime),
        _object("resource.k8s.io/v1", "ResourceClaim", "allocated", ALLOCATED, "team"),
    ]
    kinds = [("", "PersistentVolume")] if known else []
    found = possible(pod, SNAPSHOTS[1].with_objects(objects).completing(kinds), GEOGRAPHY)
    narrowed = [each for each in found.constraints if each.path.startswith("spec.volumes")]
    event(f"narrowed by volumes: {len(narrowed)}")
    for each in FLEET:
        attached = all(attaches(one, volumes, storage_class, each) for one in claims)
        if matches(pod, each) and attached and place in (None, label(each)):
            assert label(each) in found.places


def _object(version: str, kind: str, name: str, fields: Object, namespace: str = "") -> Object:
    metadata = {**fields.get("metadata", {}), "name": name} | ({"namespace": namespace} if namespace else {})
    return {"apiVersion": version, "kind": kind, **fields, "metadata": metadata}
