"""What generated code calls where it can't do something in a line of its own.

Each either does what the exact evaluator would do, at the same price, or raises: then the exact evaluator is asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from policies.cel import cost
from policies.cel.equality import contains, equal, equal_or_false
from policies.cel.errors import CostExceeded
from policies.cel.maps import TextMap, is_map, lookup
from policies.cel.operators import add
from policies.cel.plan.frame import SPENT, STRIDE, Frame, checkpoint
from policies.cel.plan.loops import iterated, paired
from policies.cel.plan.qualify import present
from policies.cel.quick.draft import Stopped
from policies.cel.values import MISSING, Optional, UInt, Value

LONG = 256  # characters that a call may be given without a look at the clock
MANY = 32  # elements
MOST = 1000  # as a number of anything
SOME = 100  # elements to look through for the price of one
LARGE = 256  # parts of a sum
_AHEAD = 20_000  # more than the blocks around a loop can have been charged before their time
_FLAT = frozenset({str, int, float, bool, type(None)})
_COMPARABLE = _FLAT | {list, dict, TextMap, UInt}


class GiveUp(Exception):
    """The quick way ends here; nothing is known about the value."""


def look(cost: int, f: Frame) -> int:
    """Looks up from the work of a loop: at what was spent, and at the clock. Returns when to look again."""
    f[SPENT] = cost - _AHEAD
    try:
        checkpoint(f)
    except CostExceeded as error:
        raise Stopped from error
    return cost + STRIDE


def price_of_other(value: Value, wanted: Value) -> int:
    """What it costs to compare a value that isn't of the usual type with a constant."""
    if type(value) not in _COMPARABLE:
        raise GiveUp
    return cost.shorter(value, wanted)


def has(holder: Value, key: Value) -> bool:
    if type(holder) is Optional:
        raise GiveUp
    return present(holder, key) is not MISSING


def compared(a: Value, b: Value) -> bool:
    """`==` of what can't take long to compare."""
    if is_large(a) and is_large(b):
        raise GiveUp
    return equal(a, b)


def differs(a: Value, b: Value) -> bool:
    """`!=` of the same."""
    if is_large(a) and is_large(b):
        raise GiveUp
    return not equal_or_false(a, b)


def member(value: Value, container: Value) -> bool:
    """`in`, at the price of one whatever is looked through."""
    if type(container) is list and len(container) > SOME:
        raise GiveUp
    return searched(value, container)


def searched(value: Value, container: Value) -> bool:
    """`in`, at the price of what is looked through."""
    if type(container) is list and type(value) in _FLAT:
        return contains(container, value)
    if is_map(container):
        return lookup(container, value) is not MISSING
    raise GiveUp


def elements(value: Value) -> Iterable[Value]:
    """What a loop of one variable runs over, where that is no plain list or map."""
    found: Iterable[Value] = iterated(_copied(value))
    return found


def entries(value: Value) -> Iterable[tuple[Value, Value]]:
    """What a loop of two variables runs over."""
    if type(value) is dict:
        return value.items()
    found: Iterable[tuple[Value, Value]] = paired(_copied(value))
    return found


def _copied(value: Value) -> Value:
    if isinstance(value, Mapping) and len(value) > SOME:
        raise GiveUp
    return value


def total(a: Value, b: Value) -> Value:
    """`+`, of what isn't large."""
    if type(a) in (str, list, bytes) and len(a) + len(b) > LARGE:
        raise GiveUp
    return add(a, b)


def small(value: Value) -> None:
    """Gives up where a call could work long on this argument."""
    if type(value) is str or type(value) is bytes:
        if len(value) > LONG:
            raise GiveUp
    elif is_large(value) or (type(value) is int and value > MOST):
        raise GiveUp


def is_large(value: Value) -> bool:
    """Whether it has parts of unknown size, or many."""
    if type(value) is list:
        return len(value) > MANY or not all(map(_is_small_leaf, value))
    return isinstance(value, Mapping) and bool(value)


def _is_small_leaf(value: Value) -> bool:
    return type(value) in _FLAT and (type(value) is not str or len(value) <= LONG)
