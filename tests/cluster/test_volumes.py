"""Volumes on a real API server: what binds, clones and offers them goes through requests that we see."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from tests.cluster.bed.cluster import Json, Reply
from tests.cluster.bed.control_plane import ControlPlane
from tests.cluster.bed.guard import Guard, guarded_cluster, written

pytestmark = pytest.mark.cluster

RULES = (
    written("Jurisdiction", "eu", {"locatedIn": {"sets": ["EU"]}}),
    written("DataClass", "resident", {"rank": 150, "requires": {"residency": True}}),
    written(
        "ClusterProfile",
        "bed",
        {"cluster": "bed", "providers": [{"name": "aws", "regions": ["eu-central-1", "us-east-1"]}]},
    ),
)
VOLUMES = "/api/v1/persistentvolumes"


@pytest.fixture(scope="module")
def guard(
    local_control_plane: ControlPlane, webhook_host: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Guard]:
    state = tmp_path_factory.mktemp("state")
    with guarded_cluster(local_control_plane, webhook_host, state, RULES) as guard:
        yield guard


@pytest.fixture
def clinic(guard: Guard) -> Iterator[str]:
    labels = {"bailiwick.dev/data-class": "resident", "bailiwick.dev/jurisdiction": "eu"}
    name = guard.cluster.create_namespace(labels=labels)
    yield name
    guard.cluster.request("DELETE", f"/api/v1/namespaces/{name}")


def volume(guard: Guard, name: str, region: str, size: str, claimed_by: str = "") -> Reply:
    """A disk of that region, offered under a class that makes none."""
    terms = [
        {"matchExpressions": [{"key": "topology.ebs.csi.aws.com/zone", "operator": "In", "values": [f"{region}a"]}]}
    ]
    spec: dict[str, Any] = {
        "capacity": {"storage": size},
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": "by-hand",
        "csi": {"driver": "ebs.csi.aws.com", "volumeHandle": f"vol-{name}"},
        "nodeAffinity": {"required": {"nodeSelectorTerms": terms}},
    }
    if claimed_by:
        spec["claimRef"] = {"namespace": claimed_by, "name": "data"}
    return guard.cluster.request("POST", VOLUMES, {"metadata": {"name": name}, "spec": spec})


def claim(guard: Guard, namespace: str, **spec: Any) -> Reply:
    wanted = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, **spec}
    path = f"/api/v1/namespaces/{namespace}/persistentvolumeclaims"
    return guard.cluster.request("POST", path, {"metadata": {"name": "data"}, "spec": wanted})


def bound_to(guard: Guard, namespace: str) -> str:
    found = guard.cluster.request("GET", f"/api/v1/namespaces/{namespace}/persistentvolumeclaims/data").ok()
    return str(found["spec"].get("volumeName", "")) if found["status"].get("phase") == "Bound" else ""


def test_a_volume_abroad_is_offered_and_never_bound(guard: Guard, clinic: str) -> None:
    """The binder's own update of a volume is judged by the claim's namespace; a volume at home is bound at once."""
    volume(guard, f"{clinic}-abroad", "us-east-1", "2Gi").ok()
    claim(guard, clinic, storageClassName="by-hand").ok()
    guard.cluster.wait_for("the refusal", partial(_refused, guard))
    assert bound_to(guard, clinic) == ""
    assert "claimRef" not in guard.cluster.request("GET", f"{VOLUMES}/{clinic}-abroad").ok()["spec"]
    volume(guard, f"{clinic}-home", "eu-central-1", "1Gi").ok()
    guard.cluster.wait_for("the volume at home", lambda: bound_to(guard, clinic) == f"{clinic}-home", seconds=60)
    for name in ("abroad", "home"):
        guard.cluster.request("DELETE", f"{VOLUMES}/{clinic}-{name}")


def _refused(guard: Guard) -> bool:
    """Whether the binding of a volume was denied to anybody."""
    found = [one for one in guard.records() if one.get("gvk") == "/v1/PersistentVolume"]
    return any(one["operation"] == "UPDATE" and one["verdict"] == "denied" for one in found)


def test_who_makes_a_volume_for_a_namespace(guard: Guard, clinic: str) -> None:
    """A volume that names its claim is refused abroad; one in a region that the cluster doesn't have, for anybody."""
    for region, claimed_by, code in (
        ("us-east-1", clinic, "volume-outside-jurisdiction"),
        ("us-west-2", "", "volume-outside-cluster"),
    ):
        reply = volume(guard, f"{clinic}-{region}", region, "1Gi", claimed_by)
        assert (reply.status, code in reply.message) == (403, True), reply.message


def test_classes_and_endpoints(guard: Guard, clinic: str) -> None:
    """An offer elsewhere and an address by hand are refused; what a controller makes of a Service isn't sent to us."""
    storage: Json = {
        "metadata": {"name": f"{clinic}-elsewhere"},
        "provisioner": "ebs.csi.aws.com",
        "allowedTopologies": [
            {"matchLabelExpressions": [{"key": "topology.ebs.csi.aws.com/zone", "values": ["us-west-2a"]}]}
        ],
    }
    refused = guard.cluster.request("POST", "/apis/storage.k8s.io/v1/storageclasses", storage)
    assert (refused.status, "volume-outside-cluster" in refused.message) == (403, True)
    by_hand: Json = {
        "metadata": {"name": "by-hand", "labels": {"kubernetes.io/service-name": "s"}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["203.0.113.7"]}],
        "ports": [{"port": 443}],
    }
    slices = f"/apis/discovery.k8s.io/v1/namespaces/{clinic}/endpointslices"
    refused = guard.cluster.request("POST", slices, by_hand)
    assert (refused.status, "data-outside-jurisdiction" in refused.message) == (403, True)
    service: Json = {"metadata": {"name": "s"}, "spec": {"selector": {"a": "b"}, "ports": [{"port": 80}]}}
    guard.cluster.request("POST", f"/api/v1/namespaces/{clinic}/services", service).ok()
    guard.cluster.wait_for("the slice of the service", lambda: bool(guard.cluster.request("GET", slices).ok()["items"]))
