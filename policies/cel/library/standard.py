"""CEL's standard operators and functions, apart from conversions (conversions.py) and time (clock.py)."""

from __future__ import annotations

from policies.cel import cost, operators
from policies.cel.errors import EvaluationError
from policies.cel.functions import Cost, Function, Overload, Table, Timed, free, merge, method, quick, table
from policies.cel.library import clock, conversions, regex
from policies.cel.maps import is_map
from policies.cel.types import (
    BOOL,
    BYTES,
    DOUBLE,
    DURATION,
    INT,
    STRING,
    TIMESTAMP,
    UINT,
    CelType,
    list_of,
    map_of,
    parameter,
)
from policies.cel.values import Value

A, B = parameter("A"), parameter("B")
LIST_A, MAP_AB = list_of(A), map_of(A, B)
_NUMBERS = (INT, UINT, DOUBLE)


def _unused(*_: Value) -> Value:
    """Stands where the planner has a step of its own, or where `dynamic` decides."""
    raise EvaluationError("no such overload")


def _same(*kinds: CelType) -> list[Overload]:
    """Overloads of two operands and a result, all of one type."""
    return [free([kind, kind], kind, _unused) for kind in kinds]


def _order(name: str, call: object) -> Function:
    found = [free([BOOL, BOOL], BOOL, _unused)]
    found += [free([a, b], BOOL, _unused) for a in _NUMBERS for b in _NUMBERS]
    found += [free([kind, kind], BOOL, _unused, cost.shorter) for kind in (STRING, BYTES)]
    found += [free([kind, kind], BOOL, _unused) for kind in (TIMESTAMP, DURATION)]
    return Function(name, found, dynamic=call)  # type: ignore[arg-type]


def size(value: Value) -> int:
    if isinstance(value, (str, list, bytes)) or is_map(value):
        return len(value)
    raise EvaluationError("no such overload: size")


def _starts(text: Value, prefix: Value) -> bool:
    if type(text) is str and type(prefix) is str:
        return text.startswith(prefix)
    raise EvaluationError("no such overload")


def _ends(text: Value, suffix: Value) -> bool:
    if type(text) is str and type(suffix) is str:
        return text.endswith(suffix)
    raise EvaluationError("no such overload")


def _contains(text: Value, part: Value) -> bool:
    if type(text) is str and type(part) is str:
        return part in text
    raise EvaluationError("no such overload")


_SIZES = [style([kind], INT, _unused) for kind in (BYTES, LIST_A, MAP_AB, STRING) for style in (free, method)]

OPERATORS = table(
    Function("_?_:_", [free([BOOL, A, A], A, _unused)]),
    Function("_&&_", [free([BOOL, BOOL], BOOL, _unused)]),
    Function("_||_", [free([BOOL, BOOL], BOOL, _unused)]),
    Function("!_", [free([BOOL], BOOL, _unused)], dynamic=operators.logical_not),
    Function("_==_", [free([A, A], BOOL, _unused)]),
    Function("_!=_", [free([A, A], BOOL, _unused)]),
    Function(
        "_+_",
        [
            free([BYTES, BYTES], BYTES, _unused, cost.joined),
            free([DOUBLE, DOUBLE], DOUBLE, _unused),
            free([DURATION, DURATION], DURATION, _unused),
            free([DURATION, TIMESTAMP], TIMESTAMP, _unused),
            free([TIMESTAMP, DURATION], TIMESTAMP, _unused),
            free([INT, INT], INT, _unused),
            free([LIST_A, LIST_A], LIST_A, _unused),
            free([STRING, STRING], STRING, _unused, cost.joined),
            free([UINT, UINT], UINT, _unused),
        ],
        dynamic=operators.add,
    ),
    Function("_/_", _same(DOUBLE, INT, UINT), dynamic=operators.divide),
    Function("_%_", _same(INT, UINT), dynamic=operators.modulo),
    Function("_*_", _same(DOUBLE, INT, UINT), dynamic=operators.multiply),
    Function("-_", [free([DOUBLE], DOUBLE, _unused), free([INT], INT, _unused)], dynamic=operators.negate),
    Function(
        "_-_",
        [
            free([DOUBLE, DOUBLE], DOUBLE, _unused),
            free([DURATION, DURATION], DURATION, _unused),
            free([INT, INT], INT, _unused),
            free([TIMESTAMP, DURATION], TIMESTAMP, _unused),
            free([TIMESTAMP, TIMESTAMP], DURATION, _unused),
            free([UINT, UINT], UINT, _unused),
        ],
        dynamic=operators.subtract,
    ),
    _order("_<_", operators.less),
    _order("_<=_", operators.less_equal),
    _order("_>_", operators.greater),
    _order("_>=_", operators.greater_equal),
    Function("_[_]", [free([LIST_A, INT], A, _unused), free([MAP_AB, A], B, _unused)]),
    Function(
        "@in",
        [free([A, LIST_A], BOOL, _unused, cost.searched), free([A, MAP_AB], BOOL, _unused)],
        dynamic=Timed(operators.member_of),
    ),
)
FUNCTIONS = table(
    Function("size", _SIZES, dynamic=size),
    Function("contains", [method([STRING, STRING], BOOL, _contains, cost.product)], dynamic=_contains),
)


def _searches(affix: Cost, matches: Cost | None) -> Table:
    """`startsWith`, `endsWith` and `matches`, whose price versions don't agree on."""
    patterns = [free([STRING, STRING], BOOL, regex.matches, matches)]
    patterns += [method([STRING, STRING], BOOL, regex.matches, cost.regex)]
    return table(
        Function("endsWith", [method([STRING, STRING], BOOL, _ends, affix)], dynamic=_ends, quick=True),
        Function("startsWith", [method([STRING, STRING], BOOL, _starts, affix)], dynamic=_starts, quick=True),
        Function("matches", patterns, dynamic=regex.matches),
    )


TABLE = merge(quick(OPERATORS), quick(FUNCTIONS), conversions.TABLE, clock.TABLE)
BEFORE_1_37 = merge(_searches(cost.traversal, None), conversions.BEFORE_1_37, clock.BEFORE_1_37)
SINCE_1_37 = merge(_searches(cost.second_traversal, cost.regex), clock.SINCE_1_37)
