"""Held against recorded answers of an API server's CEL, one case a line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from policies.cel import Environment
from policies.cel.conformance import judge

CORPUS = Path(__file__).parents[4] / "shared" / "corpora" / "kubernetes-cel"
FILES = sorted(CORPUS.glob("*.jsonl"))
pytestmark = pytest.mark.skipif(not FILES, reason="the recorded answers of an API server are not at hand")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_recorded_answer_is_ours(path: Path) -> None:
    """Value, error, rejection, type and cost of every recorded case are the ones we give."""
    variables = json.loads((CORPUS / "variables.json").read_text())
    names = {"oldObject": None, "params": None, "namespaceObject": None, **variables}
    environment = Environment.admission((1, 34))
    cases = [json.loads(line) for line in path.read_text().splitlines() if line]
    judged = ((case["expr"], judge(case, names, environment)) for case in cases)
    wrong = [(expr, found.differs, found.ours) for expr, found in judged if not found]
    assert cases
    assert wrong == []
