"""What is known of types so far: which type each variable of a signature stands for, and which overloads fit.

An attempt that fails leaves no trace.
"""

from __future__ import annotations

from collections.abc import Sequence

from policies.cel.check.unify import Substitution, assignable, assignable_all, most_general, substitute
from policies.cel.functions import Function, Overload
from policies.cel.types import DYN, CelType, Kind, parameter, same


class Inference:
    """Grows while an expression is checked."""

    def __init__(self) -> None:
        self.bound: Substitution = {}
        self.fresh = 0

    def known(self, type_: CelType, free_to_dyn: bool = False) -> CelType:
        """The type with what is known of its variables; with `free_to_dyn`, the rest becomes dyn."""
        return substitute(self.bound, type_, free_to_dyn)

    def fitting(
        self, function: Function, args: Sequence[CelType], member: bool
    ) -> tuple[list[Overload], CelType | None]:
        """The overloads that these arguments fit, and the type of the call; None where there is none."""
        found: list[Overload] = []
        result: CelType | None = None
        for overload in function.overloads:
            if overload.member is not member or len(overload.args) != len(args):
                continue
            declared, returned = self.instance(overload)
            trial = dict(self.bound)
            if not assignable_all(trial, args, declared):
                continue
            self.bound = trial
            found.append(overload)
            own = self.known(returned)
            if result is None:
                result = own
            elif result.kind is not Kind.DYN and not same(own, result):
                result = DYN
        return found, result

    def instance(self, overload: Overload) -> tuple[tuple[CelType, ...], CelType]:
        """The signature with type variables of its own."""
        variables: Substitution = {}
        for type_ in (*overload.args, overload.result):
            self.freshen(type_, variables)
        if not variables:
            return overload.args, overload.result
        return tuple(substitute(variables, arg) for arg in overload.args), substitute(variables, overload.result)

    def freshen(self, type_: CelType, variables: Substitution) -> None:
        if type_.kind is Kind.PARAMETER and type_ not in variables:
            variables[type_] = self.variable_type()
        for part in type_.parameters:
            self.freshen(part, variables)

    def variable_type(self) -> CelType:
        """A new type of which nothing is known."""
        self.fresh += 1
        return parameter(f"_var{self.fresh}")

    def assign(self, a: CelType, b: CelType) -> bool:
        """Whether the two agree; then they do from now on."""
        trial = dict(self.bound)
        if assignable(trial, a, b):
            self.bound = trial
            return True
        return False

    def join(self, previous: CelType | None, current: CelType) -> CelType:
        """The type of a list or map that has elements of both."""
        if previous is None:
            return current
        return most_general(previous, current) if self.assign(previous, current) else DYN
