"""The regions of cloud providers, from compiled data: which there are and what place each is.

`regions.yaml` is the source, `regions.json` its compiled form, read once per process and on first use. A pair that
the data does not list has no place here; what that means is for the caller to decide (it is never allowed).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson

from policies.geography.place import Place, place_code
from policies.remembered import remembered

COMPILED = Path(__file__).with_name("regions.json")


@dataclass(frozen=True, slots=True)
class CountrySet:
    """A named set of countries; members may have a first and a last day."""

    name: str
    countries: frozenset[str]
    since: Mapping[str, str] = field(default_factory=dict)  # country -> ISO date
    until: Mapping[str, str] = field(default_factory=dict)  # country -> ISO date, that day included
    partial: Mapping[str, str] = field(default_factory=dict)  # country -> what a partial decision covers; no members

    @property
    def lasting(self) -> frozenset[str]:
        """The members without an end: those that may count where there is no date to hold them against."""
        return self.countries - self.until.keys()

    def on(self, day: date) -> frozenset[str]:
        """The members of that day. Dates in ISO form sort as they follow each other."""
        text = day.isoformat()
        early = {country for country, first in self.since.items() if text < first}
        late = {country for country, last in self.until.items() if text > last}
        return self.countries - early - late


@dataclass(frozen=True, slots=True)
class Provider:
    name: str
    display: str
    provider_id: str  # pattern of spec.providerID; empty where its form is not known
    zone: str  # pattern of the zones that lie where their region lies; `{region}` stands for the region
    regions: Mapping[str, Place]  # by the provider's own spelling
    matches: tuple[tuple[str, Place], ...]  # other spellings: pattern, place
    realms: Mapping[str, str]  # code -> realm, where a provider's identifiers name one

    def is_zone_of(self, zone: str, region: str) -> bool:
        """Does this zone lie where its region lies? Yes where the provider has no other kind of zone."""
        return not self.zone or pattern(self.zone.replace("{region}", re.escape(region))).match(zone) is not None


@dataclass(frozen=True, slots=True)
class Regions:
    """Every place that the data knows, and nothing about any cluster."""

    digest: bytes  # SHA-256 of the compiled data
    as_of: str
    sets: Mapping[str, CountrySet]
    providers: Mapping[str, Provider]
    places: Mapping[str, Place]  # by code, zones with a place of their own included
    paired: Mapping[str, str]  # code -> code of the region that geo-redundant copies land in
    hosts: tuple[Mapping[str, Any], ...]
    registries: tuple[Mapping[str, Any], ...]
    keys: tuple[Mapping[str, Any], ...]
    csi_drivers: Mapping[str, Mapping[str, Any]]
    written: bytes = field(repr=False)  # the compiled data themselves
    _names: Mapping[tuple[str, str], Place]
    _zones: Mapping[tuple[str, str], Place]

    @classmethod
    def builtin(cls) -> "Regions":
        """The data that ships with the product; read once."""
        return _builtin()

    @classmethod
    def parse(cls, compiled: bytes) -> "Regions":
        """Takes what `policies.geography.compile` makes, and trusts it."""
        data = orjson.loads(compiled)
        names: dict[tuple[str, str], Place] = {}
        zones: dict[tuple[str, str], Place] = {}
        paired: dict[str, str] = {}
        providers = {name: _provider(name, entry, names, zones, paired) for name, entry in data["providers"].items()}
        return cls(
            digest=sha256(compiled).digest(),
            as_of=data["asOf"],
            sets={name: _country_set(name, entry) for name, entry in data["sets"].items()},
            providers=providers,
            places={place.code: place for place in (*names.values(), *zones.values())},
            paired=paired,
            hosts=tuple(data["hosts"]),
            registries=tuple(data["registries"]),
            keys=tuple(data["keys"]),
            csi_drivers=data["csiDrivers"],
            written=compiled,
            _names=names,
            _zones=zones,
        )

    def place(self, provider: str, region: str, zone: str | None = None) -> Place | None:
        """The place of a region, or of a zone of it; None for what is not listed. Spelling is case-insensitive.

        A zone that lies with its region is the region's place. One that lies elsewhere (an AWS Local Zone) is a place
        of its own where the data lists it, and otherwise none: its region label says nothing about where it is.
        """
        found = self._names.get((provider, region.lower())) or self._matched(provider, region)
        if found is None or not zone:
            return found
        apart = self._zones.get((provider, zone.lower()))
        if apart is not None:
            return apart if apart.region == found.region else None
        return found if self.providers[provider].is_zone_of(zone, found.region) else None

    def place_of_zone(self, provider: str, zone: str) -> Place | None:
        """The place of a zone whose region nobody states; None unless the zone's name determines it."""
        apart = self._zones.get((provider, zone.lower()))
        known = self.providers.get(provider)
        if apart is not None or known is None or not known.zone:
            return apart
        found = [place for region, place in known.regions.items() if known.is_zone_of(zone, region)]
        return found[0] if len(found) == 1 else None

    def _matched(self, provider: str, region: str) -> Place | None:
        known = self.providers.get(provider)
        if known is None:
            return None
        return next((place for match, place in known.matches if pattern(match).match(region)), None)


@remembered(4096)
def pattern(text: str) -> re.Pattern[str]:
    """An anchored, case-insensitive pattern of the data; compiled on first use, for a cold start compiles none."""
    return re.compile(rf"(?:{text})\Z", re.IGNORECASE | re.ASCII)


@cache
def _builtin() -> Regions:
    return Regions.parse(COMPILED.read_bytes())


def _country_set(name: str, entry: Mapping[str, Any]) -> CountrySet:
    countries = frozenset(entry["countries"])
    return CountrySet(name, countries, entry.get("since", {}), entry.get("until", {}), entry.get("partial", {}))


def _provider(
    name: str,
    entry: Mapping[str, Any],
    names: dict[tuple[str, str], Place],
    zones: dict[tuple[str, str], Place],
    paired: dict[str, str],
) -> Provider:
    regions: dict[str, Place] = {}
    matches = []
    realms = {}
    operators = {key: _Operator.of(operator) for key, operator in entry["operators"].items()}
    for region, row in entry["regions"].items():
        operator = operators[row.get("operator", "")]
        place = regions[region] = names[name, region.lower()] = operator.place(name, region, "", row)
        if key := row.get("key"):
            names[name, key] = place
        if realm := row.get("realm"):
            realms[place.code] = realm
        if match := row.get("match"):
            matches.append((match, place))
        if pair := row.get("pairedRegion"):
            paired[place.code] = place_code(name, pair)
        for zone, own in row.get("zones", {}).items():
            zones[name, zone] = operator.place(name, region, zone, {**row, **own})
    return Provider(
        name=name,
        display=entry["display"],
        provider_id=entry.get("providerID", ""),
        zone=entry.get("zone", ""),
        regions=regions,
        matches=tuple(matches),
        realms=realms,
    )


@dataclass(frozen=True, slots=True)
class _Operator:
    """What all places of one operator share."""

    name: str
    country: str
    controlled_from: frozenset[str]
    exposed_to: frozenset[str]

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> "_Operator":
        owners, reach = frozenset(entry["controlledFrom"]), frozenset(entry["exposedTo"])
        return cls(entry["name"], entry["country"], owners, reach)

    def place(self, provider: str, region: str, zone: str, row: Mapping[str, Any]) -> Place:
        return Place(
            code=place_code(provider, zone or region),
            provider=provider,
            region=region,
            zone=zone,
            country=row["country"],
            operator=self.name,
            operator_country=self.country,
            controlled_from=self.controlled_from,
            confidence=row["confidence"],
            exposed_to=self.exposed_to,
            location=row.get("location", ""),
        )
