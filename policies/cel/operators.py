"""Arithmetic and order, by the types that values have when they are met; what has no meaning raises EvaluationError.

Integers are 64 bits wide and overflow is an error; division truncates; int, uint and double may be compared with each
other.
"""

from __future__ import annotations

import math
from math import isnan
from typing import NoReturn

from policies.cel.equality import Tick, contains
from policies.cel.errors import EvaluationError
from policies.cel.maps import is_map, lookup
from policies.cel.sizes import bounded, bounded_list
from policies.cel.values import (
    INT_MAX,
    INT_MIN,
    MISSING,
    NUMERIC,
    UINT_MAX,
    Duration,
    Timestamp,
    UInt,
    Value,
    duration,
    timestamp,
)

ORDERED = frozenset({int, float, str, bytes, bool, UInt, Duration, Timestamp})
_RECEIVERS = frozenset({str, Duration, Timestamp})  # cel-go asks these themselves, and words its refusal differently
ADDABLE = ORDERED - {bool} | {list}


def no_overload(name: str, operand: Value, known: bool) -> NoReturn:
    """As cel-go words it: the operator's name where the first operand can't have it at all."""
    known = known or type(operand) in _RECEIVERS
    raise EvaluationError("no such overload" if known else f"no such overload: {name}")


def checked_int(value: int) -> int:
    if INT_MIN <= value <= INT_MAX:
        return value
    raise EvaluationError("integer overflow")


def checked_uint(value: int) -> UInt:
    if 0 <= value <= UINT_MAX:
        return UInt(value)
    raise EvaluationError("unsigned integer overflow")


def add(a: Value, b: Value) -> Value:
    kind, other = type(a), type(b)
    if kind is other:
        if kind is int:
            return checked_int(a + b)
        if kind is str or kind is bytes:
            bounded(len(a) + len(b))
            return a + b
        if kind is list:
            bounded_list(len(a) + len(b))
            return a + b
        if kind is float:
            return a + b
        if kind is UInt:
            return checked_uint(int(a) + int(b))
        if kind is Duration:
            return duration(int(a) + int(b))
    if kind is Timestamp and other is Duration:
        return timestamp(int(a) + int(b), a.offset)
    if kind is Duration and other is Timestamp:
        return timestamp(int(a) + int(b), b.offset)
    no_overload("_+_", a, kind in ADDABLE)


def subtract(a: Value, b: Value) -> Value:
    kind, other = type(a), type(b)
    if kind is other:
        if kind is int:
            return checked_int(a - b)
        if kind is float:
            return a - b
        if kind is UInt:
            return checked_uint(int(a) - int(b))
        if kind is Duration or kind is Timestamp:
            return duration(int(a) - int(b))
    if kind is Timestamp and other is Duration:
        return timestamp(int(a) + int(duration(-int(b))), a.offset)
    no_overload("_-_", a, kind in NUMERIC or kind in (Duration, Timestamp))


def multiply(a: Value, b: Value) -> Value:
    kind = type(a)
    if kind is type(b):
        if kind is int:
            return checked_int(a * b)
        if kind is float:
            return a * b
        if kind is UInt:
            return checked_uint(int(a) * int(b))
    no_overload("_*_", a, kind in NUMERIC)


def divide(a: Value, b: Value) -> Value:
    kind = type(a)
    if kind is type(b) and kind in NUMERIC:
        if kind is float:
            return _divide_doubles(a, b)
        if b == 0:
            raise EvaluationError("division by zero")
        quotient = abs(int(a)) // abs(int(b))
        if kind is UInt:
            return UInt(quotient)
        return checked_int(-quotient if (a < 0) is not (b < 0) else quotient)
    no_overload("_/_", a, kind in NUMERIC)


def _divide_doubles(a: float, b: float) -> float:
    if b != 0:
        return a / b
    if a == 0 or math.isnan(a):
        return math.nan
    return math.copysign(math.inf, a) * math.copysign(1, b)


def modulo(a: Value, b: Value) -> Value:
    kind = type(a)
    if kind is type(b) and kind in (int, UInt):
        if b == 0:
            raise EvaluationError("modulus by zero")
        if kind is UInt:
            return UInt(int(a) % int(b))
        if a == INT_MIN and b == -1:
            raise EvaluationError("integer overflow")
        rest = abs(a) % abs(b)
        return -rest if a < 0 else rest
    no_overload("_%_", a, kind in (int, UInt))


def negate(a: Value) -> Value:
    kind = type(a)
    if kind is int:
        return checked_int(-a)
    if kind is float:
        return -a
    if kind is Duration:
        return duration(-int(a))
    no_overload("-_", a, kind is bool)


def logical_not(a: Value) -> bool:
    if a is True:
        return False
    if a is False:
        return True
    no_overload("!_", a, True)


def compare(name: str, a: Value, b: Value) -> int:
    """-1, 0 or 1. Raises for values without a common order, NaN among them."""
    kind, other = type(a), type(b)
    if kind is other and kind in ORDERED and kind is not float:
        return int(a > b) - int(a < b)
    if kind in NUMERIC and other in NUMERIC:
        if kind is float or other is float:
            if isnan(a) or isnan(b):
                raise EvaluationError("NaN values cannot be ordered")
            a, b = float(a), float(b)
        return int(a > b) - int(a < b)
    no_overload(name, a, kind in ORDERED)


def less(a: Value, b: Value) -> bool:
    if type(a) is int and type(b) is int:
        return a < b
    return compare("_<_", a, b) < 0


def less_equal(a: Value, b: Value) -> bool:
    if type(a) is int and type(b) is int:
        return a <= b
    return compare("_<=_", a, b) <= 0


def greater(a: Value, b: Value) -> bool:
    if type(a) is int and type(b) is int:
        return a > b
    return compare("_>_", a, b) > 0


def greater_equal(a: Value, b: Value) -> bool:
    if type(a) is int and type(b) is int:
        return a >= b
    return compare("_>=_", a, b) >= 0


def member_of(tick: Tick, value: Value, container: Value) -> bool:
    """CEL's `in`: among the values of a list, or the keys of a map."""
    if type(container) is list:
        return contains(container, value, tick)
    if is_map(container):
        return lookup(container, value) is not MISSING
    no_overload("@in", value, True)
