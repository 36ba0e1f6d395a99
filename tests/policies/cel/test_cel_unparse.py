"""A tree back to text: the shortest brackets that keep it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from policies.cel import ParseError
from policies.cel.parser import parse
from policies.cel.unparse import literal, unparse
from policies.cel.values import UInt
from tests.policies.cel.sources import LONGER

CORPUS = Path(__file__).parents[4] / "shared" / "corpora" / "kubernetes-cel"

WRITTEN = {
    "a+b*c": "a + b * c",
    "(a+b)*c": "(a + b) * c",
    "a-(b-c)": "a - (b - c)",
    "(a - b) - c": "a - b - c",
    "a&&(b||c)": "a && (b || c)",
    "(a && b) || c": "a && b || c",
    "a&&(b&&c)": "a && (b && c)",
    "(a?b:c)?d:e": "(a ? b : c) ? d : e",
    "a?b:(c?d:e)": "a ? b : c ? d : e",
    "-(1)": "-(1)",
    "-(-1)": "-(-1)",
    "!(a&&b)": "!(a && b)",
    "1.0.f()": "(1.0).f()",
    "(1).f()": "(1).f()",
    "(-1).f()": "(-1).f()",
    "(a+b).c": "(a + b).c",
    "a.?b[?c]": "a.?b[?c]",
    "{?'a':b,'c':d}": '{?"a": b, "c": d}',
    "[?a,b]": "[?a, b]",
    "Object.spec{a:1}": "Object.spec{a: 1}",
    "has(a.b)": "has(a.b)",
    "a.all(x,x>0)": "a.all(x, x > 0)",
    "a.transformMap(k,v,k!=v,v)": "a.transformMap(k, v, k != v, v)",
    "a.optMap(x,x)": "a.optMap(x, x)",
    "'a\\n\"\\u00e9\\x01'": '"a\\u000a\\"é\\u0001"',
    "b'a\\xff'": 'b"a\\xff"',
    "5u+0x10": "5u + 16",
    "1e300": "1e+300",
    ".a.b": ".a.b",
}


@pytest.mark.parametrize(("source", "text"), WRITTEN.items())
def test_brackets_only_where_they_are_needed(source: str, text: str) -> None:
    """The text is what somebody would write who knows the precedence of operators, and its tree is the same."""
    tree = parse(source)
    assert unparse(tree) == text
    assert parse(text) == tree


@pytest.mark.parametrize(
    "value", [0, -1, 2**63 - 1, -(2**63), UInt(7), 1.5, -0.0, 1e-9, True, None, "a\u2028", b"\x00"]
)
def test_constants(value: object) -> None:
    """A constant's text is that constant again, of the same type."""
    again = parse(literal(value))
    assert getattr(again, "value", ...) == value
    assert type(getattr(again, "value", ...)) is type(value)
    assert repr(getattr(again, "value", ...)) == repr(value)


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the recorded answers of an API server are not at hand")
def test_published_expressions_keep_their_trees() -> None:
    """Published expressions that are CEL at all keep their trees: a fourth of them, all by setting."""
    step = 1 if os.environ.get(LONGER) else 4
    kept = 0
    for path in sorted(CORPUS.glob("*.jsonl")):
        for line in path.read_text().splitlines()[::step]:
            try:
                tree = parse(json.loads(line)["expr"], quoted_fields=True)
            except ParseError:
                continue
            assert parse(unparse(tree), quoted_fields=True) == tree
            kept += 1
    assert kept > 20_000 // step
