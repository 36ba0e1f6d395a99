"""What is known of types so far: which type each variable of a signature stands for, and which overloads fit.

An attempt that fails leaves no trace.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import is_

from policies.cel.check.unify import Substitution, assignable, assignable_all, most_general, substitute
from policies.cel.functions import Function, Overload
from policies.cel.types import DYN, CelType, Kind, parameter, same


class Inference:
    """Grows while an expression is checked."""

    def __init__(self) -> None:
        self.bound = Substitution()
        self.fresh = 0

    def known(self, type_: CelType, free_to_dyn: bool = False) -> CelType:
        """The type with what is known of its variables; with `free_to_dyn`, the rest becomes dyn."""
        return substitute(self.bound, type_, free_to_dyn)

    def settled(self, types: Mapping[int, CelType]) -> dict[int, CelType]:
        """All types as they are in the end. Types that have others in common are settled once."""
        done: dict[int, CelType] = {}
        return {key: self._settled(type_, done) for key, type_ in types.items()}

    def _settled(self, type_: CelType, done: dict[int, CelType]) -> CelType:
        found = done.get(id(type_))
        if found is None:
            found = type_
            if type_.kind is Kind.PARAMETER:
                held = self.bound.get(type_)
                found = DYN if held is None else self._settled(held, done)
            elif type_.parameters:
                parts = tuple([self._settled(part, done) for part in type_.parameters])
                same_parts = all(map(is_, parts, type_.parameters))
                found = type_ if same_parts else CelType(type_.kind, type_.name, parts)
            done[id(type_)] = found
        return found

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
            attempt = self.bound.attempt()
            if not assignable_all(attempt, args, declared):
                continue
            self.bound.keep(attempt)
            found.append(overload)
            own = self.known(returned)
            if result is None:
                result = own
            elif result.kind is not Kind.DYN and not same(own, result):
                result = DYN
        return found, result

    def instance(self, overload: Overload) -> tuple[tuple[CelType, ...], CelType]:
        """The signature with type variables of its own."""
        if not overload.variables:
            return overload.args, overload.result
        own = Substitution()
        for variable in overload.variables:
            own[variable] = self.variable_type()
        return tuple([substitute(own, arg) for arg in overload.args]), substitute(own, overload.result)

    def variable_type(self) -> CelType:
        """A new type of which nothing is known."""
        self.fresh += 1
        return parameter(f"_var{self.fresh}")

    def assign(self, a: CelType, b: CelType) -> bool:
        """Whether the two agree; then they do from now on."""
        attempt = self.bound.attempt()
        if assignable(attempt, a, b):
            self.bound.keep(attempt)
            return True
        return False

    def join(self, previous: CelType | None, current: CelType) -> CelType:
        """The type of a list or map that has elements of both."""
        if previous is None:
            return current
        return most_general(previous, current) if self.assign(previous, current) else DYN
