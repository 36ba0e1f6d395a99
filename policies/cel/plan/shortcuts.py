"""Calls with a constant operand that are planned to do less: `== literal`, `in [literals]`, literal patterns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import ceil

from policies.cel.cost import REGEX_FACTOR, STRING_FACTOR, shorter, size
from policies.cel.cost import equality as cost_of_equality
from policies.cel.equality import equal, equal_or_false
from policies.cel.errors import EvaluationError
from policies.cel.functions import Timed
from policies.cel.library.regex import through_go
from policies.cel.plan.calls import after_failure
from policies.cel.plan.frame import LARGE, SPENT, Frame, Step, checkpoint, constant, on_time
from policies.cel.values import NUMERIC, UInt, Value


def equality(left: Step, right: Step, negated: bool) -> Step:
    """`left == right`, or `!=`."""
    first, second, owed1, owed2 = left.run, right.run, left.owed, right.owed
    price = shorter if negated else cost_of_equality
    failed = after_failure(right, price)

    def run(f: Frame) -> Value:
        try:
            x = first(f)
        except EvaluationError as error:
            failed(f, error)
            raise
        f[SPENT] += owed1
        try:
            y = second(f)
        except EvaluationError as error:
            f[SPENT] += price(x, error)
            raise
        f[SPENT] += owed2 + price(x, y)
        if type(x) is str and type(y) is str:
            return (x == y) is not negated
        tick = partial(on_time, f)
        return not equal_or_false(x, y, tick) if negated else equal(x, y, tick)

    return Step(run)


@dataclass(frozen=True, slots=True)
class MemberTest:
    """`in` a list of literals, for a value of any type."""

    texts: frozenset[str]
    others: frozenset[tuple[type, Value]]

    def __call__(self, wanted: Value) -> bool:
        if type(wanted) is str:
            return wanted in self.texts
        if type(wanted) is bytes:
            raise EvaluationError("internal error: runtime error: hash of unhashable type types.Bytes")
        return bool(self.others) and (type(wanted), _hashable(wanted)) in self.others


def member_test(members: list[Value]) -> MemberTest | None:
    """None where the list must be searched."""
    if any(type(member) not in (str, bool, int, UInt, float) for member in members):
        return None
    texts = frozenset(member for member in members if type(member) is str)
    return MemberTest(texts, frozenset(alias for member in members for alias in _aliases(member)))


def membership(value: Step, members: list[Value]) -> Step | None:
    """`value in [literals]`, free of charge as in cel-go; None where the list must be searched."""
    if not members:
        return constant(False)
    test = member_test(members)
    if test is None:
        return None
    first = value.run
    return Step(lambda f: test(first(f)), value.owed)


def _hashable(value: Value) -> Value:
    return value if type(value) in (int, UInt, float, bool) else None


def _aliases(member: Value) -> list[tuple[type, Value]]:
    """A number stands for its equals of the other numeric types."""
    kind = type(member)
    if kind is str:
        return []
    if kind not in NUMERIC:
        return [(kind, member)]
    found: list[tuple[type, Value]] = [(kind, member)]
    if kind is float:
        if member.is_integer() and -(2.0**63) < member < 2.0**63:
            found.append((int, int(member)))
        if member.is_integer() and 0 <= member < 2.0**64:
            found.append((UInt, int(member)))
        return found
    found.append((float, float(member)))
    if kind is int and member >= 0:
        found.append((UInt, int(member)))
    if kind is UInt and member < 2**63:
        found.append((int, int(member)))
    return found


def pattern_call(text: Step, pattern: str, call: Callable[[str], Value] | Timed, priced: bool = True) -> Step:
    """A search for a literal pattern. Where the text fails, the search isn't charged.

    Unless `priced`, it costs 1: that is what the API server takes for `matches` as a function.
    """
    first, owed = text.run, text.owed
    each = ceil(len(pattern) * REGEX_FACTOR)

    def run(f: Frame) -> Value:
        value = first(f)
        f[SPENT] += owed + (ceil((1.0 + size(value)) * STRING_FACTOR) * each if priced else 1)
        if type(value) is not str:
            value = through_go(value)
            if type(value) is not str:
                raise EvaluationError("no such overload")
        if len(value) > LARGE:
            checkpoint(f)
        return call.call(partial(on_time, f), value) if isinstance(call, Timed) else call(value)

    return Step(run)
