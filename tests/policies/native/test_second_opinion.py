"""cel-python beside our engine: every known difference by its cause, so that a new one is noticed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from policies.cel import CompileError
from policies.cel.tagged import same, tagged
from policies.native.evaluation import Failed, Run
from policies.native.kyverno import KyvernoValidatingPolicy
from policies.verbs.cel_evaluate import evaluate
from policies.verbs.cel_second import Opinion, second_opinion
from policies.verbs.cel_shown import text
from tests.policies.cel.library.rows import rows as library_rows
from tests.policies.native.kyverno_suites import CORPUS, Row, rows

pytest.importorskip("celpy", reason="the extra `second-opinion` isn't installed")

KNOWN = yaml.safe_load((Path(__file__).parent / "second_opinion.yaml").read_text())
DIFFERING = [(one["cause"], *row) for one in KNOWN["differ"] for row in one["expressions"]]
LIBRARIES = yaml.safe_load((Path(__file__).parents[1] / "cel" / "library" / "second_opinion.yaml").read_text())
ASK = second_opinion()
Answers = tuple[str, str]


def answers(expression: str) -> Answers:
    """Ours and cel-python's, as text."""
    inputs = {"object": KNOWN["object"], "request": KNOWN["request"]}
    try:
        found = evaluate(expression, inputs, (1, 36), second=True)
    except CompileError:
        return "rejected", _text(ASK(expression, inputs))
    assert found.second is not None
    return "error" if found.error else text(found.value), _text(found.second)


def _text(opinion: Opinion) -> str:
    if opinion.error:
        return "rejected" if opinion.rejected else "error"
    return text(opinion.value)


@pytest.mark.parametrize("expression", KNOWN["agree"])
def test_both_agree(expression: str) -> None:
    """Two engines that share no line say the same of what both can do."""
    ours, theirs = answers(expression)
    assert ours == theirs


@pytest.mark.parametrize(("cause", "expression", "ours", "theirs"), DIFFERING, ids=[row[1] for row in DIFFERING])
def test_known_differences(cause: str, expression: str, ours: str, theirs: str) -> None:
    """Each known difference is still there, and still the same one."""
    assert answers(expression) == (ours, theirs), cause
    assert ours != theirs


def test_dangerous_ones_are_known() -> None:
    """Among the causes are those where cel-python says `true` and the API server denies."""
    dangerous = {cause for cause, _, ours, theirs in DIFFERING if theirs == "true" and ours != "true"}
    assert any("has() is false" in cause for cause in dangerous)
    assert "true equals 1" in dangerous


CAUSES = {
    "optional selection and index can't be parsed": (".?", "[?"),
    "libraries of Kubernetes and cel-go's extensions are missing": (".join(",),
}


@pytest.fixture(scope="module")
def public(suites: list[Row]) -> list[tuple[str, bool]]:
    """Each expression of public policies over each of their resources, and whether both engines agree."""
    return [pair for row in suites for pair in compared(row)]


@pytest.fixture(scope="module")
def suites() -> list[Row]:
    """All expectations of public policies' own suites."""
    if not CORPUS.is_dir():
        pytest.skip("the corpus kyverno-policies is not beside the checkout")
    return list(rows())


def test_public_policies(public: list[tuple[str, bool]]) -> None:
    """On public policies and their own resources, every difference has one of two known causes."""
    marks = [mark for several in CAUSES.values() for mark in several]
    differing = [source for source, agree in public if not agree]
    assert [source for source in differing if not any(mark in source for mark in marks)] == []
    assert len(public) > 1000 and differing


def test_the_decision_tells_the_figures() -> None:
    """The figures of the decision record are those that the tests find."""
    text = " ".join((Path(__file__).parents[3] / "docs" / "adr" / "0001-own-cel-engine.md").read_text().split())
    agree, differ, causes = len(KNOWN["agree"]), len(DIFFERING), len(KNOWN["differ"])
    assert f"Of {agree + differ} expressions that a test keeps, both agree on {agree} and differ on {differ}" in text
    assert causes == 16 and "for sixteen causes" in text
    otherwise = sum(map(len, LIBRARIES.values()))
    assert f"of the {len(library_rows())} of the libraries they differ on {otherwise}" in text
    assert f"| {len(library_rows()) - otherwise} answered alike |" in text


def test_the_decision_tells_what_was_found_on_public_policies(
    public: list[tuple[str, bool]], suites: list[Row]
) -> None:
    """So are those about public policies and their suites."""
    text = (Path(__file__).parents[3] / "docs" / "adr" / "0001-own-cel-engine.md").read_text()
    sources, differing = {source for source, _ in public}, {source for source, agree in public if not agree}
    assert f"| {len(suites)} expectations" in text
    assert f"| {len(differing)} of {len(sources)} expressions differ somewhere |" in text


def compared(row: Row) -> Iterator[tuple[str, bool]]:
    """The expressions of a row's policy over its resource as it is, and whether both engines agree."""
    policy = row.policy
    assert isinstance(policy, KyvernoValidatingPolicy)
    names: dict[str, Any] = {"object": row.resource, "oldObject": None, "namespaceObject": None}
    run = Run({**names, "request": {"operation": "CREATE"}}, policy.variables, 2**60)
    values = {name: run.evaluate(program) for name, program in policy.variables.items()}
    known = {name: value for name, value in values.items() if not isinstance(value, Failed)}
    programs = [*policy.variables.values(), *(one.expression for one in policy.validations)]
    for program in programs:
        ours = run.evaluate(program)
        theirs = ASK(program.source, {**names, "request": {"operation": "CREATE"}, "variables": known})
        if isinstance(ours, Failed) or theirs.error:
            yield program.source, isinstance(ours, Failed) and bool(theirs.error)
        else:
            yield program.source, same(tagged(theirs.value), tagged(ours))
