"""Where things other than nodes are: hosts, registries, keys, volumes, classes, buckets, backups."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.geography import (
    PLACE_LABEL,
    Geography,
    Located,
    Regions,
    key_of_storage_class,
    place_of_backup_location,
    place_of_bucket,
    place_of_host,
    place_of_key,
    place_of_registry,
    place_of_storage_class,
    place_of_volume,
)
from policies.geography.globs import glob_fits

PROFILE = {
    "providers": [{"name": "aws"}],
    "sites": [{"name": "fra", "country": "DE", "match": {"nodeNames": ["bm-*"]}}],
    "hosts": [
        {"match": "*.example.com", "place": "fra"},
        {"match": "files.example.org/eu/*", "place": "fra"},
        {"match": "gs://backups-*", "place": "gcp.europe-west3"},
        {"match": "minio.velero.svc", "place": "fra"},
        {"match": "2a00:1450:*", "place": "fra"},
        {"match": "10.42.*", "place": "fra"},
        {"match": "https://10.43.*/v1", "place": "fra"},
    ],
    "registries": [{"match": "registry.example.com", "place": "fra"}, {"match": "ghcr.io", "place": "fra"}],
    "keys": [{"match": "vault:transit-de/*", "place": "fra", "assurance": "hardware"}],
    "storageClasses": [{"name": "local", "place": "fra", "key": "vault:transit-de/disks"}],
}
GEOGRAPHY = Geography(Regions.builtin(), PROFILE)


def told(found: Located, code: str | None, because: str = "") -> None:
    assert found.code == (code or ""), found
    assert because in found.because


@pytest.mark.parametrize(
    ("host", "code"),
    [
        ("https://models.s3.eu-central-1.amazonaws.com/llama", "aws.eu-central-1"),
        ("2A00:1450:4001:80b::200e", "fra"),
        ("http://[2a00:1450::1]:443/x", "fra"),
        ("10.42.0.1:443", "fra"),
        ("https://10.43.0.1/v1", "fra"),
        ("s3.dualstack.eu-central-2.amazonaws.com", "aws.eu-central-2"),
        ("models.s3-eu-west-1.amazonaws.com", "aws.eu-west-1"),
        ("x.eu-west-3.elb.amazonaws.com:443", "aws.eu-west-3"),
        ("sts.eusc-de-east-1.amazonaws.eu", "aws-eusc.eusc-de-east-1"),
        ("s3.cn-north-1.amazonaws.com.cn", "aws-cn.cn-north-1"),
        ("s3.us-gov-west-1.amazonaws.com", "aws-us-gov.us-gov-west-1"),
        ("europe-west6-aiplatform.googleapis.com", "gcp.europe-west6"),
        ("WestEurope.api.cognitive.microsoft.com.", "azure.westeurope"),
        ("oos.eu-west-2.outscale.com", "outscale.eu-west-2"),
        ("models.s3.gra.io.cloud.ovh.net", "ovhcloud.gra"),
        ("s3-eu-central-2.ionoscloud.com", "ionos.de_txl"),
        ("eu-central-1.linodeobjects.com", "linode.eu-central"),
        ("s3.fr-par.scw.cloud", "scaleway.fr-par"),
        ("ns.compat.objectstorage.eu-zurich-1.oraclecloud.com", "oci.eu-zurich-1"),
        ("a.b.example.com", "fra"),
        ("https://files.example.org/eu/weights", "fra"),
        ("http://minio.velero.svc:9000", "fra"),
    ],
)
def test_hosts_by_name(host: str, code: str) -> None:
    """A host is where its provider's name for it says, or where the profile declares it."""
    told(place_of_host(host, GEOGRAPHY), code)


@pytest.mark.parametrize(
    ("host", "because"),
    [
        # left of the provider's own label, the customer chooses the name
        ("x.eu-central-1.s3.amazonaws.com", "has no one place"),
        ("s3.eu-central-1.amazonaws.com.attacker.net", "nothing says"),
        ("https://s3.eu-central-1.amazonaws.com@attacker.net/", "nothing says"),
        (r"https://attacker.net\@s3.eu-central-1.amazonaws.com/", "nothing says"),
        ("https://attacker.net/?x=.example.com", "nothing says"),
        ("http://attacker.net/a.example.com", "nothing says"),
        ("https://files.example.org/us/weights", "nothing says"),
        ("https://files.example.org/eu/../us/weights", "nothing says"),
        ("https://files.example.org/eu/%2e%2e/us/weights", "nothing says"),
        ("s3.amazonaws.com", "served from several"),
        ("s3.eu-central-9.amazonaws.com", "served from several"),
        ("models.blob.core.windows.net", "nor where its copies are"),
        ("storage.googleapis.com", "in which location the bucket was made"),
        ("10.1.2.3:9000", "is an address"),
        ("https://[2001:db8::1]/x", "is an address"),
        ("minio", "is a service of this cluster"),
        ("vllm.team.svc.cluster.local", "is a service of this cluster"),
        ("", "is no host name"),
        ("://", "is no host name"),
        ("a." * 200_000 + "eu-central-1.amazonaws.com", "is no host name"),
        ("10.42.0.1.nip.io", "nothing says where `10.42.0.1.nip.io` is"),  # declared are addresses, not names like them
        ("10.42.example.net", "nothing says"),
        ("https://10.43.0.1.nip.io/v1", "nothing says"),
    ],
)
def test_hosts_that_prove_nothing(host: str, because: str) -> None:
    """A name that doesn't tell, or that a customer chose, gives no place and says what to declare."""
    found = place_of_host(host, GEOGRAPHY)
    told(found, None, because)
    assert "`spec.hosts`" in found.because


@pytest.mark.parametrize(
    ("registry", "code"),
    [
        ("123456789012.dkr.ecr.eu-central-2.amazonaws.com/llama:1", "aws.eu-central-2"),
        ("europe-west3-docker.pkg.dev/p/r/i:v", "gcp.europe-west3"),
        ("rg.fr-par.scw.cloud", "scaleway.fr-par"),
        ("uk.icr.io", "ibm.eu-gb"),
        ("fra.ocir.io/ns/repo", "oci.eu-frankfurt-1"),
        ("registry.example.com/team/image", "fra"),
        ("ghcr.io/team/image", "fra"),  # declared: a mirror behind the name
        ("europe-docker.pkg.dev/p/r/i", None),
        ("eu.gcr.io/p/i", None),
        ("docker.io", None),
        ("mine.azurecr.io", None),
        ("notghcr.io", None),
    ],
)
def test_registries(registry: str, code: str | None) -> None:
    """Registries of a region are in it; multi-regions and content delivery networks are in no one place."""
    told(place_of_registry(registry, GEOGRAPHY), code)


@pytest.mark.parametrize(
    ("reference", "code", "because"),
    [
        ("arn:aws:kms:eu-central-1:123456789012:key/11111111-1111", "aws.eu-central-1", "ARN"),
        ("arn:aws-cn:kms:cn-north-1:123456789012:key/1", "aws-cn.cn-north-1", ""),
        ("arn:aws-eusc:kms:eusc-de-east-1:123456789012:key/1", "aws-eusc.eusc-de-east-1", ""),
        ("awskms:///arn:aws:kms:eu-west-1:123456789012:key/1", "aws.eu-west-1", ""),
        ("arn:aws:kms:eu-west-1:123456789012:alias/aws/ebs", "aws.eu-west-1", ""),
        ("arn:aws:kms:eu-central-1:123456789012:key/mrk-1234", None, "multi-Region key"),
        ("arn:aws:kms:eu-west-1:123456789012:alias/disks", None, "may stand for a multi-Region key"),
        ("arn:aws:kms:cn-north-1:123456789012:key/1", None, "of partition `aws` is not known"),
        ("arn:gcp:kms:europe-west3:1:key/1", None, "does not say"),
        ("mrk-1234", None, "does not say where it is"),
        ("projects/p/locations/europe-west6/keyRings/r/cryptoKeys/k", "gcp.europe-west6", ""),
        ("gcp-kms://projects/p/locations/europe-west3/keyRings/r/cryptoKeys/k", "gcp.europe-west3", ""),
        ("projects/p/locations/global/keyRings/r/cryptoKeys/k", None, "`global`"),
        ("projects/p/locations/europe/keyRings/r/cryptoKeys/k", None, "is no one place"),
        ("https://team.vault.azure.net/keys/k/1", None, "paired region"),
        ("https://team.managedhsm.azure.net/keys/k", None, "replicated"),
        ("ocid1.key.oc1.eu-frankfurt-1.vault.key", "oci.eu-frankfurt-1", ""),
        ("ocid1.key.oc1.iad.vault.key", "oci.us-ashburn-1", ""),
        ("ocid1.key.oc19.eu-frankfurt-1.vault.key", None, "is not known"),
        ("fr-par/11111111-1111-1111-1111-111111111111", "scaleway.fr-par", ""),
        ("https://eu-west-rbx.okms.ovh.net/v1/servicekey/1", "ovhcloud.rbx", ""),
        ("crn:v1:bluemix:public:kms:eu-gb:a/1:2:key:3", "ibm.eu-gb", ""),
        ("vault:transit-de/disks", "fra", "declares"),
        ("vault:transit/disks", None, "`spec.keys`"),
        ("https://vault.example.com/v1/transit", None, "`spec.keys`"),
        ("", None, "does not say"),
    ],
)
def test_keys(reference: str, code: str | None, because: str) -> None:
    """A key is where its reference says; one that may have copies elsewhere, or doesn't say, is nowhere."""
    told(place_of_key(reference, GEOGRAPHY), code, because)


def test_declared_keys_have_an_assurance() -> None:
    """What the profile says of a key's keeping comes with its place."""
    assert place_of_key("vault:transit-de/disks", GEOGRAPHY).assurance == "hardware"


def volume(key: str = "", *values: str, driver: str = "", operator: str = "In", **spec: Any) -> dict[str, Any]:
    terms = [{"matchExpressions": [{"key": key, "operator": operator, "values": list(values)}]}] if key else []
    csi = {"csi": {"driver": driver}} if driver else {}
    return {"spec": {"nodeAffinity": {"required": {"nodeSelectorTerms": terms}}} | csi | spec}


ZONE, EBS = "topology.kubernetes.io/zone", "ebs.csi.aws.com"


@pytest.mark.parametrize(
    ("of", "code"),
    [
        (volume(ZONE, "eu-central-1a", driver=EBS), "aws.eu-central-1"),
        (volume(ZONE, "eu-central-1a", "eu-central-1b", driver=EBS), "aws.eu-central-1"),
        (volume("topology.ebs.csi.aws.com/zone", "eu-central-1-waw-1a", driver=EBS), "aws.eu-central-1-waw-1a"),
        (volume(ZONE, "cn-north-1a", driver=EBS), "aws-cn.cn-north-1"),
        (volume("topology.gke.io/zone", "europe-west6-a", driver="pd.csi.storage.gke.io"), "gcp.europe-west6"),
        (volume("topology.disk.csi.azure.com/zone", "westeurope-1", driver="disk.csi.azure.com"), "azure.westeurope"),
        (volume("csi.hetzner.cloud/location", "fsn1", driver="csi.hetzner.cloud"), "hetzner.fsn1"),
        # the same zone name on another cloud
        (
            volume("topology.bsu.csi.outscale.com/zone", "eu-west-2a", driver="bsu.csi.outscale.com"),
            "outscale.eu-west-2",
        ),
        (volume(PLACE_LABEL, "fra", local={"path": "/disk"}), "fra"),
        (volume(nfs={"server": "nfs.example.com"}), "fra"),
        (volume(storageClassName="local"), "fra"),
        (volume(ZONE, "eu-central-1a", "eu-west-1a", driver=EBS), None),
        (volume(ZONE, "eu-central-1-xyz-1a", driver=EBS), None),
        (volume(ZONE, "eu-central-1a", driver=EBS, operator="NotIn"), None),
        (volume(ZONE, "eu-central-1a", driver="nfs.csi.k8s.io"), None),
        (volume(ZONE, "eu-central-1a"), None),
        # where its nodes must be says nothing of data that comes over the network
        (volume(PLACE_LABEL, "fra", driver="fuse.csi.fluid.io"), None),
        (volume(nfs={"server": "10.0.0.1"}), None),
        (volume(ZONE, "eu-central-1a", driver=EBS, storageClassName="local"), None),  # they disagree
        ({"spec": {}}, None),
        ({}, None),
    ],
)
def test_volumes(of: dict[str, Any], code: str | None) -> None:
    """A volume is where its driver's topology ties it, where its server is, or where its class is declared."""
    told(place_of_volume(of, GEOGRAPHY), code)


def test_a_volume_of_several_terms_is_where_all_of_them_are() -> None:
    """Terms are ORed, so one that says nothing, or elsewhere, leaves the place open."""
    here = volume(ZONE, "eu-central-1a", driver=EBS)
    terms = here["spec"]["nodeAffinity"]["required"]["nodeSelectorTerms"]
    terms.append({"matchExpressions": [{"key": ZONE, "operator": "In", "values": ["eu-central-1b"]}]})
    told(place_of_volume(here, GEOGRAPHY), "aws.eu-central-1")
    terms.append({"matchExpressions": [{"key": "disk", "operator": "In", "values": ["ssd"]}]})
    told(place_of_volume(here, GEOGRAPHY), None, "does not tie the volume to one place")


def storage_class(name: str, provisioner: str = EBS, zones: tuple[str, ...] = (), **parameters: str) -> dict[str, Any]:
    topologies = [{"matchLabelExpressions": [{"key": ZONE, "values": list(zones)}]}] if zones else []
    return {
        "metadata": {"name": name}, "provisioner": provisioner,
        "allowedTopologies": topologies, "parameters": parameters,
    }  # fmt: skip


def test_storage_classes() -> None:
    """A class is where it is declared or where all its topologies lie; its key is its own, else the declared one."""
    told(place_of_storage_class(storage_class("local"), GEOGRAPHY), "fra")
    told(place_of_storage_class(storage_class("gp3", zones=("eu-central-1a",)), GEOGRAPHY), "aws.eu-central-1")
    told(place_of_storage_class(storage_class("gp3"), GEOGRAPHY), None, "declare class `gp3` in `spec.storageClasses`")
    told(place_of_storage_class(storage_class("gp3", "example.com/nfs", ("eu-central-1a",)), GEOGRAPHY), None)
    assert key_of_storage_class(storage_class("gp3", kmsKeyId="arn:x"), GEOGRAPHY) == "arn:x"
    for name in ("KMSKEYID", "encryptionKMSID", "kmsKeyName", "disk-encryption-kms-key", "cmek"):
        assert key_of_storage_class(storage_class("local", **{name: "arn:x"}), GEOGRAPHY) == "arn:x"
    assert key_of_storage_class(storage_class("local"), GEOGRAPHY) == "vault:transit-de/disks"
    assert key_of_storage_class(storage_class("gp3"), GEOGRAPHY) == ""


def location(provider: str, bucket: str = "b", **config: str) -> dict[str, Any]:
    return {"spec": {"provider": provider, "objectStorage": {"bucket": bucket}, "config": config}}


@pytest.mark.parametrize(
    ("of", "code", "because"),
    [
        (location("aws", region="eu-central-1"), "aws.eu-central-1", ""),
        (location("velero.io/aws", region="eusc-de-east-1"), "aws-eusc.eusc-de-east-1", ""),
        (location("aws", region="minio", s3Url="http://minio.velero.svc:9000"), "fra", ""),
        (location("aws", region="gra", s3Url="https://s3.gra.io.cloud.ovh.net"), "ovhcloud.gra", ""),
        # a region of AWS means nothing where somebody else answers
        (location("aws", region="eu-central-1", s3Url="https://s3.attacker.net"), None, "nothing says"),
        (location("aws", region="eu-west-1", s3Url="https://s3.eu-central-1.amazonaws.com"), None, "its region says"),
        (location("aws", region="eu-central-1", s3Url="http://10.0.0.9"), None, "is an address"),
        (location("aws"), None, "its region is not stated"),
        (location("aws", region="minio"), None, "`minio` is no known region"),
        (location("gcp", "backups-7"), "gcp.europe-west3", ""),
        (location("gcp", "other"), None, "declare `gs://other` in `spec.hosts`"),
        (location("azure", storageAccountURI="https://a.blob.core.windows.net"), None, "nor where its copies are"),
        ({}, None, "not stated"),
    ],
)
def test_backup_locations(of: dict[str, Any], code: str | None, because: str) -> None:
    """A backup goes where its endpoint is; a region counts only for the cloud whose region it is."""
    told(place_of_backup_location(of, GEOGRAPHY), code, because)


def test_buckets_by_reference() -> None:
    """A bucket that the profile declares by its reference is there."""
    told(place_of_bucket(GEOGRAPHY, reference="gs://backups-1"), "gcp.europe-west3")
    told(place_of_bucket(GEOGRAPHY, reference="s3://backups-1"), None, "`s3://backups-1`")
    told(place_of_bucket(GEOGRAPHY, provider="outscale", region="eu-west-2"), "outscale.eu-west-2")
    told(place_of_bucket(GEOGRAPHY, provider="s3", region="eu-west-2"), "aws.eu-west-2")


GLOBS = st.lists(st.sampled_from("ab*."), max_size=7).map("".join)


@given(GLOBS, st.lists(st.sampled_from("ab."), max_size=7).map("".join))
def test_globs_have_one_special_character(glob: str, text: str) -> None:
    """A star stands for anything and everything else for itself, as a regular expression would have it."""
    expected = re.fullmatch(".*".join(map(re.escape, glob.split("*"))), text) is not None
    assert glob_fits(glob, text) == expected


@given(st.text(max_size=40))
def test_any_text_gets_an_answer(text: str) -> None:
    """Whatever is written where a reference should be, there is an answer, and it is no place by accident."""
    for found in (place_of_host(text, GEOGRAPHY), place_of_registry(text, GEOGRAPHY), place_of_key(text, GEOGRAPHY)):
        assert found.because
        assert found.place is None
