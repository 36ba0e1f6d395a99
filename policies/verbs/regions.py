"""`bailiwick regions`: looks at the places. Finding them is `policies.geography.lookup`; here they are shown."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from policies.facts.law import Law
    from policies.geography import Geography, JurisdictionRule
    from policies.geography.lookup import Listed


@click.command()
@click.argument("words", nargs=-1)
@click.option("--rules", multiple=True, metavar="PATH", help="A ClusterProfile and jurisdictions; repeatable.")
@click.option("--regions", "own", metavar="FILE", help="Regions of your own, laid over the built-in ones.")
@click.option("--jurisdiction", metavar="NAME", help="Say which places this Jurisdiction of --rules admits.")
@click.option("--declared", is_flag=True, help="Only the places that the ClusterProfile of --rules declares.")
@click.option("-o", "--output", type=click.Choice(["table", "json", "yaml"]), default="table", show_default=True)
def regions(
    words: Sequence[str], rules: Sequence[str], own: str | None, jurisdiction: str | None, declared: bool, output: str
) -> None:
    """Look at the places that are known: where they are, who operates them, who has power over the operator.

    WORDS are names: of a provider, a country (by its name or ISO alpha-2), a set of countries (EU, EEA, EU_ADEQUACY),
    a region, a zone, a site, a city, or the reference of a host, a registry or a key. Several words must all fit.

    \b
    bailiwick regions aws eu-central-1
    bailiwick regions EU scaleway
    bailiwick regions s3.eu-west-3.amazonaws.com

    A single place is shown with all that is known of it. With --rules the deployer's sites are places too, and what
    the ClusterProfile says of hosts, registries and keys outweighs their names.
    """
    from policies.geography.lookup import find, listed

    if (jurisdiction or declared) and not rules:
        raise click.UsageError("nothing is declared without `--rules PATH`: name the files with your rules")
    today = datetime.now(UTC).date()
    geography, rule = _declared(rules, own, jurisdiction) if rules else _known(own)
    found = [listed(match, geography, today, rule) for match in find(words, geography, today)]
    if declared:
        found = [one for one in found if one.declared]
    name = jurisdiction or ""
    if output == "table":
        click.echo("\n".join(_table(found, geography, today, name, bool(rules))))
    else:
        click.echo(_report(found, geography, name, output), nl=False)


def _known(own: str | None) -> "tuple[Geography, JurisdictionRule | None]":
    """What everybody knows: without rules nothing else has to be imported. Raises RulesInvalid."""
    from policies.geography.geography import Geography

    if own is None:
        return Geography(), None
    from policies.gathering import read_regions

    return Geography(read_regions(own)), None


def _declared(rules: Sequence[str], own: str | None, name: str | None) -> "tuple[Geography, JurisdictionRule | None]":
    """Raises RulesInvalid, where a hint stands in each problem."""
    from policies.facts.law import Law
    from policies.gathering import load_rules, refuse
    from policies.loading import rulebook_of

    loaded = load_rules(rules, own)
    refuse((loaded,))
    law = Law.of(rulebook_of(loaded.kinds), loaded.regions, places=loaded.places)
    return law.geography, _rule(law, name) if name is not None else None


def _rule(law: "Law", name: str) -> "JurisdictionRule":
    if name not in law.rules:
        from difflib import get_close_matches

        near = get_close_matches(name, law.rules, 1)
        meant = f"did you mean `{near[0]}`?" if near else f"there are: {', '.join(sorted(law.rules)) or 'none'}"
        raise click.UsageError(f"no Jurisdiction `{name}` in the rules: {meant}")
    return law.rules[name]


def _table(
    found: "Sequence[Listed]", geography: "Geography", today: date, jurisdiction: str, ruled: bool
) -> Iterator[str]:
    from policies.verbs.columns import columns
    from policies.verbs.terminal import width

    if len(found) == 1:
        single = list(_single(found[0], geography, jurisdiction, ruled))
        yield from columns(single, within=width())
        return
    heads = ["PLACE", "COUNTRY", "LOCATION", "OPERATED BY", "CONTROLLED FROM", "KNOWN"]
    heads += ["DECLARED"] * ruled + [f"IN `{jurisdiction}`"] * bool(jurisdiction)
    yield from columns([heads, *(_row(one, jurisdiction, ruled) for one in found)], within=width())
    yield f"{len(found)} places; data of {geography.regions.as_of}, seen on {today}"


def _row(one: "Listed", jurisdiction: str, ruled: bool) -> list[str]:
    from policies.verbs.operators import operated

    place = one.place
    power = ",".join(sorted(place.controlled_from)) or "?"
    cells = [place.code, place.country, place.location or "-", operated(place), power, place.confidence]
    cells += ["yes" if one.declared else "-"] * ruled
    return cells + [_verdict(one)] * bool(jurisdiction)


def _verdict(one: "Listed") -> str:
    from policies.verbs.operators import against

    return against(one.place.code, one.refusals) if one.refusals else "yes"


def _single(one: "Listed", geography: "Geography", jurisdiction: str, ruled: bool) -> Iterator[tuple[str, str]]:
    place = one.place
    known = geography.regions.providers.get(place.provider)
    yield "place", place.code
    if one.because:
        yield "found", one.because
    yield "provider", f"{known.display} ({place.provider})" if known else "a site that the ClusterProfile declares"
    yield ("region" if known else "site"), place.region
    if place.zone:
        yield "zone", f"{place.zone}: lies elsewhere than its region"
    yield "located in", f"{place.country}{', ' + place.location if place.location else ''}"
    yield "known", _KNOWN[place.confidence]
    yield "operated by", f"{place.operator or 'nobody says whom'}, from {place.operator_country or 'nobody says where'}"
    yield "controlled from", ", ".join(sorted(place.controlled_from)) or "nobody says"
    if place.exposed_to:
        yield "law that can reach it", ", ".join(sorted(place.exposed_to))
    yield "country sets", ", ".join(one.sets) or "none"
    if one.paired:
        yield "copies go to", one.paired
    if ruled:
        yield "declared", "yes" if one.declared else "no: the ClusterProfile doesn't say that the cluster is there"
    if jurisdiction:
        yield f"in `{jurisdiction}`", _verdict(one)


_KNOWN = {
    "verified": "verified: a source of the provider states country or city",
    "code": "code: the provider's own region code spells it",
    "secondary": "secondary: only third parties state it",
    "inferred": "inferred: no source states it",
    "declared": "declared: the deployer says so",
}


def _report(found: "Sequence[Listed]", geography: "Geography", jurisdiction: str, output: str) -> str:
    from audit.verbs.written import written

    places = [_entry(one, jurisdiction) for one in found]
    return written({"asOf": geography.regions.as_of, "places": places}, output)


def _entry(one: "Listed", jurisdiction: str) -> Mapping[str, Any]:
    place = one.place
    verdict = {"jurisdiction": jurisdiction, "admitted": not one.refusals, "refusals": list(one.refusals or ())}
    return {
        "code": place.code,
        "provider": place.provider,
        "region": place.region,
        "zone": place.zone,
        "country": place.country,
        "location": place.location,
        "operator": {"name": place.operator, "country": place.operator_country},
        "controlledFrom": sorted(place.controlled_from),
        "exposedTo": sorted(place.exposed_to),
        "confidence": place.confidence,
        "sets": list(one.sets),
        "pairedWith": one.paired,
        "declared": one.declared,
        "because": one.because,
        **(verdict if jurisdiction else {}),
    }
