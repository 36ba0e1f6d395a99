"""What a decision read of a snapshot, written down and read back: every answer is the one that it got."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.consulted import Consulted, Excerpt, ExcerptInvalid
from policies.decision import Inputs
from policies.gathering import engine_of
from policies.packs import builtin
from policies.rulebook import Rulebook
from policies.snapshot import (
    Absent,
    Answer,
    Authorization,
    Evidence,
    Lookup,
    MemorySnapshot,
    Pending,
    Query,
    Ref,
    Unknown,
    object_digest,
)
from policies.written_rules import RulesUnreadable, engine_of_document, rules_digest, written_rules


def _object(kind: str, name: str, **more: object) -> dict[str, object]:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, **more}}


SNAPSHOT = MemorySnapshot.of(
    [_object("Namespace", "clinic", labels={"a": "b"}), _object("Node", "n1"), _object("Node", "n2")],
    [("", "Node")],
).with_answers(
    {
        Lookup(Ref("", "PersistentVolumeClaim", "clinic", "data")): Answer({"spec": {"volumeName": "pv"}}),
        Lookup(Ref("", "PersistentVolumeClaim", "clinic", "gone")): Answer(Absent()),
        Authorization(b'{"user":"jane"}'): Answer({"allowed": True}),
        Evidence("registry.example/a"): Answer(Unknown("nobody asks registries")),
    }
)
QUESTIONS = [*SNAPSHOT.answers, Lookup(Ref("", "Node", "", "n3")), Evidence("other")]
REFS = [
    Ref("", "Namespace", "", "clinic"),
    Ref("", "Node", "", "n1"),
    Ref("", "Node", "", "n9"),
    Ref("x", "Y", "", "z"),
]
QUERIES = [Query("", "Node"), Query("", "Namespace"), Query("", "Node", "clinic")]


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.sampled_from(REFS)),
    st.lists(st.sampled_from(QUERIES)),
    st.lists(st.sampled_from(QUESTIONS)),
    st.booleans(),
)
def test_an_excerpt_answers_as_the_snapshot_did(refs: list, queries: list, questions: list, live: bool) -> None:  # type: ignore[type-arg]
    """Whatever was read, in whatever order, is answered again from JSON; the digest is the whole snapshot's."""
    snapshot = MemorySnapshot(SNAPSHOT.objects, SNAPSHOT.complete, SNAPSHOT.answers, live, SNAPSHOT._digests)
    consulted = Consulted(snapshot)
    got = [consulted.get(ref) for ref in refs]
    listed = [consulted.list(query) for query in queries]
    answered = [consulted.answer(question) for question in questions]
    objects = {read.digest: json.loads(json.dumps(read.found)) for read in consulted.reads()}
    assert all(
        digest == object_digest(read.ref, read.found) for digest, read in zip(objects, consulted.reads(), strict=True)
    )
    excerpt = Excerpt(json.loads(json.dumps(consulted.document())), objects)
    assert [excerpt.get(ref) for ref in refs] == got
    assert [excerpt.list(query) for query in queries] == listed
    assert [excerpt.answer(question) for question in questions] == answered
    assert excerpt.digest == snapshot.digest


def test_what_was_not_read_is_not_known() -> None:
    """An excerpt never claims absence, nor asks: what the decision didn't read, it can't tell."""
    excerpt = Excerpt(Consulted(SNAPSHOT).document(), {})
    assert isinstance(excerpt.get(REFS[0]), Unknown)
    assert isinstance(excerpt.list(QUERIES[0]), Unknown)
    answer = excerpt.answer(QUESTIONS[0])
    assert not isinstance(answer, Pending)
    assert isinstance(answer.value, Unknown)


def test_only_what_was_read_stands_in_it() -> None:
    """The other objects of the cluster are not in the document."""
    consulted = Consulted(SNAPSHOT)
    consulted.get(REFS[0])
    assert [read.ref for read in consulted.reads()] == [REFS[0]]
    assert "n1" not in json.dumps(consulted.document())


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"digest": "no hex"},
        {"digest": "", "objects": [["", "Node", "", "n1", "00"]]},
        {"digest": "", "objects": [1]},
        {"digest": "", "answers": [[{"asked": 1}, {"value": 1}]]},
        {"digest": "", "answers": [[{"evidence": "x"}, {}]]},
        {"digest": "", "lists": [[["", "Node"], ["00"]]]},
    ],
)
def test_a_broken_excerpt_is_refused(document: dict[str, object]) -> None:
    """What is malformed, or names an object that isn't there, is no excerpt."""
    with pytest.raises(ExcerptInvalid):
        Excerpt(document, {})


def test_written_rules_come_into_force_again() -> None:
    """The built-in rules, written as JSON and read back, give an engine of the same digest; others are refused."""
    engine = engine_of((), "0.1.0")
    inputs = Inputs(policies=engine.digest, data=engine.law.data_digest, engine="0.1.0")
    document = json.loads(json.dumps(written_rules(engine.law)))
    again = engine_of_document(document, inputs)
    assert (again.digest, again.policies) == (engine.digest, engine.policies)
    assert again.law.geography.regions.digest == engine.law.geography.regions.digest
    assert rules_digest(inputs) != rules_digest(Inputs(policies=inputs.policies, data=b"other"))
    fewer = {**document, "rules": document["rules"][1:]}
    for broken, message in (
        (fewer, "not those that the decision names"),
        ({}, "can't be read"),
        ({"rules": [{"kind": "DataClass"}]}, "doesn't read the rules of then"),
    ):
        with pytest.raises(RulesUnreadable, match=message):
            engine_of_document(broken, inputs)
    with pytest.raises(RulesUnreadable, match="catalogue"):
        engine_of_document(document, Inputs(policies=engine.digest, data=b"other", engine="0.1.0"))
    assert Rulebook.of(builtin()).digest == engine.digest
