"""The CEL specification's own tests, as far as an API server's environment can hold them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.policies.cel.spec.left_out import Judged, judged, outcome, summary

ROOT = Path(__file__).parents[4]
CORPUS = ROOT.parent / "shared" / "corpora" / "cel-spec"
pytestmark = pytest.mark.skipif(not CORPUS.is_dir(), reason="the specification's test files are not at hand")

# All cases, and those about plain values: the ones that an engine without protocol buffers can be asked.
EVERYTHING = "2456 cases: 1526 hold (1429 evaluated, 97 refused), 930 left out"
PLAIN = "1742 cases about plain values: 1414 hold (1365 evaluated, 49 refused), 328 left out"


@pytest.fixture(scope="module")
def cases() -> list[Judged]:
    return list(judged(CORPUS))


def test_every_case_that_compiles_holds(cases: list[Judged]) -> None:
    """Every case of the specification that an API server accepts has the answer that it asks for, but where the API
    server itself is known to answer otherwise.
    """
    assert [(one.case.name, one.left_out) for one in cases if one.left_out.startswith("unexplained")] == []


def test_the_figures(cases: list[Judged]) -> None:
    """How many cases hold, are refused and are left out is known to the last one."""
    assert summary("cases", cases) == EVERYTHING
    assert summary("cases about plain values", [one for one in cases if one.case.of_plain_values()]) == PLAIN


def test_most_cases_are_held_and_the_rest_have_a_reason(cases: list[Judged]) -> None:
    """A case is left out only for what an API server lacks, or does its own way, and each says for what."""
    kinds = (
        "is about",
        "is refused:",
        "needs",
        "declares",
        "binds",
        "resolves",
        "its ",
        "it refuses",
        "of two entries",
    )
    kinds += ("a duration's", "where nothing", "a dotted name", "what is optionally")
    assert [one.left_out for one in cases if one.left_out and not one.left_out.startswith(kinds)] == []


def test_scopes_follow_the_specification_since_1_37(cases: list[Judged]) -> None:
    """What is left out because of scopes holds in the environment of 1.37."""
    scoped = [one.case for one in cases if one.left_out.startswith("a dotted name")]
    assert len(scoped) >= 2
    assert [case.name for case in scoped if outcome(case, (1, 37))] == []


def test_the_list_is_generated() -> None:
    """The list of cases that are left out can be made anew, each with its reason."""
    command = [sys.executable, "-m", "tests.policies.cel.spec.left_out", str(CORPUS)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    *lines, everything, plain = done.stdout.splitlines()
    assert (everything, plain) == (EVERYTHING, PLAIN)
    named = [line for line in lines if re.match(r"[a-z0-9_]+/[^:]+: \S", line)]
    assert len(named) >= 926
