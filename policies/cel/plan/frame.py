"""What all closures share: the frame of one evaluation, and the step that a node becomes.

A frame is a list: the names given, the cost spent, the limit, then one slot for each variable of a comprehension. One
frame belongs to one evaluation, so programs can be shared between threads.

The invariant of cost: when a step's `run` returns, the caller owes `owed` more than `run` has added to the frame; when
it raises, everything is added already. So parents add the owed parts of their children in one go.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from policies.cel.errors import CostExceeded, EvaluationError
from policies.cel.values import MISSING, Value

NAMES: Final = 0
SPENT: Final = 1
LIMIT: Final = 2
SLOTS: Final = 3

Frame = list[Any]
Run = Callable[[Frame], Value]


@dataclass(slots=True)
class Step:
    """A planned node. `constant` is its value where that is known before any evaluation, else MISSING."""

    run: Run
    owed: int = 0
    constant: Value = MISSING


def constant(value: Value) -> Step:
    return Step(lambda _: value, 0, value)


def no_such_overload(value: Value = None) -> EvaluationError:
    """The error for a value of the wrong type; a failed operand's own error goes first."""
    return value if isinstance(value, EvaluationError) else EvaluationError("no such overload")


def exceeded(_: Frame) -> NoReturn:
    """Stops the evaluation; no operator absorbs it."""
    raise CostExceeded("operation cancelled: actual cost limit exceeded")
