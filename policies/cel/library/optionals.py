"""Optional values. `or`, `orValue`, `.?` and `[?]` are declared here; the planner gives them their lazy meaning."""

from __future__ import annotations

from policies.cel.errors import EvaluationError
from policies.cel.functions import Function, free, method, quick, table
from policies.cel.library.messages import EmptyMessage
from policies.cel.library.patch import ObjectValue
from policies.cel.maps import is_map
from policies.cel.types import BOOL, DYN, INT, STRING, list_of, map_of, optional_of, parameter
from policies.cel.values import NONE, Duration, Optional, Timestamp, UInt, Value

K, V = parameter("K"), parameter("V")
OPTIONAL_V = optional_of(V)
LIST_V, MAP_KV = list_of(V), map_of(K, V)
_ZERO_TIME = -62135596800 * 10**9  # a timestamp of Go is zero in year 1


def is_zero(value: Value) -> bool:
    kind = type(value)
    if kind in (int, UInt, float, Duration):
        return bool(value == 0)
    if kind is Timestamp:
        return int(value) == _ZERO_TIME
    if kind is Optional:
        return False  # an empty optional is a value to cel-go
    if kind is ObjectValue:
        return not value.fields
    if kind is EmptyMessage:
        return True
    return value is None or value is False or ((kind in (str, bytes, list) or is_map(value)) and not value)


def _of_non_zero(value: Value) -> Optional:
    return NONE if is_zero(value) else Optional(value)


def _value(optional: Optional) -> Value:
    if not optional.present:
        raise EvaluationError("optional.none() dereference")
    if isinstance(optional.value, EvaluationError):
        raise optional.value  # it has waited there, see plan/attributes.py
    return optional.value


def _unwrap(values: list[Value]) -> list[Value]:
    for value in values:
        if type(value) is not Optional:
            raise EvaluationError(f"value {value} is not optional")
    return [value.value for value in values if value.present]


def _planned(*_: Value) -> Value:
    raise EvaluationError("no such overload")


TABLE = quick(
    table(
        Function("optional.of", [free([V], OPTIONAL_V, Optional)]),
        Function("optional.ofNonZeroValue", [free([V], OPTIONAL_V, _of_non_zero)]),
        Function("optional.none", [free([], OPTIONAL_V, lambda: NONE)]),
        Function("value", [method([OPTIONAL_V], V, _value)]),
        Function("hasValue", [method([OPTIONAL_V], BOOL, lambda optional: optional.present)]),
        Function("or", [method([OPTIONAL_V, OPTIONAL_V], OPTIONAL_V, _planned)]),
        Function("orValue", [method([OPTIONAL_V, V], V, _planned)]),
        Function("_?._", [free([DYN, STRING], OPTIONAL_V, _planned)]),
        Function(
            "_[?_]",
            [
                free([LIST_V, INT], OPTIONAL_V, _planned),
                free([optional_of(LIST_V), INT], OPTIONAL_V, _planned),
                free([MAP_KV, K], OPTIONAL_V, _planned),
                free([optional_of(MAP_KV), K], OPTIONAL_V, _planned),
            ],
        ),
        Function(
            "_[_]",
            [
                free([optional_of(LIST_V), INT], OPTIONAL_V, _planned),
                free([optional_of(MAP_KV), K], OPTIONAL_V, _planned),
            ],
        ),
        Function("first", [method([LIST_V], OPTIONAL_V, lambda values: Optional(values[0]) if values else NONE)]),
        Function("last", [method([LIST_V], OPTIONAL_V, lambda values: Optional(values[-1]) if values else NONE)]),
        Function("optional.unwrap", [free([list_of(OPTIONAL_V)], LIST_V, _unwrap)]),
        Function("unwrapOpt", [method([list_of(OPTIONAL_V)], LIST_V, _unwrap)]),
    )
)
