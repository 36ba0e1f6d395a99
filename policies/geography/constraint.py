"""One thing that narrows where a pod can run."""

from dataclasses import dataclass

from policies.geography.placeset import PlaceSet


@dataclass(frozen=True, slots=True)
class Constraint:
    """One thing that narrows where a pod can run: its path in the object, what it says, the places it leaves."""

    path: str
    says: str
    places: PlaceSet

    def __str__(self) -> str:
        left = str(self.places)  # which some say already
        return f"`{self.path}` {self.says}{'' if self.says.endswith(f' {left}') else f': {left}'}"
