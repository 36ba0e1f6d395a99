"""What all closures share: the frame of one evaluation, and the step that a node becomes.

A frame is a list: the names given, the cost spent and allowed, the clocks, then one slot for each variable of a
comprehension. One frame belongs to one evaluation, so programs can be shared between threads.

The invariant of cost: when a step's `run` returns, the caller owes `owed` more than `run` has added to the frame; when
it raises, everything is added already. So parents add the owed parts of their children in one go.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from policies.cel.budget import Patience
from policies.cel.errors import CostExceeded, EvaluationError
from policies.cel.values import MISSING, Value

NAMES: Final = 0
SPENT: Final = 1
CHECKPOINT: Final = 2  # the cost at which to look up from the work, see `checkpoint`
LIMIT: Final = 3
PATIENCE: Final = 4
STARTED: Final = 5  # by the wall clock, 0.0 before the first look
BUSY: Final = 6  # by the processor's clock, 0.0 before the first look
SLOTS: Final = 7

STRIDE: Final = 1000  # cost between two looks at the clock
LARGE: Final = 1000  # a call of this price is worth a look before it is made

_SIZED = frozenset({list, str, bytes})
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


def frame(names: Mapping[str, object], limit: int, patience: Patience, padding: Sequence[None]) -> Frame:
    """A fresh frame for one evaluation."""
    return [names, 0, min(limit, STRIDE), limit, patience, 0.0, 0.0, *padding]


def checkpoint(f: Frame) -> None:
    """Stops the evaluation where it has cost or taken too much; no operator absorbs that. Else sets the next
    checkpoint.
    """
    if f[SPENT] > f[LIMIT]:
        raise CostExceeded("operation cancelled: actual cost limit exceeded")
    f[CHECKPOINT] = min(f[LIMIT], f[SPENT] + STRIDE)
    on_time(f)


def on_time(f: Frame) -> None:
    """Stops the evaluation where it has taken too long. It counts as having cost all that it was allowed, and more."""
    patience: Patience = f[PATIENCE]
    now = patience.wall()
    if not f[STARTED]:
        f[STARTED] = now
    elif now - f[STARTED] > patience.seconds / 2:
        busy = patience.busy()
        if not f[BUSY]:
            f[BUSY] = busy
        elif busy - f[BUSY] > patience.seconds / 2:
            f[SPENT] = f[LIMIT] + 1
            raise CostExceeded(f"operation cancelled: evaluation took longer than {patience.seconds} s")


def fenced(step: Step) -> Step:
    """The step, and a look at the clock after it, also where it fails."""
    run = step.run

    def timed(f: Frame) -> Value:
        try:
            return run(f)
        finally:
            on_time(f)

    return Step(timed, step.owed)


def grown(step: Step) -> Step:
    """A sum, and a look at the clock where it is a large list or text: that costs little and takes long."""
    run = step.run

    def timed(f: Frame) -> Value:
        value = run(f)
        if type(value) in _SIZED and len(value) > LARGE:
            on_time(f)
        return value

    return Step(timed, step.owed)
