"""The iterating macros, each as a Python loop at the cost of its expansion into a fold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from policies.cel import ast
from policies.cel.plan.loops import ACCUMULATOR
from policies.cel.quick import operations
from policies.cel.quick.writer import LOOK, Term, Unsupported
from policies.cel.types import BOOL, LIST_DYN
from policies.cel.values import MISSING

if TYPE_CHECKING:
    from policies.cel.quick.generator import Generator

_DEEPEST = 8  # loops in one another; Python allows 20
_WALKABLE = frozenset({list, dict})
_COUNT = 2
_APPEND = 12
_KEEP = 13
_LIST = 10  # less where what is appended is a constant


def loop(g: Generator, node: ast.Comprehension) -> Term:
    if len(g.scopes) >= _DEEPEST:
        raise Unsupported
    match node.macro:
        case "all":
            return _quantifier(g, node, stop=False)
        case "exists":
            return _quantifier(g, node, stop=True)
        case "exists_one" | "existsOne":
            return _exists_one(g, node)
        case "filter" if id(node) not in g.checked.constants:
            return _filter(g, node)
        case "map" | "transformList":
            return _map(g, node)
    raise Unsupported


def _range(g: Generator, node: ast.Comprehension) -> tuple[str, str]:
    """The loop's variables and what they run over."""
    source = g.name(node.target)
    g.writer.charge(ACCUMULATOR)
    variables = [g.writer.fresh() for _ in node.variables]
    g.scopes.append(dict(zip(node.variables, variables, strict=True)))
    if len(variables) == 2:
        return ", ".join(variables), f"{g.writer.constant(operations.entries)}({source.text})"
    general = f"{g.writer.constant(operations.elements)}({source.text})"
    if source.kind == LIST_DYN:
        return variables[0], source.text
    return variables[0], f"{source.text} if type({source.text}) in {g.writer.constant(_WALKABLE)} else {general}"


def _round(g: Generator) -> None:
    """The end of a round: now and then somebody looks at the clock, and each round must bring that nearer."""
    if not g.writer.owed:
        raise Unsupported
    g.writer.line(f"if n > {LOOK}: {LOOK} = {g.writer.constant(operations.look)}(n, f)")
    g.scopes.pop()


def _quantifier(g: Generator, node: ast.Comprehension, stop: bool) -> Term:
    """`all` stops at false, `exists` at true. Looking whether there is another element costs, too."""
    each = 4 if stop else 3  # condition and step of one round; `exists` negates in its condition
    variables, elements = _range(g, node)
    result, remaining = g.writer.fresh(), g.writer.fresh()
    g.writer.line(f"{result} = {not stop}")
    g.writer.line(f"{remaining} = iter({elements})")
    with g.writer.block(f"for {variables} in {remaining}:"):
        g.writer.charge(each)
        condition = g.condition(node.arguments[0])
        with g.writer.block(f"if {condition}:" if stop else f"if not {condition}:"):
            g.writer.line(f"{result} = {stop}")
            with g.writer.block(f"for _ in {remaining}:"):
                g.writer.charge(each - 1)
                g.writer.line("break")
            g.writer.line("break")
        _round(g)
    return Term(result, BOOL)


def _exists_one(g: Generator, node: ast.Comprehension) -> Term:
    variables, elements = _range(g, node)
    g.writer.charge(2 - ACCUMULATOR)
    count = g.writer.fresh()
    g.writer.line(f"{count} = 0")
    with g.writer.block(f"for {variables} in {elements}:"):
        with g.writer.block(f"if {g.condition(node.arguments[0])}:"):
            g.writer.charge(_COUNT)
            g.writer.line(f"{count} += 1")
        _round(g)
    return Term(f"({count} == 1)", BOOL)


def _filter(g: Generator, node: ast.Comprehension) -> Term:
    variables, elements = _range(g, node)
    kept = g.writer.fresh()
    g.writer.line(f"{kept} = []")
    with g.writer.block(f"for {variables} in {elements}:"):
        with g.writer.block(f"if {g.condition(node.arguments[0])}:"):
            g.writer.charge(_KEEP)
            g.writer.line(f"{kept}.append({variables.split(',')[0]})")
        _round(g)
    return Term(kept, LIST_DYN)


def _map(g: Generator, node: ast.Comprehension) -> Term:
    variables, elements = _range(g, node)
    made = g.writer.fresh()
    g.writer.line(f"{made} = []")
    with g.writer.block(f"for {variables} in {elements}:"):
        if len(node.arguments) == 2:
            with g.writer.block(f"if {g.condition(node.arguments[0])}:"):
                _append(g, made, node.arguments[1])
        else:
            _append(g, made, node.arguments[0])
        _round(g)
    return Term(made, LIST_DYN)


def _append(g: Generator, made: str, node: ast.Node) -> None:
    term = g.value(node)
    g.writer.charge(_APPEND if term.constant is MISSING else _APPEND - _LIST)
    g.writer.line(f"{made}.append({term.text})")
