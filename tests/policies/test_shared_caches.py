"""Caches of models that lie in no namespace: judged by the strictest class and by everybody's law."""

from datetime import UTC, datetime
from typing import Any

import pytest

from policies.checking import creation
from policies.gathering import engine_of, parsed
from policies.request import Phase
from policies.snapshot import MemorySnapshot

NOW = datetime(2026, 11, 21, tzinfo=UTC)
PLACE = "bailiwick.node-restriction.kubernetes.io/place"
PINNED = "hf://a/b:0e9e39f249a16976918f6564b8830bc894c89659"
BRANCH = "hf://a/b:main"
EU, WORLD = ({"locatedIn": {"countries": codes}} for codes in (["DE"], ["DE", "US"]))
PROFILE = {"cluster": "c", "providers": [{"name": "aws"}], "infrastructureNamespaces": ["machinery"]}
CLASSES = {
    "clinic": ("confidential", "eu"),
    "shop": ("confidential", "world"),
    "blog": ("public", ""),
    "machinery": ("restricted", "eu"),
    "misspelt": ("confidental", "eu"),
}


def kind(group: str, name: str, spec: dict[str, Any], of: str = "x", **metadata: Any) -> dict[str, Any]:
    return {"apiVersion": group, "kind": name, "metadata": {"name": of, **metadata}, "spec": spec}


def group(name: str, *terms: Any) -> dict[str, Any]:
    """A LocalModelNodeGroup whose terms each ask for places, or are written out."""
    asked = [
        {"matchExpressions": [{"key": PLACE, "operator": "In", "values": term}]} if isinstance(term, list) else term
        for term in terms
    ]
    affinity = {"nodeAffinity": {"required": {"nodeSelectorTerms": asked}}} if terms else {}
    spec = {"persistentVolumeSpec": {"local": {"path": "/models"}, **affinity}}
    return kind("serving.kserve.io/v1alpha1", "LocalModelNodeGroup", spec, name)


def cache(uri: str, *groups: str) -> dict[str, Any]:
    return kind("serving.kserve.io/v1alpha1", "LocalModelCache", {"sourceModelUri": uri, "nodeGroups": list(groups)})


GROUPS = [
    group("eu", ["aws.eu-central-1"]),
    group("us", ["aws.us-east-1"]),
    group("both", ["aws.eu-central-1"], ["aws.us-east-1"]),
    group("any"),
    group("gpus", {"matchExpressions": [{"key": "nvidia.com/gpu.product", "operator": "In", "values": ["H100"]}]}),
    group("docs", {"key": "nvidia.com/gpu-product", "values": ["H100"]}),
    group("not-us", {"matchExpressions": [{"key": PLACE, "operator": "NotIn", "values": ["aws.us-east-1"]}]}),
]


def refused(found: dict[str, Any], *names: str, listed: bool = True) -> set[str]:
    """The codes that a cache is refused with, in a cluster of these namespaces."""
    made = [("Jurisdiction", "eu", EU), ("Jurisdiction", "world", WORLD), ("ClusterProfile", "c", PROFILE)]
    rules = [kind("bailiwick.dev/v1alpha1", what, spec, name) for what, name, spec in made]
    labels = {
        name: {"bailiwick.dev/data-class": data_class, "bailiwick.dev/jurisdiction": jurisdiction}
        for name, (data_class, jurisdiction) in CLASSES.items()
    }
    namespaces = [kind("v1", "Namespace", {}, name, labels=labels[name]) for name in names]
    whole = [("serving.kserve.io", "LocalModelNodeGroup"), *([("", "Namespace")] if listed else [])]
    snapshot = MemorySnapshot.of([*namespaces, *GROUPS]).completing(whole)
    decision = engine_of([parsed(rules)], "test").decide(creation(found, "default"), Phase.FAIL, snapshot, NOW)
    return {reason.code for reason in decision.reasons}


@pytest.mark.parametrize(
    ("names", "groups", "wanted"),
    [
        (["clinic"], ["eu"], set()),
        (["clinic", "shop"], ["eu"], set()),
        (["shop"], ["both"], set()),
        (["clinic", "shop"], ["both"], {"data-outside-jurisdiction"}),
        (["clinic"], ["eu", "us"], {"data-outside-jurisdiction"}),
        (["clinic"], ["any"], {"data-outside-jurisdiction"}),
        (["clinic"], ["gpus"], {"data-outside-jurisdiction"}),
        (["clinic"], ["docs"], {"data-outside-jurisdiction"}),
        (["clinic"], ["not-us"], {"data-outside-jurisdiction"}),
        (["clinic"], ["tomorrow"], {"data-outside-jurisdiction"}),
        (["blog"], ["us"], set()),
        (["blog", "machinery"], ["any"], set()),
    ],
    ids=str,
)
def test_everybodys_law_says_where_a_cache_may_lie(names: list[str], groups: list[str], wanted: set[str]) -> None:
    """On nodes that every jurisdiction in use admits, by the label that no kubelet can set; infrastructure has none."""
    assert refused(cache(PINNED, *groups), *names) == wanted


@pytest.mark.parametrize(
    ("uri", "names", "wanted"),
    [
        (BRANCH, ["clinic", "blog"], {"model-not-pinned"}),
        (PINNED, ["clinic", "blog"], set()),
        (BRANCH, ["blog"], set()),
        (BRANCH, ["blog", "machinery"], set()),
        (BRANCH, ["blog", "misspelt"], {"model-not-pinned"}),
    ],
    ids=str,
)
def test_the_strictest_class_says_whether_it_is_pinned(uri: str, names: list[str], wanted: set[str]) -> None:
    """One namespace whose class asks for pinned models is enough; a class that nobody defined asks for all."""
    assert refused(cache(uri, "eu"), *names) == wanted


def test_where_nobody_can_list_namespaces_every_class_and_every_law_counts() -> None:
    """Unknown is never allowed: the strictest class there is asks for pins, and all jurisdictions for the place."""
    assert refused(cache(BRANCH, "both"), "blog", listed=False) == {"model-not-pinned", "data-outside-jurisdiction"}


@pytest.mark.parametrize(("found", "wanted"), [(one, one["metadata"]["name"] == "eu") for one in GROUPS], ids=str)
def test_a_group_is_judged_like_what_lies_on_it(found: dict[str, Any], wanted: bool) -> None:
    """Widening a group copies every model that is on it: it must not say more than its caches may."""
    assert refused(found, "clinic") == (set() if wanted else {"volume-outside-jurisdiction"})
