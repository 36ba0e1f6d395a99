"""Conversions between CEL's own types: int('7'), string(1.5), timestamp('2024-01-01T00:00:00Z')."""

from __future__ import annotations

import math
import re

from policies.cel import cost
from policies.cel.errors import EvaluationError
from policies.cel.functions import Function, free, table
from policies.cel.kinds import runtime_type
from policies.cel.library.clock import format_duration, format_timestamp, parse_duration, parse_timestamp
from policies.cel.library.digits import plain, scientific, shortest
from policies.cel.library.patch import Made
from policies.cel.operators import checked_int, checked_uint
from policies.cel.sizes import notation
from policies.cel.types import (
    BOOL,
    BYTES,
    DOUBLE,
    DURATION,
    DYN,
    INT,
    STRING,
    TIMESTAMP,
    TYPE,
    UINT,
    CelType,
    parameter,
    type_of,
)
from policies.cel.values import Duration, UInt, Value, timestamp

_TRUE = frozenset({"1", "t", "T", "true", "TRUE", "True"})
_FALSE = frozenset({"0", "f", "F", "false", "FALSE", "False"})
_INT = re.compile(r"[+-]?[0-9]+")
_UINT = re.compile(r"[0-9]+")
_DOUBLE = re.compile(
    r"[+-]?(?:(?:[0-9]+(?:_[0-9]+)*(?:\.(?:[0-9]+(?:_[0-9]+)*)?)?|\.[0-9]+(?:_[0-9]+)*)(?:e[+-]?[0-9]+(?:_[0-9]+)*)?"
    r"|0x(?:_?[0-9a-f]+(?:_[0-9a-f]+)*\.?(?:[0-9a-f]+(?:_[0-9a-f]+)*)?|\.[0-9a-f]+(?:_[0-9a-f]+)*)p[+-]?[0-9]+(?:_[0-9]+)*"
    r"|inf|infinity|nan)",
    re.IGNORECASE,
)


def _failed(source: CelType, target: CelType) -> EvaluationError:
    return EvaluationError(f"type conversion error from '{source.name}' to '{target.name}'")


def _same(value: Value) -> Value:
    return value


def _type(value: Value) -> CelType:
    """What `type()` says; of a constructed object, only that it is a type."""
    return TYPE if isinstance(value, Made) else runtime_type(value)


def int_of_double(value: float) -> int:
    if math.isnan(value) or not -9.223372036854775808e18 < value < 9.223372036854775807e18:
        raise EvaluationError("integer overflow")
    return int(value)


def int_of_string(text: str) -> int:
    if not _INT.fullmatch(text) or len(text.lstrip("+-0")) > 20:
        raise _failed(STRING, INT)
    try:
        return checked_int(int(text))
    except EvaluationError:
        raise _failed(STRING, INT) from None


def uint_of_double(value: float) -> UInt:
    if math.isnan(value) or not 0 <= value < 18446744073709551616.0:
        raise EvaluationError("unsigned integer overflow")
    return UInt(int(value))


def uint_of_string(text: str) -> UInt:
    if not _UINT.fullmatch(text) or len(text.lstrip("0")) > 20:
        raise _failed(STRING, UINT)
    try:
        return checked_uint(int(text))
    except EvaluationError:
        raise _failed(STRING, UINT) from None


def double_of_string(text: str) -> float:
    if not _DOUBLE.fullmatch(text):
        raise _failed(STRING, DOUBLE)
    value = _parse_double(text)
    if math.isinf(value) and "i" not in text.lower():
        raise _failed(STRING, DOUBLE)
    return value


def _parse_double(text: str) -> float:
    if "x" not in text.lower():
        return float(text)
    try:
        return float.fromhex(text.replace("_", ""))
    except OverflowError:
        return math.inf


def _int_to_duration(_: int) -> Duration:
    raise _failed(INT, DURATION)  # declared, but cel-go has no such conversion


def bool_of_string(text: str) -> bool:
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise _failed(STRING, BOOL)


def string_of_bool(value: bool) -> str:
    return "true" if value else "false"


def string_of_bytes(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise EvaluationError("invalid UTF-8 in bytes, cannot convert to string") from None


def string_of_double(value: float) -> str:
    """The shortest text that reads back, as Go's %g writes it."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    sign, digits, exponent = shortest(value)
    if -4 <= exponent < 6:
        return sign + plain(digits, exponent)
    return sign + scientific(digits, exponent)


A = parameter("A")

TABLE = table(
    Function("dyn", [free([A], DYN, _same)]),
    Function("type", [free([A], type_of(A), _type)]),
    Function("bool", [free([BOOL], BOOL, _same), free([STRING], BOOL, bool_of_string)]),
    Function("bytes", [free([BYTES], BYTES, _same), free([STRING], BYTES, str.encode, cost.traversal)]),
    Function(
        "double",
        [
            free([DOUBLE], DOUBLE, _same),
            free([INT], DOUBLE, float),
            free([STRING], DOUBLE, double_of_string),
            free([UINT], DOUBLE, float),
        ],
    ),
    Function(
        "duration",
        [
            free([DURATION], DURATION, _same),
            free([STRING], DURATION, notation(parse_duration)),
        ],
    ),
    Function(
        "int",
        [
            free([INT], INT, _same),
            free([DOUBLE], INT, int_of_double),
            free([DURATION], INT, int),
            free([STRING], INT, int_of_string),
            free([TIMESTAMP], INT, lambda value: int(value) // 10**9),
            free([UINT], INT, lambda value: checked_int(int(value))),
        ],
    ),
    Function(
        "string",
        [
            free([STRING], STRING, _same),
            free([BOOL], STRING, string_of_bool),
            free([BYTES], STRING, string_of_bytes, cost.traversal),
            free([DOUBLE], STRING, string_of_double),
            free([DURATION], STRING, format_duration),
            free([INT], STRING, str),
            free([TIMESTAMP], STRING, format_timestamp),
            free([UINT], STRING, lambda value: str(int(value))),
        ],
    ),
    Function(
        "timestamp",
        [
            free([TIMESTAMP], TIMESTAMP, _same),
            free([INT], TIMESTAMP, lambda value: timestamp(value * 10**9)),
            free([STRING], TIMESTAMP, notation(parse_timestamp)),
        ],
    ),
    Function(
        "uint",
        [
            free([UINT], UINT, _same),
            free([DOUBLE], UINT, uint_of_double),
            free([INT], UINT, checked_uint),
            free([STRING], UINT, uint_of_string),
        ],
    ),
)
BEFORE_1_37 = table(Function("duration", [free([INT], DURATION, _int_to_duration)]))
