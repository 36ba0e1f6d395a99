"""Sets of place codes: finite, or co-finite (everything but).

The universe holds every legal label value and `UNPLACED`, which stands for nodes without a place label: a Kubernetes
`NotIn` or `DoesNotExist` matches those too, so a set that forgot them would promise what no scheduler keeps.
"""

from collections.abc import Iterable
from dataclasses import dataclass

UNPLACED = "?"  # not a legal label value, so never the code of a place
_NAMED = 16  # codes that a person is told: who asks for a thousand reads no thousand lines
_EMPTY = '""'  # how the empty label value is written: legal, and the code of no place


@dataclass(frozen=True, slots=True)
class PlaceSet:
    """Immutable and hashable; equal sets are equal objects, so there is one form for each set."""

    codes: frozenset[str]
    cofinite: bool = False  # then `codes` are the exceptions

    @classmethod
    def of(cls, codes: Iterable[str]) -> "PlaceSet":
        return cls(frozenset(codes))

    @classmethod
    def excluding(cls, codes: Iterable[str]) -> "PlaceSet":
        return cls(frozenset(codes), True)

    @classmethod
    def parse(cls, tokens: Iterable[str]) -> "PlaceSet":
        """The inverse of `tokens`. Raises ValueError where finite and co-finite members are mixed."""
        members = tuple(tokens)
        negated = [token.startswith("!") for token in members]
        if any(negated) and not all(negated):
            raise ValueError(f"place set `{' '.join(members)}` mixes places and exceptions")
        codes = [token.removeprefix("!") for token in members if token != "!"]  # noqa: S105  # no password
        return cls(frozenset("" if code == _EMPTY else code for code in codes), any(negated))

    @classmethod
    def union(cls, sets: "Iterable[PlaceSet]") -> "PlaceSet":
        """What is in one of them, in time proportional to all; nowhere for none."""
        codes: set[str] = set()
        exceptions: frozenset[str] | None = None
        for places in sets:
            if not places.cofinite:
                codes |= places.codes
            else:
                exceptions = places.codes if exceptions is None else exceptions & places.codes
        return cls(frozenset(codes)) if exceptions is None else cls(exceptions - codes, True)

    @classmethod
    def intersection(cls, sets: "Iterable[PlaceSet]") -> "PlaceSet":
        """What is in each of them, in time proportional to all; anywhere for none."""
        exceptions: set[str] = set()
        codes: frozenset[str] | None = None
        for places in sets:
            if places.cofinite:
                exceptions |= places.codes
            else:
                codes = places.codes if codes is None else codes & places.codes
        return cls(frozenset(exceptions), True) if codes is None else cls(codes - exceptions)

    @property
    def empty(self) -> bool:
        return not self.codes and not self.cofinite

    @property
    def tokens(self) -> tuple[str, ...]:
        """Sorted codes; exceptions of a co-finite set with a leading `!`; `!` alone for everything."""
        codes = sorted(code or _EMPTY for code in self.codes)
        return (tuple("!" + code for code in codes) or ("!",)) if self.cofinite else tuple(codes)

    def __contains__(self, code: str) -> bool:
        return (code in self.codes) is not self.cofinite

    def __invert__(self) -> "PlaceSet":
        return PlaceSet(self.codes, not self.cofinite)

    def __and__(self, other: "PlaceSet") -> "PlaceSet":
        if self.cofinite:
            if other.cofinite:
                return PlaceSet(self.codes | other.codes, True)
            return PlaceSet(other.codes - self.codes)
        return PlaceSet(self.codes - other.codes if other.cofinite else self.codes & other.codes)

    def __or__(self, other: "PlaceSet") -> "PlaceSet":
        if self.cofinite:
            return PlaceSet(self.codes & other.codes if other.cofinite else self.codes - other.codes, True)
        if other.cofinite:
            return PlaceSet(other.codes - self.codes, True)
        return PlaceSet(self.codes | other.codes)

    def __sub__(self, other: "PlaceSet") -> "PlaceSet":
        return self & ~other

    def __le__(self, other: "PlaceSet") -> bool:
        """Is every member one of `other`?"""
        if self.cofinite:
            return other.cofinite and other.codes <= self.codes
        return self.codes.isdisjoint(other.codes) if other.cofinite else self.codes <= other.codes

    def __str__(self) -> str:
        codes = sorted(code or _EMPTY for code in self.codes)
        names = ", ".join("a node without a place" if code == UNPLACED else code for code in codes[:_NAMED])
        if len(codes) > _NAMED:
            names += f" and {len(codes) - _NAMED} more"
        if self.cofinite:
            return f"anywhere but {names}" if names else "anywhere"
        return names or "nowhere"


ANYWHERE = PlaceSet(frozenset(), True)
NOWHERE = PlaceSet(frozenset())
PLACED = PlaceSet(frozenset((UNPLACED,)), True)  # any node that has a place label
