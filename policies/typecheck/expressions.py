"""The expressions of one policy over one kind, one after the other: types, and what is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from policies.cel import CompileError, Environment, ast, versions
from policies.cel.check.checker import check
from policies.cel.errors import Problem
from policies.cel.parser import parse
from policies.cel.types import DYN, CelType, Kind, ObjectType
from policies.native.expressions import declared
from policies.typecheck.reachable import NOTHING, reachable


@dataclass(frozen=True, slots=True)
class Expression:
    """An expression and where it stands. `name` is that of a variable."""

    field: str
    source: str
    each: str = ""  # the list that `item` comes from
    variables: bool = True  # may it name variables?
    name: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """The type of an expression, `dyn` with problems; `missing` are places where `has` asks for what isn't there."""

    type: CelType
    problems: tuple[Problem, ...] = ()
    missing: frozenset[int] = frozenset()


class Check:
    """Checks what a policy says about objects of one kind. `kind` is empty where the API server's own rules are asked
    for.
    """

    def __init__(self, environment: Environment, kind: str) -> None:
        self._kind = kind
        self._types: dict[str, CelType] = {}
        self._environment = self._bare = environment

    def found(self, expression: Expression, known: Mapping[int, bool] = NOTHING) -> Found:
        """`known` has the answers of `has` that tell kinds apart, by their places."""
        environment = self._environment if expression.variables else self._bare
        if expression.each:
            each = self._checked(expression.each, environment, NOTHING).type
            item = each.parameters[0] if each.kind is Kind.LIST else DYN
            environment = environment.extend(variables={"item": item})
        return self._checked(expression.source, environment, known)

    def declare(self, name: str, type_: CelType) -> None:
        """One more variable, which whatever comes later may name."""
        self._types[name] = type_ if self._kind else declared(type_)
        variables = ObjectType("kubernetes.variables", {**self._types})
        self._environment = self._bare.extend(variables={"variables": variables})

    def _checked(self, source: str, environment: Environment, known: Mapping[int, bool]) -> Found:
        version = environment.kubernetes
        try:
            tree = parse(source, versions.macro_table(version), versions.habits(version).quoted_names)
        except CompileError as error:
            return Found(DYN, error.problems)
        if self._kind:
            tree = reachable(tree, self._kind, known)
        try:
            return Found(check(tree, source, environment).type)
        except CompileError as error:
            return Found(DYN, error.problems, _missing(tree, error.problems))


def _missing(tree: ast.Node, problems: tuple[Problem, ...]) -> frozenset[int]:
    asked = {node.at for node in _all(tree) if isinstance(node, ast.Has)}
    places = (one.offset for one in problems if one.message.startswith("undefined field"))
    return frozenset(place for place in places if place is not None and place in asked)


def _all(node: ast.Node) -> Iterator[ast.Node]:
    yield node
    for child in ast.children(node):
        yield from _all(child)
