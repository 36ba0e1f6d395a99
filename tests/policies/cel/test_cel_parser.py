"""Tokens to a tree: precedence, what binds to what, places, limits, and what isn't CEL."""

from __future__ import annotations

import pytest

from policies.cel import ParseError
from policies.cel.ast import (
    Call,
    Conditional,
    Has,
    Ident,
    Index,
    ListNode,
    Literal,
    Logic,
    MapNode,
    Node,
    ObjectNode,
    Select,
    children,
)
from policies.cel.depth import nesting
from policies.cel.parser import parse

# Two texts of one tree: as people write it, and with every bracket that its grammar puts there.
SAME = [
    ("1 + 2 * 3", "1 + (2 * 3)"),
    ("1 - 2 - 3", "(1 - 2) - 3"),
    ("1 * 2 / 3 % 4", "((1 * 2) / 3) % 4"),
    ("-a.b", "-(a.b)"),
    ("!a.b[0].c()", "!(a.b[0].c())"),
    ("!!a", "a"),
    ("--a", "a"),
    ("---a", "-a"),
    ("a + b == c * d", "(a + b) == (c * d)"),
    ("a in b == c", "(a in b) == c"),
    ("a < b && c || d", "((a < b) && c) || d"),
    ("a || b && c", "a || (b && c)"),
    ("a ? b : c ? d : e", "a ? b : (c ? d : e)"),
    ("a || b ? c : d", "(a || b) ? c : d"),
    ("a ? b ? c : d : e", None),
    ("[1, 2,]", "[1, 2]"),
    ("{'a': 1,}", "{'a': 1}"),
    ("a.b.c", "(a.b).c"),
    ("a /* no comment */ ", None),
    ("a // a comment\n + b", "a + b"),
    ("0x10 + 1e2", "16 + 100.0"),
    ("'a' \"b\"", None),
]


@pytest.mark.parametrize(("source", "brackets"), SAME)
def test_precedence(source: str, brackets: str | None) -> None:
    """Operators bind as the grammar says, whatever stands around them."""
    if brackets is None:
        with pytest.raises(ParseError):
            parse(source)
    else:
        assert parse(source) == parse(brackets)


def test_operators_differ() -> None:
    """Trees that mean something else are something else: literals of other types, other operators, other order."""
    texts = ("a + b", "b + a", "a - b", "a && b", "a || b", "a.b", "a.?b", "a[0]", "a[?0]", "1", "1u", "1.0", "true")
    trees = [parse(text) for text in texts]
    assert all(one != other for at, one in enumerate(trees) for other in trees[at + 1 :])


def test_a_number_takes_its_minus() -> None:
    """A minus before a number is part of it, so that the smallest int can be written; two are none."""
    assert parse("-9223372036854775808") == Literal(-(2**63), type="int")
    assert parse("-1.5") == Literal(-1.5, type="float")
    assert parse("-(1)") == Call("-_", (Literal(1, type="int"),))
    assert parse("1 - -1") == Call("_-_", (Literal(1, type="int"), Literal(-1, type="int")))
    with pytest.raises(ParseError):
        parse("-(9223372036854775808)")


def test_chains_are_one_node() -> None:
    """Chains of one logical operator are one node, as deep as they are long."""
    tree = parse(" && ".join("abcdefgh"))
    assert isinstance(tree, Logic) and len(tree.terms) == 8
    assert nesting(parse("a || " * 1000 + "a")).frames == 2


@pytest.mark.parametrize(
    ("source", "kind", "at"),
    [
        ("  a", Ident, 2),
        ("a.bc", Select, 1),
        ("has(a.b)", Has, 3),
        ("a[0]", Index, 1),
        ("a.b(c)", Call, 3),
        ("f(x)", Call, 1),
        ("a + b", Call, 2),
        ("é == 'x'"[2:], Literal, 3),
        ("a ? b : c", Conditional, 2),
        ("a && b", Logic, 2),
        (" [1]", ListNode, 1),
        (" {1: 2}", MapNode, 1),
        ("Object.spec{a: 1}", ObjectNode, 11),
    ],
)
def test_places(source: str, kind: type, at: int) -> None:
    """A node stands where the API server's messages point."""
    pending: list[Node] = [parse(source if kind is not Literal else "== 'x'".join(["a ", ""]))]
    found = []
    while pending:
        node = pending.pop()
        found += [node.at] if isinstance(node, kind) else []
        pending += children(node)
    assert (at if kind is not Literal else 5) in found


@pytest.mark.parametrize(
    ("source", "line", "column"),
    [
        ("", 1, 1),
        ("a +", 1, 4),
        ("a b", 1, 3),
        ("a\n  .b(", 2, 6),
        ("(a", 1, 3),
        ("[1, 2", 1, 6),
        ("{1 2}", 1, 4),
        ("a ? b", 1, 6),
        ("a.1", 1, 2),
        ("a.?b()", 1, 5),
        ("f(,)", 1, 3),
        ("for", 1, 1),
        ("a.b.`c`", 1, 5),
        ("1 +* 2", 1, 4),
        ("a[]", 1, 3),
        ("{a}", 1, 3),
        ("A{1: 2}", 1, 3),
        ("has(a)", 1, 5),
        ("a.all(1, true)", 1, 7),
    ],
)
def test_mistakes_have_a_place(source: str, line: int, column: int) -> None:
    """What isn't CEL is refused where it stops being CEL."""
    with pytest.raises(ParseError) as refused:
        parse(source)
    assert (refused.value.line, refused.value.column) == (line, column)


def test_reserved_words_are_no_names() -> None:
    """Words that CEL reserves can't be variables or functions; fields and parts of type names they can be."""
    for word in ("namespace", "for", "loop", "import"):
        for source in (word, f"{word}(1)", f"a + {word}"):
            with pytest.raises(ParseError, match="reserved identifier"):
                parse(source)
        parse(f"a.{word}")
        parse(f"A.{word}{{a: 1}}")


def test_quoted_fields_are_of_newer_versions() -> None:
    """A field in backticks is a field where the version has them, and a mistake with a way out elsewhere."""
    assert parse("a.`b-c.d`", quoted_fields=True) == Select(Ident("a"), "b-c.d")
    assert parse("has(a.`b-c`)", quoted_fields=True) == Has(Ident("a"), "b-c")
    with pytest.raises(ParseError) as refused:
        parse("a.`b-c`")
    assert "['...']" in refused.value.hint


@pytest.mark.parametrize(
    ("inside", "most"),
    [(("(", ")"), 249), (("[", "]"), 249), (("f(", ")"), 249), (("-(", ")"), 249)],
)
def test_nesting_is_limited(inside: tuple[str, str], most: int) -> None:
    """As deep as the API server goes, and no deeper."""
    opening, closing = inside
    parse(opening * most + "1" + closing * most)
    with pytest.raises(ParseError, match="recursion"):
        parse(opening * 260 + "1" + closing * 260)


def test_length_is_limited() -> None:
    """An expression has at most 100,000 code points."""
    parse("'" + "a" * 99_998 + "'")
    with pytest.raises(ParseError, match="code point size exceeds limit"):
        parse("'" + "a" * 99_999 + "'")
