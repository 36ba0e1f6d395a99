"""Calls: arguments, the choice of an overload by run-time types, and what a call costs.

As in cel-go, a call of two arguments evaluates both though the first failed, a call of three stops at the first
failure; a call is charged when all its arguments were evaluated, the last of them in vain included.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from policies.cel.errors import EvaluationError, Fatal
from policies.cel.functions import Cost, Function, Overload
from policies.cel.kinds import Guard, guard, runtime_type
from policies.cel.plan.frame import SPENT, Frame, Step
from policies.cel.values import MISSING, Value

Implementation = Callable[..., Value]


def cost_of(function: Function, chosen: Sequence[Overload]) -> Cost:
    """What the call costs: the overload's price where there is only one, else the function's."""
    own = chosen[0].cost if len(chosen) == 1 else function.unresolved
    if own is not None:
        return own
    return 1 if function.cost is None else function.cost


def implementation(function: Function, chosen: Sequence[Overload]) -> Implementation:
    """What to call: the one overload behind a guard, or a dispatch over all that the function has."""
    if function.dynamic is not None:
        return function.dynamic
    if len(chosen) == 1:
        return chosen[0].call if function.unguarded else _guarded(function.name, chosen[0])
    return _dispatch(function)


def _guarded(name: str, overload: Overload) -> Implementation:
    guards = [(position, test) for position, arg in enumerate(overload.args) if (test := guard(arg)) is not None]
    call = overload.call
    if not guards:
        return call
    if len(guards) == 1 and len(overload.args) == 1:
        return _guarded_unary(name, guards[0][1], call)

    def run(*args: Value) -> Value:
        for position, test in guards:
            if not test(args[position]):
                raise mismatch(name, args)
        return call(*args)

    return run


def _guarded_unary(name: str, test: Guard, call: Implementation) -> Implementation:
    def run(arg: Value) -> Value:
        if test(arg):
            return call(arg)
        raise mismatch(name, (arg,))

    return run


def _dispatch(function: Function) -> Implementation:
    rows = [([(guard(arg)) for arg in overload.args], overload.call) for overload in function.overloads]

    def run(*args: Value) -> Value:
        count = len(args)
        for tests, call in rows:
            if len(tests) == count and all(test is None or test(arg) for test, arg in zip(tests, args, strict=True)):
                return call(*args)
        raise mismatch(function.name, args)

    return run


def mismatch(name: str, args: Sequence[Value]) -> EvaluationError:
    return EvaluationError(f"no such overload: {name}({', '.join(runtime_type(arg).name for arg in args)})")


def charge(price: Cost, *args: Any) -> int:
    """The price of one call; failures stand among the arguments as their exceptions."""
    return price if isinstance(price, int) else price(*args)


def call_step(call: Implementation, price: Cost, args: Sequence[Step], eager: bool) -> Step:
    """A call of any number of arguments. `eager` is cel-go's way with two: both are evaluated whatever the first
    yields.
    """
    if not args:
        return _nullary(call, price)
    if len(args) == 1:
        return _unary(call, price, args[0])
    if len(args) == 2 and eager:
        if args[1].constant is not MISSING:
            return _binary_constant(call, price, args[0], args[1].constant)
        return _binary(call, price, args[0], args[1])
    return _variadic(call, price, args)


def _nullary(call: Implementation, price: Cost) -> Step:
    def run(f: Frame) -> Value:
        try:
            value = call()
        except EvaluationError as error:
            f[SPENT] += charge(price, error)
            raise
        f[SPENT] += charge(price, value)
        return value

    return Step(run)


def _unary(call: Implementation, price: Cost, arg: Step) -> Step:
    argument, owed = arg.run, arg.owed
    fixed = isinstance(price, int)

    def run(f: Frame) -> Value:
        x: Any = MISSING
        try:
            x = argument(f)
            value = call(x)
        except EvaluationError as error:
            if x is MISSING:
                f[SPENT] += charge(price, error, error)
            else:
                f[SPENT] += owed
                f[SPENT] += charge(price, x, error)
            raise
        if not fixed:
            try:
                f[SPENT] += price(x, value)  # type: ignore[operator]
            except Fatal:
                f[SPENT] += owed
                raise
        return value

    return Step(run, owed + (price if isinstance(price, int) else 0))


def _binary_constant(call: Implementation, price: Cost, left: Step, y: Value) -> Step:
    first, owed = left.run, left.owed
    fixed = isinstance(price, int)

    def run(f: Frame) -> Value:
        x: Any = MISSING
        try:
            x = first(f)
            value = call(x, y)
        except EvaluationError as error:
            if x is MISSING:
                f[SPENT] += charge(price, error, y, error)
            else:
                f[SPENT] += owed
                f[SPENT] += charge(price, x, y, error)
            raise
        if not fixed:
            try:
                f[SPENT] += price(x, y, value)  # type: ignore[operator]
            except Fatal:
                f[SPENT] += owed
                raise
        return value

    return Step(run, owed + (price if isinstance(price, int) else 0))


def _binary(call: Implementation, price: Cost, left: Step, right: Step) -> Step:
    first, second, owed1, owed2 = left.run, right.run, left.owed, right.owed
    fixed = isinstance(price, int)

    def run(f: Frame) -> Value:
        try:
            x = first(f)
        except EvaluationError as error:
            y = _try(f, right)
            f[SPENT] += charge(price, error, y, error)
            raise
        y = MISSING
        try:
            y = second(f)
            value = call(x, y)
        except EvaluationError as error:
            f[SPENT] += owed1
            if y is MISSING:
                f[SPENT] += charge(price, x, error, error)
            else:
                f[SPENT] += owed2
                f[SPENT] += charge(price, x, y, error)
            raise
        except Fatal:
            f[SPENT] += owed1
            raise
        if not fixed:
            try:
                f[SPENT] += price(x, y, value)  # type: ignore[operator]
            except Fatal:
                f[SPENT] += owed1 + owed2
                raise
        return value

    return Step(run, owed1 + owed2 + (price if isinstance(price, int) else 0))


def _try(f: Frame, step: Step) -> Value:
    """The value of a step, or its failure."""
    try:
        value = step.run(f)
    except EvaluationError as error:
        return error
    f[SPENT] += step.owed
    return value


def _variadic(call: Implementation, price: Cost, args: Sequence[Step]) -> Step:
    steps = [(arg.run, arg.owed) for arg in args]
    last = len(steps) - 1

    def run(f: Frame) -> Value:
        values: list[Value] = []
        try:
            for argument, owed in steps:
                values.append(argument(f))
                f[SPENT] += owed
            value = call(*values)
        except EvaluationError as error:
            if len(values) >= last:
                f[SPENT] += charge(price, *values, *([error] if len(values) == last else []), error)
            raise
        f[SPENT] += charge(price, *values, value)
        return value

    return Step(run)
