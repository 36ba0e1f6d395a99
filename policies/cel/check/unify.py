"""Whether one type may stand where another is declared, binding type variables on the way. A port of cel-go's rules.

A substitution knows the type of a type variable by the variable's name. An attempt writes into a substitution of its
own over the one that holds, so that a failed one leaves no trace.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import repeat
from operator import is_

from policies.cel.types import DYN, CelType, Kind, NullableType, is_optional, same


class Substitution:
    """Which type each type variable stands for. `below` is the one that this one is an attempt over."""

    __slots__ = ("below", "own")

    def __init__(self, below: Substitution | None = None) -> None:
        self.own: dict[str, CelType] = {}
        self.below = below

    def get(self, variable: CelType) -> CelType | None:
        found = self.own.get(variable.name)
        return self.below.get(variable) if found is None and self.below is not None else found

    def __setitem__(self, variable: CelType, type_: CelType) -> None:
        self.own[variable.name] = type_

    def attempt(self) -> Substitution:
        return Substitution(self)

    def keep(self, attempt: Substitution) -> None:
        """The attempt succeeded."""
        self.own.update(attempt.own)


_NULLABLE = frozenset({Kind.NULL, Kind.OPAQUE, Kind.OBJECT, Kind.DURATION, Kind.TIMESTAMP})
_NESTED = frozenset({Kind.OPAQUE, Kind.LIST, Kind.MAP})
_WILD = frozenset({Kind.DYN, Kind.ERROR})


def assignable(bound: Substitution, a: CelType, b: CelType) -> bool:
    """Whether the two agree. Binds type variables in `bound`, also when the answer turns out to be no."""
    if b.kind is Kind.PARAMETER:
        valid, had = _substitutes(bound, a, b)
        if valid:
            return True
        if had:
            return False
    if a.kind is Kind.PARAMETER:
        return _substitutes(bound, b, a)[0]
    if a.kind in _WILD or b.kind in _WILD:
        return True
    if a.kind is Kind.NULL or b.kind is Kind.NULL:
        other = b if a.kind is Kind.NULL else a
        return other.kind in _NULLABLE or isinstance(other, NullableType)
    if a.kind is Kind.TYPE:
        return b.kind is Kind.TYPE
    if a.kind is not b.kind or a.name != b.name:
        return False
    return a.kind not in _NESTED or assignable_all(bound, a.parameters, b.parameters)


def assignable_all(bound: Substitution, a: Sequence[CelType], b: Sequence[CelType]) -> bool:
    return len(a) == len(b) and all(map(assignable, repeat(bound), a, b))


def _substitutes(bound: Substitution, a: CelType, variable: CelType) -> tuple[bool, bool]:
    """Whether `a` may stand for the variable, and whether the variable was bound before."""
    if a == variable:
        return True, True
    held = bound.get(variable)
    if held is not None:
        if same(a, held):
            return True, True
        if assignable(bound, a, held):
            general = most_general(a, held)
            if not _occurs(bound, variable, general):
                bound[variable] = general
            return True, True
        return False, True
    if _occurs(bound, variable, a):
        return False, False
    bound[variable] = a
    return True, False


def _occurs(bound: Substitution, variable: CelType, within: CelType) -> bool:
    if variable == within:
        return True
    if within.kind is Kind.PARAMETER:
        held = bound.get(within)
        return held is not None and _occurs(bound, variable, held)
    return any(_occurs(bound, variable, part) for part in within.parameters)


def most_general(a: CelType, b: CelType) -> CelType:
    return a if _less_specific(a, b) else b


def _less_specific(a: CelType, b: CelType) -> bool:
    if a.kind is Kind.DYN or a.kind is Kind.PARAMETER:
        return True
    if b.kind is Kind.DYN or b.kind is Kind.PARAMETER or a.kind is not b.kind:
        return False
    if a.kind is Kind.TYPE:
        return True
    if a.kind in _NESTED:
        return (
            a.name == b.name
            and len(a.parameters) == len(b.parameters)
            and all(map(_less_specific, a.parameters, b.parameters))
        )
    return a.name == b.name


def substitute(bound: Substitution, type_: CelType, free_to_dyn: bool = False) -> CelType:
    """The type with every bound variable replaced; with `free_to_dyn`, unbound ones become dyn."""
    held = bound.get(type_) if type_.kind is Kind.PARAMETER else None
    if held is not None:
        return substitute(bound, held, free_to_dyn)
    if type_.kind is Kind.PARAMETER:
        return DYN if free_to_dyn else type_
    if not type_.parameters:
        return type_
    parts = tuple([substitute(bound, part, free_to_dyn) for part in type_.parameters])
    return type_ if all(map(is_, parts, type_.parameters)) else CelType(type_.kind, type_.name, parts)


def unwrapped(type_: CelType) -> tuple[CelType, bool]:
    """The type inside an optional, and whether there was one."""
    return (type_.parameters[0], True) if is_optional(type_) else (type_, False)
