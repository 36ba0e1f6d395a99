"""How much evaluations may take: a budget of cost for an expression, a parent for all expressions of a policy binding,
and the patience to wait for one evaluation.

Cost is counted as the API server counts it and is the same in every run. Patience is the last fence, for expressions
that cost little there and are slow here; nothing in everyday use comes near it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from time import perf_counter, thread_time

PER_EXPRESSION = 1_000_000
PER_BINDING = 10_000_000
PER_MATCH_CONDITIONS = 2_500_000


@dataclass(frozen=True, slots=True)
class Patience:
    """How long one evaluation may work: `seconds` of its thread's processor time, at most.

    The wall clock is looked at first, because it is cheap to ask. Only when half of the time has passed on it does the
    processor's clock count, and then the other half is granted: so a busy machine takes nothing from an expression.
    """

    seconds: float = 0.08
    wall: Callable[[], float] = perf_counter
    busy: Callable[[], float] = thread_time

    def less(self, seconds: float) -> Patience:
        """Patience that has waited before; some is left."""
        return replace(self, seconds=max(self.seconds / 4, self.seconds - seconds))


PATIENCE = Patience()


class Budget:
    """A mutable count of cost. `spent` grows with every evaluation that is given it, failed ones included.

    What is spent is spent from the parent, too; whichever has less left sets the limit.
    """

    __slots__ = ("limit", "parent", "patience", "spent")

    def __init__(
        self, limit: int = PER_EXPRESSION, parent: Budget | None = None, patience: Patience = PATIENCE
    ) -> None:
        self.limit = limit
        self.parent = parent
        self.patience = patience
        self.spent = 0

    @property
    def left(self) -> int:
        """What may still be spent; never below zero."""
        left = max(0, self.limit - self.spent)
        return left if self.parent is None else min(left, self.parent.left)

    def spend(self, cost: int) -> None:
        self.spent += cost
        if self.parent is not None:
            self.parent.spend(cost)
