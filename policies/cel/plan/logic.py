"""`&&`, `||`, `or` and `orValue`: the operators that decide what is evaluated at all."""

from __future__ import annotations

from collections.abc import Sequence

from policies.cel.errors import EvaluationError
from policies.cel.plan.frame import SPENT, Frame, Step, no_such_overload
from policies.cel.values import Optional, Value


def chain(terms: Sequence[Step], stop: bool) -> Step:
    """`&&` stops at false, `||` at true. A failed term is forgotten if a later one stops; else the first failure
    counts.
    """
    steps = [(term.run, term.owed) for term in terms]

    def run(f: Frame) -> Value:
        failed: EvaluationError | None = None
        for term, owed in steps:
            try:
                value = term(f)
            except EvaluationError as error:
                failed = failed or error
                continue
            f[SPENT] += owed
            if value is stop:
                return stop
            if type(value) is not bool and failed is None:
                failed = no_such_overload()
        if failed is not None:
            raise failed
        return not stop

    return Step(run)


def content(optional: Optional) -> Value:
    """What a present optional holds; an error that waited in it is raised."""
    if isinstance(optional.value, EvaluationError):
        raise optional.value
    return optional.value


def alternative(left: Step, right: Step, unwrap: bool, strict: bool) -> Step:
    """`or` and, with `unwrap`, `orValue`: the right side is evaluated only where the optional is empty.

    What isn't an optional is its own answer, unless `strict`.
    """
    first, second, owed1, owed2 = left.run, right.run, left.owed, right.owed

    def run(f: Frame) -> Value:
        value = first(f)
        f[SPENT] += owed1
        if type(value) is Optional:
            if value.present:
                return content(value) if unwrap else value
            value = second(f)
            f[SPENT] += owed2
        elif strict:
            raise no_such_overload()
        return value

    return Step(run)
