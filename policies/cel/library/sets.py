"""The sets extension: lists taken as sets, by CEL's equality."""

from __future__ import annotations

from typing import Any

from policies.cel import cost
from policies.cel.equality import Tick, contains
from policies.cel.functions import Function, Timed, free, table
from policies.cel.types import BOOL, list_of, parameter
from policies.cel.values import Value

LIST_T = list_of(parameter("T"))


def contains_all(tick: Tick, values: list[Value], wanted: list[Value]) -> bool:
    return all(contains(values, value, tick) for value in wanted)


def equivalent(tick: Tick, a: list[Value], b: list[Value]) -> bool:
    return contains_all(tick, a, b) and contains_all(tick, b, a)


def intersects(tick: Tick, a: list[Value], b: list[Value]) -> bool:
    return any(contains(b, value, tick) for value in a)


def _pairs(a: Value, b: Value, *_: Any) -> int:
    return 1 + cost.plain_size(a) * cost.plain_size(b)


def _pairs_twice(a: Value, b: Value, *_: Any) -> int:
    return 1 + cost.plain_size(a) * cost.plain_size(b) * 2


TABLE = table(
    Function("sets.contains", [free([LIST_T, LIST_T], BOOL, Timed(contains_all), _pairs)]),
    Function("sets.equivalent", [free([LIST_T, LIST_T], BOOL, Timed(equivalent), _pairs_twice)]),
    Function("sets.intersects", [free([LIST_T, LIST_T], BOOL, Timed(intersects), _pairs)]),
)
