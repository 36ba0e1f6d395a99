"""The sets extension: lists taken as sets, by CEL's equality."""

from __future__ import annotations

from typing import Any

from policies.cel import cost
from policies.cel.equality import contains
from policies.cel.functions import Function, free, table
from policies.cel.types import BOOL, list_of, parameter
from policies.cel.values import Value

LIST_T = list_of(parameter("T"))


def contains_all(values: list[Value], wanted: list[Value]) -> bool:
    return all(contains(values, value) for value in wanted)


def equivalent(a: list[Value], b: list[Value]) -> bool:
    return contains_all(a, b) and contains_all(b, a)


def intersects(a: list[Value], b: list[Value]) -> bool:
    return any(contains(b, value) for value in a)


def _pairs(a: Value, b: Value, *_: Any) -> int:
    return 1 + cost.plain_size(a) * cost.plain_size(b)


def _pairs_twice(a: Value, b: Value, *_: Any) -> int:
    return 1 + cost.plain_size(a) * cost.plain_size(b) * 2


TABLE = table(
    Function("sets.contains", [free([LIST_T, LIST_T], BOOL, contains_all, _pairs)]),
    Function("sets.equivalent", [free([LIST_T, LIST_T], BOOL, equivalent, _pairs_twice)]),
    Function("sets.intersects", [free([LIST_T, LIST_T], BOOL, intersects, _pairs)]),
)
