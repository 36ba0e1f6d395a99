"""The only equality that may be asked of values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from policies.cel.errors import EvaluationError
from policies.cel.maps import lookup, pairs
from policies.cel.types import CelType
from policies.cel.values import MISSING, NUMERIC, Duration, LibraryValue, Optional, Timestamp, UInt, Value

_PLAIN: Final = frozenset({int, str, bool, float, bytes, type(None), UInt, Duration, Timestamp})


def equal(a: Value, b: Value) -> bool:
    """CEL's `==`: numbers by value over their types, lists and maps by content, everything else within its type.

    Raises EvaluationError where a library's value can't be compared.
    """
    kind, other = type(a), type(b)
    if kind is other:
        if kind in _PLAIN:
            return bool(a == b)
        return _equal_parts(a, b)
    if kind in NUMERIC and other in NUMERIC:
        if kind is float or other is float:
            return float(a) == float(b)  # as cel-go does: an int is rounded to compare it with a double
        return int(a) == int(b)
    if a is None or b is None:
        return False
    if isinstance(a, LibraryValue):
        return a.cel_equal(b)
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return _equal_maps(a, b)
    if isinstance(a, CelType) and isinstance(b, CelType):
        return a.name == b.name
    return False


def equal_or_false(a: Value, b: Value) -> bool:
    """Equality where nothing may fail: what can't be compared isn't equal."""
    try:
        return equal(a, b)
    except EvaluationError:
        return False


def _inside(a: Value, b: Value) -> bool:
    """Equality inside a list or map: there cel-go takes only a plain false for a difference."""
    try:
        return equal(a, b)
    except EvaluationError:
        return True


def _equal_parts(a: Value, b: Value) -> bool:
    if isinstance(a, list):
        return len(a) == len(b) and all(map(_inside, a, b))
    if isinstance(a, LibraryValue):
        return a.cel_equal(b)
    if isinstance(a, Mapping):
        return _equal_maps(a, b)
    if isinstance(a, Optional):
        return bool(a.present == b.present and (not a.present or equal(a.value, b.value)))
    if isinstance(a, CelType):
        return bool(a.name == b.name)
    return (a == b) is True


def _equal_maps(a: Mapping[Value, Value], b: Mapping[Value, Value]) -> bool:
    if len(a) != len(b):
        return False
    for key, value in pairs(a):
        other = lookup(b, key)
        if other is MISSING or not _inside(value, other):
            return False
    return True


def contains(values: list[Value], wanted: Value) -> bool:
    """Whether a list holds an equal value."""
    return any(equal_or_false(wanted, value) for value in values)
