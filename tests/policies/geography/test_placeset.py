"""Place sets are sets: the algebra agrees with plain sets over a small universe."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.geography.placeset import ANYWHERE, NOWHERE, PLACED, UNPLACED, PlaceSet

UNIVERSE = frozenset({"aws.eu-central-1", "fra-dc1", "7", "", UNPLACED, "one nobody named"})
NAMED = sorted(UNIVERSE - {"one nobody named"})
SETS = st.builds(PlaceSet, st.frozensets(st.sampled_from(NAMED)), st.booleans())


def members(places: PlaceSet) -> frozenset[str]:
    return frozenset(code for code in UNIVERSE if code in places)


@given(SETS, SETS)
def test_operators_are_those_of_sets(left: PlaceSet, right: PlaceSet) -> None:
    """Intersection, union, difference, complement and inclusion are those of sets."""
    assert members(left & right) == members(left) & members(right)
    assert members(left | right) == members(left) | members(right)
    assert members(left - right) == members(left) - members(right)
    assert members(~left) == UNIVERSE - members(left)
    assert (left <= right) == (members(left) <= members(right))
    assert left.empty == (not members(left))


@given(st.lists(SETS, max_size=4))
def test_many_at_once(sets: list[PlaceSet]) -> None:
    """The union and the intersection of many sets are those of their members; of none, nowhere and anywhere."""
    assert members(PlaceSet.union(sets)) == frozenset().union(*map(members, sets))
    assert members(PlaceSet.intersection(sets)) == UNIVERSE.intersection(*map(members, sets))


@given(SETS, SETS)
def test_equal_sets_have_one_form(left: PlaceSet, right: PlaceSet) -> None:
    """Two sets with the same members are equal, hash alike, and are written alike."""
    if members(left) == members(right):
        assert left == right
        assert hash(left) == hash(right)
        assert (left.tokens, str(left)) == (right.tokens, str(right))
    else:
        assert left.tokens != right.tokens


@given(SETS)
def test_tokens_read_back(places: PlaceSet) -> None:
    """What a set is written as reads back as the same set."""
    assert PlaceSet.parse(places.tokens) == places


def test_mixed_tokens_are_refused() -> None:
    """A list that mixes places and exceptions is no set."""
    with pytest.raises(ValueError, match="mixes"):
        PlaceSet.parse(["fra-dc1", "!aws.eu-central-1"])


def test_words_for_people() -> None:
    """Sets read as words."""
    assert str(ANYWHERE) == "anywhere"
    assert str(NOWHERE) == "nowhere"
    assert str(PLACED) == "anywhere but a node without a place"
    assert str(PlaceSet.of(["b", "a"])) == "a, b"
    assert ANYWHERE.tokens == ("!",)
    assert str(PlaceSet.excluding(map(str, range(1000)))).endswith("108, 109, 11, 110, 111 and 984 more")
