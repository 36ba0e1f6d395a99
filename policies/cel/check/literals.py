"""Literals that can't mean what they are used for: bad durations, timestamps, patterns, formats, mixed lists and maps.

The API server looks for them once the types are right, and refuses the expression. Lists and maps must be of one type
throughout, `dyn` not being the type of its content; only what is formatted may be mixed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from policies.cel import ast
from policies.cel.check.checked import Checked
from policies.cel.check.names import written
from policies.cel.errors import EvaluationError, Problem
from policies.cel.hints import FORMATS, LITERALS
from policies.cel.library import formatting, regex
from policies.cel.library.clock import parse_duration, parse_timestamp
from policies.cel.types import CelType, Kind, same
from policies.cel.values import Timestamp, timestamp

_KINDS = {
    "s": frozenset(
        {
            Kind.LIST,
            Kind.MAP,
            Kind.INT,
            Kind.UINT,
            Kind.DOUBLE,
            Kind.BOOL,
            Kind.STRING,
            Kind.TIMESTAMP,
            Kind.BYTES,
            Kind.DURATION,
            Kind.TYPE,
            Kind.NULL,
        }
    ),
    "d": frozenset({Kind.INT, Kind.UINT}),
    "f": frozenset({Kind.DOUBLE, Kind.STRING}),
    "e": frozenset({Kind.DOUBLE, Kind.STRING}),
    "b": frozenset({Kind.INT, Kind.UINT, Kind.BOOL}),
    "x": frozenset({Kind.INT, Kind.UINT, Kind.STRING, Kind.BYTES}),
    "X": frozenset({Kind.INT, Kind.UINT, Kind.STRING, Kind.BYTES}),
    "o": frozenset({Kind.INT, Kind.UINT}),
}


def problems(checked: Checked) -> list[Problem]:
    """Everything that is wrong with the literals of a well-typed expression."""
    found: list[Problem] = []
    for node, formatted in _walk(checked.tree, False):
        match node:
            case ast.Call():
                found += _arguments(node)
                found += _format(checked, node)
            case ast.ListNode() if not formatted:
                found += _mixed_list(checked, node)
            case ast.MapNode() if not formatted:
                found += _mixed_map(checked, node)
    return found


def _walk(node: ast.Node, formatted: bool) -> Iterator[tuple[ast.Node, bool]]:
    """Every node, and whether it is somewhere inside a call of `format`."""
    yield node, formatted
    inside = formatted or (isinstance(node, ast.Call) and node.function == "format")
    for child in ast.children(node):
        yield from _walk(child, inside)


def _arguments(node: ast.Call) -> list[Problem]:
    check = _CHECKS.get(node.function)
    if check is None or not node.args or not isinstance(node.args[0], ast.Literal):
        return []
    argument = node.args[0]
    try:
        check(argument.value)
    except EvaluationError as error:
        return [Problem(f"invalid {node.function} argument", argument.at, LITERALS.get(node.function, str(error)))]
    return []


def _check_duration(value: object) -> None:
    if type(value) is not str:
        raise EvaluationError("a duration is written as text, such as '1h30m'")
    parse_duration(value)


def _check_timestamp(value: object) -> Timestamp:
    return timestamp(value * 10**9) if type(value) is int else parse_timestamp(str(value))


def _check_pattern(value: object) -> None:
    regex.searcher(str(value))


_CHECKS: dict[str, Callable[[object], object]] = {
    "duration": _check_duration,
    "timestamp": _check_timestamp,
    "matches": _check_pattern,
}


# mixed lists and maps


def _mixed_list(checked: Checked, node: ast.ListNode) -> list[Problem]:
    first: CelType | None = None
    for position, element in enumerate(node.elements):
        given = checked.types[id(element)]
        if position in node.optional:
            if not given.parameters:
                return [_shapeless(element)]
            given = given.parameters[0]
        if first is None:
            first = given
        elif not same(given, first):
            return [_differs(element, first, given)]
    return []


def _mixed_map(checked: Checked, node: ast.MapNode) -> list[Problem]:
    found: list[Problem] = []
    first: tuple[CelType, CelType] | None = None
    for entry in node.entries:
        key, value = checked.types[id(entry.key)], checked.types[id(entry.value)]
        if entry.optional:
            if not value.parameters:
                return [_shapeless(entry.value)]
            value = value.parameters[0]
        if first is None:
            first = key, value
            continue
        if not same(key, first[0]):
            found.append(_differs(entry.key, first[0], key))
        if not same(value, first[1]):
            found.append(_differs(entry.value, first[1], value))
    return found


def _differs(node: ast.Node, wanted: CelType, given: CelType) -> Problem:
    hint = "all elements of a list, and all keys and all values of a map, are of one type"
    return Problem(f"expected type '{written(wanted)}' but found '{written(given)}'", node.at, hint)


def _shapeless(node: ast.Node) -> Problem:
    """The API server breaks down here."""
    return Problem("optional element of type 'dyn'", node.at, "wrap it in `optional.of(...)`")


# formats


def _format(checked: Checked, node: ast.Call) -> list[Problem]:
    target, args = node.target, node.args
    if node.function != "format" or not isinstance(target, ast.Literal) or not isinstance(args[0], ast.ListNode):
        return []
    elements = args[0].elements

    def write(position: int, verb: str, _: int | None) -> str:
        bad = _unfit(checked, elements[position], verb)
        if bad is not None:
            kind = checked.types[id(bad)].name
            raise _Unfit(f"error during formatting: {formatting.WRONG[verb].format(kind)}", bad)
        return ""

    try:
        _, used = formatting.interpolate(str(target.value), len(elements), write)
    except _Unfit as error:
        return [Problem(str(error), error.node.at, FORMATS)]
    except EvaluationError as error:
        return [Problem(str(error), node.at, FORMATS)]
    if used < len(elements):
        counts = f"(expected {used}, got {len(elements)})"
        return [Problem(f"too many arguments supplied to string.format {counts}", node.at, FORMATS)]
    return []


class _Unfit(EvaluationError):
    """An argument whose type the verb can't write."""

    def __init__(self, message: str, node: ast.Node) -> None:
        super().__init__(message)
        self.node = node


def _unfit(checked: Checked, node: ast.Node, verb: str) -> ast.Node | None:
    """The argument, or the part of a literal list or map, that the verb can't write."""
    kind = checked.types[id(node)].kind
    if kind is not Kind.DYN and kind not in _KINDS[verb]:
        return node
    if verb == "s" and isinstance(node, (ast.ListNode, ast.MapNode)):
        return next((bad for child in ast.children(node) if (bad := _unfit(checked, child, verb)) is not None), None)
    return None
