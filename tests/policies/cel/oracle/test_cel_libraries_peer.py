"""What is recorded of the libraries is what the API server's own CEL says today, and when each library appeared."""

from __future__ import annotations

from policies.cel import versions
from tests.policies.cel.library.record import answers
from tests.policies.cel.library.rows import recorded
from tests.policies.cel.oracle.peer import Peer
from tests.policies.cel.test_cel_versions import APPEARED

MADE_UP = ("cost", "variables_cost")  # one cost depends on Go's order of maps


def test_recorded_answers_are_still_given(peer: Peer) -> None:
    """The rows of the libraries get the recorded answers from the API server's CEL of the test bed."""
    again = answers(peer)
    assert [_without(one) for one in again] == [_without(one) for one in recorded()]
    costs = [(one.get("cost"), other.get("cost")) for one, other in zip(again, recorded(), strict=True)]
    assert sum(one != other for one, other in costs) <= 2


def _without(answer: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in answer.items() if name not in MADE_UP}


def test_libraries_appear_when_they_do_in_the_api_server(peer: Peer) -> None:
    """For every version up to 1.36, what a new expression may use there is what it may use here."""
    for expression in APPEARED:
        for minor in range(31, 37):
            answer = peer.answer(mode="compile", expr=expression, version=f"1.{minor}")
            known = "compile_err" not in answer
            assert known is compiles(expression, (1, minor)), (expression, minor, answer)


def compiles(expression: str, version: tuple[int, int]) -> bool:
    from policies.cel import CompileError, Compiler, Environment

    try:
        Compiler().compile(expression, Environment.admission(version))
    except CompileError:
        return False
    assert version <= versions.NEWEST
    return True
