"""The protobuf messages that every CEL knows: `google.protobuf.Int32Value{value: 1}` and its kin.

Most aren't objects in CEL: a wrapper is the value it wraps or null, a Struct is a map, a ListValue a list, a Value
anything that JSON has. An Any can be written but has no value here; an Empty is only itself.
"""

from __future__ import annotations

import struct
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from policies.cel.errors import EvaluationError, Fatal
from policies.cel.library.clock import format_duration, format_timestamp
from policies.cel.library.patch import ObjectValue
from policies.cel.maps import pairs
from policies.cel.types import (
    BOOL,
    BYTES,
    DOUBLE,
    DURATION,
    DYN,
    INT,
    LIST_DYN,
    STRING,
    TIMESTAMP,
    UINT,
    CelType,
    Kind,
    ObjectType,
    map_of,
    nullable,
)
from policies.cel.values import INT_MAX, INT_MIN, Duration, LibraryValue, Optional, Timestamp, UInt, Value, timestamp

Fields = Mapping[str, Value]
_ANY = CelType(Kind.DYN, "google.protobuf.Any")
_EMPTY = ObjectType("google.protobuf.Empty")
_STRUCT = map_of(STRING, DYN)
_EXACT = 2**53 - 1  # the largest integer that a JSON number holds without doubt
_CLASSES: dict[Kind, type] = {
    Kind.BOOL: bool,
    Kind.BYTES: bytes,
    Kind.DOUBLE: float,
    Kind.INT: int,
    Kind.STRING: str,
    Kind.UINT: UInt,
    Kind.LIST: list,
}


@dataclass(frozen=True, slots=True)
class MessageType(ObjectType):
    """A message that can be written; `result` is the type that it then has, `make` its value."""

    result: CelType = DYN
    make: Callable[[Fields], Value] = dict


class EmptyMessage(LibraryValue):
    """A `google.protobuf.Empty`."""

    __slots__ = ()
    cel_type = _EMPTY
    cel_unit = False

    def __str__(self) -> str:
        return ""

    def cel_equal(self, other: Value) -> bool:
        return type(other) is EmptyMessage


def _message(name: str, result: CelType, make: Callable[[Fields], Value], fields: Mapping[str, CelType]) -> MessageType:
    full = f"google.protobuf.{name}"

    def checked(given: Fields) -> Value:
        settled = {field: _settled(f"{full}.{field}", fields[field], value) for field, value in given.items()}
        return make(settled)

    return MessageType(full, fields, result, checked)


def _unwrapped(value: Value) -> Value:
    while type(value) is Optional and value.present:
        value = value.value
    return value


def _settled(name: str, wanted: CelType, value: Value) -> Value:
    """The value of a field, an optional unwrapped. Raises for one of another type."""
    value = _unwrapped(value)
    if wanted is BYTES and type(value) is list:
        octets = [_unwrapped(one) for one in value]
        if all(type(one) is UInt and one <= 255 for one in octets):
            return bytes(octets)
    right = isinstance(value, Mapping) if wanted.kind is Kind.MAP else type(value) is _CLASSES.get(wanted.kind)
    if wanted is not DYN and not right:
        raise EvaluationError(f"field type conversion error for {name} value type: unsupported conversion")
    return value


def _wrapper(
    name: str, wrapped: CelType, zero: Value, fit: Callable[[Value], Value] = lambda value: value
) -> MessageType:
    return _message(name, nullable(wrapped), lambda given: fit(given.get("value", zero)), {"value": wrapped})


def _within(low: int, high: int) -> Callable[[Value], Value]:
    def fit(value: Value) -> Value:
        if low <= value <= high:
            return value
        raise EvaluationError("integer overflow" if low else "unsigned integer overflow")

    return fit


_INT32 = _within(-(2**31), 2**31 - 1)


def _single(value: Value) -> float:
    """The number rounded to 32 bits."""
    try:
        return float(struct.unpack("f", struct.pack("f", value))[0])
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def _as_json(value: Value) -> Value:
    """What protobuf's JSON makes of a value: numbers are doubles, or text where a double can't hold them."""
    match value:
        case None | bool() | str() | float():
            return value
        case Optional() if value.present:
            return _as_json(value.value)
        case Duration():
            return format_duration(value)
        case Timestamp():
            return format_timestamp(value)
        case bytes():
            return b64encode(value).decode()
        case int():
            return float(value) if abs(value) <= _EXACT else str(int(value))
        case list():
            return [_as_json(item) for item in value]
        case ObjectValue():
            raise Fatal("assigning invalid message type google.protobuf.Struct")
        case EmptyMessage():
            return {}
        case Mapping():
            return {_text(key): _as_json(item) for key, item in pairs(value)}
    raise EvaluationError("unsupported conversion to google.protobuf.Value")


def _text(key: Value) -> str:
    while type(key) is Optional and key.present:
        key = key.value
    if type(key) is str:
        return key
    raise EvaluationError("unsupported conversion to google.protobuf.Struct: keys must be text")


def _value(given: Fields) -> Value:
    """The last field that was set is the one that counts."""
    name, value = [*given.items(), ("null_value", 0)][max(0, len(given) - 1)]
    return None if name == "null_value" else _as_json(value)


def _nanoseconds(given: Fields) -> int:
    return int(given.get("seconds", 0) * 10**9 + _INT32(given.get("nanos", 0)))


def _duration(given: Fields) -> Value:
    return Duration(min(max(_nanoseconds(given), INT_MIN), INT_MAX))


def _moment(given: Fields) -> Value:
    return timestamp(_nanoseconds(given))  # ours: the API server takes any second here


def _any(_: Fields) -> Value:
    raise EvaluationError("unsupported conversion to ref.Val: (*dynamicpb.Message)")


_PARTS: Final = {"seconds": INT, "nanos": INT}
_MESSAGES: tuple[MessageType, ...] = (
    _wrapper("BoolValue", BOOL, False),
    _wrapper("BytesValue", BYTES, b""),
    _wrapper("DoubleValue", DOUBLE, 0.0),
    _wrapper("FloatValue", DOUBLE, 0.0, _single),
    _wrapper("Int32Value", INT, 0, _INT32),
    _wrapper("Int64Value", INT, 0),
    _wrapper("StringValue", STRING, ""),
    _wrapper("UInt32Value", UINT, UInt(0), _within(0, 2**32 - 1)),
    _wrapper("UInt64Value", UINT, UInt(0)),
    _message("ListValue", LIST_DYN, lambda given: _as_json(given.get("values", [])), {"values": LIST_DYN}),
    _message("Struct", _STRUCT, lambda given: _as_json(given.get("fields", {})), {"fields": _STRUCT}),
    _message(
        "Value",
        DYN,
        _value,
        {
            "null_value": INT,
            "number_value": DOUBLE,
            "string_value": STRING,
            "bool_value": BOOL,
            "struct_value": _STRUCT,
            "list_value": LIST_DYN,
        },
    ),
    _message("Duration", DURATION, _duration, _PARTS),
    _message("Timestamp", TIMESTAMP, _moment, _PARTS),
    _message("Any", _ANY, _any, {"type_url": STRING, "value": BYTES}),
    _message("Empty", _EMPTY, lambda _: EmptyMessage(), {}),
)
MESSAGES: Final[Mapping[str, MessageType]] = {message.name: message for message in _MESSAGES}
NAMED: Final = frozenset({"google.protobuf.Empty", "google.protobuf.Duration", "google.protobuf.Timestamp"})
ENUMS: Final[Mapping[str, Any]] = {"google.protobuf.NullValue.NULL_VALUE": 0}
