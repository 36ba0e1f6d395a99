"""The only equality that may be asked of values.

Values may share parts, so comparing them can take much longer than they are large: whoever compares values of unknown
make gives a `tick`, which is called for every list and map and may stop the comparison.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import repeat
from typing import Final

from policies.cel.errors import EvaluationError
from policies.cel.maps import LazyMap, lookup, pairs
from policies.cel.types import CelType
from policies.cel.values import MISSING, NUMERIC, Duration, LibraryValue, Optional, Timestamp, UInt, Value

Tick = Callable[[], None]
_SAFE: Final = frozenset({str, int})
_EXACT: Final = 2**53  # below, integers equal doubles exactly
_PLAIN: Final = frozenset({int, str, bool, float, bytes, type(None), UInt, Duration, Timestamp})


def unwatched() -> None:
    """The tick for values that are known to be small."""


def equal(a: Value, b: Value, tick: Tick = unwatched) -> bool:
    """CEL's `==`: numbers by value over their types, lists and maps by content, everything else within its type.

    Raises EvaluationError where a library's value can't be compared.
    """
    kind, other = type(a), type(b)
    if kind is other:
        if kind in _PLAIN:
            return bool(a == b)
        return _equal_parts(a, b, tick)
    if kind in NUMERIC and other in NUMERIC:
        if kind is float or other is float:
            return float(a) == float(b)  # as cel-go does: an int is rounded to compare it with a double
        return int(a) == int(b)
    if a is None or b is None:
        return False
    if isinstance(a, LibraryValue):
        return a.cel_equal(b)
    if isinstance(a, LazyMap):
        raise EvaluationError("no such overload")
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return _equal_maps(a, b, tick)
    if isinstance(a, CelType) and isinstance(b, CelType):
        return a.name == b.name
    return False


def equal_or_false(a: Value, b: Value, tick: Tick = unwatched) -> bool:
    """Equality where nothing may fail: what can't be compared isn't equal."""
    try:
        return equal(a, b, tick)
    except EvaluationError:
        return False


def _inside(a: Value, b: Value, tick: Tick) -> bool:
    """Equality inside a list or map: there cel-go takes only a plain false for a difference."""
    try:
        return equal(a, b, tick)
    except EvaluationError:
        return True


def _equal_parts(a: Value, b: Value, tick: Tick) -> bool:
    if isinstance(a, list):
        tick()
        return len(a) == len(b) and _equal_lists(a, b, tick)
    if isinstance(a, LibraryValue):
        return a.cel_equal(b)
    if isinstance(a, Mapping):
        return a is b if isinstance(a, LazyMap) else _equal_maps(a, b, tick)
    if isinstance(a, Optional):
        return bool(a.present == b.present and (not a.present or equal(a.value, b.value, tick)))
    if isinstance(a, CelType):
        return bool(a.name == b.name)
    return (a == b) is True


def _equal_lists(a: list[Value], b: list[Value], tick: Tick) -> bool:
    if len(a) > 8 and _SAFE.issuperset(map(type, a)) and _SAFE.issuperset(map(type, b)):
        return a == b  # of these types, Python's equality is CEL's
    return all(map(_inside, a, b, repeat(tick)))


def _equal_maps(a: Mapping[Value, Value], b: Mapping[Value, Value], tick: Tick) -> bool:
    tick()
    if len(a) != len(b):
        return False
    for key, value in pairs(a):
        other = lookup(b, key)
        if other is MISSING or not _inside(value, other, tick):
            return False
    return True


def position(values: list[Value], wanted: Value, tick: Tick) -> int:
    """Where a list first holds an equal value, or -1."""
    if _surely_missing(values, wanted):
        return -1
    for at, value in enumerate(values):
        if equal_or_false(wanted, value, tick):
            return at
    return -1


def contains(values: list[Value], wanted: Value, tick: Tick = unwatched) -> bool:
    """Whether a list holds an equal value."""
    return position(values, wanted, tick) >= 0


def _surely_missing(values: list[Value], wanted: Value) -> bool:
    """A quick no: texts and small integers that Python doesn't find, CEL doesn't find either."""
    kind = type(wanted)
    return (kind is str or (kind is int and abs(wanted) < _EXACT)) and wanted not in values
