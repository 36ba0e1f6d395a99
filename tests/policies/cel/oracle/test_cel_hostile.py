"""Our CEL against the API server's on expressions that mean harm, and on the edges of every type."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from random import Random
from time import thread_time
from typing import Any

import pytest

from tests.policies.cel.oracle import hostile
from tests.policies.cel.oracle.campaign import new_seed
from tests.policies.cel.oracle.difference import Difference, difference
from tests.policies.cel.oracle.peer import Peer, PeerDied
from tests.policies.cel.oracle.subject import Subject

Json = dict[str, Any]

MOST = None if os.environ.get("BAILIWICK_CEL_FUZZ") else 60  # of one kind, drawn anew each time
HANGS = 2.0  # seconds of the processor: twenty times what any of them may take, so that only a hang gets there
BINDINGS: Json = {
    "object": {"a": 1, "x": [1, 2], "é": 2},
    "request": {"name": "n", "userInfo": {"username": "u", "groups": ["g"]}, "resource": {"resource": "pods"}},
}
KINDS = (
    hostile.deep,
    hostile.wide,
    hostile.costly,
    hostile.numbers,
    hostile.characters,
    hostile.edges,
    hostile.constructed,
)
STOPPED = (hostile.deep, hostile.wide, hostile.costly, hostile.bombs)

# Our own limits, which the API server hasn't: docs/cel.md says what they are. By the beginning of what we say.
LIMITS = (
    "expression too long",
    "pattern too long",
    "pattern too large",
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
        expressions = drawn(expressions, MOST)
    subject = Subject()
    mutates = {"patches": True} if kind is hostile.constructed else {}
    asked: list[Json] = [{"expr": text, "bindings": BINDINGS, **mutates} for text in expressions]
    found = []
    for question, theirs in answered(peer, asked):
        differs = _differing(peer, subject, question, theirs)
        if differs is not None:
            found.append(f"{question['expr'][:200]}\n      {differs}")
    assert not found, f"{len(found)} of {len(expressions)} differ:\n\n" + "\n\n".join(found[:20])


@pytest.mark.parametrize("kind", STOPPED, ids=lambda kind: str(kind.__name__))
def test_hostile_expressions_stop(kind: Callable[[], Iterator[str]]) -> None:
    """Whatever an expression tries, it is refused, fails or has its value soon. `tests/bench` has the figures."""
    subject = Subject()
    slow = []
    for text in drawn(list(kind()), None if MOST is None else 2 * MOST):
        started = thread_time()
        subject.answer({"expr": text}, BINDINGS)  # raises where it isn't the engine's own error
        if (taken := thread_time() - started) > HANGS:
            slow.append(f"{taken:.1f} s: {text[:200]}")
    assert not slow, "\n".join(slow)


def test_bombs_are_accepted_where_the_api_server_accepts_them(peer: Peer) -> None:
    """Large patterns, texts and lists are refused at load by both or by neither, our own limits aside."""
    subject = Subject()
    expressions = drawn(list(hostile.bombs()), MOST)
    theirs = peer.ask([{"mode": "compile", "expr": text} for text in expressions])
    ours = [subject.answer({"expr": text}, BINDINGS) for text in expressions]
    differing = [
        text[:200]
        for text, mine, other in zip(expressions, ours, theirs, strict=True)
        if ("compile_err" in mine) != ("compile_err" in other) and not _is_limited(mine)
    ]
    assert not differing


def drawn(expressions: list[str], most: int | None) -> list[str]:
    """Some of them, others in each run."""
    if most is None or len(expressions) <= most:
        return expressions
    seed = new_seed()
    print(f"seed {seed}")
    return Random(seed).sample(expressions, most)


def _differing(peer: Peer, subject: Subject, question: Json, theirs: Json) -> Difference | None:
    ours = subject.answer(question, BINDINGS)
    if _is_limited(ours):
        return None
    return difference(ours, theirs, lambda tries: peer.ask([question] * tries))


def _is_limited(ours: Json) -> bool:
    said = str(ours.get("err", "")) or str(ours.get("compile_err", ""))
    return any(words in said for words in LIMITS)
