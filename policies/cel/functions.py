"""How functions are declared: one table row feeds the checker, the evaluator and the cost counter."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from policies.cel.errors import CelError, EvaluationError
from policies.cel.types import CelType, Kind

Version = tuple[int, int]


@dataclass(frozen=True, slots=True)
class ByResult:
    """A price that depends on what the call yields: `of` gets the result, or the exception of a failed call."""

    of: Callable[[Any], int]


@dataclass(frozen=True, slots=True)
class Timed:
    """A call that may work long on little. It gets, before its arguments, a function that it calls now and then: that
    stops the evaluation where it takes too long.
    """

    call: Callable[..., Any]


Cost = int | Callable[..., int] | ByResult


@dataclass(frozen=True, slots=True)
class Overload:
    """One signature. For a member, `args[0]` is the receiver.

    `call` gets arguments whose run-time types fit `args` and returns a value or raises EvaluationError. `cost` is what
    a call costs: a number, a callable of the arguments (an exception where an argument failed), or ByResult; where it
    is None, the function's cost holds, else 1.
    """

    member: bool
    args: tuple[CelType, ...]
    result: CelType
    call: Callable[..., Any] | Timed
    cost: Cost | None = None
    ordered: bool = False  # with two arguments, too, the second is evaluated only after the first succeeded
    variables: tuple[CelType, ...] = field(init=False, repr=False, compare=False)  # type variables of the signature

    def __post_init__(self) -> None:
        found: dict[CelType, None] = {}
        for type_ in (*self.args, self.result):
            _gather(type_, found)
        object.__setattr__(self, "variables", tuple(found))


def _gather(type_: CelType, found: dict[CelType, None]) -> None:
    if type_.kind is Kind.PARAMETER:
        found[type_] = None
    for part in type_.parameters:
        _gather(part, found)


@dataclass(frozen=True, slots=True)
class Function:
    """A name and its overloads.

    `cost`, when given, is charged for every overload, also where none could be chosen before the evaluation. `since` is
    the first Kubernetes version that has the function. `dynamic`, when given, is called instead of any overload's own
    `call` and looks at the run-time types itself: so it is with operators.
    """

    name: str
    overloads: tuple[Overload, ...] | list[Overload]
    since: Version = (1, 0)
    cost: Cost | None = None
    dynamic: Callable[..., Any] | Timed | None = None
    unresolved: Cost | None = None  # the price where more than one overload may be meant
    unguarded: bool = False  # overloads look at their arguments themselves
    quick: bool = False  # never takes longer than its price says: no look at the clock is needed

    def merged(self, other: Function) -> Function:
        """Both sets of overloads under the one name, in this order."""
        return Function(
            self.name,
            (*self.overloads, *other.overloads),
            min(self.since, other.since),
            self.cost if self.cost is not None else other.cost,
            self.dynamic or other.dynamic,
            self.unresolved if self.unresolved is not None else other.unresolved,
            self.unguarded or other.unguarded,
            self.quick and other.quick,
        )


Table = Mapping[str, Function]


def table(*functions: Function) -> Table:
    """A table by name; functions of the same name are merged."""
    found: dict[str, Function] = {}
    for function in functions:
        found[function.name] = found[function.name].merged(function) if function.name in found else function
    return found


def merge(*tables: Table) -> Table:
    return table(*(function for part in tables for function in part.values()))


def quick(functions: Table) -> Table:
    """The table, all its functions marked as quick."""
    return {name: replace(function, quick=True) for name, function in functions.items()}


def shielded(function: Function) -> Function:
    """The function with whatever its overloads raise turned into CEL's error, the cause kept. For functions of the
    host.
    """
    overloads = [replace(overload, call=_shield(function.name, overload.call)) for overload in function.overloads]
    return replace(function, overloads=tuple(overloads))


def _shield(name: str, call: Callable[..., Any] | Timed) -> Callable[..., Any] | Timed:
    if isinstance(call, Timed):
        return Timed(_shielded_call(name, call.call))
    return _shielded_call(name, call)


def _shielded_call(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
    def run(*args: Any) -> Any:
        try:
            return call(*args)
        except CelError:
            raise
        except Exception as error:
            raise EvaluationError(f"`{name}` failed: {error}") from error

    return run


def free(
    args: Iterable[CelType], result: CelType, call: Callable[..., Any] | Timed, cost: Cost | None = None
) -> Overload:
    """An overload called as `f(x)`."""
    return Overload(False, tuple(args), result, call, cost)


def method(
    args: Iterable[CelType], result: CelType, call: Callable[..., Any] | Timed, cost: Cost | None = None
) -> Overload:
    """An overload called as `x.f()`; the first of `args` is `x`."""
    return Overload(True, tuple(args), result, call, cost)
