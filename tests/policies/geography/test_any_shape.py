"""Constraints of any shape and any number get an answer, and no exception."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from policies.geography import PLACE_LABEL, PlaceSet, conflict, constrain
from tests.policies.geography.placing import (
    ABROAD,
    AWS,
    CLAIM,
    CLASS,
    CODES,
    FRA,
    NODE_AT_HOME,
    REQUIRED,
    UNBOUND,
    USA,
    VOLUMES,
    ask,
    cluster,
    free_volume,
    named,
    place,
    pod,
    requiring,
    term,
    volume,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just(PLACE_LABEL),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "affinity",
                    "nodeAffinity",
                    REQUIRED,
                    "nodeSelectorTerms",
                    "matchExpressions",
                    "matchFields",
                    "key",
                    "operator",
                    "values",
                    "nodeSelector",
                    "volumes",
                    "persistentVolumeClaim",
                    "claimName",
                    "runtimeClassName",
                    "nodeName",
                    PLACE_LABEL,
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=25,
)


@settings(max_examples=1_000)
@given(
    JSON,
    st.sampled_from(
        [
            ["spec"],
            ["spec", "affinity"],
            ["spec", "affinity", "nodeAffinity"],
            ["spec", "affinity", "nodeAffinity", REQUIRED, "nodeSelectorTerms"],
            ["spec", "volumes"],
        ]
    ),
)
def test_any_shape_gets_an_answer(junk: Any, path: list[str]) -> None:
    """Whatever stands where a pod's constraints should be, there is an answer and no exception."""
    of: Any = junk
    for name in reversed(path):
        of = {name: of}
    ask(of)
    constrain(of, CODES)
    conflict(of, CODES)


OBJECTS = [
    ("v1", "PersistentVolumeClaim", "weights", ["spec"]),
    ("v1", "PersistentVolumeClaim", "weights", ["metadata", "annotations"]),
    ("v1", "PersistentVolume", "pv-1", ["spec"]),
    ("v1", "PersistentVolume", "pv-1", ["spec", "nodeAffinity", "required"]),
    ("v1", "PersistentVolume", "pv-1", ["spec", "claimRef"]),
    ("storage.k8s.io/v1", "StorageClass", "fast", ["allowedTopologies"]),
    ("node.k8s.io/v1", "RuntimeClass", "kata", ["scheduling"]),
    ("v1", "Node", "bm-1", ["metadata", "labels"]),
    ("v1", "Node", "bm-1", ["spec"]),
    ("v1", "Node", "bm-1", ["status"]),
]


@settings(max_examples=1_000)
@given(JSON, st.sampled_from(OBJECTS))
def test_any_shape_of_what_a_pod_names_gets_an_answer(junk: Any, where: tuple[str, str, str, list[str]]) -> None:
    """Manifests may hold anything where a claim, a volume, a class or a node should say something."""
    version, kind, name, path = where
    found: Any = junk
    for part in reversed(path):
        found = {part: found}
    metadata = {"name": name, "namespace": "team" if kind.endswith("Claim") else "", **found.get("metadata", {})}
    broken = {"apiVersion": version, "kind": kind, **found, "metadata": metadata}
    known = cluster(CLAIM, (*UNBOUND[:2], "other", *UNBOUND[3:]), CLASS, volume(named("bm-1")), NODE_AT_HOME)
    claims = [*VOLUMES, {"name": "o", "persistentVolumeClaim": {"claimName": "other"}}]
    snapshot = known.with_objects([broken])
    ask(pod(volumes=claims, runtimeClassName="kata"), snapshot)
    ask(pod(nodeName="bm-1"), snapshot)
    ask(requiring(named("bm-1")), snapshot)


def test_volumes_and_claims_that_name_each_other_in_a_circle() -> None:
    """Each is looked at once, however they refer to one another."""
    claims = [
        ("v1", "PersistentVolumeClaim", name, {"spec": {"volumeName": f"pv-{name}", "dataSource": {"name": other}}})
        for name, other in (("a", "b"), ("b", "a"))
    ]
    volumes = [
        ("v1", "PersistentVolume", f"pv-{name}", {"spec": {"claimRef": {"namespace": "team", "name": other}, **ABROAD}})
        for name, other in (("a", "b"), ("b", "a"))
    ]
    wanted = [{"name": name, "persistentVolumeClaim": {"claimName": name}} for name in ("a", "b", "a")]
    found = ask(pod(volumes=wanted), cluster(*claims, *volumes))
    assert (found.places, len(found.constraints)) == (PlaceSet.of([USA]), 3)


def test_very_many_volumes() -> None:
    """A thousand volumes of a class with a thousand free ones: what is asked of the snapshot is asked of it once."""
    free = [free_volume(f"pv-{index}") for index in range(1_000)]
    wanted = [{"name": f"v{index}", "persistentVolumeClaim": {"claimName": "weights"}} for index in range(1_000)]
    found = ask(pod(volumes=wanted), cluster(UNBOUND, CLASS, *free))
    assert found.places == PlaceSet.of([FRA, AWS, USA])


def test_very_many_terms() -> None:
    """An affinity of tens of thousands of terms, as many as a request holds, is constrained in every one."""
    large = requiring(*[term(place("In", FRA, f"x{index}")) for index in range(30_000)])
    assert len(constrain(large, CODES)) == 30_000
    assert len(ask(large).places.codes) == 30_001
