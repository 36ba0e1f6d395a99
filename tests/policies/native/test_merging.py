"""The structured merge of an ApplyConfiguration, and JSON Patch as mutating policies carry it out."""

from __future__ import annotations

import copy
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.native import shapes
from policies.native.json_patch import ExpectationFailed, PatchFailed, difference, patched
from policies.native.merging import MergeRefused, merged, undeclared
from policies.patch import apply, same
from policies.request import GroupKind

POD = GroupKind("", "v1", "Pod")
JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text("ab/~", max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("ab/~", max_size=2), inner, max_size=4),
    max_leaves=12,
)
OBJECTS = st.dictionaries(st.text("abc", min_size=1, max_size=2), JSON, max_size=4)
NAMED = st.lists(st.sampled_from("abcdef"), unique=True, max_size=5)


def pod() -> shapes.Shape:
    found = shapes.built_in(POD)
    assert found is not None
    return found


def containers(*names: str) -> dict[str, Any]:
    return {"spec": {"containers": [{"name": name} for name in names]}}


@given(NAMED, NAMED)
def test_lists_by_key(live: list[str], patch: list[str]) -> None:
    """Every item of either side is there once; those that only one side has keep its order, and so do the shared."""
    made = merged(pod(), containers(*live), containers(*patch))["spec"]["containers"]
    names = [one["name"] for one in made]
    assert sorted(names) == sorted({*live, *patch})
    assert [name for name in names if name in patch] == patch
    own = [name for name in live if name not in patch]
    assert [name for name in names if name in own] == own


@given(OBJECTS, OBJECTS)
def test_inputs_stay(live: dict[str, Any], patch: dict[str, Any]) -> None:
    """A merge changes neither value."""
    before = copy.deepcopy((live, patch))
    with suppress(MergeRefused):
        merged(shapes.unknown(), live, patch)
    assert (live, patch) == before


@given(OBJECTS)
def test_nothing_into_anything(live: dict[str, Any]) -> None:
    """An empty patch leaves an object as it is."""
    assert same(merged(shapes.unknown(), live, {}), live)


def test_ports_go_by_number_and_protocol() -> None:
    """A port without a protocol is the TCP one, as its default says."""
    live = {"spec": {"containers": [{"name": "c", "ports": [{"containerPort": 53, "protocol": "UDP"}]}]}}
    patch = {"spec": {"containers": [{"name": "c", "ports": [{"containerPort": 53, "name": "dns"}]}]}}
    ports = merged(pod(), live, patch)["spec"]["containers"][0]["ports"]
    assert ports == [{"containerPort": 53, "protocol": "UDP"}, {"containerPort": 53, "name": "dns"}]


@pytest.mark.parametrize(
    "spec", [{"tolerations": []}, {"nodeSelector": {}}, {"containers": [{"name": "c", "args": []}]}]
)
def test_atomic_parts(spec: dict[str, Any]) -> None:
    """What would be replaced as a whole may not be written."""
    with pytest.raises(MergeRefused, match="may not mutate atomic arrays, maps or structs"):
        merged(pod(), {}, {"spec": spec})


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"foo": 1}, r"\.spec\.foo: field not declared in schema"),
        ({"hostname": 1}, r"\.spec\.hostname: expected string"),
        ({"hostNetwork": "x"}, r"\.spec\.hostNetwork: expected boolean, got &\{x\}"),
        ({"containers": [{"name": "c"}, {"name": "c"}]}, r'duplicate entries for key \[name="c"\]'),
        ({"containers": {}}, "expected list"),
    ],
)
def test_misfits(spec: dict[str, Any], message: str) -> None:
    """What doesn't fit a built-in kind is refused with its place, in the API server's words."""
    with pytest.raises(MergeRefused, match=message):
        merged(pod(), {}, {"spec": spec})


def test_kinds_without_a_schema() -> None:
    """Where nothing is known of a kind, maps are merged and lists are replaced as a whole."""
    live, patch = {"a": {"b": 1}, "l": [{"name": "x"}]}, {"a": {"c": 2}, "l": [{"name": "y"}]}
    assert merged(shapes.unknown(), live, patch) == {"a": {"b": 1, "c": 2}, "l": [{"name": "y"}]}


def test_undeclared_fields() -> None:
    """Fields that a kind doesn't have are found wherever they are; free ones are left alone."""
    found = {"spec": {"x": 1, "containers": [{"name": "c", "y": 2}]}, "metadata": {"labels": {"free": "z"}}}
    assert list(undeclared(pod(), found)) == ["spec.containers[0].y", "spec.x"]


@given(JSON, JSON)
def test_differences_lead_there(before: Any, after: Any) -> None:
    """The operations between two values make the one of the other, by RFC 6902 and by the API server's rules."""
    operations = difference(before, after)
    assert same(apply(before, operations), after)
    assert bool(operations) is not same(before, after)
    if isinstance(before, dict) and isinstance(after, dict):
        assert same(patched(before, operations), after)


@pytest.mark.parametrize(
    ("operation", "after"),
    [
        ({"op": "replace", "path": "/new", "value": 1}, {"a": [1, 2], "b": {"c": 3}, "new": 1}),
        ({"op": "add", "path": "/a/-1", "value": 9}, {"a": [1, 2, 9], "b": {"c": 3}}),
        ({"op": "remove", "path": "/a/-1"}, {"a": [1], "b": {"c": 3}}),
        ({"op": "move", "from": "/b/c", "path": "/d"}, {"a": [1, 2], "b": {}, "d": 3}),
        ({"op": "copy", "from": "/nope", "path": "/d"}, {"a": [1, 2], "b": {"c": 3}, "d": None}),
        ({"op": "test", "path": "/nope", "value": None}, {"a": [1, 2], "b": {"c": 3}}),
    ],
)
def test_patches_of_the_api_server(operation: dict[str, Any], after: dict[str, Any]) -> None:
    """Where it strays from RFC 6902, so do we; the document is left alone."""
    document = {"a": [1, 2], "b": {"c": 3}}
    assert patched(document, [operation]) == after
    assert document == {"a": [1, 2], "b": {"c": 3}}


@pytest.mark.parametrize(
    ("operation", "message"),
    [
        ({"op": "add", "path": "/x/y", "value": 1}, 'add operation does not apply: doc is missing path: "/x/y"'),
        ({"op": "add", "path": "/a/9", "value": 1}, "Unable to access invalid index: 9"),
        ({"op": "remove", "path": "/x"}, "Unable to remove nonexistent key: x"),
        ({"op": "frob", "path": "/x"}, "Unexpected kind: frob"),
        ({"op": "add", "path": "", "value": 1}, "doc is missing path"),
    ],
)
def test_patches_that_fail(operation: dict[str, Any], message: str) -> None:
    """An operation that doesn't fit says so in the API server's words."""
    with pytest.raises(PatchFailed, match=message):
        patched({"a": [1]}, [operation])


def test_a_failed_expectation() -> None:
    """A test that doesn't hold is told apart, and 1 is not true."""
    with pytest.raises(ExpectationFailed):
        patched({"a": 1}, [{"op": "test", "path": "/a", "value": True}])
