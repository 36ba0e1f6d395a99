"""The oracle itself: it gives what was recorded of an older API server, and the harness sees what differs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.policies.cel.oracle import objects
from tests.policies.cel.oracle.difference import difference
from tests.policies.cel.oracle.generator import Generator
from tests.policies.cel.oracle.peer import Peer, PeerDied
from tests.policies.cel.oracle.smallest import smallest_text, smallest_tree, smallest_value

Json = dict[str, Any]

CORPUS = Path(__file__).parents[5] / "shared/corpora/kubernetes-cel"
CHUNK = 500  # questions under way
NEWER_TEXTS = 3  # messages of format.*.validate that 1.36 words differently from 1.34


def recorded() -> Iterator[Json]:
    """Every recorded case."""
    for file in sorted(CORPUS.glob("*.jsonl")):
        yield from map(json.loads, file.read_text().splitlines())


def agrees(case: Json, answer: Json, again: Any) -> bool:
    """Whether 1.36 says what was recorded of 1.34; of a rejection only that it is one."""
    if "compile_err" in case or "compile_err" in answer:
        return ("compile_err" in case) == ("compile_err" in answer)
    if "cost" not in case:  # the older one crashed
        return str(answer.get("err", "")).startswith("PANIC")
    return difference(case, answer, again) is None and case.get("err") == answer.get("err")


@pytest.mark.skipif(not CORPUS.is_dir(), reason="no recorded cases: ../shared/corpora/kubernetes-cel is absent")
def test_recorded_cases(peer: Peer) -> None:
    """22,196 cases recorded of 1.34 have the same values, errors, types and costs, but for three messages."""
    peer.answer(mode="keep", name="recorded", bindings=json.loads((CORPUS / "variables.json").read_text()))
    cases = list(recorded())
    questions = [{"expr": case["expr"], "use": "recorded"} for case in cases]
    answers = [answer for start in range(0, len(cases), CHUNK) for answer in peer.ask(questions[start : start + CHUNK])]
    differing = [
        case["expr"]
        for case, question, answer in zip(cases, questions, answers, strict=True)
        if not agrees(case, answer, lambda tries, asked=question: peer.ask([asked] * tries))
    ]
    assert len(cases) > 22_000
    texts = [expression for expression in differing if ".validate(" in expression]
    assert len(texts) == NEWER_TEXTS, differing
    # the API server walks a map in a random order, and one cost depends on it: rarely all tries miss the recorded one
    assert len(differing) - len(texts) <= 1, differing


def test_versions(peer: Peer) -> None:
    """A library is there from the version that introduced it."""
    asked = {"1.31": False, "1.32": False, "1.33": True, "1.34": True}
    for version, known in asked.items():
        answer = peer.answer(mode="compile", expr="isSemver('1.2.3')", version=version)
        assert ("type" in answer) is known, (version, answer)


def test_variables_of_a_policy(peer: Peer) -> None:
    """Variables are evaluated when named, their cost counted apart, their errors the expression's."""
    variables = [{"name": "a", "expression": "object.x + 1"}, {"name": "b", "expression": "variables.a * 2"}]
    good = peer.answer(expr="variables.b + variables.b", variables=variables, bindings={"object": {"x": 1}})
    bad = peer.answer(expr="variables.b", variables=variables, bindings={"object": {}})
    assert good["val"] == {"t": "int", "v": "8"}
    assert good["variables_cost"] > 0
    assert 'variable "b" fails to evaluate' in bad["err"]


def test_patches(peer: Peer) -> None:
    """What a mutation would apply is told beside the value, and a misnamed type is its error."""
    good = peer.answer(expr="Object{spec: Object.spec{replicas: 3}}", patches=True, returns="object")
    bad = peer.answer(expr="Object{spec: Object.status{replicas: 3}}", patches=True, returns="object")
    operations = peer.answer(expr="[JSONPatch{op: 'remove', path: '/a'}]", patches=True, returns="patches")
    assert good["patch"] == {"spec": {"replicas": 3}}
    assert "unexpected type name" in bad["patch_err"]
    assert operations["patch"] == [{"op": "remove", "path": "/a"}]


def test_bad_question(peer: Peer) -> None:
    """A question with a misspelt field is refused instead of answered."""
    with pytest.raises(ValueError, match="unknown field"):
        peer.answer(expression="1")


def test_death(peer: Peer) -> None:
    """A peer that takes too long is ended, the question it was at is named, and the next question is answered."""
    with Peer.built(patience=1.0) as mortal:
        with pytest.raises(PeerDied) as died:
            mortal.ask([{"expr": "1"}, {"expr": "lists.range(9223372036854775807)"}, {"expr": "2"}])
        assert died.value.question == 1
        assert mortal.answer(expr="2")["val"] == {"t": "int", "v": "2"}


def test_difference() -> None:
    """Every kind of disagreement is seen, and one that another map order explains is none."""
    one = {"type": "int", "cost": 1, "val": {"t": "int", "v": "1"}}

    def kind(theirs: Json, again: Json | None = None) -> str | None:
        found = difference(one, theirs, lambda _: [theirs, again or theirs])
        return None if found is None else found.kind

    assert kind(one) is None
    assert kind({"compile_err": "no"}) == "rejection"
    assert kind({"type": "int", "cost": 1, "err": "no"}) == "error"
    assert kind({**one, "val": {"t": "uint", "v": "1"}}) == "value"
    assert kind({**one, "type": "dyn"}) == "type"
    assert kind({**one, "cost": 2}) == "cost"
    assert kind({**one, "cost": 2}, again=one) is None


def test_made_smaller() -> None:
    """A disagreement is reduced to what it is about."""
    random = Random(7)
    generator = Generator(random, objects.bindings(random))
    trees = (generator.expression(4) for _ in range(2000))
    tree = next(tree for tree in trees if ".size()" in tree.text and len(tree.text) > 60)

    def remains(text: str) -> bool:
        return ".size()" in text

    small = smallest_text(smallest_tree(tree, remains).text, remains)
    assert small == ".size()"
    assert smallest_value({"a": {"b": [1, 2], "c": 3}}, lambda v: 2 in v.get("a", {}).get("b", ())) == {"a": {"b": [2]}}


def test_generator_repeats() -> None:
    """The same seed makes the same expressions."""

    def made(seed: int) -> list[str]:
        random = Random(seed)
        generator = Generator(random, objects.bindings(random))
        return [generator.expression().text for _ in range(50)]

    assert made(3) == made(3)
    assert made(3) != made(4)
