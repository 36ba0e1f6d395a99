"""Where machines of the test really stand: written by hand, and nothing of the product is asked.

A spot has what an honest machine there would show. `REALMS` are the jurisdictions of the test with their own list of
countries and laws; whether a spot is inside is decided here and nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from tests.cluster.bed.cluster import Json


@dataclass(frozen=True, slots=True)
class Spot:
    """Somewhere a machine can stand. `law` is the country that controls whoever runs it."""

    code: str  # of the place, as the product calls it
    country: str
    law: str
    region: str
    zone: str
    identity: str = ""  # form of spec.providerID; empty in a private site
    declared: bool = True  # does the operator say that the cluster has nodes here?

    @property
    def is_site(self) -> bool:
        return not self.identity

    def provider_id(self, rng: Random) -> str:
        return self.identity.format(
            long=f"{rng.getrandbits(68):017x}", short=f"{rng.getrandbits(32):08x}", number=rng.randrange(10**8)
        )


_EC2, _OUTSCALE = "aws:///{zone}/i-{{long}}", "aws:///{zone}/i-{{short}}"
_GCE, _HCLOUD = "gce://project/{zone}/vm-{{number}}", "hcloud://{{number}}"
_BAREMETAL = "scaleway://baremetal/{zone}/11111111-1111-1111-1111-0000{{short}}"


def _spot(code: str, country: str, law: str, region: str, zone: str, form: str = "", *, declared: bool = True) -> Spot:
    return Spot(code, country, law, region, zone, form.format(zone=zone), declared)


SPOTS = (
    _spot("aws.eu-central-1", "DE", "US", "eu-central-1", "eu-central-1a", _EC2),
    _spot("aws.eu-west-3", "FR", "US", "eu-west-3", "eu-west-3b", _EC2),
    _spot("aws.eu-west-2", "GB", "US", "eu-west-2", "eu-west-2a", _EC2),
    _spot("outscale.eu-west-2", "FR", "FR", "eu-west-2", "eu-west-2a", _OUTSCALE),  # the same names as London's
    _spot("aws.us-east-1", "US", "US", "us-east-1", "us-east-1c", _EC2),
    # zones that lie elsewhere than their region
    _spot("aws.eu-central-1-waw-1a", "PL", "US", "eu-central-1", "eu-central-1-waw-1a", _EC2),
    _spot("aws.eu-west-3-cmn-1a", "MA", "US", "eu-west-3", "eu-west-3-cmn-1a", _EC2),
    _spot("aws.eu-north-1", "SE", "US", "eu-north-1", "eu-north-1a", _EC2, declared=False),
    _spot("gcp.europe-west3", "DE", "US", "europe-west3", "europe-west3-b", _GCE),
    _spot("gcp.europe-west6", "CH", "US", "europe-west6", "europe-west6-a", _GCE),
    _spot("scaleway.fr-par", "FR", "FR", "fr-par", "fr-par-2", _BAREMETAL),
    _spot("hetzner.fsn1", "DE", "DE", "fsn1", "fsn1-dc14", _HCLOUD),
    _spot("fra-dc1", "DE", "DE", "cellar", "rack-1"),
    _spot("zrh-dc1", "CH", "CH", "cellar", "rack-2"),
    _spot("nyc-dc1", "US", "US", "cellar", "rack-3"),
    # names that Gt and Lt can compare
    _spot("7", "DE", "DE", "cellar", "rack-4"),
    _spot("12", "US", "US", "cellar", "rack-5"),
)

PROFILE: Json = {
    "cluster": "bed",
    "providers": [
        {
            "name": "aws",
            "regions": [
                "eu-central-1",
                "eu-west-3",
                "eu-west-2",
                "us-east-1",
                "eu-central-1-waw-1a",
                "eu-west-3-cmn-1a",
            ],
        },
        {"name": "outscale", "regions": ["eu-west-2"]},
        {"name": "gcp", "regions": ["europe-west3", "europe-west6"]},
        {"name": "scaleway", "regions": ["fr-par"]},
        {"name": "hetzner", "regions": ["fsn1"]},
    ],
    "sites": [
        {
            "name": spot.code,
            "country": spot.country,
            "operator": {"name": "we", "country": spot.law},
            "controlledFrom": [spot.law],
            "match": {"nodeNames": [f"{spot.code}-*"]},
        }
        for spot in SPOTS
        if spot.is_site
    ],
}


@dataclass(frozen=True, slots=True)
class Realm:
    """A jurisdiction as the product is told of it, and by hand what is inside."""

    name: str
    spec: Json
    countries: frozenset[str]
    refused_law: str = ""

    def holds(self, spot: Spot) -> bool:
        return spot.country in self.countries and spot.law != self.refused_law


REALMS = (
    Realm("eu", {"locatedIn": {"sets": ["EU"]}}, frozenset({"DE", "FR", "PL", "SE"})),
    Realm(
        "own-law",
        {"locatedIn": {"countries": ["DE", "FR"]}, "controlledFrom": {"except": ["US"]}},
        frozenset({"DE", "FR"}),
        refused_law="US",
    ),
    Realm("alps", {"locatedIn": {"countries": ["CH", "AT"]}}, frozenset({"CH"})),
    Realm("us", {"locatedIn": {"countries": ["US"]}}, frozenset({"US"})),
)
