"""Kubernetes' own list functions and the lists extension, version 3.

Kubernetes' functions pick their overload by the first element and compare the rest as they come: what can't be compared
with its neighbour counts as not greater, only an element without any order is an error.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cmp_to_key
from math import isnan
from operator import le
from typing import Any

from policies.cel import cost
from policies.cel.equality import Tick, contains, equal_or_false, position
from policies.cel.errors import EvaluationError, Fatal
from policies.cel.functions import ByResult, Function, Overload, Timed, free, method, table
from policies.cel.operators import ADDABLE, ORDERED, add, compare
from policies.cel.sizes import MAX_LIST, bounded_list
from policies.cel.types import (
    BOOL,
    BYTES,
    DOUBLE,
    DURATION,
    DYN,
    INT,
    STRING,
    TIMESTAMP,
    UINT,
    CelType,
    list_of,
    parameter,
)
from policies.cel.values import INT_MAX, Duration, UInt, Value

A, T = parameter("A"), parameter("T")
LIST_A, LIST_T = list_of(A), list_of(T)
_COMPARABLE = (INT, UINT, DOUBLE, BOOL, DURATION, TIMESTAMP, STRING, BYTES)
_SORTABLE = (INT, UINT, DOUBLE, BOOL, DURATION, TIMESTAMP, STRING, BYTES)
_WRAPPING = 10_000_000
_LONGEST_RANGE = 1_000_000
_ZEROS: tuple[tuple[CelType, Value], ...] = ((INT, 0), (UINT, UInt(0)), (DOUBLE, 0.0), (DURATION, Duration(0)))


def _unused(*_: Value) -> Value:
    """Stands where `dynamic` decides."""
    raise EvaluationError("no such overload")


def _ordered(value: Value) -> Value:
    if type(value) not in ORDERED:
        raise EvaluationError("no such overload")
    return value


def _compared(a: Value, b: Value) -> int | None:
    try:
        return compare("compare", a, b)
    except EvaluationError:
        return None


def _kind(values: list[Value]) -> type | None:
    """What all values are, where they are all integers or all text: Python orders those as CEL does."""
    kinds = set(map(type, values))
    return kinds.pop() if kinds in ({int}, {str}) else None


def is_sorted(values: list[Value]) -> bool:
    if _kind(values):
        return all(map(le, values, values[1:]))
    for at, value in enumerate(values):
        _ordered(value)
        if at and _compared(values[at - 1], value) == 1:
            return False
    return True


def _extreme(name: str, replaced_at: int) -> Callable[[list[Value]], Value]:
    quickly: Callable[[list[Value]], Value] = max if replaced_at < 0 else min

    def find(values: list[Value]) -> Value:
        if not values:
            raise EvaluationError(f"{name} called on empty list")
        if _kind(values):
            return quickly(values)
        best = _ordered(values[0])
        for value in values[1:]:
            if _compared(best, _ordered(value)) == replaced_at:
                best = value
        return best

    return find


def _sum_from(zero: Value) -> Callable[[list[Value]], Value]:
    def total(values: list[Value]) -> Value:
        if _kind(values) is int and max(map(abs, values)) * len(values) <= INT_MAX:
            return sum(values)
        result = zero
        for value in values:
            if type(value) not in ADDABLE:
                raise EvaluationError("no such overload")
            result = add(result, value)
        return result

    return total


def index_of(tick: Tick, values: list[Value], wanted: Value) -> int:
    return position(values, wanted, tick)


def last_index_of(tick: Tick, values: list[Value], wanted: Value) -> int:
    found = position(values[::-1], wanted, tick)
    return found if found < 0 else len(values) - 1 - found


def includes(tick: Tick, values: Value, wanted: Value) -> bool:
    """Whether a list holds a value, or a single value is it."""
    if type(values) is list:
        return contains(values, wanted, tick)
    return equal_or_false(values, wanted, tick)


def slice_(values: list[Value], start: int, end: int) -> list[Value]:
    where = f"cannot slice({start}, {end})"
    if start < 0 or end < 0:
        raise EvaluationError(f"{where}, negative indexes not supported")
    if start > end:
        raise EvaluationError(f"{where}, start index must be less than or equal to end index")
    if len(values) < end:
        raise EvaluationError(f"{where}, list is length {len(values)}")
    return values[start:end]


def flatten(tick: Tick, values: Value, depth: Value = 1) -> list[Value]:
    if type(values) is not list or type(depth) is not int:
        raise EvaluationError("no such overload: flatten")
    if depth < 0:
        raise EvaluationError("level must be non-negative")
    found: list[Value] = []
    _flatten(tick, values, depth, found)
    return found


def _flatten(tick: Tick, values: list[Value], depth: int, found: list[Value]) -> None:
    tick()
    bounded_list(len(found) + len(values))
    if not depth:
        found.extend(values)
        return
    for value in values:
        if type(value) is list:
            _flatten(tick, value, depth - 1, found)
        else:
            found.append(value)


def sort(tick: Tick, values: Value) -> list[Value]:
    return sort_by_keys(tick, values, values)


def sort_by_keys(tick: Tick, values: Value, keys: Value) -> list[Value]:
    """The values in the order of their keys; keys are of one type."""
    if type(values) is not list or type(keys) is not list:
        raise EvaluationError("no such overload")
    if len(values) != len(keys):
        raise EvaluationError(
            "@sortByAssociatedKeys() expected a list of the same size as the associated keys list, "
            f"but got {len(values)} and {len(keys)} elements respectively"
        )
    if len(keys) < 2 and not keys:
        return values
    if type(keys[0]) not in ORDERED:
        raise EvaluationError("list elements must be comparable")
    if any(type(key) is not type(keys[0]) for key in keys):
        raise EvaluationError("list elements must have the same type")
    return [values[at] for at in _order(tick, keys)]


def _order(tick: Tick, keys: list[Value]) -> list[int]:
    if type(keys[0]) is not float or not any(map(isnan, keys)):
        return sorted(range(len(keys)), key=keys.__getitem__)

    def compared(a: int, b: int) -> int:
        tick()
        return _compared(keys[a], keys[b]) or 0

    return sorted(range(len(keys)), key=cmp_to_key(compared))


def distinct(tick: Tick, values: list[Value]) -> list[Value]:
    found: list[Value] = []
    for value in values:
        if not contains(found, value, tick):
            found.append(value)
    return found


class _Unaffordable(EvaluationError):
    """A list that costs more than any expression may: priced, and not made."""

    def __init__(self, size: int) -> None:
        super().__init__("result too large")
        self.size = size


def range_(count: int) -> list[int]:
    if count > MAX_LIST:
        raise _Unaffordable(count)
    return list(range(count))


def range_1_37(count: int) -> list[int]:
    if count < 0:
        raise EvaluationError(f"lists.range: size must be non-negative, got {count}")
    if count > _LONGEST_RANGE:
        raise EvaluationError(f"lists.range: size {count} exceeds maximum allowed ({_LONGEST_RANGE})")
    return list(range(count))


# what they cost


def _list_made(result: Value) -> int:
    return cost.size(result) + 1 + cost.LIST


_MADE = ByResult(_list_made)


def _range_made(result: Value) -> int:
    size = result.size if isinstance(result, _Unaffordable) else cost.size(result)
    return size + 1 + cost.LIST


def _depth(rest: tuple[Any, ...]) -> float:
    depth: Value = rest[0] if rest else 1
    if type(depth) is not int:
        raise Fatal("interface conversion: flatten's depth is not an int")
    return float(depth)


def _flattened(values: Value, *rest: Any) -> int:
    price = cost.go_uint64(float(cost.plain_size(values)) * _depth(rest)) + 1 + cost.LIST
    return price - 2**64 if price > 2**64 - _WRAPPING else price  # the API server's sum wraps around


def _flattened_1_37(values: Value, *rest: Any) -> int:
    depth = _depth(rest)
    return cost.go_uint64(float(cost.plain_size(values)) * (1.0 if depth < 0 else depth)) + 1 + cost.LIST


def _self_compared(values: Value, *_: Any) -> int:
    """Every element against every other."""
    if type(values) is not list:
        raise Fatal("interface conversion: not a list")
    if not values:
        return 1 + cost.LIST
    factor = 2.0 + (cost.STRING_FACTOR if type(values[0]) in (str, bytes) else 0)
    return int(len(values) ** 2 * factor) + 1 + cost.LIST


def _keys_compared(_: Value, keys: Value, *__: Any) -> int:
    return _self_compared(keys)


def _over(kinds: tuple[CelType, ...], result: CelType | None, call: Callable[..., Value]) -> list[Overload]:
    """One overload for a list of each type; without a result type, the element's."""
    return [method([list_of(kind)], result or kind, call) for kind in kinds]


KUBERNETES = table(
    Function("isSorted", _over(_COMPARABLE, BOOL, is_sorted), cost=cost.visited),
    Function("sum", [method([list_of(kind)], kind, _sum_from(zero)) for kind, zero in _ZEROS], cost=cost.visited),
    Function("max", _over(_COMPARABLE, None, _extreme("max", -1)), cost=cost.visited),
    Function("min", _over(_COMPARABLE, None, _extreme("min", 1)), cost=cost.visited),
    Function("indexOf", [method([LIST_A, A], INT, Timed(index_of))], cost=cost.visited),
    Function("lastIndexOf", [method([LIST_A, A], INT, Timed(last_index_of))], cost=cost.visited),
)


def _flatten_priced(price: Callable[..., int]) -> Function:
    overloads = [
        method([list_of(LIST_T)], LIST_T, Timed(flatten), price),
        method([list_of(DYN), INT], list_of(DYN), Timed(flatten), price),
    ]
    return Function("flatten", overloads, unguarded=True)


BEFORE_1_37 = table(
    Function("lists.range", [free([INT], list_of(INT), range_, ByResult(_range_made))]),
    _flatten_priced(_flattened),
)
SINCE_1_37 = table(
    Function("lists.range", [free([INT], list_of(INT), range_1_37, _MADE)]),
    _flatten_priced(_flattened_1_37),
    Function("includes", [method([DYN, DYN], BOOL, Timed(includes))], cost=cost.visited),
)
EXTENSION = table(
    Function("slice", [method([LIST_T, INT, INT], LIST_T, slice_, _MADE)]),
    Function(
        "sort",
        [method([list_of(kind)], list_of(kind), _unused, _self_compared) for kind in _SORTABLE],
        dynamic=Timed(sort),
    ),
    Function(
        "@sortByAssociatedKeys",
        [method([LIST_T, list_of(kind)], LIST_T, _unused, _keys_compared) for kind in _SORTABLE],
        dynamic=Timed(sort_by_keys),
    ),
    Function("reverse", [method([LIST_T], LIST_T, lambda values: values[::-1], _MADE)]),
    Function("distinct", [method([LIST_T], LIST_T, Timed(distinct), _self_compared)]),
)
