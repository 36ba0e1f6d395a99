"""The specification's expressions asked of the API server's own CEL: what it refuses and what it answers is ours."""

from __future__ import annotations

import pytest

from tests.policies.cel.oracle.difference import Difference, difference
from tests.policies.cel.oracle.peer import Peer
from tests.policies.cel.oracle.subject import Json, Subject
from tests.policies.cel.spec.cases import Case, read
from tests.policies.cel.spec.test_cel_spec import CORPUS

_OWN = {"type_env", "container", "disable_check", "bindings"}  # of which an API server has none


def _askable(case: Case) -> bool:
    return not _OWN & case.message.keys()


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the specification's test files are not at hand")
def test_the_specification_s_expressions(peer: Peer) -> None:
    """Of every expression that needs no variables, the API server says what we say: refusal, error, value, type, cost.

    So the cases that are left out are left out by the API server, too.
    """
    asked = sorted({case.expr for case in read(CORPUS) if _askable(case)})
    theirs = peer.ask([{"expr": expression} for expression in asked])
    subject = Subject()
    differing = [
        (expression, found)
        for expression, answer in zip(asked, theirs, strict=True)
        if (found := _differs(peer, subject, expression, answer)) is not None
    ]
    assert differing == []
    assert len(asked) > 1500
    assert sum("compile_err" in answer for answer in theirs) > 300


def _differs(peer: Peer, subject: Subject, expression: str, theirs: Json) -> Difference | None:
    """The API server walks a map in a random order, and is asked again where that may be why."""
    question = {"expr": expression}
    return difference(subject.answer(question, {}), theirs, lambda tries: peer.ask([question] * tries))
