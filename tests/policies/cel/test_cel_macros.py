"""Which calls are macros: by name and number of arguments, on something, with names where names belong."""

from __future__ import annotations

import pytest

from policies.cel import ParseError
from policies.cel.ast import Call, Comprehension, Has, Ident, OptionalMap, Select
from policies.cel.macros import ALL, STANDARD
from policies.cel.parser import parse
from policies.cel.versions import macro_table

ONE, TWO = ["all", "exists", "exists_one", "map", "filter"], ["all", "exists", "existsOne", "transformList"]


@pytest.mark.parametrize("macro", ONE)
def test_of_one_variable(macro: str) -> None:
    """A macro over a list keeps its target, its variable and its body."""
    tree = parse(f"a.b.{macro}(x, x)")
    assert tree == Comprehension(macro, Select(Ident("a"), "b"), ("x",), (Ident("x"),))


@pytest.mark.parametrize("macro", TWO)
def test_of_two_variables(macro: str) -> None:
    """With a second name it goes over keys, or positions, and values."""
    assert parse(f"a.{macro}(k, v, v)") == Comprehension(macro, Ident("a"), ("k", "v"), (Ident("v"),))


def test_with_a_filter() -> None:
    """The forms with a condition have it before what they yield."""
    assert parse("a.map(x, c, x)") == Comprehension("map", Ident("a"), ("x",), (Ident("c"), Ident("x")))
    tree = parse("a.transformMap(k, v, c, v)")
    assert tree == Comprehension("transformMap", Ident("a"), ("k", "v"), (Ident("c"), Ident("v")))


def test_has_and_optionals() -> None:
    """`has` is about a field; `optMap` and `optFlatMap` name what an optional holds."""
    assert parse("has(a.b.c)") == Has(Select(Ident("a"), "b"), "c")
    assert parse("a.optMap(x, x)") == OptionalMap(Ident("a"), "x", Ident("x"))
    assert parse("a.optFlatMap(x, x)") == OptionalMap(Ident("a"), "x", Ident("x"), flat=True)


@pytest.mark.parametrize(
    "source", ["all(x, x)", "a.all(x)", "a.all(w, x, y, z)", "a.has(b.c)", "has(a, b)", "a.sortBy(x)", "a.map()"]
)
def test_other_calls_are_calls(source: str) -> None:
    """Another number of arguments, or none to be called on, makes it an ordinary call, for the check to refuse."""
    assert isinstance(parse(source), Call)


@pytest.mark.parametrize(
    ("source", "what"),
    [
        ("a.all(1, true)", "simple name"),
        ("a.all(x.y, true)", "simple name"),
        ("a.map(f(x), true)", "simple name"),
        ("a.exists(k, 1, true)", "simple name"),
        ("a.all(x, x, true)", "duplicate variable name: x"),
        ("a.all(@, true)", "token recognition"),
        ("a.filter(__result__, true)", "overwrites accumulator"),
        ("a.optMap(1, 2)", "must be a simple identifier"),
        ("has(a)", "invalid argument to has()"),
        ("has(a[0])", "invalid argument to has()"),
        ("has(f(a.b))", "invalid argument to has()"),
        ("1.sortBy(x, x)", "sortBy can only be applied"),
    ],
)
def test_names_where_names_belong(source: str, what: str) -> None:
    """A macro whose name is no name is refused."""
    with pytest.raises(ParseError) as refused:
        parse(source)
    assert what in refused.value.message


def test_versions_have_their_macros() -> None:
    """What is a macro in a later version is an ordinary call before."""
    assert isinstance(parse("a.all(k, v, v)", macro_table((1, 31))), Call)
    assert isinstance(parse("a.all(k, v, v)", macro_table((1, 32))), Comprehension)
    assert isinstance(parse("a.sortBy(x, x)", macro_table((1, 33))), Call)
    assert isinstance(parse("a.sortBy(x, x)", macro_table((1, 34))), Comprehension)
    assert macro_table((1, 36)).keys() == ALL.keys()
    assert macro_table((1, 31)).keys() == STANDARD.keys()
