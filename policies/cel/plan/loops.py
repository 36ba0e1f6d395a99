"""What the iterating macros have in common: the range they run over, and the end of a fold."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from policies.cel.errors import EvaluationError
from policies.cel.maps import LazyMap, pairs
from policies.cel.plan.frame import CHECKPOINT, SPENT, Frame, Run, Step, checkpoint, no_such_overload
from policies.cel.values import Value

ACCUMULATOR = 1  # what reading the fold's accumulator costs


def iterated(value: Value) -> Any:
    """What a loop of one variable runs over: a list's elements or a map's keys."""
    if type(value) is list or type(value) is dict:
        return value
    if isinstance(value, LazyMap):
        return [value[name] for name in value.names()]
    if isinstance(value, Mapping):
        return list(value)
    raise EvaluationError(f"got '{_go_type(value)}', expected iterable type")


def paired(value: Value) -> Any:
    """What a loop of two variables runs over: positions and elements, or keys and values."""
    if type(value) is list:
        return enumerate(value)
    if type(value) is dict:
        return value.items()
    if isinstance(value, Mapping):
        return list(pairs(value))
    raise EvaluationError(f"unsupported comprehension range type: {_go_type(value)}")


def _go_type(value: Value) -> str:
    names = {bool: "Bool", int: "Int", float: "Double", str: "String", bytes: "Bytes", type(None): "Null"}
    return f"types.{names.get(type(value), type(value).__name__)}"


class Loop:
    """The range of a fold and the slots of its variables."""

    __slots__ = ("rounds", "slot")

    def __init__(self, source: Step, slot: int, second: int | None) -> None:
        self.slot = slot
        self.rounds = _values(source) if second is None else _pairs(source, second)


def _values(source: Step) -> Callable[[Frame], Iterator[Value]]:
    """The values of the loop's variable. The range is charged, also where it can't be iterated."""
    run, owed = source.run, source.owed

    def rounds(f: Frame) -> Iterator[Value]:
        value = run(f)
        f[SPENT] += owed
        return iter(value if type(value) is list else iterated(value))

    return rounds


def _pairs(source: Step, second: int) -> Callable[[Frame], Iterator[Value]]:
    """The values of the first variable; the second is put into its slot right before."""
    run, owed = source.run, source.owed

    def rounds(f: Frame) -> Iterator[Value]:
        value = run(f)
        f[SPENT] += owed
        return each(f, paired(value))

    def each(f: Frame, found: Any) -> Iterator[Value]:
        for first, f[second] in found:
            yield first

    return rounds


def finish(f: Frame, failed: EvaluationError | None, value: Value) -> Value:
    """The end of a fold: a failure costs what reading the result costs, which the caller adds otherwise."""
    if failed is None:
        return value
    f[SPENT] += ACCUMULATOR
    raise failed


def chooser(predicate: Step | None) -> Run | None:
    """A filter's verdict: True, False, or the failure that replaces what was gathered."""
    if predicate is None:
        return None
    test, owed = predicate.run, predicate.owed

    def run(f: Frame) -> Value:
        try:
            value = test(f)
        except EvaluationError as error:
            value = error
        else:
            f[SPENT] += owed
        if f[SPENT] > f[CHECKPOINT]:
            checkpoint(f)
        return value if type(value) is bool else no_such_overload(value)

    return run
