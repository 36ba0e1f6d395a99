"""cel-python beside our engine on every function of every library: each difference is known by its cause."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from policies.cel import CompileError
from policies.verbs.cel_evaluate import evaluate
from policies.verbs.cel_second import Opinion, second_opinion
from policies.verbs.cel_shown import text
from tests.policies.cel.library.rows import BINDINGS, rows

pytest.importorskip("celpy", reason="the extra `second-opinion` isn't installed")

KNOWN: dict[str, list[Any]] = yaml.safe_load(Path(__file__).with_name("second_opinion.yaml").read_text())
ASK = second_opinion()


def differs(expression: str) -> bool:
    """Whether cel-python has another value than we have, or one of the two has none."""
    try:
        found = evaluate(expression, BINDINGS, (1, 36), second=True)
    except CompileError:
        return _told(ASK(expression, BINDINGS)) != "rejected"
    assert found.second is not None
    return ("error" if found.error else text(found.value)) != _told(found.second)


def _told(opinion: Opinion) -> str:
    if opinion.error:
        return "rejected" if opinion.rejected else "error"
    return text(opinion.value)


def test_every_difference_is_known_by_its_cause() -> None:
    """A difference that is new fails this test, and so does one that is gone."""
    known = {str(expression) for several in KNOWN.values() for expression in several}
    assert {expression for _, expression in rows() if differs(expression)} == known
    assert sum(map(len, KNOWN.values())) == len(known)


def test_it_agrees_where_it_can() -> None:
    """What needs no library of Kubernetes is answered alike, mostly: two engines that share no line."""
    alike = [expression for _, expression in rows() if not differs(expression)]
    assert len(alike) > 80
