"""Editing required node affinity against a brute-force reading of what the scheduler does."""

from copy import deepcopy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.patch import apply
from policies.workloads.specs.affinity import AffinityMalformed, require, require_all

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
KEYS, VALUES = ["place", "gpu", "zone"], ["a", "b", "7"]

requirements = st.one_of(
    st.builds(
        lambda key, operator, values: {"key": key, "operator": operator, "values": values},
        st.sampled_from(KEYS),
        st.sampled_from(["In", "NotIn"]),
        st.lists(st.sampled_from(VALUES), min_size=1, max_size=3),
    ),
    st.builds(
        lambda key, operator: {"key": key, "operator": operator},
        st.sampled_from(KEYS),
        st.sampled_from(["Exists", "DoesNotExist"]),
    ),
    st.builds(
        lambda key, operator: {"key": key, "operator": operator, "values": ["5"]},
        st.sampled_from(KEYS),
        st.sampled_from(["Gt", "Lt"]),
    ),
)
fields = st.builds(
    lambda name: {"key": "metadata.name", "operator": "In", "values": [name]}, st.sampled_from(["n1", "n2"])
)
terms = st.fixed_dictionaries(
    {},
    optional={
        "matchExpressions": st.none() | st.lists(requirements, max_size=3),
        "matchFields": st.none() | st.lists(fields, max_size=1),
    },
)
affinities = st.one_of(
    st.none(),
    st.just({}),
    st.just({"podAffinity": {}}),
    st.builds(
        lambda listed: {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": listed}}},
        st.lists(terms | st.none(), max_size=3),
    ),
    st.builds(lambda more: {"nodeAffinity": more}, st.sampled_from([None, {}, {REQUIRED: None}, {REQUIRED: {}}])),
)
pods = st.builds(
    lambda affinity, selector: {"spec": {"affinity": affinity, "nodeSelector": selector}},
    affinities,
    st.none() | st.dictionaries(st.sampled_from(KEYS), st.sampled_from(VALUES), max_size=2),
)
NODES = [
    ({key: value for key, value in zip(KEYS, (place, gpu, zone), strict=True) if value}, name)
    for place in ("a", "b", "7", "")
    for gpu in ("a", "7", "")
    for zone in ("b", "3", "")
    for name in ("n1", "n2")
]


def holds(one, labels):
    value, values = labels.get(one["key"]), one.get("values", [])
    match one["operator"]:
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "Gt":
            return value is not None and value.isdigit() and int(value) > int(values[0])
        case _:
            return value is not None and value.isdigit() and int(value) < int(values[0])


def runs_on(pod, labels, name):
    """The scheduler's NodeAffinity plugin, restated: selector AND (term OR term ...), empty terms match nothing."""
    spec = pod["spec"]
    if any(labels.get(key) != value for key, value in (spec.get("nodeSelector") or {}).items()):
        return False
    required = ((spec.get("affinity") or {}).get("nodeAffinity") or {}).get(REQUIRED)
    if required is None:
        return True
    for term in required.get("nodeSelectorTerms") or []:
        expressions = (term or {}).get("matchExpressions") or []
        names = (term or {}).get("matchFields") or []
        if (
            (expressions or names)
            and all(holds(one, labels) for one in expressions)
            and all(name in one["values"] for one in names)
        ):
            return True
    return False


@given(pods, st.lists(requirements, min_size=1, max_size=2))
def test_exactly_the_nodes_of_before_that_fulfil_the_wish(pod, wanted):
    """After the edit a pod runs on a node if and only if it ran there before and the node fulfils every wish."""
    before = deepcopy(pod)
    edited = apply(pod, require_all(pod, wanted))
    assert pod == before
    for labels, name in NODES:
        assert runs_on(edited, labels, name) == (
            runs_on(pod, labels, name) and all(holds(one, labels) for one in wanted)
        )


@given(pods, st.lists(requirements, min_size=1, max_size=2))
def test_idempotent(pod, wanted):
    """A second edit with the same wish adds nothing."""
    assert require_all(apply(pod, require_all(pod, wanted)), wanted) == []


def test_prefix():
    """A prefix moves the operations to where the pod template stands."""
    operations = require({"spec": {}}, "k", "In", ["v"], prefix="/spec/template")
    assert [one["path"] for one in operations] == ["/spec/template/spec/affinity"]


def test_empty_terms_stay_empty():
    """An empty required term matches nothing, and the edit doesn't make it match something."""
    pod = {"spec": {"affinity": {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": [{}, None]}}}}}
    assert require(pod, "k", "In", ["v"]) == []


@pytest.mark.parametrize(
    "affinity",
    [
        [],
        {"nodeAffinity": "x"},
        {"nodeAffinity": {REQUIRED: []}},
        {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": {}}}},
        {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": ["x"]}}},
        {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": [{"matchExpressions": {"a": 1}}]}}},
    ],
)
def test_wrong_types_are_refused(affinity):
    """Affinity of a wrong type can't be narrowed safely, and says where."""
    with pytest.raises(AffinityMalformed, match="must be"):
        require({"spec": {"affinity": affinity}}, "k", "In", ["v"])
