"""Where claims for devices could be satisfied today: against a model that looks at every device from every node."""

import os
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from policies.explaining.devices import claims_told, fits
from policies.geography import PLACE_LABEL, PlaceSet
from policies.geography.devices import Inventory, claims_today
from policies.snapshot import MemorySnapshot
from tests.policies.geography.drawn import EVERYWHERE, FLEET, NAMES, TERMS, Object, label
from tests.policies.geography.scheduling import selects

LONG = os.environ.get("BAILIWICK_LONG") == "1"
GROUP = "resource.k8s.io/v1"
NODES = {each["metadata"]["name"]: each for each in FLEET}


def made(kind: str, name: str, fields: Object, namespace: str = "") -> Object:
    return {"apiVersion": GROUP, "kind": kind, "metadata": {"name": name, "namespace": namespace}, **fields}


def selectors(*expressions: str) -> list[Object]:
    return [{"cel": {"expression": expression}} for expression in expressions]


WHERE = st.one_of(
    st.builds(lambda name: {"nodeName": name}, st.sampled_from(NAMES)),
    st.just({"allNodes": True}),
    st.builds(lambda term: {"nodeSelector": {"nodeSelectorTerms": [term]}}, TERMS),
)
MODELS = st.sampled_from(["h", "l"])
DEVICE = st.builds(lambda model: {"name": "d", "attributes": {"model": {"string": model}}}, MODELS)
SLICES = st.one_of(
    st.builds(lambda where, device: {"driver": "gpu", "devices": [device], **where}, WHERE, DEVICE),
    st.builds(
        lambda where, device: {"driver": "gpu", "perDeviceNodeSelection": True, "devices": [{**device, **where}]},
        WHERE,
        DEVICE,
    ),
)
WAYS = st.builds(lambda name: {"deviceClassName": name}, st.sampled_from(["all", "big", "none"]))
REQUESTS = st.one_of(
    st.builds(lambda way: {"name": "r", "exactly": way}, WAYS),
    st.builds(lambda ways: {"name": "r", "firstAvailable": ways}, st.lists(WAYS, min_size=1, max_size=2)),
)
CLASSES = {"all": "device.driver == 'gpu'", "big": "device.attributes['gpu'].model == 'h'", "none": "false"}
MEANT = {"all": ("h", "l"), "big": ("h",), "none": ()}


def _reaches(one: Object, node: Object) -> bool:
    where = one["devices"][0] if one.get("perDeviceNodeSelection") else one
    if "nodeName" in where:
        return bool(where["nodeName"] == node["metadata"]["name"])
    return bool(where.get("allNodes")) or selects(where["nodeSelector"]["nodeSelectorTerms"], node)


def _met(request: Object, slices: list[Object], node: Object) -> bool:
    ways = request.get("firstAvailable") or [request["exactly"]]
    return any(
        one["devices"][0]["attributes"]["model"]["string"] in MEANT[way["deviceClassName"]] and _reaches(one, node)
        for way in ways
        for one in slices
    )


@settings(max_examples=20_000 if LONG else 500, deadline=None)
@given(st.lists(SLICES, max_size=4), st.lists(REQUESTS, min_size=1, max_size=2))
def test_every_node_that_reaches_the_devices_is_told(slices: list[Object], requests: list[Object]) -> None:
    """Where all requests of a claim can be met from one node today, that node's place is in what is told."""
    objects = [made("DeviceClass", name, {"spec": {"selectors": selectors(text)}}) for name, text in CLASSES.items()]
    held = {one["metadata"]["name"]: one for one in objects}
    held["claim"] = made("ResourceClaim", "claim", {"spec": {"devices": {"requests": requests}}}, "team")
    inventory = Inventory(
        [made("ResourceSlice", f"s{index}", {"spec": one}) for index, one in enumerate(slices)],
        lambda ref: held.get(ref.name),
        lambda name: PlaceSet.of([label(NODES[name])]),
        fits,
    )
    [today] = claims_today({"resourceClaims": [{"name": "c", "resourceClaimName": "claim"}]}, "team", inventory)
    assert today.places is not None
    event(f"nowhere: {today.places.empty}")
    for node in FLEET:
        if all(_met(request, slices, node) for request in requests):
            assert label(node) in today.places


DEVICES: Object = {
    "name": "d",
    "attributes": {
        "model": {"string": "h"},
        "driverVersion": {"version": "1.2.3"},
        "cores": {"int": 4},
        "else.example/nested": {"bool": True},
    },
    "capacity": {"memory": {"value": "80Gi"}},
}


@pytest.mark.parametrize(
    ("expression", "meant"),
    [
        ("device.driver == 'gpu'", True),
        ("device.driver == 'else'", False),
        ("device.attributes['gpu'].model == 'h' && device.attributes['gpu'].cores > 3", True),
        ("device.attributes['else.example'].nested", True),
        ("!device.attributes['else.example'].nested", False),
        ("device.capacity['gpu'].memory.compareTo(quantity('100Gi')) >= 0", False),
        ("device.attributes['gpu'].driverVersion.isGreaterThan(semver('1.2.0'))", True),
        ("device.allowMultipleAllocations", False),
        # what nobody can tell may be
        ("device.attributes['other'].thing == 1", True),
        ("device.", True),
        ("", True),
    ],
)
def test_selectors_mean_devices_as_the_scheduler_reads_them(expression: str, meant: bool) -> None:
    """Attributes of all types and capacities, under the driver's domain where none is named."""
    assert fits(expression, "gpu", DEVICES) is meant


POD: Object = {"resourceClaims": [{"name": "c", "resourceClaimName": "claim"}]}
SLICE = made("ResourceSlice", "s", {"spec": {"driver": "gpu", "nodeName": NAMES[0], "devices": [DEVICES]}})
CLASS = made("DeviceClass", "all", {"spec": {}})
WANTED: Object = {"spec": {"devices": {"requests": [{"name": "r", "exactly": {"deviceClassName": "all"}}]}}}
ALLOCATED: Object = {"status": {"allocation": {"nodeSelector": {"nodeSelectorTerms": [
    {"matchExpressions": [{"key": PLACE_LABEL, "operator": "In", "values": ["nyc-dc1"]}]}
]}}}}  # fmt: skip
BACK = "it is given back when the last pod that uses it ends"
GOOD = "no place for good: devices come with new nodes"


@pytest.mark.parametrize(
    ("objects", "told"),
    [
        ([], f"claim `claim` is not known here; {GOOD}"),
        ([WANTED], f"which devices there are for `claim` is not known here; {GOOD}"),
        ([WANTED, SLICE, CLASS, FLEET[0]], f"devices for `claim` are at fra-dc1 today, which means {GOOD}"),
        ([WANTED, SLICE, made("DeviceClass", "all", {"spec": {"selectors": selectors("false")}})],
         f"devices for `claim` are nowhere today, which means {GOOD}"),
        ([WANTED | ALLOCATED, SLICE], f"claim `claim` is allocated to nodes at nyc-dc1 now, and {BACK}"),
    ],
)  # fmt: skip
def test_what_is_told_of_a_claim(objects: list[Object], told: str) -> None:
    """How things stand today, and that it keeps the pod nowhere."""
    known = [one if "kind" in one else made("ResourceClaim", "claim", one, "team") for one in objects]
    assert list(claims_told(POD, "team", MemorySnapshot.of(known))) == [("resourceClaims[0]", told)]


JSON = st.recursive(
    st.none() | st.booleans() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "spec",
                    "devices",
                    "requests",
                    "exactly",
                    "firstAvailable",
                    "selectors",
                    "cel",
                    "attributes",
                    "capacity",
                    "value",
                    "status",
                    "allocation",
                    "nodeSelector",
                ]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=15,
)


@settings(max_examples=300, deadline=None)
@given(JSON, JSON, JSON, EVERYWHERE)
def test_any_shape_is_told_of(claim: Any, offered: Any, wanted: Any, place: str) -> None:
    """Whatever stands where claims, classes and slices should say something, there is an answer."""
    objects = [
        made("ResourceClaim", "claim", claim if isinstance(claim, dict) else {"spec": claim}, "team"),
        made("ResourceClaimTemplate", "claim", {"spec": wanted}, "team"),
        made("ResourceSlice", "s", {"spec": offered}),
        made("DeviceClass", place, {"spec": offered}),
    ]
    entries = [{"resourceClaimName": "claim"}, {"resourceClaimTemplateName": "claim"}, wanted]
    assert len(list(claims_told({"resourceClaims": entries}, "team", MemorySnapshot.of(objects)))) >= 2
