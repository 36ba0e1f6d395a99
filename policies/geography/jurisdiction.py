"""Jurisdictions: which places are acceptable, on three separate axes, and the lawful ways over the border.

A place must be located where the jurisdiction says, be operated by whom it accepts, be under the control of whom it
accepts, and be known well enough. What nobody states counts as refused wherever the axis is constrained.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from difflib import get_close_matches

from policies.geography.geography import Geography
from policies.geography.place import DECLARED, Place
from policies.geography.placeset import PlaceSet
from policies.geography.regions import CountrySet, Regions
from policies.json import JsonObject

_NAMED = 16  # places that are named in a refusal: who asks for a thousand reads no thousand lines
DEFAULT_CONFIDENCE = ("verified", "code")


class JurisdictionInvalid(ValueError):
    """The spec of a Jurisdiction says nothing usable: correct the field named in the message."""


@dataclass(frozen=True, slots=True)
class Axis:
    """Countries that are accepted (None: any) and countries that are refused."""

    countries: frozenset[str] | None
    refused: frozenset[str]

    @property
    def open(self) -> bool:
        return self.countries is None and not self.refused


@dataclass(frozen=True, slots=True)
class Transfer:
    """A lawful way out of a jurisdiction: where to, for what, on which legal basis, and until when."""

    name: str
    sets: tuple[CountrySet, ...]  # membership is that of the day in question
    countries: frozenset[str]
    places: frozenset[str]
    what: frozenset[str]  # kinds of data; `*` is every kind
    basis: str
    reference: str
    last_day: date | None  # the last day (UTC) on the whole of which it is in force; None: no end

    def covers(self, to: Place, what: str, on: date) -> bool:
        """May this kind of data go there on that day?"""
        if self.last_day is not None and on > self.last_day:
            return False
        if not self.what & {what, "*"}:
            return False
        if to.code in self.places or to.country in self.countries:
            return True
        return any(to.country in members.on(on) for members in self.sets)


@dataclass(frozen=True, eq=False)
class JurisdictionRule:
    """A Jurisdiction against one cluster's geography. Immutable; build a new one when either changes."""

    geography: Geography
    located_in: frozenset[str] | None  # countries; None: anywhere
    named: frozenset[str]  # place codes that are accepted as locations by name
    operated_by: Axis
    controlled_from: Axis
    confidence: frozenset[str]
    transfers: tuple[Transfer, ...]
    admitted: frozenset[str]  # codes of all known places that are admitted, declared or not
    _codes: frozenset[str]

    @classmethod
    def of(cls, spec: JsonObject, geography: Geography) -> "JurisdictionRule":
        """From a Jurisdiction's `spec` in its JSON form.

        Where countries are listed, the name of a set (`EU`) stands for its members. Raises JurisdictionInvalid for a
        set or country that doesn't exist, for an unreadable date, and for a spec that would admit every place.
        """
        located = spec.get("locatedIn") or {}
        rule = cls(
            geography=geography,
            located_in=_located(located, geography.regions),
            named=frozenset(located.get("places") or ()),
            operated_by=_axis("operatedBy", spec, geography.regions),
            controlled_from=_axis("controlledFrom", spec, geography.regions),
            confidence=frozenset(spec.get("confidence") or DEFAULT_CONFIDENCE) | {DECLARED},
            transfers=tuple(_transfers(spec.get("transfers") or (), geography.regions)),
            admitted=frozenset(),
            _codes=frozenset(),
        )
        if rule.located_in is None and rule.operated_by.open and rule.controlled_from.open:
            raise JurisdictionInvalid("`spec` admits every place: set `locatedIn`, `operatedBy` or `controlledFrom`")
        known = (*geography.regions.places.values(), *(site.place for site in geography.sites))
        admitted = frozenset(place.code for place in known if rule.admits_place(place))
        object.__setattr__(rule, "admitted", admitted)
        object.__setattr__(rule, "_codes", admitted & {place.code for place in geography.inhabited()})
        return rule

    def admits_place(self, place: Place | None) -> bool:
        """Is this place inside? An unknown place (None) is in no jurisdiction."""
        return place is not None and next(self._against(place), None) is None

    def admits(self, places: PlaceSet) -> bool:
        """Is every place of the set known and inside, and is there one?

        A co-finite set is never admitted: what is anywhere but somewhere can be at a place that nobody knows.
        """
        return not places.cofinite and bool(places.codes) and places.codes <= self.admitted

    def codes(self) -> frozenset[str]:
        """The codes of the declared places that are inside: where this cluster may run what is bound to it."""
        return self._codes

    def refusals_of(self, place: Place) -> list[str]:
        """Why this known place is not inside: a sentence for each axis. Empty exactly when it is."""
        return list(self._against(place))

    def refusals(self, places: PlaceSet) -> list[str]:
        """Why the set is not admitted: a sentence for each place and axis. Empty exactly when it is admitted.

        Of very many places the first are named and the rest counted.
        """
        if places.cofinite:
            return [f"it may be {places}: that includes places that are unknown or outside"]
        if not places.codes:
            return ["no place is left: its constraints contradict each other"]
        refused = sorted(places.codes - self.admitted)
        told = [text for code in refused[:_NAMED] for text in self._refusals(code)]
        return [*told, f"and {len(refused) - _NAMED} places more"] if len(refused) > _NAMED else told

    def transfer(self, to: Place | None, what: str, on: date) -> Transfer | None:
        """The first transfer by which this kind of data may lawfully go there on that day (UTC)."""
        if to is None:
            return None
        return next((transfer for transfer in self.transfers if transfer.covers(to, what, on)), None)

    def lapsed(self, to: Place | None, what: str, on: date) -> list[Transfer]:
        """Transfers by which it could go there to their last day, which is over."""
        over = (each for each in self.transfers if each.last_day is not None and each.last_day < on)
        return [each for each in over if to is not None and each.covers(to, what, each.last_day or on)]

    def _refusals(self, code: str) -> Iterator[str]:
        place = self.geography.by_code(code)
        if place is None:
            known = self.geography.regions.places.keys() | {site.place.code for site in self.geography.sites}
            near = get_close_matches(code, known, 1)
            yield f"`{code}` is no known place" + (f": did you mean `{near[0]}`" if near else "")
        else:
            yield from self._against(place)

    def _against(self, place: Place) -> Iterator[str]:
        """Every reason against a known place."""
        if place.code not in self.named:
            if self.located_in is not None and place.country not in self.located_in:
                yield f"`{place.code}` is located in {place.country}"
            if place.confidence not in self.confidence:
                yield f"`{place.code}`: that it is in {place.country} is only {place.confidence}"
        operator = frozenset((place.operator_country,)) if place.operator_country else frozenset()
        yield from _outside(place.code, "is operated from", operator, operator, self.operated_by)
        power = place.controlled_from
        yield from _outside(place.code, "is controlled from", power, power | place.exposed_to, self.controlled_from)


def _outside(code: str, verb: str, accepted: frozenset[str], reached: frozenset[str], axis: Axis) -> Iterator[str]:
    """All of `accepted` must be accepted countries, and none of `reached` a refused one; not knowing is neither."""
    if axis.open:
        return
    if not accepted:
        yield f"`{code}`: nobody states where it {verb}"
        return
    if axis.countries is not None and (beyond := accepted - axis.countries):
        yield f"`{code}` {verb} {', '.join(sorted(beyond))}"
    if refused := reached & axis.refused:
        how = verb if refused & accepted else "can be reached by the law of"
        yield f"`{code}` {how} {', '.join(sorted(refused))}, which is excepted"


def _located(spec: JsonObject, regions: Regions) -> frozenset[str] | None:
    names = [*(spec.get("sets") or ()), *(spec.get("countries") or ())]
    if not names and not spec.get("places"):
        return None
    return _countries(names, "spec.locatedIn", regions)


def _axis(name: str, spec: JsonObject, regions: Regions) -> Axis:
    entry = spec.get(name) or {}
    countries = entry.get("countries") or ()
    return Axis(
        _countries(countries, f"spec.{name}.countries", regions) if countries else None,
        _countries(entry.get("except") or (), f"spec.{name}.except", regions),
    )


def _countries(names: Iterable[str], field: str, regions: Regions) -> frozenset[str]:
    """Names of sets stand for their members; a member with an end date is none, for what is admitted has no date."""
    found: set[str] = set()
    for name in names:
        if name in regions.sets:
            found |= regions.sets[name].lasting
        elif re.fullmatch(r"[A-Z]{2}", name):
            found.add(name)
        else:
            known = ", ".join(sorted(regions.sets))
            raise JurisdictionInvalid(f"`{field}`: `{name}` is neither a country (ISO alpha-2) nor a set: {known}")
    return frozenset(found)


def _transfers(entries: Iterable[JsonObject], regions: Regions) -> Iterator[Transfer]:
    for index, entry in enumerate(entries):
        field, to = f"spec.transfers[{index}]", entry.get("to") or {}
        names = [*(to.get("sets") or ()), *(to.get("countries") or ())]
        yield Transfer(
            name=entry.get("name") or f"transfer {index + 1}",
            sets=tuple(regions.sets[name] for name in names if name in regions.sets),
            countries=_countries((name for name in names if name not in regions.sets), f"{field}.to", regions),
            places=frozenset(to.get("places") or ()),
            what=frozenset(entry.get("what") or ()),
            basis=entry.get("basis") or "",
            reference=entry.get("reference") or "",
            last_day=_last_day(entry.get("expires"), f"{field}.expires"),
        )


def _last_day(expires: str | date | None, field: str) -> date | None:
    """A date counts to its end; an instant ends its own day early, so the day before is the last whole one."""
    if expires is None or expires == "":
        return None
    try:
        if isinstance(expires, str) and re.fullmatch(r"\d{4}-\d{2}-\d{2}", expires):
            return date.fromisoformat(expires)
        instant = datetime.fromisoformat(expires) if isinstance(expires, str) else expires
    except ValueError as fault:
        raise JurisdictionInvalid(f"`{field}`: `{expires}` is no date (2026-12-31) or RFC 3339 time") from fault
    if not isinstance(instant, datetime):
        return instant
    if instant.tzinfo is None:
        raise JurisdictionInvalid(f"`{field}`: `{expires}` has no time zone: add `Z`")
    day = instant.astimezone(UTC).date()
    return date.fromordinal(day.toordinal() - 1)
