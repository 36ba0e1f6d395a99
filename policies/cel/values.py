"""Values of CEL that JSON has no word for, and the only equality that may be asked of values.

dict, list, str, int, float, bool, None and bytes stand for themselves; nothing is ever converted. Python's own `==`,
`<`, `in` and truth mix bool with int and 1 with 1.0, so no other module may use them on operands it doesn't know.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from policies.cel.errors import EvaluationError
from policies.cel.types import CelType

Value = Any  # what an expression yields: a plain value or one of the classes here or in `library`

INT_MIN, INT_MAX, UINT_MAX = -(2**63), 2**63 - 1, 2**64 - 1
TIME_MIN, TIME_MAX = -62135596800 * 10**9, 253402300799 * 10**9 + 999_999_999


class UInt(int):
    """CEL's uint: 0 to 2^64-1. Equal to the int and the double of the same value, never the same type."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"{int(self)}u"


class Duration(int):
    """A span of time in nanoseconds."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"Duration({int(self)})"


class Timestamp(int):
    """A moment, in nanoseconds since 1970 UTC. `offset` is the zone it was written in, in seconds east; it only shows
    when the moment is written again.
    """

    offset: int = 0

    def __repr__(self) -> str:
        return f"Timestamp({int(self)})"


class Optional:
    """`optional.of(value)` or `optional.none()`."""

    __slots__ = ("present", "value")

    def __init__(self, value: Value = None, present: bool = True) -> None:
        self.value = value
        self.present = present

    def __repr__(self) -> str:
        return f"optional({self.value!r})" if self.present else "optional.none()"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Optional) and equal(self, other)

    __hash__ = None  # type: ignore[assignment]  # it may hold a list


NONE: Final = Optional(None, present=False)
MISSING: Final = object()


def duration(nanoseconds: int) -> Duration:
    if INT_MIN <= nanoseconds <= INT_MAX:
        return Duration(nanoseconds)
    raise EvaluationError("integer overflow")


def timestamp(nanoseconds: int, offset: int = 0) -> Timestamp:
    if TIME_MIN <= nanoseconds <= TIME_MAX:
        moment = Timestamp(nanoseconds)
        if offset:
            moment.offset = offset
        return moment
    raise EvaluationError("timestamp overflow")


NUMERIC: Final = frozenset({int, float, UInt})
_PLAIN: Final = frozenset({int, str, bool, float, bytes, type(None), UInt, Duration, Timestamp})


class LibraryValue:
    """A value that only the functions of its library understand."""

    __slots__ = ()
    cel_type: ClassVar[CelType]

    def cel_equal(self, other: Value) -> bool:
        """CEL's equality with anything; raises EvaluationError where the API server does."""
        raise NotImplementedError


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
    for key, value in a.items():
        other = lookup(b, key)
        if other is MISSING or not _inside(value, other):
            return False
    return True


def lookup(mapping: Mapping[Value, Value], key: Value) -> Value:
    """The value under a key that is equal in CEL's sense, or MISSING; a key no map can have is simply missing."""
    try:
        value = mapping[key]
    except (KeyError, TypeError):
        return MISSING
    kind = type(key)
    if kind is str:
        return value
    for held in mapping:  # Python takes True, Duration(1) and 1 for one: only a key of the same sort counts
        if held == key:
            same = type(held) is kind or (kind in NUMERIC and type(held) in NUMERIC)
            return value if same else MISSING
    return MISSING


def contains(values: list[Value], wanted: Value) -> bool:
    """Whether a list holds an equal value."""
    return any(equal_or_false(wanted, value) for value in values)
