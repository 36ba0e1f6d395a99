"""A node's place is believed only when the operator, the provider's id and the labels agree."""

from typing import Any

import pytest

from policies.geography import (
    PLACE_LABEL,
    UNPLACED,
    Geography,
    Place,
    PlaceSet,
    ProfileInvalid,
    Regions,
    UnknownPlace,
    believed_place,
    label_change,
    labelled_place,
    node_places,
    place_of_node,
)

REGION, ZONE = "topology.kubernetes.io/region", "topology.kubernetes.io/zone"
AWS_ID = "aws:///eu-central-1a/i-0123456789abcdef0"


def node(name: str = "n", provider_id: str = "", *, serial: str = "", **labels: str) -> dict[str, Any]:
    keys = {"region": REGION, "zone": ZONE, "place": PLACE_LABEL}
    found: dict[str, Any] = {
        "metadata": {"name": name, "labels": {keys.get(key, key): value for key, value in labels.items()}},
        "spec": {"providerID": provider_id} if provider_id else {},
    }
    return found | ({"status": {"nodeInfo": {"systemUUID": serial}}} if serial else {})


def geography(*providers: dict[str, Any] | str, sites: list[dict[str, Any]] | None = None) -> Geography:
    entries = [{"name": entry} if isinstance(entry, str) else entry for entry in providers]
    return Geography(Regions.builtin(), {"providers": entries, "sites": sites or []})


def site(name: str, **match: Any) -> dict[str, Any]:
    return {"name": name, "country": "DE", "match": match}


BOTH = geography(
    {"name": "aws", "regions": ["eu-central-1", "eu-west-2"]}, {"name": "outscale", "regions": ["eu-west-2"]}
)


@pytest.mark.parametrize(
    ("where", "of", "code"),
    [
        (BOTH, node("n", AWS_ID, region="eu-central-1", zone="eu-central-1a"), "aws.eu-central-1"),
        (BOTH, node("n", AWS_ID, region="eu-central-1"), "aws.eu-central-1"),
        # one region name and one scheme, two clouds: the form of the instance id tells London from Paris
        (BOTH, node("n", "aws:///eu-west-2a/i-0123456789abcdef0", region="eu-west-2"), "aws.eu-west-2"),
        (BOTH, node("n", "aws:///eu-west-2a/i-046f4bd0", region="eu-west-2"), "outscale.eu-west-2"),
        (
            geography("gcp"),
            node("n", "gce://p/europe-west6-b/vm", region="europe-west6", zone="europe-west6-b"),
            "gcp.europe-west6",
        ),
        (
            geography("azure"),
            node("n", "azure:///subscriptions/1/x", region="westeurope", zone="westeurope-1"),
            "azure.westeurope",
        ),
        (geography("oci"), node("n", "ocid1.instance.oc1.fra.abc", region="eu-frankfurt-1"), "oci.eu-frankfurt-1"),
        (
            geography("oci"),
            node("n", "oci://ocid1.instance.oc1.eu-frankfurt-1..abc", region="fra"),
            "oci.eu-frankfurt-1",
        ),
        (
            geography("scaleway"),
            node("n", "scaleway://baremetal/fr-par-2/11111111-1111-1111-1111-111111111111", region="fr-par-2"),
            "scaleway.fr-par",
        ),
        (
            geography("ovhcloud"),
            node("n", "openstack:///11111111-1111-1111-1111-111111111111", region="GRA11"),
            "ovhcloud.gra",
        ),
        (geography("otc"), node("n", "openstack:///11111111-1111-1111-1111-111111111111", region="eu-de"), "otc.eu-de"),
        (geography("hetzner"), node("n", "hcloud://42", region="fsn1", zone="fsn1-dc14"), "hetzner.fsn1"),
        (
            geography("aws"),
            node(
                "n", "aws:///eu-central-1-waw-1a/i-0123456789abcdef0", region="eu-central-1", zone="eu-central-1-waw-1a"
            ),
            "aws.eu-central-1-waw-1a",
        ),
        (geography(sites=[site("fra-dc1", nodeNames=["bm-*"])]), node("bm-7"), "fra-dc1"),
        (geography(sites=[site("fra-dc1", serials=["ABC-1"])]), node("n", serial="abc-1"), "fra-dc1"),
        (geography(sites=[site("fra-dc1", providerIDs=["metal3://*"])]), node("n", "metal3://x"), "fra-dc1"),
        (
            geography(sites=[site("fra-dc1", labels={"pool.node-restriction.kubernetes.io/name": "gpu"})]),
            node("n", **{"pool.node-restriction.kubernetes.io/name": "gpu"}),
            "fra-dc1",
        ),
        # a private OpenStack looks like OVHcloud, which this cluster does not use
        (
            geography("aws", sites=[site("fra-dc1", nodeNames=["bm-*"])]),
            node("bm-7", "openstack:///11111111-1111-1111-1111-111111111111"),
            "fra-dc1",
        ),
    ],
)
def test_agreement_is_believed(where: Geography, of: dict[str, Any], code: str) -> None:
    """The operator declares it, the provider id is of that provider, the labels say the same: it is there."""
    found = believed_place(of, where)
    assert isinstance(found, Place), found
    assert found.code == code
    assert label_change(of, where) == code


@pytest.mark.parametrize(
    ("where", "of", "reason"),
    [
        (BOTH, node("n", AWS_ID, region="eu-west-2", zone="eu-west-2a"), "not known to lie anywhere"),
        (BOTH, node("n", AWS_ID, region="eu-central-1", zone="eu-west-2a"), "is not where `spec.providerID` says"),
        (BOTH, node("n", AWS_ID), "no label `topology.kubernetes.io/region`"),
        (BOTH, node("n", "", region="eu-central-1", zone="eu-central-1a"), "is not of its form"),
        (BOTH, node("n", "gce://p/europe-west3-a/vm", region="europe-west3"), "is not of its form"),
        (
            BOTH,
            node("n", "aws:///eu-north-1a/i-0123456789abcdef0", region="eu-north-1"),
            "is not declared in the ClusterProfile",
        ),
        (
            geography({"name": "aws", "regions": ["eu-central-1"]}),
            node("n", "aws:///eu-central-1-waw-1a/i-0123456789abcdef0", region="eu-central-1"),
            "`aws.eu-central-1-waw-1a` is not declared",
        ),
        (
            geography("aws"),
            node("n", "aws:///eu-central-1-xyz-1a/i-0123456789abcdef0", region="eu-central-1", zone="eu-central-1a"),
            "not known to lie anywhere",
        ),
        (geography("oci"), node("n", "ocid1.instance.oc1.iad.abc", region="eu-frankfurt-1"), "is not the region `iad`"),
        (geography("oci"), node("n", "ocid1.instance.oc19.fra.abc", region="eu-frankfurt-1"), "is not in realm `oc19`"),
        (
            geography("otc", "ovhcloud"),
            node("n", "openstack:///11111111-1111-1111-1111-111111111111", region="eu-de"),
            "is of ovhcloud",
        ),
        (geography(), node("n", AWS_ID, region="eu-central-1"), "declares no providers and sites"),
        (
            geography(sites=[site("fra-dc1", nodeNames=["bm-*"])]),
            node("vm-1"),
            "no site of the ClusterProfile matches its name",
        ),
        (
            geography(sites=[site("a", nodeNames=["bm-*"]), site("b", nodeNames=["*-7"])]),
            node("bm-7"),
            "`a` and `b` both match",
        ),
        (
            geography("aws", sites=[site("a", nodeNames=["*"])]),
            node("n", AWS_ID, region="eu-central-1"),
            "site `a` matches, yet it looks like `aws.eu-central-1`",
        ),
        (
            geography(sites=[site("a", nodeNames=["*"])]),
            node("n", AWS_ID, region="eu-central-1"),
            "is of aws, not of a site",
        ),
        # a label that any kubelet may set is no proof of a site
        (geography(sites=[site("a", labels={"pool": "gpu"})]), node("n", pool="gpu"), "no site"),
        (geography(sites=[site("a", nodeNames=["bm-*"], serials=["1"])]), node("bm-1", serial="2"), "no site"),
        (geography(sites=[site("a")]), node("bm-1"), "no site"),
    ],
)
def test_doubt_is_unknown(where: Geography, of: dict[str, Any], reason: str) -> None:
    """Anything that disagrees, is missing, undeclared or ambiguous leaves the place unknown, with the reason."""
    found = believed_place(of, where)
    assert isinstance(found, UnknownPlace), found
    assert reason in found.reason
    assert label_change(of, where) is None


def test_the_label_counts_only_while_it_is_true() -> None:
    """The scheduler sees the label: without it, or with one that contradicts what is believed, the place is unknown."""
    right = node("n", AWS_ID, region="eu-central-1", place="aws.eu-central-1")
    wrong = node("n", AWS_ID, region="eu-central-1", place="aws.eu-west-2")
    groundless = node("n", place="aws.eu-central-1")
    bare = node("n", AWS_ID, region="eu-central-1")
    assert labelled_place(wrong) == "aws.eu-west-2"
    assert labelled_place(bare) is None
    assert node_places(right, BOTH) == PlaceSet.of(["aws.eu-central-1"])
    for doubtful in (wrong, groundless, bare):
        assert node_places(doubtful, BOTH) == PlaceSet.of([UNPLACED])
    assert isinstance(place_of_node(wrong, BOTH), UnknownPlace)
    assert label_change(right, BOTH) is None
    assert label_change(bare, BOTH) == "aws.eu-central-1"
    assert label_change(wrong, BOTH) == "aws.eu-central-1"
    assert isinstance(label_change(groundless, BOTH), UnknownPlace)
    assert label_change(node("n"), BOTH) is None


@pytest.mark.parametrize(
    ("profile", "complaint"),
    [
        ({"providers": [{"name": "amazon"}]}, r"`spec.providers\[0\]`: no provider `amazon`"),
        ({"providers": [{"name": "aws", "regions": ["eu-central-9"]}]}, "no region `eu-central-9` of `aws`"),
        ({"sites": [site("aws.eu-west-1")]}, r"`spec.sites\[0\].name`: `aws.eu-west-1` is the code of a region"),
        ({"sites": [site("my site")]}, "is no label value"),
        ({"sites": [site("?")]}, "is no label value"),
        ({"sites": [site("a"), site("a")]}, "two sites have the same name"),
        ({"hosts": [{"match": "*", "place": "fra"}]}, r"`spec.hosts\[0\].place`: no place `fra`"),
        ({"place": "aws.eu-west-9"}, "`spec.place`: no place"),
    ],
)
def test_a_profile_that_names_nothing_is_refused(profile: dict[str, Any], complaint: str) -> None:
    """A profile that names an unknown provider, region or place, or a site nobody could label, is refused."""
    with pytest.raises(ProfileInvalid, match=complaint):
        Geography(Regions.builtin(), profile)


def test_declared_places() -> None:
    """Declared are the regions that are listed, all of a provider's where none is, single zones, and the sites."""
    some = geography(
        {"name": "aws", "regions": ["eu-central-1", "eu-central-1-ham-1a"]}, "cloudscale", sites=[site("x")]
    )
    assert [place.code for place in some.declared()] == [
        "aws.eu-central-1", "aws.eu-central-1-ham-1a", "cloudscale.lpg", "cloudscale.rma", "x",
    ]  # fmt: skip
    assert some.by_code("gcp.us-central1") is not None
    assert some.by_code("y") is None
    assert Geography(Regions.builtin()).declared() == ()
