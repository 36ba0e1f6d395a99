"""Calls as steps: the arguments, the call, and what it costs.

As in cel-go, a call of two arguments evaluates both though the first failed, a call of three stops at the first
failure; a call is charged when all its arguments were evaluated, the last of them in vain included. What a call will
cost by its arguments is charged before it is made, so that nothing is begun that can't be afforded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from policies.cel.errors import EvaluationError, Fatal
from policies.cel.functions import ByResult, Cost, Timed
from policies.cel.plan.dispatch import Call, Implementation
from policies.cel.plan.frame import CHECKPOINT, SPENT, Frame, Run, Step, checkpoint, on_time
from policies.cel.values import MISSING, Value

Price = Callable[..., int]


def call_step(call: Implementation, price: Cost, args: Sequence[Step], eager: bool) -> Step:
    """A call of any number of arguments. `eager` is cel-go's way with two: both are evaluated whatever the first
    yields.
    """
    if isinstance(call, Timed):
        return _timed(call.call, price, call_step(_gathered, price, args, eager))
    if isinstance(price, ByResult):
        return _priced_by_result(call, price, args, eager)
    if not args:
        return Step(lambda _: call(), price if isinstance(price, int) else price())
    if len(args) == 1:
        return _unary(call, price, args[0]) if isinstance(price, int) else _priced_unary(call, price, args[0])
    if len(args) == 2 and eager:
        return _pair(call, price, args[0], args[1])
    return _variadic(call, price, args)


def _gathered(*args: Value) -> tuple[Value, ...]:
    return args


def _timed(call: Call, price: Cost, arguments: Step) -> Step:
    """A call that looks at the clock itself, with its arguments evaluated and paid for beforehand."""
    gather, owed = arguments.run, arguments.owed

    def run(f: Frame) -> Value:
        args = gather(f)
        f[SPENT] += owed
        try:
            return call(partial(on_time, f), *args)
        except Fatal:
            f[SPENT] -= price if isinstance(price, int) else _price(price, args)
            raise

    return Step(run)


def _price(price: Cost, args: Sequence[Value]) -> int:
    return price(*args) if callable(price) else 0


def _priced_by_result(call: Call, price: ByResult, args: Sequence[Step], eager: bool) -> Step:
    failed = price.of(EvaluationError())
    arguments = call_step(_gathered, failed, args, eager)
    gather, owed = arguments.run, arguments.owed

    def run(f: Frame) -> Value:
        found = gather(f)
        f[SPENT] += owed
        try:
            value = call(*found)
        except EvaluationError as error:  # what would cost too much is priced without being made
            pay(f, price.of(error) - failed)
            raise
        pay(f, price.of(value) - failed)
        return value

    return Step(run)


def pay(f: Frame, cost: int) -> None:
    """Raises CostExceeded where that is too much."""
    f[SPENT] += cost
    if f[SPENT] > f[CHECKPOINT]:
        checkpoint(f)


# one argument


def _unary(call: Call, price: int, arg: Step) -> Step:
    argument, owed = arg.run, arg.owed + price

    def run(f: Frame) -> Value:
        try:
            x = argument(f)
        except EvaluationError:
            f[SPENT] += price
            raise
        try:
            return call(x)
        except EvaluationError:
            f[SPENT] += owed
            raise

    return Step(run, owed)


def _priced_unary(call: Call, price: Price, arg: Step) -> Step:
    argument, owed = arg.run, arg.owed

    def run(f: Frame) -> Value:
        try:
            x = argument(f)
        except EvaluationError as error:
            f[SPENT] += price(error)
            raise
        f[SPENT] += owed
        f[SPENT] += price(x)
        if f[SPENT] > f[CHECKPOINT]:
            checkpoint(f)
        return call(x)

    return Step(run)


# two arguments, both evaluated


def _pair(call: Call, price: int | Price, left: Step, right: Step) -> Step:
    if right.constant is not MISSING:
        if isinstance(price, int):
            return _binary_constant(call, price, left, right.constant)
        return _priced_binary_constant(call, price, left, right.constant)
    if isinstance(price, int):
        return _binary(call, price, left, right)
    return _priced_binary(call, price, left, right)


def _binary_constant(call: Call, price: int, left: Step, y: Value) -> Step:
    first, owed = left.run, left.owed + price

    def run(f: Frame) -> Value:
        try:
            x = first(f)
        except EvaluationError:
            f[SPENT] += price
            raise
        try:
            return call(x, y)
        except EvaluationError:
            f[SPENT] += owed
            raise

    return Step(run, owed)


def _priced_binary_constant(call: Call, price: Price, left: Step, y: Value) -> Step:
    first, owed = left.run, left.owed

    def run(f: Frame) -> Value:
        try:
            x = first(f)
        except EvaluationError as error:
            f[SPENT] += price(error, y)
            raise
        f[SPENT] += owed
        f[SPENT] += price(x, y)
        if f[SPENT] > f[CHECKPOINT]:
            checkpoint(f)
        return call(x, y)

    return Step(run)


def _binary(call: Call, price: int, left: Step, right: Step) -> Step:
    first, second, owed1 = left.run, right.run, left.owed
    owed = left.owed + right.owed + price
    failed = after_failure(right, lambda *_: price)

    def run(f: Frame) -> Value:
        try:
            x = first(f)
        except EvaluationError as error:
            failed(f, error)
            raise
        try:
            y = second(f)
        except EvaluationError:
            f[SPENT] += owed1 + price
            raise
        except Fatal:
            f[SPENT] += owed1
            raise
        try:
            return call(x, y)
        except EvaluationError:
            f[SPENT] += owed
            raise

    return Step(run, owed)


def _priced_binary(call: Call, price: Price, left: Step, right: Step) -> Step:
    first, second, owed1, owed2 = left.run, right.run, left.owed, right.owed
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
        f[SPENT] += owed2
        f[SPENT] += price(x, y)
        if f[SPENT] > f[CHECKPOINT]:
            checkpoint(f)
        return call(x, y)

    return Step(run)


def after_failure(right: Step, price: Price) -> Callable[[Frame, EvaluationError], None]:
    """What is still done where the left operand has failed: the right one is evaluated, and the call charged."""
    second, owed = right.run, right.owed

    def run(f: Frame, error: EvaluationError) -> None:
        y: Any
        try:
            y = second(f)
        except EvaluationError as another:
            y = another
        else:
            f[SPENT] += owed
        f[SPENT] += price(error, y)

    return run


# any number, up to the first failure


def _variadic(call: Call, price: int | Price, args: Sequence[Step]) -> Step:
    evaluate = _arguments(args)
    last = len(args) - 1

    def run(f: Frame) -> Value:
        values: list[Value] = []
        try:
            evaluate(f, values)
        except EvaluationError as error:
            if len(values) == last:
                f[SPENT] += price if isinstance(price, int) else price(*values, error)
            raise
        f[SPENT] += price if isinstance(price, int) else price(*values)
        if f[SPENT] > f[CHECKPOINT]:
            checkpoint(f)
        return call(*values)

    return Step(run)


def _arguments(args: Sequence[Step]) -> Callable[[Frame, list[Value]], None]:
    steps: list[tuple[Run, int]] = [(arg.run, arg.owed) for arg in args]

    def run(f: Frame, values: list[Value]) -> None:
        for argument, owed in steps:
            values.append(argument(f))
            f[SPENT] += owed

    return run
