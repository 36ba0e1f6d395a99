"""Jurisdictions: three axes, what is known and how well, and the dated ways over the border."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.geography import (
    ANYWHERE,
    NOWHERE,
    UNPLACED,
    Geography,
    JurisdictionInvalid,
    JurisdictionRule,
    Place,
    PlaceSet,
    Regions,
)

PROFILE = {
    "providers": [{"name": "aws", "regions": ["eu-central-1", "us-east-1"]}, {"name": "hetzner"}, {"name": "scaleway"}],
    "sites": [
        {
            "name": "fra-dc1",
            "country": "DE",
            "operator": {"name": "Own", "country": "DE"},
            "controlledFrom": ["DE"],
            "match": {"nodeNames": ["bm-*"]},
        },
        {"name": "who-knows", "country": "DE", "match": {"nodeNames": ["wk-*"]}},
    ],
}
GEOGRAPHY = Geography(Regions.builtin(), PROFILE)
EU = {"locatedIn": {"sets": ["EU"]}}


def rule(**spec: Any) -> JurisdictionRule:
    return JurisdictionRule.of(spec, GEOGRAPHY)


def place(code: str) -> Place:
    found = GEOGRAPHY.by_code(code)
    assert found is not None
    return found


def test_located_in() -> None:
    """Sets, countries and named places admit what lies in them, and the codes are the declared ones of these."""
    eu = rule(**EU)
    assert eu.admits_place(place("aws.eu-central-1"))
    assert eu.admits_place(place("gcp.europe-west3"))
    assert not eu.admits_place(place("aws.eu-central-2"))
    assert eu.codes() == {
        "aws.eu-central-1", "hetzner.fsn1", "hetzner.nbg1", "hetzner.hel1", "fra-dc1", "who-knows",
        "scaleway.fr-par", "scaleway.nl-ams", "scaleway.pl-waw", "scaleway.it-mil",
    }  # fmt: skip
    assert rule(locatedIn={"countries": ["FI"]}).codes() == {"hetzner.hel1"}
    assert rule(locatedIn={"places": ["fra-dc1"]}).codes() == {"fra-dc1"}


def test_operated_by() -> None:
    """The operator's seat is an axis of its own, and one that nobody states is refused."""
    german = rule(operatedBy={"countries": ["DE"]})
    assert german.admits_place(place("hetzner.hel1"))
    assert not german.admits_place(place("aws.eu-central-1"))
    assert not german.admits_place(place("who-knows"))
    assert german.admits_place(place("aws-eusc.eusc-de-east-1"))
    assert not rule(operatedBy={"except": ["US"]}).admits_place(place("who-knows"))


def test_controlled_from() -> None:
    """Who controls the operator is a third axis: a German company of an American group is both."""
    assert not rule(controlledFrom={"except": ["US"]}).admits_place(place("aws-eusc.eusc-de-east-1"))
    assert rule(controlledFrom={"countries": ["EU"]}).admits_place(place("scaleway.fr-par"))
    assert not rule(controlledFrom={"countries": ["EU"]}).admits_place(place("exoscale.at-vie-1"))
    assert not rule(controlledFrom={"except": ["MX"]}).admits_place(place("exoscale.at-vie-1"))
    assert not rule(controlledFrom={"except": ["US"]}).admits_place(place("who-knows"))


def test_reach_of_foreign_law() -> None:
    """A country whose law has reached an operator counts where it is excepted, not where owners are listed."""
    assert rule(controlledFrom={"countries": ["FR"]}).admits_place(place("ovhcloud.gra"))
    refused = rule(controlledFrom={"except": ["CA"]})
    assert not refused.admits_place(place("ovhcloud.gra"))
    assert refused.refusals(PlaceSet.of(["ovhcloud.gra"])) == [
        "`ovhcloud.gra` can be reached by the law of CA, which is excepted"
    ]


def test_confidence() -> None:
    """A country that is only inferred does not count, unless the policy says so, or names the place itself."""
    sin = place("stackit.eu02")
    assert sin.confidence == "inferred"
    assert not rule(**EU).admits_place(sin)
    assert rule(**EU, confidence=["inferred"]).admits_place(sin)
    assert rule(locatedIn={"places": ["stackit.eu02"]}).admits_place(sin)
    assert rule(**EU, confidence=["verified"]).admits_place(place("fra-dc1"))


def test_unknown_is_in_no_jurisdiction() -> None:
    """No place, a code nobody knows, a node without a place, any co-finite set, and the empty set are all refused."""
    eu = rule(**EU)
    assert not eu.admits_place(None)
    for places in (
        PlaceSet.of(["nowhere.else"]), PlaceSet.of([UNPLACED]), PlaceSet.of([""]), ANYWHERE, NOWHERE,
        PlaceSet.excluding(["aws.us-east-1"]), PlaceSet.of(["aws.eu-central-1", UNPLACED]),
    ):  # fmt: skip
        assert not eu.admits(places)
        assert eu.refusals(places)
    assert eu.admits(PlaceSet.of(["aws.eu-central-1", "fra-dc1"]))


def test_refusals_name_place_and_axis() -> None:
    """Each refused place is named with each axis it fails, and with what might have been meant."""
    strict = rule(**EU, operatedBy={"countries": ["EU"]}, controlledFrom={"except": ["US"]})
    assert strict.refusals(PlaceSet.of(["aws.us-east-1", "hetzner.ash", "hetzner.fsn1", "hetzner.fns1"])) == [
        "`aws.us-east-1` is located in US",
        "`aws.us-east-1` is operated from US",
        "`aws.us-east-1` is controlled from US, which is excepted",
        "`hetzner.ash` is located in US",
        "`hetzner.ash`: that it is in US is only inferred",
        "`hetzner.fns1` is no known place: did you mean `hetzner.fsn1`",
    ]


def test_a_thousand_places_are_counted() -> None:
    """Who asks for a thousand unknown places is told of some, and how many more there are."""
    told = rule(**EU).refusals(PlaceSet.of([f"aws.moon-{index}" for index in range(1_000)]))
    assert len(told) == 17
    assert told[-1] == "and 984 places more"


CODES = st.sampled_from([*sorted(GEOGRAPHY.regions.places), "fra-dc1", "who-knows", UNPLACED, "x.y"])
SPECS = st.fixed_dictionaries(
    {"locatedIn": st.fixed_dictionaries({"sets": st.lists(st.sampled_from(["EU", "EEA", "FIVE_EYES"]), min_size=1)})},
    optional={
        axis: st.fixed_dictionaries(
            {}, optional={name: st.lists(st.sampled_from(["DE", "FR", "US", "EU"])) for name in ("countries", "except")}
        )
        for axis in ("operatedBy", "controlledFrom")
    },
)


@given(SPECS, st.builds(PlaceSet, st.frozensets(CODES, max_size=4), st.booleans()))
def test_admitted_means_no_refusal_and_every_member_inside(spec: dict[str, Any], places: PlaceSet) -> None:
    """A set is admitted exactly when there is no refusal, and then each of its places is."""
    some = rule(**spec)
    assert some.admits(places) == (some.refusals(places) == [])
    if some.admits(places):
        assert all(some.admits_place(GEOGRAPHY.by_code(code)) for code in places.codes)
    assert some.admits(PlaceSet(some.codes())) == bool(some.codes())


@pytest.mark.parametrize(
    ("spec", "complaint"),
    [
        ({}, "admits every place"),
        ({"locatedIn": {"sets": [], "countries": [], "places": []}, "operatedBy": {}}, "admits every place"),
        ({"locatedIn": {"sets": ["EUU"]}}, r"`spec.locatedIn`: `EUU` is neither a country .* nor a set: EEA, EU,"),
        ({"operatedBy": {"except": ["usa"]}}, r"`spec.operatedBy.except`: `usa`"),
        (EU | {"transfers": [{"to": {"sets": ["EU"]}, "expires": "soon"}]}, r"`spec.transfers\[0\].expires`: `soon`"),
        (EU | {"transfers": [{"expires": "2026-01-01T00:00:00"}]}, "has no time zone"),
        (EU | {"transfers": [{"to": {"countries": ["XYZ"]}}]}, r"`spec.transfers\[0\].to`: `XYZ`"),
    ],
)
def test_unusable_specs_are_refused(spec: dict[str, Any], complaint: str) -> None:
    """A spec that admits everything, or names what isn't there, is refused with its field."""
    with pytest.raises(JurisdictionInvalid, match=complaint):
        rule(**spec)


def transfers(**entry: Any) -> JurisdictionRule:
    return rule(**EU, transfers=[{"name": "t", "what": ["backups"], "to": {"countries": ["US"]}} | entry])


DAY = date(2026, 11, 21)


def test_a_transfer_covers_destination_and_data() -> None:
    """A transfer is found for its destination and its kinds of data, and for nothing else."""
    some = transfers(basis="GDPR 49", reference="DPIA-7")
    found = some.transfer(place("aws.us-east-1"), "backups", DAY)
    assert found is not None
    assert (found.name, found.basis, found.reference) == ("t", "GDPR 49", "DPIA-7")
    assert some.transfer(place("aws.us-east-1"), "telemetry", DAY) is None
    assert some.transfer(place("aws.eu-central-2"), "backups", DAY) is None
    assert some.transfer(None, "backups", DAY) is None
    assert transfers(what=["*"]).transfer(place("aws.us-east-1"), "telemetry", DAY)
    assert transfers(what=[]).transfer(place("aws.us-east-1"), "backups", DAY) is None
    assert transfers(to={"places": ["aws.us-east-2"]}).transfer(place("aws.us-east-1"), "backups", DAY) is None
    assert not some.admits_place(place("aws.us-east-1"))


@pytest.mark.parametrize(
    ("expires", "day", "in_force"),
    [
        ("2026-11-21", DAY, True),
        ("2026-11-20", DAY, False),
        ("2026-11-21T23:59:59Z", DAY, False),  # it ends within the day
        ("2026-11-22T00:00:00Z", DAY, True),
        ("2026-11-22T01:00:00+02:00", DAY, False),  # which is still the 21st in UTC
        (date(2026, 11, 21), DAY, True),
        (None, date(2099, 1, 1), True),
    ],
)
def test_a_transfer_lapses(expires: str | date | None, day: date, in_force: bool) -> None:
    """A transfer counts on a day when it is in force on the whole of it, in UTC."""
    assert (transfers(expires=expires).transfer(place("aws.us-east-1"), "backups", day) is not None) == in_force


def test_adequacy_is_dated() -> None:
    """An adequacy decision carries a transfer from its first to its last day; a partial one carries none."""
    some = transfers(to={"sets": ["EU_ADEQUACY"]})

    def goes(code: str, day: date) -> bool:
        return some.transfer(place(code), "backups", day) is not None

    assert goes("aws.eu-west-2", date(2031, 12, 27))
    assert not goes("aws.eu-west-2", date(2031, 12, 28))
    assert not goes("aws.sa-east-1", date(2026, 1, 25))
    assert goes("aws.sa-east-1", DAY)
    assert goes("aws.eu-central-2", DAY)
    assert not goes("aws.us-east-1", DAY)
    assert not goes("aws.ca-central-1", DAY)


def test_what_ends_does_not_admit() -> None:
    """A member that has an end admits no place, for what is admitted has no date to be held against."""
    adequate = rule(locatedIn={"sets": ["EU_ADEQUACY"]})
    assert adequate.admits_place(place("aws.eu-central-2"))
    assert not adequate.admits_place(place("aws.eu-west-2"))


def test_a_place_from_elsewhere_is_judged_by_what_it_says() -> None:
    """A place that isn't in the geography is judged on the same axes."""
    foreign = replace(place("aws.eu-central-1"), code="aws.x", country="SE")
    assert rule(**EU).admits_place(foreign)
    assert not rule(**EU).admits(PlaceSet.of(["aws.x"]))
