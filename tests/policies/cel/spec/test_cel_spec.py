"""The CEL specification's own tests, as far as an API server's environment can hold them."""

from __future__ import annotations

from pathlib import Path

import pytest

from policies.cel import CompileError, CostExceeded, EvaluationError
from policies.cel.conformance import difference
from policies.cel.tagged import tagged
from tests.policies.cel.spec.cases import Case, read
from tests.policies.cel.spec.left_out import compiled, otherwise, reason

CORPUS = Path(__file__).parents[5] / "shared" / "corpora" / "cel-spec"
pytestmark = pytest.mark.skipif(not CORPUS.is_dir(), reason="the specification's test files are not at hand")


def outcome(case: Case, version: tuple[int, int]) -> str:
    """What is wrong with our answer, or nothing."""
    try:
        found = compiled(case, version).exact(case.names())
    except (CompileError, EvaluationError, CostExceeded) as error:
        return "" if case.fails else f"failed: {error}"
    if case.fails:
        return f"should fail, is {found!r}"
    ours, wanted = ({"type": "", "cost": 0, "val": tagged(value)} for value in (found, case.wanted()))
    return f"is {found!r}, not {case.wanted()!r}" if difference(ours, wanted) else ""


def test_every_case_that_compiles_holds() -> None:
    """Every case of the specification that an API server accepts has the answer that it asks for.

    Scopes follow the specification since 1.37; before, an API server let dotted names shine through a loop's variable.
    """
    held = [case for case in read(CORPUS) if not reason(case)]
    wrong = {case.name: why for case in held if (why := outcome(case, (1, 36))) and outcome(case, (1, 37))}
    unexplained = {name: why for name, why in wrong.items() if not _explained(name, held)}
    assert unexplained == {}
    assert len(wrong) < 25
    assert len(held) > 1500


def _explained(name: str, cases: list[Case]) -> str:
    return next(otherwise(case) for case in cases if case.name == name)


def test_most_cases_are_held_and_the_rest_have_a_reason() -> None:
    """A case is left out only for what an API server lacks: messages, containers, libraries, mixed literals."""
    reasons = [why for case in read(CORPUS) if (why := reason(case))]
    kinds = ("is about", "is refused:", "needs", "declares", "binds", "resolves")
    assert all(why.startswith(kinds) for why in reasons)
