"""The libraries, function by function, held to what the API server's own CEL answered."""

from __future__ import annotations

import re

import pytest

from policies.cel import versions
from policies.cel.ast import Node, children
from policies.cel.conformance import difference
from policies.cel.parser import parse
from tests.policies.cel.library.rows import BINDINGS, EXPRESSIONS, Json, answers_of, recorded, rows
from tests.policies.cel.oracle.subject import Subject

SUBJECT = Subject()
CASES = [
    pytest.param(case, id=f"{library}: {case['expr'][:60]}")
    for (library, _), case in zip(rows(), recorded(), strict=True)
]
_OPERATORS = re.compile(r"[_@!-].*")
_BY_SYNTAX = {"cel.@mapInsert"}


@pytest.mark.parametrize("case", CASES)
def test_as_the_api_server_answers(case: Json) -> None:
    """Value, error, rejection, type and cost are the recorded ones."""
    ours = SUBJECT.answer({"expr": case["expr"]}, BINDINGS)
    assert ("compile_err" in ours) is ("compile_err" in case), ours
    assert "compile_err" in case or difference(ours, case) == "", ours


NEWEST = recorded(answers_of("1.37"))


@pytest.mark.parametrize("case", NEWEST, ids=lambda case: case["expr"][:60])
def test_as_1_37_answers(case: Json) -> None:
    """So are those of 1.37, from the same program built on the modules of that version."""
    ours = SUBJECT.answer({"expr": case["expr"], "version": "1.37"}, BINDINGS)
    assert ("compile_err" in ours) is ("compile_err" in case), ours
    assert "compile_err" in case or difference(ours, case) == "", ours


def test_each_answer_is_of_its_row() -> None:
    """The recorded answers are of the rows as they stand, and the two versions differ somewhere."""
    for several in (recorded(), NEWEST):
        assert [case["expr"] for case in several] == [expression for _, expression in rows()]
    sorts = [[_sort(one) for one in several] for several in (recorded(), NEWEST)]
    assert sum(old != new for old, new in zip(*sorts, strict=True)) >= 5


def _sort(case: Json) -> str:
    return next(sort for sort in ("compile_err", "err", "val") if sort in case)


def test_every_function_has_a_row() -> None:
    """No function of a version that can be compared is without a row."""
    called = {name for _, expression in rows() for name in _called(expression)}
    known = versions.functions((1, 36))
    named = {name for name in known if not _OPERATORS.match(name) and name not in _BY_SYNTAX}
    assert named - called == set()
    assert all(len(several) >= 3 for several in EXPRESSIONS.values())


def _called(expression: str) -> set[str]:
    found: set[str] = set()
    pending: list[Node] = [parse(expression, quoted_fields=True)]
    while pending:
        node = pending.pop()
        name = getattr(node, "function", "")
        target = getattr(node, "target", None)
        found |= {name, f"{getattr(target, 'name', '')}.{name}"}
        pending += children(node)
    return found


def test_rows_fail_and_are_refused_too() -> None:
    """Beside values there are errors and rejections in every dimension that is compared."""
    sorts = [_sort(case) for case in recorded()]
    assert sorts.count("val") > 150
    assert sorts.count("err") > 15
    assert sorts.count("compile_err") > 6
