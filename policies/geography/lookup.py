"""Places by whatever a person calls them: provider, country, set, region, zone, site, city, host, registry or key.

A word that could mean several things means all of them; several words are ANDed, so `aws eu-west-2` is one place where
`eu-west-2` is two. What nobody knows is `PlaceNotFound`, which says what was probably meant. Pure.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches

from policies.geography.countries import BY_NAME, NAMED
from policies.geography.geography import Geography
from policies.geography.hosts import host_of, place_of_host, place_of_registry
from policies.geography.jurisdiction import JurisdictionRule
from policies.geography.keys import place_of_key
from policies.geography.located import Located
from policies.geography.place import Place


class PlaceNotFound(ValueError):
    """No place is called that: ask for the name in the hint. `hint` says what was probably meant."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Match:
    """A place and how the word led to it; `because` is empty where the word is the place's own name."""

    place: Place
    because: str = ""


@dataclass(frozen=True, slots=True)
class Listed:
    """A place as it is shown: what the data says, and what this cluster's rules say of it."""

    place: Place
    because: str
    sets: tuple[str, ...]  # named sets of countries that its country is in on the day asked for
    paired: str  # code of the place that geo-redundant copies land in; empty for none known
    declared: bool  # does the ClusterProfile say that this cluster is there?
    refusals: tuple[str, ...] | None  # why the jurisdiction doesn't admit it; None when none was asked for


def known_places(geography: Geography) -> list[Place]:
    """All places: the deployer's sites first, then those of the data, in its order."""
    return [*(site.place for site in geography.sites), *geography.regions.places.values()]


def find(words: Sequence[str], geography: Geography, on: date) -> list[Match]:
    """The places that every word fits; all for no words. Raises PlaceNotFound."""
    found = [Match(place) for place in known_places(geography)]
    for word in words:
        meant = {match.place.code: match for match in _meanings(word, geography, on)}
        if not meant:
            raise _not_found(word, geography)
        found = [_clearer(match, meant[match.place.code]) for match in found if match.place.code in meant]
    if not found:
        told = " and ".join(f"`{word}`" for word in words)
        raise PlaceNotFound(f"no place is {told} at once", "each of them is known alone: leave one out")
    return found


def listed(match: Match, geography: Geography, on: date, rule: JurisdictionRule | None = None) -> Listed:
    """What there is to say of a place, on that day and under that jurisdiction."""
    place = match.place
    paired = geography.paired_with(place)
    return Listed(
        place,
        match.because,
        tuple(name for name, members in geography.regions.sets.items() if place.country in members.on(on)),
        paired.code if paired else "",
        place in geography.declared(),
        None if rule is None else tuple(rule.refusals_of(place)),
    )


def _clearer(first: Match, second: Match) -> Match:
    return second if not first.because else first


def _meanings(word: str, geography: Geography, on: date) -> list[Match]:
    """By names first; as part of a location, or as a host, only where it is no name."""
    lower, places = word.lower(), known_places(geography)
    tests: tuple[Callable[[Place], bool], ...] = (
        lambda place: lower in (place.code.lower(), place.provider, (place.zone or place.region).lower()),
        lambda place: lower == "sites" and not place.provider,
        lambda place: place.country.lower() == lower or place.country == BY_NAME.get(lower),
        lambda place: place.country in _members(lower, geography, on),
    )
    named = [Match(place) for place in places if any(test(place) for test in tests)]
    inside = [match for match in _zones(word, geography) if match.place not in [one.place for one in named]]
    if named or inside:
        return [*named, *inside]
    begun = re.compile(rf"\b{re.escape(lower)}", re.IGNORECASE)  # of a word: Busan is not in the USA
    return [Match(place) for place in places if len(lower) > 2 and begun.search(place.location)] or [
        Match(located.place, located.because) for located in _referred(word, geography) if located.place
    ]


def _members(name: str, geography: Geography, on: date) -> frozenset[str]:
    return next((each.on(on) for key, each in geography.regions.sets.items() if key.lower() == name), frozenset())


def _zones(word: str, geography: Geography) -> Iterable[Match]:
    """Zones that lie with their region, other spellings of regions, and short names."""
    for name in geography.regions.providers:
        if place := geography.place(name, word):
            yield Match(place, f"`{word}` is another name of `{place.region}`" if place.region != word else "")
        elif place := geography.regions.place_of_zone(name, word):
            yield Match(place, f"zone `{word}` lies in region `{place.region}`")


def _referred(word: str, geography: Geography) -> list[Located]:
    """As a host, a registry, a key: nobody says which it is, and names that tell a place look like one only."""
    if not any(sign in word for sign in ".:/"):
        return []
    return [place_of_key(word, geography), place_of_host(word, geography), place_of_registry(word, geography)]


def _unplaced(word: str, geography: Geography) -> str:
    """Why a reference has no place, by what it looks like: a key, an image, else a host."""
    said = _referred(word, geography)
    if not said:
        return ""
    key, host, registry = said
    if not any(sign in host_of(word) for sign in ".:"):
        return key.because
    return registry.because if "/" in word and "://" not in word else host.because


def _not_found(word: str, geography: Geography) -> PlaceNotFound:
    names = vocabulary(geography)
    near = get_close_matches(word.lower(), names, 3, 0.75)
    if near:
        return PlaceNotFound(f"no place is called `{word}`", f"did you mean {_or(f'`{names[key]}`' for key in near)}?")
    if because := _unplaced(word, geography):
        return PlaceNotFound(f"nobody knows where `{word}` is", because)
    providers = ", ".join(sorted(geography.regions.providers))
    return PlaceNotFound(f"no place is called `{word}`", f"name a region, country, set, city or one of {providers}")


def vocabulary(geography: Geography) -> dict[str, str]:
    """Everything that has a name here, by its lower-case form."""
    names: list[str] = [*geography.regions.providers, *geography.regions.sets]
    for place in known_places(geography):
        names += [place.code, place.zone or place.region, place.country, *NAMED.get(place.country, ())]
        names += [part.strip(" ()") for part in place.location.replace("(", ",").split(",")]
    return {name.lower(): name for name in names if name}


def _or(names: Iterable[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} or {last}" if first else last
