"""Our CEL against the API server's on expressions that mean harm, and on the edges of every type."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import pytest

from tests.policies.cel.oracle import hostile
from tests.policies.cel.oracle.campaign import new_seed
from tests.policies.cel.oracle.difference import Difference, difference
from tests.policies.cel.oracle.peer import Peer, PeerDied
from tests.policies.cel.oracle.subject import Subject

Json = dict[str, Any]

MOST = None if os.environ.get("BAILIWICK_CEL_FUZZ") else 1500  # of one kind, drawn anew each time
BINDINGS: Json = {
    "object": {"a": 1, "x": [1, 2], "é": 2},
    "request": {"name": "n", "userInfo": {"username": "u", "groups": ["g"]}, "resource": {"resource": "pods"}},
}
KINDS = (hostile.deep, hostile.wide, hostile.costly, hostile.bombs, hostile.numbers, hostile.characters, hostile.edges)

# Our own limits, which the API server hasn't: docs/cel.md says what they are. By the beginning of what we say.
LIMITS = (
    "expression too long",
    "pattern too long",
    "result too large",
    "text too long to be read",
    "quantity too long",
    "quantity out of range",
    "operation cancelled: evaluation took longer",
)


def answered(peer: Peer, questions: list[Json]) -> Iterator[tuple[Json, Json]]:
    """Questions with their answers; those that the API server's CEL itself doesn't survive are left out."""
    while questions:
        try:
            answers = peer.ask(questions[:50])
        except PeerDied as died:
            del questions[died.question]
            continue
        yield from zip(questions[:50], answers, strict=True)
        questions = questions[50:]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: str(kind.__name__))
def test_hostile_expressions_agree(peer: Peer, kind: Callable[[], Iterator[str]]) -> None:
    """What is too deep, too wide, too costly or at an edge has the API server's verdict, value and cost."""
    expressions = list(dict.fromkeys(kind()))
    if MOST is not None and len(expressions) > MOST:
        seed = new_seed()
        print(f"seed {seed}")
        expressions = Random(seed).sample(expressions, MOST)
    subject = Subject()
    asked = [{"expr": text, "bindings": BINDINGS} for text in expressions]
    found = []
    for question, theirs in answered(peer, asked):
        differs = _differing(peer, subject, question, theirs)
        if differs is not None:
            found.append(f"{question['expr'][:200]}\n      {differs}")
    assert not found, f"{len(found)} of {len(expressions)} differ:\n\n" + "\n\n".join(found[:20])


def _differing(peer: Peer, subject: Subject, question: Json, theirs: Json) -> Difference | None:
    ours = subject.answer(question, BINDINGS)
    if _is_limited(ours):
        return None
    return difference(ours, theirs, lambda tries: peer.ask([question] * tries))


def _is_limited(ours: Json) -> bool:
    said = str(ours.get("err", "")) or str(ours.get("compile_err", ""))
    return any(words in said.splitlines()[0] for words in LIMITS) if said else False
