"""What macros expand to, as far as types go: a loop over an accumulator, a ternary over an optional."""

from __future__ import annotations

from typing import TYPE_CHECKING

from policies.cel import ast
from policies.cel.check.names import written
from policies.cel.types import BOOL, DYN, ERROR, INT, CelType, Kind, list_of, map_of

if TYPE_CHECKING:
    from policies.cel.check.checker import Checker


def comprehension(c: Checker, node: ast.Comprehension) -> CelType:
    range_ = c.inference.known(c.check(node.target))
    accumulator = _start(c, node)
    c.scopes.open.append(dict(zip(node.variables, _iterated(c, node, range_), strict=True)))
    step = _step(c, node, accumulator)
    c.scopes.open.pop()
    c.expect(node, accumulator, step)
    if node.macro in ("exists_one", "existsOne"):
        return c.resolve(ast.Ident(""), "_==_", [accumulator, INT])
    result = c.inference.known(accumulator)
    return _sorted(c, node, range_, result) if node.macro == "sortBy" else result


def _iterated(c: Checker, node: ast.Comprehension, range_: CelType) -> tuple[CelType, ...]:
    """The types of the loop's variables."""
    two = len(node.variables) == 2
    match range_.kind:
        case Kind.LIST:
            return (INT, range_.parameters[0]) if two else (range_.parameters[0],)
        case Kind.MAP:
            return range_.parameters if two else (range_.parameters[0],)
        case Kind.DYN | Kind.ERROR | Kind.PARAMETER:
            c.inference.assign(DYN, range_)
            return (DYN, DYN) if two else (DYN,)
    message = (
        f"expression of type '{written(range_)}' cannot be range of a comprehension (must be list, map, or dynamic)"
    )
    c.fail(node.target, message, "go through a list or a map; `dyn(...)` stands for what may be one")
    return (ERROR, ERROR) if two else (ERROR,)


def _start(c: Checker, node: ast.Comprehension) -> CelType:
    match node.macro:
        case "all" | "exists":
            return BOOL
        case "exists_one" | "existsOne":
            return INT
        case "transformMap" | "transformMapEntry":
            return map_of(c.inference.variable_type(), c.inference.variable_type())
    return list_of(c.inference.variable_type())


def _step(c: Checker, node: ast.Comprehension, accumulator: CelType) -> CelType:
    types = [c.check(argument) for argument in node.arguments]
    if node.macro in ("all", "exists"):
        c.boolean(node.arguments[0], types[0])
        return BOOL
    step = _added(c, node, accumulator, types)
    filtered = node.macro in ("filter", "exists_one", "existsOne") or len(types) == 2
    return c.resolve(ast.Ident("", node.at), "_?_:_", [types[0], step, accumulator]) if filtered else step


def _added(c: Checker, node: ast.Comprehension, accumulator: CelType, types: list[CelType]) -> CelType:
    """The accumulator after one element that counts."""
    at = ast.Ident("", node.at)
    match node.macro:
        case "exists_one" | "existsOne":
            return c.resolve(at, "_+_", [accumulator, INT])
        case "filter":
            c.implied.append((node, node.variables[0], c.scopes.open[-1][node.variables[0]]))
            return c.resolve(at, "_+_", [accumulator, list_of(c.scopes.open[-1][node.variables[0]])])
        case "transformMap":
            key = c.scopes.open[-1][node.variables[0]]
            return c.resolve(at, "cel.@mapInsert", [accumulator, key, types[-1]])
        case "transformMapEntry":
            return c.resolve(at, "cel.@mapInsert", [accumulator, types[-1]])
    return c.resolve(at, "_+_", [accumulator, list_of(types[-1])])


def _sorted(c: Checker, node: ast.Comprehension, range_: CelType, keys: CelType) -> CelType:
    return c.resolve(node, "@sortByAssociatedKeys", [range_, keys], member=True)


def optional_map(c: Checker, node: ast.OptionalMap) -> CelType:
    target = c.check(node.target)
    at = ast.Ident("", node.at)
    has = c.resolve(at, "hasValue", [target], member=True)
    value = c.resolve(at, "value", [target], member=True)
    c.implied.append((node, node.variable, value))
    c.scopes.open.append({node.variable: value})
    body = c.check(node.body)
    c.scopes.open.pop()
    then = body if node.flat else c.resolve(at, "optional.of", [body])
    none = c.resolve(at, "optional.none", [])
    return c.resolve(at, "_?_:_", [has, then, none])
