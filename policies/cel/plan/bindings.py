"""A name that is bound to a value once: the variable of `optMap`, and the target of `sortBy`."""

from __future__ import annotations

from policies.cel.plan.frame import Frame, Step
from policies.cel.values import MISSING, Value


def bound(slot: int, body: Step) -> Step:
    """A body that reads a lazily bound variable; every evaluation binds it anew."""
    inner, owed = body.run, body.owed

    def run(f: Frame) -> Value:
        f[slot] = MISSING
        return inner(f)

    return Step(run, owed)
