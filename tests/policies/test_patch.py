"""RFC 6902 over plain values."""

import contextlib
import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.patch import PatchRefused, apply, parse_pointer, pointer, resolve, same

scalars = st.none() | st.booleans() | st.integers() | st.text(max_size=4)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
)
operations = st.fixed_dictionaries(
    {
        "op": st.sampled_from(["add", "remove", "replace", "move", "copy", "test", "??"]),
        "path": st.text("/~01a-", max_size=8),
    },
    optional={"value": values, "from": st.text("/~01a-", max_size=8)},
)

# RFC 6902 appendix A, in its order; the last member is None where the patch must be refused
APPENDIX = [
    ({"foo": "bar"}, [{"op": "add", "path": "/baz", "value": "qux"}], {"baz": "qux", "foo": "bar"}),
    ({"foo": ["bar", "baz"]}, [{"op": "add", "path": "/foo/1", "value": "qux"}], {"foo": ["bar", "qux", "baz"]}),
    ({"baz": "qux", "foo": "bar"}, [{"op": "remove", "path": "/baz"}], {"foo": "bar"}),
    ({"foo": ["bar", "qux", "baz"]}, [{"op": "remove", "path": "/foo/1"}], {"foo": ["bar", "baz"]}),
    ({"baz": "qux"}, [{"op": "replace", "path": "/baz", "value": "boo"}], {"baz": "boo"}),
    (
        {"foo": {"bar": "baz", "waldo": "fred"}, "qux": {"corge": "grault"}},
        [{"op": "move", "from": "/foo/waldo", "path": "/qux/thud"}],
        {"foo": {"bar": "baz"}, "qux": {"corge": "grault", "thud": "fred"}},
    ),
    (
        {"foo": ["all", "grass", "cows", "eat"]},
        [{"op": "move", "from": "/foo/1", "path": "/foo/3"}],
        {"foo": ["all", "cows", "eat", "grass"]},
    ),
    ({"baz": "qux"}, [{"op": "test", "path": "/baz", "value": "qux"}], {"baz": "qux"}),
    ({"baz": "qux"}, [{"op": "test", "path": "/baz", "value": "bar"}], None),
    (
        {"foo": "bar"},
        [{"op": "add", "path": "/child", "value": {"grandchild": {}}}],
        {"foo": "bar", "child": {"grandchild": {}}},
    ),
    ({"foo": "bar"}, [{"op": "add", "path": "/baz", "value": "qux", "xyz": 123}], {"foo": "bar", "baz": "qux"}),
    ({"foo": "bar"}, [{"op": "add", "path": "/baz/bat", "value": "qux"}], None),
    ({"/": 9, "~1": 10}, [{"op": "test", "path": "/~01", "value": 10}], {"/": 9, "~1": 10}),
    ({"/": 9, "~1": 10}, [{"op": "test", "path": "/~01", "value": "10"}], None),
    ({"foo": ["bar"]}, [{"op": "add", "path": "/foo/-", "value": ["abc", "def"]}], {"foo": ["bar", ["abc", "def"]]}),
]


@pytest.mark.parametrize(("document", "patch", "expected"), APPENDIX)
def test_the_examples_of_the_rfc_come_out_as_printed(document, patch, expected):
    """Every example of RFC 6902 appendix A gives its printed result, or is refused."""
    if expected is None:
        with pytest.raises(PatchRefused):
            apply(document, patch)
    else:
        assert apply(document, patch) == expected


@given(values, st.lists(operations, max_size=4))
def test_a_patch_gives_a_value_or_is_refused_and_never_changes_the_original(document, patch):
    """Whatever the patch, the document that was handed in stays as it was."""
    before = copy.deepcopy(document)
    with contextlib.suppress(PatchRefused):
        apply(document, patch)
    assert same(document, before)


@given(st.lists(st.text(max_size=5), max_size=5))
def test_a_pointer_reads_back_as_its_path(path):
    """Escaping loses nothing: a JSON pointer parses to the path that it was made of."""
    assert parse_pointer(pointer(path)) == path


@given(values, st.text(max_size=3))
def test_what_is_added_is_found_there(value, name):
    """After an add, the pointer resolves to the value."""
    assert same(resolve(apply({}, [{"op": "add", "path": pointer([name]), "value": value}]), [name]), value)


@pytest.mark.parametrize("index", ["01", "1", "-1", "x", "", "1e0", "\u0661"])
def test_an_array_index_is_plain_decimal_and_in_range(index):
    """Leading zeros, signs, other digits and what lies beyond the end are refused."""
    with pytest.raises(PatchRefused):
        apply({"a": [1]}, [{"op": "replace", "path": f"/a/{index}", "value": 2}])


def test_true_is_not_one():
    """JSON's true and 1 differ, at any depth."""
    assert not same({"a": [True]}, {"a": [1]})
    assert same({"a": [1]}, {"a": [1.0]})
