"""Names that lead nowhere outside the cluster, destinations, and classes of volumes: where they are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.geography import Geography, ProfileInvalid, Regions
from policies.geography.hosts import host_of
from policies.geography.inside import inside, owner_of
from policies.geography.provisioned import place_of_class, place_of_snapshot_class
from policies.geography.reached import place_of_destination

PROFILE = {
    "providers": [{"name": "aws", "regions": ["eu-central-1", "us-east-1"]}],
    "hosts": [{"match": "s3://ours", "place": "aws.eu-central-1"}, {"match": "member-eu", "place": "aws.eu-central-1"}],
    "storageClasses": [{"name": "home", "place": "aws.eu-central-1"}],
}
GEOGRAPHY = Geography(Regions.builtin(), PROFILE)
OTHER_DOMAIN = Geography(Regions.builtin(), {**PROFILE, "domain": "cluster.internal"})

INSIDE = [
    "http://localhost:8000",
    "http://127.0.0.1/x",
    "http://[::1]:80",
    "::1",
    "http://169.254.169.254/latest",
    "redis",
    "http://minio:9000/b",
    "otel.agents.svc:4317",
    "grpc://x.y.svc.cluster.local.",
    "10-1-2-3.ns.pod.cluster.local",
]
ELSEWHERE = [
    "fd12:3456::1",
    "fe80::1",
    "fc00::1",
    "::ffff:8.8.8.8",
    "::1:443",
    "[fe80::1%eth0]:80",
    "https://otlp.example.com#@otel.agents.svc/",
    "https://otlp.example.com?@otel.agents.svc/",
    r"https://otlp.example.com\@otel.agents.svc/",
    "https://otel.agents.svc@example.com/",
    "https://otel.agents.svc.example.com",
    "https://svc.example.com",
    "http://0x5db8d822/",
    "http://1572395042/",
    "http://203.0.113.7",
    "http://10.0.0.1",
    "nas.local",
    "x.svc.clusterset.local",
    "a.svc,evil.example.com",
    "",
]


@pytest.mark.parametrize("address", INSIDE)
def test_names_of_the_cluster(address: str) -> None:
    """The pod, its node, and what only the cluster's own DNS answers is inside."""
    assert inside(host_of(address))


@pytest.mark.parametrize("address", ELSEWHERE)
def test_names_that_may_lead_elsewhere(address: str) -> None:
    """A name that looks like one of the cluster's and isn't, and every address, may be anywhere."""
    assert not inside(host_of(address))


@given(st.text(), st.sampled_from("/?#\\"), st.sampled_from(["svc", "a.b.svc", "localhost", "db"]))
def test_nothing_behind_a_host_makes_it_inside(text: str, mark: str, tail: str) -> None:
    """Whatever follows the host of a URL changes nothing of where it leads."""
    assert not inside(host_of(f"https://evil.example.com{mark}{text}{tail}"))


def test_another_domain_of_clusters() -> None:
    """The ClusterProfile's domain is the one whose names are inside."""
    one = {"kind": "host", "bucket": "", "cluster": "", "provider": "", "region": "", "what": "data"}
    assert place_of_destination({**one, "host": "a.b.svc.cluster.internal"}, OTHER_DOMAIN).inside
    assert not place_of_destination({**one, "host": "a.b.svc.cluster.internal"}, GEOGRAPHY).inside


@pytest.mark.parametrize(
    ("host", "wanted"),
    [
        ("10.244.3.7", True),
        ("http://10.244.255.255:8000/v1", True),
        ("fd00:10:244::7", True),
        ("http://[fd00:10:244::7]:80", True),
        ("10.245.0.1", False),
        ("203.0.113.7", False),
        ("010.244.3.7", False),
        ("10.244.7", False),
        ("0x0af40307", False),
        ("::ffff:10.244.3.7", False),
        ("10.244.3.7.example.com", False),
        ("fd00:10:245::7", False),
    ],
)
def test_addresses_of_the_cluster_s_own_networks(host: str, wanted: bool) -> None:
    """What the ClusterProfile declares as networks of pods and services leads nowhere outside; other addresses may."""
    geography = Geography(Regions.builtin(), {**PROFILE, "networks": ["10.244.0.0/16", "fd00:10:244::/56"]})
    one = {"kind": "host", "bucket": "", "cluster": "", "provider": "", "region": "", "what": "data"}
    assert place_of_destination({**one, "host": host}, geography).inside is wanted
    assert not place_of_destination({**one, "host": host}, GEOGRAPHY).inside


def test_a_cloud_without_a_region_is_asked_for_one():
    """What leads to a cloud that is known is told to say where in it; what leads to another vendor, to name a host."""
    one = {"path": "", "kind": "vendor", "host": "", "bucket": "", "cluster": "", "region": "", "what": "data"}
    assert place_of_destination({**one, "provider": "aws"}, GEOGRAPHY).because == (
        "nothing says in which region of `aws` it is: state it"
    )
    assert "state a host" in place_of_destination({**one, "provider": "somebody"}, GEOGRAPHY).because


DECLARED = {
    **PROFILE,
    "sites": [{"name": "basel", "country": "CH"}],
    "hosts": [
        {"match": "vcenter.example", "place": "basel"},
        {"match": "member-eu", "place": "basel"},
        {"match": "vsphere://*/DC-Basel", "place": "basel"},
        {"match": "openstack://basel/RegionOne", "place": "basel"},
        {"match": "openstack://old/*", "place": "basel"},
        {"match": "nutanix:///pe-1", "place": "basel"},
        {"match": "failure-domain://rack-7", "place": "basel"},
    ],
}


@pytest.mark.parametrize(
    ("provider", "host", "region", "wanted"),
    [
        ("vsphere", "vcenter.example", "", "basel"),
        ("vsphere", "vcenter.example:443", "DC-9", "basel"),
        ("vsphere", "", "DC-Basel", "basel"),
        ("vsphere", "", "/DC-Basel", "basel"),
        ("vsphere", "other.example", "DC-Basel", "basel"),
        ("vsphere", "other.example", "DC-Bern", ""),
        ("vsphere", "other.example", "../DC-Basel", ""),
        ("vsphere", "evil.example/@vcenter.example", "", ""),
        ("vsphere", "", "member-eu", ""),
        ("openstack", "basel", "RegionOne", "basel"),
        ("openstack", "basel", "RegionTwo", ""),
        ("openstack", "basel", "", ""),
        ("openstack", "member-eu", "RegionOne", ""),
        ("openstack", "old/RegionOne#", "Boston", ""),
        ("openstack", "", "", ""),
        ("nutanix", "", "pe-1", "basel"),
        ("nutanix", "", "pe-2", ""),
        ("", "", "rack-7", "basel"),
        ("", "", "rack-8", ""),
        ("", "", "basel", ""),
        ("aws", "", "rack-7", ""),
    ],
)
def test_machines_at_sites_of_the_operator_s_own(provider: str, host: str, region: str, wanted: str) -> None:
    """They are where their maker's names are declared to be, and a name that is declared as a host's isn't theirs."""
    one = {"kind": "nodes", "bucket": "", "cluster": "", "what": "workloads"}
    found = place_of_destination(
        {**one, "provider": provider, "host": host, "region": region}, Geography(Regions.builtin(), DECLARED)
    )
    assert found.code == wanted
    assert not found.inside


@pytest.mark.parametrize(
    "found",
    [
        {"kind": "cluster", "host": "", "cluster": "$(KUBECONFIG)"},
        {"kind": "host", "host": "$(RESTIC_REPOSITORY)", "cluster": ""},
    ],
)
def test_where_a_secret_leads_is_declared_or_unknown(found: dict[str, str]) -> None:
    """What only a Secret says has a place where the operator answers for such Secrets, and else none."""
    rest = {"bucket": "", "provider": "", "region": "", "what": "data"}
    hosts = [{"match": name, "place": "aws.eu-central-1"} for name in ("$(KUBECONFIG)", "$(RESTIC_REPOSITORY)")]
    declared = Geography(Regions.builtin(), {**PROFILE, "hosts": hosts})
    assert place_of_destination({**found, **rest}, declared).code == "aws.eu-central-1"
    unknown = place_of_destination({**found, **rest}, GEOGRAPHY)
    assert unknown.place is None
    assert not unknown.inside


@pytest.mark.parametrize(
    ("network", "message"),
    [
        ("0.0.0.0/0", "too wide"),
        ("10.0.0.0/7", "no network|too wide"),
        ("::/0", "too wide"),
        ("10.244.0.1/16", r"`spec.networks\[0\]`: .* is no network"),
        ("10.244.0.0/33", "no network"),
        ("1::2::3/64", "no network"),
    ],
)
def test_networks_that_are_none(network: str, message: str) -> None:
    """A network that can't be one, or that no cluster has for itself, is refused when the profile is read."""
    with pytest.raises(ProfileInvalid, match=message):
        Geography(Regions.builtin(), {**PROFILE, "networks": [network]})


@pytest.mark.parametrize(
    ("host", "namespace"),
    [
        ("otel.monitoring", "monitoring"),
        ("api.openai", "openai"),
        ("minio.io", ""),
        ("kiwi.com", ""),
        ("a.dev", ""),
        ("a.b.c", ""),
        ("kafka-0.kafka.streams", "streams"),
        ("0x5d.kafka.streams", ""),
        ("api.example.com", ""),
        ("a.b.c.monitoring", ""),
        ("db.prod.corp", ""),
        ("vault.service.consul", ""),
        ("0x5d.monitoring", ""),
        ("x.123", ""),
        ("one", ""),
    ],
)
def test_names_by_their_namespace(host: str, namespace: str) -> None:
    """`service.namespace` is meant only where the last label is no top-level domain."""
    assert owner_of(host) == namespace


def destination(**fields: str) -> dict[str, str]:
    names = ("kind", "host", "bucket", "cluster", "provider", "region", "what")
    return {name: fields.get(name, "") for name in names}


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        (destination(kind="region", provider="aws", region="eu-central-1"), "aws.eu-central-1"),
        (destination(kind="region", provider="gcp", region="global"), ""),
        (destination(kind="bucket", provider="aws", bucket="x", region="us-east-1"), "aws.us-east-1"),
        (destination(kind="bucket", provider="aws", bucket="ours"), "aws.eu-central-1"),
        (destination(kind="host", host="s3://ours"), "aws.eu-central-1"),
        (destination(kind="host", host="s3://theirs"), ""),
        (destination(kind="host", host="hf://org/m"), ""),
        (destination(kind="host", host="made-up://org/m"), ""),
        (destination(kind="host", host="postgresql://db/x"), "inside"),
        (destination(kind="host", host="pvc://claim"), "inside"),
        (destination(kind="cluster", cluster="member-eu"), "aws.eu-central-1"),
        (destination(kind="cluster", cluster="member"), ""),
        (destination(kind="cluster", cluster="*"), ""),
        (destination(kind="cluster", cluster="in-cluster"), "inside"),
        (destination(kind="open", host="*"), ""),
        (destination(kind="vendor", provider="openai"), ""),
        (destination(kind="volume", provider="aws", bucket="vol-1"), ""),
        (destination(kind="nodes", provider="aws", region="eu-central-1a"), "aws.eu-central-1"),
        (destination(kind="nodes", region="us-east-1"), "aws.us-east-1"),
        (destination(kind="nodes", provider="gcp", region="eu-central-1"), ""),
        (destination(kind="nodes", provider="azure", region="2"), "inside"),
        (destination(kind="nodes"), ""),
    ],
    ids=str,
)
def test_destinations(found: dict[str, str], wanted: str) -> None:
    """A destination has one known place, is inside, or nobody knows where it is."""
    located = place_of_destination(found, GEOGRAPHY)
    assert ("inside" if located.inside else located.code) == wanted
    assert located.because


def storage_class(provisioner: str, **fields: object) -> dict[str, object]:
    return {"metadata": {"name": fields.pop("name", "c")}, "provisioner": provisioner, **fields}


LATE = {"volumeBindingMode": "WaitForFirstConsumer"}


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        (storage_class("ebs.csi.aws.com", **LATE), "inside"),
        (storage_class("kubernetes.io/aws-ebs", **LATE), "inside"),
        (storage_class("ebs.csi.aws.com"), ""),
        (storage_class("cloud.csi.example.com", **LATE), ""),
        (storage_class("rancher.io/local-path"), "inside"),
        (storage_class("anything", name="home"), "aws.eu-central-1"),
        (storage_class("nfs.csi.k8s.io", parameters={"server": "fs-1.efs.us-east-1.amazonaws.com"}), "aws.us-east-1"),
        (storage_class("nfs.csi.k8s.io", **LATE, parameters={"server": "nas.example.com"}), ""),
        (storage_class("disk.csi.azure.com", **LATE, parameters={"skuName": "Standard_ragrs"}), ""),
        (storage_class("disk.csi.azure.com", **LATE, parameters={"location": "westeurope"}), "azure.westeurope"),
        (storage_class("kubernetes.io/aws-ebs", parameters={"zones": "us-east-1a, us-east-1b"}), "aws.us-east-1"),
        (storage_class("kubernetes.io/aws-ebs", parameters={"zones": "us-east-1a, eu-central-1a"}), ""),
        (storage_class("ebs.csi.aws.com", **LATE, parameters={"region": "nowhere-1"}), ""),
    ],
    ids=str,
)
def test_storage_classes(found: dict[str, object], wanted: str) -> None:
    """A class makes its volumes beside the pod, in one known place, or nobody knows where."""
    located = place_of_class(found, GEOGRAPHY)
    assert ("inside" if located.inside else located.code) == wanted


@pytest.mark.parametrize(
    ("driver", "parameters", "wanted"),
    [
        ("ebs.csi.aws.com", {}, "inside"),
        ("ebs.csi.aws.com", {"snapshotRegion": "us-east-1"}, "aws.us-east-1"),
        ("pd.csi.storage.gke.io", {}, ""),
        ("pd.csi.storage.gke.io", {"storage-locations": "eu"}, ""),
        ("pd.csi.storage.gke.io", {"storage-locations": "europe-west3"}, "gcp.europe-west3"),
    ],
)
def test_snapshot_classes(driver: str, parameters: dict[str, str], wanted: str) -> None:
    """Snapshots lie beside their volume, unless the driver or its parameters send them elsewhere."""
    located = place_of_snapshot_class({"driver": driver, "parameters": parameters}, GEOGRAPHY)
    assert ("inside" if located.inside else located.code) == wanted
