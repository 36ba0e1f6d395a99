"""Macros that bind a value to a name once: `optMap`, `optFlatMap`, and the target of `sortBy`."""

from __future__ import annotations

from policies.cel.errors import EvaluationError
from policies.cel.native import optional_as_native
from policies.cel.plan.frame import SPENT, Frame, Step
from policies.cel.values import MISSING, NONE, Optional, Value


def optional_map(holds: Step, slot: int, body: Step, flat: bool, native: bool) -> Step:
    """`optMap` and `optFlatMap`: `holds` is `target.hasValue()`; the body reads the value itself, when it needs it."""
    test, owed, transform = holds.run, holds.owed, body.run
    wrapping = 0 if flat else 1
    body_owed = body.owed + wrapping

    def run(f: Frame) -> Value:
        held = test(f)
        f[SPENT] += owed
        if not held:
            f[SPENT] += 1
            return NONE
        f[slot] = MISSING
        try:
            made = transform(f)
        except EvaluationError:
            f[SPENT] += wrapping
            raise
        f[SPENT] += body_owed
        result = made if flat else Optional(made)
        return optional_as_native(result) if native else result

    return Step(run)


def bound(slot: int, body: Step) -> Step:
    """A body that reads a lazily bound variable; every evaluation binds it anew."""
    inner, owed = body.run, body.owed

    def run(f: Frame) -> Value:
        f[slot] = MISSING
        return inner(f)

    return Step(run, owed)
