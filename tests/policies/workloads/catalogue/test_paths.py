"""Catalogue paths: what they lead to, against a walk of the whole object."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.patch import parse_pointer, resolve
from policies.workloads.catalogue.paths import PathMalformed, Paths, member, parse, pointer

KEYS = st.sampled_from(["a", "b", "a.b/c", 'q"uote', "back\\slash", "~til/de", "[0]", "{}", ""])
JSON = st.recursive(
    st.none() | st.integers(0, 3) | st.text(max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=12,
)
STEPS = st.lists(st.sampled_from(["a", "b", "[]", "{}", "k:a.b/c", 'k:q"uote', "k:back\\slash"]), max_size=4)


def written(steps):
    path = ""
    for step in steps:
        path = path + step if step in ("[]", "{}") else member(path, step.removeprefix("k:"))
    return path


def everything(value, path="", steps=()):
    yield path, steps, value
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from everything(inner, member(path, key), (*steps, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from everything(inner, f"{path}[{index}]", (*steps, index))


def fits(steps, concrete):
    if len(steps) != len(concrete):
        return False
    return all(
        isinstance(one, int)
        if step == "[]"
        else isinstance(one, str)
        if step == "{}"
        else one == step.removeprefix("k:")
        for step, one in zip(steps, concrete, strict=True)
    )


@given(JSON, st.lists(STEPS, max_size=4))
def test_a_walk_finds_what_a_search_of_everything_finds(value, wanted):
    """Compiled paths lead exactly to the values whose place fits, nulls left out."""
    paths = Paths((written(steps), index) for index, steps in enumerate(wanted))
    found = {(one.path, one.tag) for one in paths.find(value)}
    places = list(everything(value))
    expected = {
        (path, index)
        for index, steps in enumerate(wanted)
        for path, concrete, inner in places
        if fits(steps, concrete) and (inner is not None or not concrete) and no_null_above(value, concrete)
    }
    assert found == expected


def no_null_above(value, concrete):
    for key in concrete:
        if value is None:
            return False
        value = value[key]
    return True


@given(JSON)
def test_every_path_is_a_pointer(value):
    """The path of a place, as a JSON pointer, leads to the value that stands there."""
    for path, concrete, inner in everything(value):
        if "" not in concrete:
            assert resolve(value, parse_pointer(pointer(path))) == inner


def test_keys_and_tags():
    """A value below `{}` comes with its key, and every value with the tag of its path."""
    paths = Paths([("spec.limits{}", "limit"), ("spec.items[].name", "name")])
    found = paths.find({"spec": {"limits": {"nvidia.com/gpu": 1}, "items": [{"name": "x"}, {}, 7]}})
    assert [tuple(one) for one in found] == [
        ('spec.limits["nvidia.com/gpu"]', 1, "nvidia.com/gpu", "limit"),
        ("spec.items[0].name", "x", "", "name"),
    ]


def test_prefix():
    """What lies inside another object is found under that object's path."""
    assert Paths([("a.b", 0)]).find({"a": {"b": 1}}, "spec.items[0]")[0].path == "spec.items[0].a.b"


@pytest.mark.parametrize("path", ["a..b", ".a", "a[", "a[0", 'a["b', "a{", "a]b", 'a"b'])
def test_malformed(path):
    """A path that can't be read says where."""
    with pytest.raises(PathMalformed, match="character"):
        parse(path)
