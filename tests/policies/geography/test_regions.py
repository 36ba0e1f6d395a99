"""The data of providers and regions: complete, unambiguous, and honest about what it doesn't know."""

from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
import yaml

from policies.geography import Geography, Place, Regions
from policies.geography.compile import SOURCE, compiled, load_document, load_regions
from policies.geography.place import is_label_value
from policies.geography.reading import RegionsInvalid, parse
from policies.geography.regions import COMPILED

REGIONS = Regions.builtin()
GEOGRAPHY = Geography(REGIONS)
TRAPS: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("traps.yaml").read_text(encoding="utf-8"))
ALL = [(name, region) for name, provider in REGIONS.providers.items() for region in provider.regions]


def where(provider: str, region: str, zone: str | None = None) -> Place:
    place = GEOGRAPHY.place(provider, region, zone)
    assert place is not None
    return place


def in_order(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    return sorted(rows, key=lambda row: (row["provider"], row["region"]))


def test_compiled_data_is_that_of_the_source() -> None:
    """The file that ships says what the YAML says."""
    assert COMPILED.read_bytes() == compiled(load_document(SOURCE))


def test_all_providers_and_regions_are_there() -> None:
    """25 providers and 349 regions."""
    assert (len(REGIONS.providers), len(ALL)) == (25, 349)


@pytest.mark.parametrize(("provider", "region"), ALL)
def test_every_code_is_a_label_value_and_leads_back(provider: str, region: str) -> None:
    """A region's code is a legal label value, belongs to it alone, and leads back to it."""
    place = where(provider, region)
    assert is_label_value(place.code)
    assert (place.provider, place.region) == (provider, region)
    assert GEOGRAPHY.by_code(place.code) is place
    assert place.code == place.code.lower()


def test_no_two_places_share_a_code() -> None:
    """Codes are distinct, zones of their own included."""
    zones = [zone for _, zone in REGIONS._zones]
    assert len(REGIONS.places) == len(ALL) + len(zones)
    assert len(zones) > 40


@pytest.mark.parametrize(("provider", "region"), ALL)
def test_every_spelling_means_one_region(provider: str, region: str) -> None:
    """A region's name is found whatever its case, and matches no other region of its provider."""
    assert where(provider, region.upper()) is where(provider, region.lower()) is where(provider, region)
    others = [place for text, place in REGIONS.providers[provider].matches if place.region != region]
    assert all(REGIONS._matched(provider, region) is not place for place in others)


def test_same_names_on_several_clouds() -> None:
    """`eu-west-2` is London on one cloud and Paris on another; the list of such names is complete."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for provider, region in ALL:
        found[region][provider] = where(provider, region).country
    assert {name: means for name, means in found.items() if len(means) > 1} == TRAPS["same_name"]
    assert where("aws", "eu-west-2").country == "GB"
    assert where("outscale", "eu-west-2").country == "FR"
    assert where("aws", "eu-west-2").code != where("outscale", "eu-west-2").code


def test_names_that_look_like_the_union() -> None:
    """Regions called `eu` or `europe` that are not in the European Union; the list of such names is complete."""
    found = [
        {"provider": provider, "region": region, "country": where(provider, region).country}
        for provider, region in ALL
        if region.lower().startswith(("eu-", "europe"))
        and where(provider, region).country not in REGIONS.sets["EU"].countries
    ]
    assert in_order(found) == in_order(TRAPS["not_in_the_union"])


def test_pairs_across_borders() -> None:
    """Regions whose geo-redundant copies land in another country; the list is complete."""
    found = []
    for provider, region in ALL:
        place = where(provider, region)
        pair = GEOGRAPHY.paired_with(place)
        if pair and pair.country != place.country:
            row = {"provider": provider, "region": region, "country": place.country}
            found.append(row | {"pair": pair.region, "pair_country": pair.country})
    assert in_order(found) == in_order(TRAPS["pairs_across_borders"])


@pytest.mark.parametrize("trap", TRAPS["zones_elsewhere"], ids=lambda trap: trap["zone"])
def test_zones_that_lie_in_another_country(trap: dict[str, str]) -> None:
    """A Local Zone is a place of its own, in its own country, though it carries the label of its region."""
    zone = where(trap["provider"], trap["region"], trap["zone"])
    assert zone.country == trap["country"] != where(trap["provider"], trap["region"]).country
    assert zone.code == f"{trap['provider']}.{trap['zone']}"


@pytest.mark.parametrize(
    ("provider", "region", "zone"),
    [
        ("aws", "eu-central-1", "eu-central-1-xyz-1a"),  # a Local Zone that nobody listed
        ("aws", "eu-central-1", "eu-north-1-cph-1a"),  # a Local Zone of another region
        ("aws", "eu-central-1", "eu-west-1a"),
        ("gcp", "us-central1", "us-central1-ai1a"),  # an AI zone need not lie with its region
        ("gcp", "europe-west1", "europe-west10-a"),
        ("azure", "westeurope", "northeurope-1"),
        ("aws", "eu-isoe-west-1", None),
        ("ovhcloud", "eu-west-2", None),
        ("nobody", "eu-west-2", None),
        ("aws", "", None),
        ("hetzner", "fsn", None),
        ("ovhcloud", "GRA11\n", None),
    ],
)
def test_what_is_not_listed_is_unknown(provider: str, region: str, zone: str | None) -> None:
    """Unlisted regions and zones have no place."""
    assert GEOGRAPHY.place(provider, region, zone) is None


@pytest.mark.parametrize(
    ("provider", "region", "zone", "code"),
    [
        ("aws", "eu-central-1", "eu-central-1a", "aws.eu-central-1"),
        ("gcp", "europe-west10", "europe-west10-a", "gcp.europe-west10"),
        ("azure", "westeurope", "westeurope-2", "azure.westeurope"),
        ("azure", "westeurope", "0", "azure.westeurope"),
        ("ovhcloud", "GRA11", "nova", "ovhcloud.gra"),
        ("ovhcloud", "eu-west-lim", None, "ovhcloud.de"),
        ("scaleway", "fr-par-2", "fr-par-2", "scaleway.fr-par"),
        ("ionos", "de_fra_2", None, "ionos.de_fra_2"),
        ("ionos", "de/fra", None, "ionos.de_fra"),
        ("oci", "fra", "FAULT-DOMAIN-1", "oci.eu-frankfurt-1"),
        ("coreweave", "EU-WEST-01", "EU-WEST-01A", "coreweave.eu-west-01"),
        ("hetzner", "fsn1", "fsn1-dc14", "hetzner.fsn1"),
        ("upcloud", "fi-hel1", "fi-hel1", "upcloud.fi-hel1"),
    ],
)
def test_spellings_of_providers(provider: str, region: str, zone: str | None, code: str) -> None:
    """Other spellings that providers use lead to the same place, and ordinary zones to their region."""
    assert where(provider, region, zone).code == code


def test_norway_is_a_country() -> None:
    """YAML's `NO` is Norway here, and every country is two capital letters."""
    assert where("azure", "norwayeast").country == "NO"
    assert "NO" in REGIONS.sets["EEA"].countries
    assert all(len(place.country) == 2 and place.country.isupper() for place in REGIONS.places.values())


def test_operators_of_single_regions() -> None:
    """Regions run by another entity than their provider's others say so."""
    assert where("ovhcloud", "US-EAST-VA").operator_country == "US"
    assert where("ovhcloud", "GRA").operator_country == "FR"
    assert where("oci", "eu-jovanovac-1").operator_country == ""
    assert where("aws-eusc", "eusc-de-east-1").operator_country == "DE"


def override(text: str) -> Regions:
    return Regions.parse(compiled(load_document(SOURCE), parse("mine.yaml", text)))


def test_a_deployer_lays_a_file_over() -> None:
    """A deployer's file adds a region, corrects one, removes one, and changes the digest."""
    mine = override(
        """
providers:
  hetzner:
    regions:
      ash: {confidence: declared}
      sin: null
      kel1: {country: FI, confidence: declared, location: Kajaani}
"""
    )
    assert (mine.place("hetzner", "ash").confidence, mine.place("hetzner", "ash").country) == ("declared", "US")  # type: ignore[union-attr]
    assert mine.place("hetzner", "sin") is None
    assert mine.place("hetzner", "kel1").country == "FI"  # type: ignore[union-attr]
    assert mine.digest != REGIONS.digest
    assert override("").digest == REGIONS.digest


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            "providers: {aws: {regions: {moon-1: {country: Moon, confidence: code}}}}",
            r"mine.yaml:1: `providers.aws.regions.moon-1.country` is `Moon`: expected an ISO",
        ),
        (
            "providers:\n  hetzner:\n    regions:\n      kel1: {confidence: code}",
            r"mine.yaml:4: `providers.hetzner.regions.kel1.country` is missing",
        ),
        (
            "providers:\n  aws:\n    regins: {}",
            r"mine.yaml:3: `providers.aws.regins` is no field: did you mean `regions`",
        ),
        (
            "providers: {azure: {regions: {norwayeast: {country: NO}}}}",
            r"mine.yaml:1: .*country` is a boolean: expected .*quoted",
        ),
        ("a: [", r"mine.yaml:\d+: not readable as YAML"),
        ("sets: {}\nsets: {}", r"mine.yaml:2: `sets` is there twice"),
        (
            "providers: {aws: {regions: {EU-WEST-1: {country: IE, confidence: code}}}}",
            r"its code `aws.eu-west-1` is shared",
        ),
        (
            "providers: {aws: {regions: {'x-': {country: IE, confidence: code}}}}",
            r"its code `aws.x-` is no legal label value",
        ),
        (
            "providers: {ovhcloud: {regions: {gra9: {country: FR, confidence: code}}}}",
            r"`providers.ovhcloud.regions.gra9` is also matched by region `GRA`",
        ),
        ("providers: {aws: {node: {zone: '('}}}", r"`providers.aws.node.zone` is no regular expression"),
        (
            "hosts: [{provider: awss, match: '{region}.example.com'}]",
            r"`hosts\[0\].provider`: no provider `awss`: did you mean `aws`",
        ),
        ("hosts: [{provider: aws, match: '**.{region}'}]", r"ends in two plain labels"),
        ("hosts: [{match: 'a.example.com'}]", r"or else `spans`"),
        ("[1, 2]", r"mine.yaml:1: `the document` is a list"),
        ("&a [*a]", r"mine.yaml:1: `\[0\]` contains itself"),
        ("? [a]\n: b", r"mine.yaml:1: a key is no plain text"),
    ],
)
def test_faults_of_a_file_are_located(text: str, complaint: str) -> None:
    """What is wrong with a deployer's file is told with file, line, field, and what was expected."""
    with pytest.raises(RegionsInvalid, match=complaint):
        override(text)


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    """A file that isn't there is named; one that is there is used."""
    with pytest.raises(RegionsInvalid, match=r"nowhere.yaml: cannot be read"):
        load_regions(tmp_path / "nowhere.yaml")
    own = tmp_path / "own.yaml"
    own.write_text("asOf: '2030-01-01'\n", encoding="utf-8")
    assert load_regions(own).as_of == "2030-01-01"
    assert load_regions() is REGIONS
