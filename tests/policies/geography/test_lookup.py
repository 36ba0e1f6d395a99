"""Places by what people call them: each name leads to its places, and what nobody knows is said to be so."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.geography import Geography, JurisdictionRule
from policies.geography.countries import NAMED
from policies.geography.lookup import PlaceNotFound, find, known_places, listed, vocabulary

TODAY = date(2026, 11, 21)
SITE = {"name": "basel-cellar", "country": "CH", "operator": {"name": "Clinic", "country": "CH"}}
PROFILE = {
    "cluster": "test",
    "providers": [{"name": "aws", "regions": ["eu-central-1"]}],
    "sites": [{**SITE, "match": {"nodeNames": ["rack-*"]}}],
    "hosts": [{"match": "models.intern.example", "place": "basel-cellar"}],
    "keys": [{"match": "vault:eu/*", "place": "aws.eu-central-1"}],
}
GEOGRAPHY = Geography()
DECLARED = Geography(profile=PROFILE)


def codes(*words: str, geography: Geography = GEOGRAPHY) -> list[str]:
    return [match.place.code for match in find(words, geography, TODAY)]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["eu-west-2"], ["aws.eu-west-2", "outscale.eu-west-2"]),
        (["aws", "eu-west-2"], ["aws.eu-west-2"]),
        (["AWS", "EU-West-2"], ["aws.eu-west-2"]),
        (["aws.eu-central-1"], ["aws.eu-central-1"]),
        (["eu-central-1b"], ["aws.eu-central-1"]),
        (["us-west-2-lax-1a"], ["aws.us-west-2-lax-1a"]),
        (["hamburg"], ["aws.eu-central-1-ham-1a"]),
        (["s3.eu-central-1.amazonaws.com"], ["aws.eu-central-1"]),
        (["111122223333.dkr.ecr.eu-west-3.amazonaws.com/x"], ["aws.eu-west-3"]),
        (["arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"], ["aws.eu-central-1"]),
    ],
)
def test_a_name_leads_to_its_places(words: list[str], expected: list[str]) -> None:
    """Region, zone, code, city, host, registry and key: in any case, and two words only to what both fit."""
    assert codes(*words) == expected


def test_a_country_and_a_set_are_their_places() -> None:
    """A country is all that is located there; a set is its members of that day."""
    assert {match.place.country for match in find(["FR"], GEOGRAPHY, TODAY)} == {"FR"}
    inside = {match.place.code for match in find(["EU"], GEOGRAPHY, TODAY)}
    members = GEOGRAPHY.regions.sets["EU"].on(TODAY)
    assert inside == {place.code for place in known_places(GEOGRAPHY) if place.country in members}
    lapsed = [match.place.country for match in find(["EU_ADEQUACY"], GEOGRAPHY, date(2032, 1, 1))]
    assert "GB" not in lapsed
    assert "JP" in lapsed


def test_a_country_by_its_name_is_all_that_is_located_there() -> None:
    """What its code finds is what its names find, and not only places whose provider writes the country down."""
    for code in {place.country for place in known_places(GEOGRAPHY)}:
        assert NAMED[code], code
        for called in NAMED[code]:
            assert set(codes(code)) <= set(codes(called.upper())), called
    assert {match.place.country for match in find(["Germany"], GEOGRAPHY, TODAY)} == {"DE"}
    assert {match.place.country for match in find(["usa"], GEOGRAPHY, TODAY)} == {"US"}


def test_everything_is_listed_once() -> None:
    """No words list every place of the data, and none twice."""
    assert len(codes()) == len(set(codes())) == len(GEOGRAPHY.regions.places)


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("eu-centrl-1", "did you mean `eu-central-1`"),
        ("tokio", "did you mean `Tokyo`"),
        ("scalway", "did you mean `scaleway`"),
        ("zzzzzz", "name a region, country, set, city or one of alibaba, aws"),
        ("api.example.com", "declare it in `spec.hosts`"),
        ("docker.io/library/x", "Docker Hub"),
        ("arn:aws:kms:eu-central-1:111122223333:key/mrk-1", "multi-Region"),
    ],
)
def test_what_nobody_knows_says_what_was_probably_meant(word: str, meant: str) -> None:
    """A misspelling names the right spelling; a reference without a place says why there is none."""
    with pytest.raises(PlaceNotFound) as refused:
        find([word], GEOGRAPHY, TODAY)
    assert word in str(refused.value)
    assert meant in refused.value.hint


def test_two_words_that_fit_no_place_together() -> None:
    """Each is known; the answer says that it is the two together."""
    with pytest.raises(PlaceNotFound, match="`aws` and `fr-par` at once"):
        find(["aws", "fr-par"], GEOGRAPHY, TODAY)


def test_sites_and_overrides_of_the_deployer() -> None:
    """A declared site is a place, and what the profile says of hosts and keys outweighs their names."""
    assert codes("basel-cellar", geography=DECLARED) == codes("sites", geography=DECLARED) == ["basel-cellar"]
    assert codes("models.intern.example", geography=DECLARED) == ["basel-cellar"]
    assert codes("vault:eu/etcd", geography=DECLARED) == ["aws.eu-central-1"]
    with pytest.raises(PlaceNotFound):
        codes("basel-cellar")


def test_a_listed_place_says_whether_it_is_admitted() -> None:
    """Under a jurisdiction each place is admitted or has a reason on every axis against it, as the rule decides."""
    spec = {"locatedIn": {"sets": ["EU"]}, "controlledFrom": {"except": ["US"]}}
    rule = JurisdictionRule.of(spec, DECLARED)
    for match in find([], DECLARED, TODAY):
        one = listed(match, DECLARED, TODAY, rule)
        assert one.refusals is not None
        assert (not one.refusals) is (match.place.code in rule.admitted)
    frankfurt, virginia = (listed(find(["aws", name], DECLARED, TODAY)[0], DECLARED, TODAY, rule) for name in
                           ("eu-central-1", "us-east-1"))  # fmt: skip
    assert frankfurt.declared
    assert not virginia.declared
    assert len(frankfurt.refusals or ()) == 1
    assert len(virginia.refusals or ()) == 2
    assert listed(find(["aws", "us-east-1"], DECLARED, TODAY)[0], DECLARED, TODAY).refusals is None


@given(st.lists(st.one_of(st.text(max_size=12), st.sampled_from(sorted(vocabulary(DECLARED).values()))), max_size=2))
def test_any_words_are_places_or_a_hint(words: list[str]) -> None:
    """Whatever is asked, the answer is places that are known, or an error that says what to do next."""
    known = {place.code for place in known_places(DECLARED)}
    try:
        found = codes(*words, geography=DECLARED)
    except PlaceNotFound as refused:
        assert refused.hint
    else:
        assert found
        assert set(found) <= known


@given(st.sampled_from(sorted(vocabulary(GEOGRAPHY).values())))
def test_every_name_that_is_suggested_is_known(name: str) -> None:
    """What `did you mean` may name leads somewhere."""
    assert codes(name)
