"""How much evaluations may cost: one budget for an expression, a parent for all expressions of a policy binding."""

from __future__ import annotations

PER_EXPRESSION = 1_000_000
PER_BINDING = 10_000_000
PER_MATCH_CONDITIONS = 2_500_000


class Budget:
    """A mutable count of cost. `spent` grows with every evaluation that is given it, failed ones included.

    What is spent is spent from the parent, too; whichever has less left sets the limit.
    """

    __slots__ = ("limit", "parent", "spent")

    def __init__(self, limit: int = PER_EXPRESSION, parent: Budget | None = None) -> None:
        self.limit = limit
        self.parent = parent
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
