"""Which Python function answers a call: the one overload the checker chose, or the first that fits at run time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from policies.cel.errors import EvaluationError
from policies.cel.functions import Cost, Function, Overload, Timed
from policies.cel.kinds import Guard, guard, runtime_type
from policies.cel.values import Value

Call = Callable[..., Value]
Implementation = Call | Timed


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
        return _only(function, chosen[0])
    if any(isinstance(overload.call, Timed) for overload in function.overloads):
        return Timed(_dispatch(function, [_ticking(overload.call) for overload in function.overloads], skip=1))
    return _dispatch(function, [_plain(overload.call) for overload in function.overloads], skip=0)


def _plain(call: Implementation) -> Call:
    return call.call if isinstance(call, Timed) else call


def _ticking(call: Implementation) -> Call:
    """The call, taking a clock whether it looks at it or not."""
    return call.call if isinstance(call, Timed) else lambda _, *args: call(*args)


def _only(function: Function, overload: Overload) -> Implementation:
    if function.unguarded:
        return overload.call
    if isinstance(overload.call, Timed):
        return Timed(_guarded(function.name, overload, overload.call.call, skip=1))
    return _guarded(function.name, overload, overload.call, skip=0)


def _guarded(name: str, overload: Overload, call: Call, skip: int) -> Call:
    """`skip` is how many arguments precede those of the signature."""
    guards = [(at, test) for at, arg in enumerate(overload.args, skip) if (test := guard(arg)) is not None]
    if not guards:
        return call
    if len(overload.args) == 1 and not skip:
        return _guarded_unary(name, guards[0][1], call)

    def run(*args: Value) -> Value:
        for position, test in guards:
            if not test(args[position]):
                raise mismatch(name, args[skip:])
        return call(*args)

    return run


def _guarded_unary(name: str, test: Guard, call: Call) -> Call:
    def run(arg: Value) -> Value:
        if test(arg):
            return call(arg)
        raise mismatch(name, (arg,))

    return run


def _dispatch(function: Function, calls: Sequence[Call], skip: int) -> Call:
    rows = [
        ([guard(arg) for arg in overload.args], call) for overload, call in zip(function.overloads, calls, strict=True)
    ]

    def run(*args: Value) -> Value:
        own: Any = args[skip:]
        for tests, call in rows:
            if len(tests) == len(own) and all(test is None or test(arg) for test, arg in zip(tests, own, strict=True)):
                return call(*args)
        raise mismatch(function.name, own)

    return run


def mismatch(name: str, args: Sequence[Value]) -> EvaluationError:
    return EvaluationError(f"no such overload: {name}({', '.join(runtime_type(arg).name for arg in args)})")
