"""What is known of the cluster."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.snapshot import Absent, Answer, Lookup, MemorySnapshot, Pending, Query, Ref, Unknown, lookup, ref_of


def thing(name, kind="Node", namespace="", **more):
    metadata = {"name": name, **({"namespace": namespace} if namespace else {}), **more}
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata}


objects = st.lists(
    st.builds(
        thing,
        st.sampled_from("abcd"),
        st.sampled_from(["Node", "Pod"]),
        st.sampled_from(["", "n"]),
        uid=st.integers(0, 3),
    )
)


@given(objects, st.randoms())
def test_the_digest_depends_on_what_is_held_and_not_on_how_it_came_there(found, random):
    """Equal contents have equal digests, whatever the order of additions, replacements and removals."""
    final = {ref_of(one): one for one in found}
    straight = MemorySnapshot.of(final.values())
    detour = MemorySnapshot.of([thing("zz")])
    for one in found:
        detour = detour.with_objects([one])
    detour = detour.without([ref_of(thing("zz"))])
    assert detour.digest == straight.digest


@given(objects, objects)
def test_different_contents_have_different_digests(left, right):
    """A change of any object changes the digest."""
    one, other = ({ref_of(found): found for found in side} for side in (left, right))
    assert (MemorySnapshot.of(one.values()).digest == MemorySnapshot.of(other.values()).digest) == (one == other)


def test_an_older_snapshot_never_changes():
    """A snapshot is immutable: later additions make a new one."""
    before = MemorySnapshot.of([thing("a")])
    digest = before.digest
    before.with_objects([thing("b")]).without([ref_of(thing("a"))])
    assert before.digest == digest
    assert before.get(ref_of(thing("a"))) == thing("a")


def test_what_is_not_held_is_unknown_and_absent_only_in_a_complete_kind():
    """Absence is claimed for kinds that are held completely, and for no other."""
    ref = Ref("", "Node", "", "x")
    assert isinstance(MemorySnapshot.of([]).get(ref), Unknown)
    assert isinstance(MemorySnapshot.of([], complete=[("", "Node")]).get(ref), Absent)


def test_a_live_snapshot_asks_before_it_calls_anything_absent():
    """A watch lags behind: what a live snapshot doesn't hold is a question, and its answer is final."""
    ref = Ref("", "Namespace", "", "new")
    live = MemorySnapshot.of([], complete=[("", "Namespace")], live=True)
    assert lookup(live, ref) == Pending(Lookup(ref))
    assert lookup(live.with_answers({Lookup(ref): Answer(Absent())}), ref) == Absent()


def test_a_list_of_a_kind_that_is_not_complete_is_unknown():
    """Some of the nodes are not all of the nodes."""
    held = MemorySnapshot.of([thing("b"), thing("a")])
    assert isinstance(held.list(Query("", "Node")), Unknown)
    assert held.completing([("", "Node")]).list(Query("", "Node")) == [thing("a"), thing("b")]


@pytest.mark.parametrize("change", ["answers", "complete"])
def test_answers_and_completeness_are_part_of_the_digest(change):
    """Two snapshots that answer differently have different digests."""
    plain = MemorySnapshot.of([thing("a")])
    ref = Ref("", "Node", "", "b")
    other = (
        plain.with_answers({Lookup(ref): Answer(Absent())}) if change == "answers" else plain.completing([("", "Node")])
    )
    assert other.digest != plain.digest
