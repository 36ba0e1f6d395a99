"""What is done with optionals that needn't be made: `orValue`, `hasValue`, `optMap` and `optFlatMap`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from policies.cel import ast
from policies.cel.maps import TextMap
from policies.cel.plan.logic import content
from policies.cel.quick.writer import Term
from policies.cel.types import BOOL
from policies.cel.values import Duration, Optional, Timestamp, UInt

if TYPE_CHECKING:
    from policies.cel.quick.generator import Generator

_CALL = 1  # of hasValue, value, optional.of and optional.none
_PLAIN = frozenset(  # what Go's own types pass on as it is
    {str, int, bool, float, bytes, type(None), list, dict, TextMap, UInt, Duration, Timestamp}
)


def or_value(g: Generator, left: ast.Node, right: ast.Node) -> Term:
    """What the optional holds, or else the right side; what isn't an optional is its own answer, unless that is an
    error.
    """
    found = g.term(left)
    result = found.text
    if not found.maybe:
        value, result = g.writer.kept(found.text), g.writer.fresh()
        g.writer.line(f"if type({value}) is {g.writer.constant(Optional)}: {result} = {_held(g, value)}")
        g.writer.line(f"else: {g.give_up if g.habits.strict_or else f'{result} = {value}'}")
    with g.writer.block(f"if {result} is {g.missing}:"):
        default = g.value(right)
        g.writer.line(f"{result} = {default.text}")
    return Term(result)


def has_value(g: Generator, node: ast.Node) -> Term:
    found = _content(g, node)
    g.writer.charge(_CALL)
    return Term(f"({found} is not {g.missing})", BOOL)


def optional_map(g: Generator, node: ast.OptionalMap) -> Term:
    """A ternary, as the macro expands to: `target.hasValue() ? optional.of(body) : optional.none()`.

    The body's variable is `target.value()`: where it is first read, the target is evaluated, and paid, once more.
    """
    writer = g.writer
    cost, result = writer.fresh(), writer.fresh()
    writer.line(f"{cost} = n")
    with writer.block("if True:"):  # a block of its own, so that its cost is known
        writer.charge(_CALL)
        found = _content(g, node.target)
    writer.line(f"{cost} = n - {cost}")
    with writer.block(f"if {found} is {g.missing}:"):
        writer.charge(_CALL)
        writer.line(f"{result} = {g.missing}")
    with writer.block("else:"):
        g.scopes.append({node.variable: found})
        g.lazy[found] = cost
        if node.flat:
            body = _content(g, node.body)
        else:
            writer.charge(_CALL)
            body = g.name(node.body).text
        g.scopes.pop()
        if g.native:
            empty = f"{body} is not {g.missing} and " if node.flat else ""
            writer.line(f"if {empty}type({body}) not in {writer.constant(_PLAIN)}: {g.give_up}")
        writer.line(f"{result} = {body}")
    return Term(result, maybe=True)


def _content(g: Generator, node: ast.Node) -> str:
    """What an optional holds, or MISSING, under a name."""
    term = g.term(node)
    if term.maybe:
        return term.text
    value = g.writer.kept(term.text)
    g.writer.line(f"if type({value}) is not {g.writer.constant(Optional)}: {g.give_up}")
    return g.writer.kept(_held(g, value))


def _held(g: Generator, optional: str) -> str:
    return f"{g.writer.constant(content)}({optional}) if {optional}.present else {g.missing}"
