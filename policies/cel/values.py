"""Values of CEL that JSON has no word for.

dict, list, str, int, float, bool, None and bytes stand for themselves; nothing is ever converted. Python's own `==`,
`<`, `in` and truth mix bool with int and 1 with 1.0, so nobody may use them on operands of unknown type: `equality` has
the words for that.
"""

from __future__ import annotations

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
        from policies.cel.equality import equal

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


class LibraryValue:
    """A value that only the functions of its library understand."""

    __slots__ = ()
    cel_type: ClassVar[CelType]
    cel_unit: ClassVar[bool] = True  # comparing it with anything costs 1

    def cel_equal(self, other: Value) -> bool:
        """CEL's equality with anything; raises EvaluationError where the API server does."""
        raise NotImplementedError

    def cel_native(self) -> Value:
        """What an optional that is read through Go's own types holds for it; an error where those don't know it."""
        return self

    def cel_mark(self) -> object:
        """What tells it from others as the key of a map; raises Fatal where the API server can't have it as one."""
        return id(self)  # a map that has it keeps it

    def cel_identical(self, other: Value) -> bool:
        """Whether Go's reflection sees no difference between the two."""
        return repr(self) == repr(other)
