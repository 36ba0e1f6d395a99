"""Expressions as they are without a type check: nothing is known of any part of them before the evaluation.

Some cases of the specification ask for that; an API server never evaluates so. Each constant and name is hidden behind
`dyn`, and what nobody declared becomes a name without a value, or a function without an overload.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any

from policies.cel import Compiler, Environment, EvaluationError, Function, Program
from policies.cel.ast import Call, Ident, ListNode, Literal, MapNode, Node, children
from policies.cel.functions import free, method
from policies.cel.parser import parse
from policies.cel.types import DYN, CelType
from policies.cel.unparse import unparse


def unchecked(source: str, environment: Environment) -> Program:
    """The program of an expression that isn't checked. Raises CompileError where even so it makes no sense."""
    tree = parse(source)
    return Compiler().compile(unparse(hidden(tree)), _widened(environment, tree))


def hidden(node: Any) -> Any:
    """The tree with every constant, list and map behind `dyn`."""
    if isinstance(node, Call) and node.function == "dyn":
        return node
    if isinstance(node, tuple):
        return tuple(hidden(part) for part in node)
    if not is_dataclass(node):
        return node
    if isinstance(node, Literal):
        return Call("dyn", (node,))
    changed = {one.name: hidden(getattr(node, one.name)) for one in fields(node) if one.name not in ("at", "places")}
    made = replace(node, **changed)  # type: ignore[type-var]  # a node or an entry
    return Call("dyn", (made,)) if isinstance(made, ListNode | MapNode) else made


def _widened(environment: Environment, tree: Node) -> Environment:
    """Everything that the tree names is declared: variables of any type, functions that no argument fits."""
    names = {one.name.removeprefix(".") for one in _all(tree) if isinstance(one, Ident)}
    unknown = [one for one in _all(tree) if isinstance(one, Call) and not _known(environment, one)]
    return environment.extend(
        variables={name: DYN for name in names if name not in environment.variables and not _is_type(name)},
        functions=[_without_overload(one) for one in unknown],
    )


def _known(environment: Environment, call: Call) -> bool:
    function = environment.all_functions().get(call.function)
    count, member = len(call.args) + (call.target is not None), call.target is not None
    return function is not None and any(
        len(overload.args) == count and (overload.member is member or "." in call.function)
        for overload in function.overloads
    )


def _is_type(name: str) -> bool:
    return name in ("int", "uint", "double", "bool", "string", "bytes", "list", "map", "null_type", "type")


def _without_overload(call: Call) -> Function:
    def fail(*_: object) -> object:
        raise EvaluationError("no such overload")

    args: list[CelType] = [DYN] * len(call.args)
    overload = free(args, DYN, fail) if call.target is None else method([DYN, *args], DYN, fail)
    return Function(call.function, [overload])


def _all(node: Node) -> Iterator[Node]:
    yield node
    for child in children(node):
        yield from _all(child)
