"""What calls cost, as cel-go and the API server count it. The unit is about 0.1 microseconds of the API server's time.

A cost function takes the call's arguments; where an argument failed, its exception stands for it. Sizes are what CEL's
`size()` says, 1 for anything without one.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from typing import Any

from policies.cel.functions import ByResult
from policies.cel.maps import pairs
from policies.cel.sizes import MAX_RESULT
from policies.cel.values import Duration, LibraryValue, Optional, Timestamp, UInt, Value

LIST = 10
MAP = 30
OBJECT = 40
STRING_FACTOR = 0.1  # per character, for one traversal
REGEX_FACTOR = 0.25  # per character of the pattern
_LEAVES = frozenset({int, float, bool, type(None), UInt, Duration, Timestamp})
_UNAFFORDABLE = 2**62


def size(value: Value) -> int:
    """What a value counts for: strings by code points, lists and maps by their length."""
    kind = type(value)
    if kind is str or kind is list or kind is dict or kind is bytes:
        return len(value)
    if isinstance(value, Mapping):
        return len(value)
    if kind is Optional and value.present:
        return size(value.value)
    sizer = getattr(value, "cel_size", None)
    return 1 if sizer is None else int(sizer)


def traversal(text: Value, *_: Any) -> int:
    """One pass over the first argument."""
    return ceil(size(text) * STRING_FACTOR)


def second_traversal(_: Value, part: Value, *__: Any) -> int:
    """One pass over the second argument."""
    return ceil(size(part) * STRING_FACTOR)


def two_traversals(text: Value, *_: Any) -> int:
    """A pass over the first argument and one to write the result."""
    return ceil(size(text) * 2 * STRING_FACTOR)


def shorter(a: Value, b: Value, *_: Any) -> int:
    """Comparing stops at the end of the shorter operand."""
    return ceil(min(size(a), size(b)) * STRING_FACTOR)


def joined(a: Value, b: Value, *_: Any) -> int:
    """Both operands are copied."""
    return ceil((size(a) + size(b)) * STRING_FACTOR)


def product(a: Value, b: Value, *_: Any) -> int:
    """Every place of the one against the other."""
    return ceil(size(a) * STRING_FACTOR) * ceil(size(b) * STRING_FACTOR)


def regex(text: Value, pattern: Value, *_: Any) -> int:
    return ceil((1.0 + size(text)) * STRING_FACTOR) * ceil(size(pattern) * REGEX_FACTOR)


def searched(_: Value, container: Value, *__: Any) -> int:
    """Looking through a list."""
    return size(container)


def visited(value: Value, *_: Any) -> int:
    """Every leaf of the first argument once, text by its bytes. More than anybody can afford where there are too many
    to be visited.
    """
    if type(value) is str:
        return int(len(value if value.isascii() else value.encode(errors="surrogatepass")) * STRING_FACTOR)
    total, parts, pending = 0, 0, [value]
    while pending and parts <= MAX_RESULT:
        item = pending.pop()
        if type(item) is list:
            parts += 1
            if _LEAVES.issuperset(map(type, item)):
                total += len(item)
            elif set(map(type, item)) == {str} and 4 * max(map(len, item)) < 1 / STRING_FACTOR:
                continue  # each is too short to count
            else:
                parts += len(item)
                pending.extend(item)
        elif isinstance(item, Mapping):
            parts += 1 + 2 * len(item)
            pending.extend(part for pair in pairs(item) for part in pair)
        else:
            total += _leaf(item)
    return total if parts <= MAX_RESULT else _UNAFFORDABLE


def _leaf(value: Value) -> int:
    if type(value) is str:
        return visited(value)
    return int(len(value) * STRING_FACTOR) if type(value) is bytes else 1


def equality(a: Value, b: Value, *_: Any) -> int:
    """`==`: the API server's own types count 1, whatever their size."""
    return 1 if isinstance(a, LibraryValue) and a.cel_unit else shorter(a, b)


def plain_size(value: Value) -> int:
    """A size that doesn't look into optionals."""
    return 1 if type(value) is Optional else size(value)


def go_uint64(number: float) -> int:
    """A float as an unsigned integer of 64 bits, the way the API server's processor converts it."""
    if number < 2.0**63:
        return int(number) % 2**64 if number >= -(2.0**63) else 2**63
    return int(number) if number < 2.0**64 else 2**63


def _twice(result: Value) -> int:
    return ceil(size(result) * 2 * STRING_FACTOR)


RESULT_TWICE = ByResult(_twice)
