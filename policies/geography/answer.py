"""Where a pod could run, and whether that decides what a rule asks."""

from dataclasses import dataclass
from typing import Protocol

from policies.geography.constraint import Constraint
from policies.geography.placeset import PlaceSet
from policies.snapshot import Pending, Unknown


class Rule(Protocol):
    """What a set of places is held against; see `JurisdictionRule`."""

    @property
    def admitted(self) -> frozenset[str]: ...

    def admits(self, places: PlaceSet) -> bool: ...


@dataclass(frozen=True, slots=True)
class Possible:
    """An upper bound of the places, why it is that, and what could still make it smaller."""

    places: PlaceSet
    constraints: tuple[Constraint, ...]
    unresolved: tuple[Unknown | Pending, ...]

    def contradiction(self) -> str:
        """Why no place is left: everything that narrows, in one sentence. Empty where one is left.

        What isn't resolved could only narrow further, so it changes nothing here.
        """
        if not self.places.empty:
            return ""
        return f"{' and '.join(map(str, self.constraints))}; together they allow no place"

    def under(self, rule: Rule) -> PlaceSet | Unknown | Pending:
        """The set, when it decides the matter; otherwise what has to be known first.

        It decides when it is admitted, and when nothing in it is: no further constraint changes either.
        """
        if not self.unresolved or rule.admits(self.places):
            return self.places
        if (self.places & PlaceSet(rule.admitted)).empty:
            return self.places
        return next((open_ for open_ in self.unresolved if isinstance(open_, Pending)), self.unresolved[0])
