"""Bindings are judged by the node really chosen: the scheduler's, those of others, and through both resources.

The webhook labels the nodes itself here (`serve --label-nodes`), so places are what it believes at that moment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pytest

from tests.cluster.bed import layout
from tests.cluster.bed.cluster import Json, Reply
from tests.cluster.bed.control_plane import ControlPlane
from tests.cluster.bed.guard import GROUP, Guard, guarded_cluster, written

pytestmark = pytest.mark.cluster

PLACE = "bailiwick.node-restriction.kubernetes.io/place"
REGION, ZONE = "topology.kubernetes.io/region", "topology.kubernetes.io/zone"
IMAGE = "registry.example/c@sha256:" + "6b3f" * 16
RULES = (
    written("Jurisdiction", "eu", {"locatedIn": {"sets": ["EU"]}}),
    written("Jurisdiction", "atlantic", {"locatedIn": {"sets": ["EU"], "countries": ["US"]}}),
    written(
        "ClusterProfile",
        "bed",
        {"cluster": "bed", "providers": [{"name": "aws", "regions": ["eu-central-1", "us-east-1"]}]},
    ),
)
LEASE = "/apis/coordination.k8s.io/v1/namespaces/default/leases/bindings"
BEFORE = "there-before"  # a node with a label that is right, from before the webhook ran
LABELLING = ("--label-nodes", "--label-lease", "default/bindings", "--label-lease-seconds", "4")
AddNode = Callable[..., Json]


@pytest.fixture(scope="module")
def guard(
    local_control_plane: ControlPlane, webhook_host: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Guard]:
    """Two jurisdictions, a profile, and the webhook that labels nodes as well."""
    state = tmp_path_factory.mktemp("state")
    local_control_plane.add_node(BEFORE, **machine("eu-central-1", **{PLACE: "aws.eu-central-1"}))
    with guarded_cluster(local_control_plane, webhook_host, state, RULES, LABELLING) as guard:
        yield guard
        assert guard.process.stop() == 0
    assert not local_control_plane.request("GET", LEASE).ok()["spec"].get("holderIdentity")
    local_control_plane.remove_node(BEFORE)


def bindings(guard: Guard, namespace: str) -> list[Any]:
    """The records of a namespace's bindings so far, validated ones: the older resource comes to the other door, too."""
    found = [one for one in guard.records() if one.get("gvk") == "/v1/Binding" and one["namespace"] == namespace]
    return [one for one in found if one["phase"] == "validate-fail"]


def place(guard: Guard, node: str) -> str | None:
    labels: dict[str, str] = guard.cluster.request("GET", f"/api/v1/nodes/{node}").ok()["metadata"].get("labels", {})
    return labels.get(PLACE)


@pytest.fixture
def clinic(guard: Guard) -> Iterator[str]:
    """A namespace under both laws, to be tightened."""
    labels = {"bailiwick.dev/data-class": "confidential", "bailiwick.dev/jurisdiction": "atlantic"}
    name = guard.cluster.create_namespace(labels=labels)
    yield name
    guard.cluster.request("DELETE", f"/api/v1/namespaces/{name}")


MACHINES = count(0x10000000000000000)


def machine(region: str, **labels: str) -> dict[str, Any]:
    """A node as its provider describes it, each time another one."""
    return {
        "labels": {REGION: region, ZONE: f"{region}a", **labels},
        "provider_id": f"aws:///{region}a/i-{next(MACHINES):x}",
    }


def create(guard: Guard, namespace: str, name: str, **spec: Any) -> Reply:
    found = {"metadata": {"name": name}, "spec": {"containers": [{"name": "c", "image": IMAGE}], **spec}}
    return guard.cluster.request("POST", f"/api/v1/namespaces/{namespace}/pods", found)


def bind(guard: Guard, namespace: str, name: str, node: str, *, legacy: bool, **metadata: Json) -> Reply:
    """By the pod's subresource, or by the resource that was there before it."""
    binding = {"metadata": {"name": name, **metadata}, "target": {"apiVersion": "v1", "kind": "Node", "name": node}}
    root = f"/api/v1/namespaces/{namespace}"
    return guard.cluster.request("POST", f"{root}/bindings" if legacy else f"{root}/pods/{name}/binding", binding)


def node_of(guard: Guard, namespace: str, name: str) -> str | None:
    spec = guard.cluster.request("GET", f"/api/v1/namespaces/{namespace}/pods/{name}").ok()["spec"]
    found: str | None = spec.get("nodeName")
    return found


def tighten(guard: Guard, namespace: str) -> None:
    """The namespace comes under the law of the EU alone; the webhook has heard of it."""
    change = {"metadata": {"labels": {"bailiwick.dev/jurisdiction": "eu"}}}
    guard.cluster.request("PATCH", f"/api/v1/namespaces/{namespace}", change).ok()

    def heard() -> bool:
        probe = {"metadata": {"name": "probe"}, "spec": {"containers": [{"name": "c", "image": IMAGE}]}}
        path = f"/api/v1/namespaces/{namespace}/pods"
        made = guard.cluster.request("POST", path, probe, params={"dryRun": "All"}).ok()
        return "us-east-1" not in str(made["spec"]["affinity"])

    guard.cluster.wait_for("the tighter law", heard)


def test_the_webhook_labels_nodes(guard: Guard, add_node: AddNode) -> None:
    """`serve --label-nodes` by itself: a node gets its place, and the count stands in the metrics."""
    add_node("unlabelled", **machine("eu-central-1"))
    guard.cluster.wait_for("the label", lambda: place(guard, "unlabelled") == "aws.eu-central-1")
    text = guard.process.ready().get("/metrics")[1]
    assert b"bailiwick_node_labels_leading 1.0" in text
    assert b'bailiwick_node_labels_total{change="written"}' in text


def test_the_webhook_labels_by_the_profile_in_force(guard: Guard, add_node: AddNode) -> None:
    """What was right before it started was not touched: it waited for the rules. A newer profile counts at once."""
    fields = guard.cluster.request("GET", f"/api/v1/nodes/{BEFORE}").ok()["metadata"]["managedFields"]
    assert place(guard, BEFORE) == "aws.eu-central-1"
    assert "bailiwick-labeller" not in {entry["manager"] for entry in fields}
    add_node("ohio", **machine("us-east-2"))
    add_node("sign", **machine("us-east-1"))
    guard.cluster.wait_for("a label", lambda: place(guard, "sign") == "aws.us-east-1")
    assert place(guard, "ohio") is None
    path, declared = f"{GROUP}/clusterprofiles/bed", ["eu-central-1", "us-east-1"]

    def use(*regions: str) -> None:
        spec = {"providers": [{"name": "aws", "regions": list(regions)}]}
        guard.cluster.request("PATCH", path, {"spec": spec}).ok()

    try:
        use(*declared, "us-east-2")
        guard.cluster.wait_for("the label", lambda: place(guard, "ohio") == "aws.us-east-2")
    finally:
        use(*declared)
    guard.cluster.wait_for("the label to go", lambda: place(guard, "ohio") is None)


def test_the_schedulers_binding_is_judged(guard: Guard, clinic: str, add_node: AddNode) -> None:
    """A pod that was admitted under a wider law: its node comes, the scheduler binds it, is refused, and says why."""
    create(guard, clinic, "waiting", nodeSelector={"bed/only": clinic}).ok()
    tighten(guard, clinic)
    add_node("late-virginia", **machine("us-east-1", **{"bed/only": clinic}))

    def refusals() -> list[str]:
        events = guard.cluster.request("GET", f"/api/v1/namespaces/{clinic}/events").ok()["items"]
        return [event["message"] for event in events if "node-outside-jurisdiction" in event.get("message", "")]

    guard.cluster.wait_for("the scheduler to be refused", lambda: refusals() != [])
    assert "late-virginia" in refusals()[0]
    assert node_of(guard, clinic, "waiting") is None
    denied = bindings(guard, clinic)
    assert {(one["verdict"], one["subresource"], one["reasons"][0]["code"]) for one in denied} == {
        ("denied", "binding", "node-outside-jurisdiction")
    }


@pytest.mark.parametrize("legacy", [False, True], ids=["pods/binding", "bindings"])
def test_whoever_binds_past_the_scheduler_is_judged(guard: Guard, clinic: str, add_node: AddNode, legacy: bool) -> None:
    """By either resource: refused for a node outside and for one that nobody can place, let through for one inside."""
    tighten(guard, clinic)
    add_node("oregon", **machine("us-east-1"))
    add_node("berlin", **machine("eu-central-1"))
    add_node("nowhere")
    create(guard, clinic, "bound", schedulerName="nobody").ok()
    for node, says in (("oregon", "`aws.us-east-1` is located in US"), ("nowhere", "node `nowhere`")):
        reply = bind(guard, clinic, "bound", node, legacy=legacy)
        assert (reply.status, "node-outside-jurisdiction" in reply.message, says in reply.message) == (403, True, True)
        assert node_of(guard, clinic, "bound") is None
    assert bind(guard, clinic, "bound", "no-such-node", legacy=legacy).status == 403
    assert bind(guard, clinic, "bound", "berlin", legacy=legacy).status == 201
    assert node_of(guard, clinic, "bound") == "berlin"
    records = bindings(guard, clinic)
    assert [one["verdict"] for one in records] == ["denied", "denied", "denied", "allowed"]
    assert {one.get("subresource", "") for one in records} == {"" if legacy else "binding"}


@pytest.mark.parametrize("legacy", [False, True], ids=["pods/binding", "bindings"])
def test_a_binding_puts_nothing_on_the_pod(guard: Guard, clinic: str, add_node: AddNode, legacy: bool) -> None:
    """Annotations and labels, which the API server copies past its admission, are refused; a bare one passes."""
    add_node("plain", **machine("eu-central-1"))
    guard.cluster.wait_for("the label", lambda: place(guard, "plain") == "aws.eu-central-1")
    create(guard, clinic, "bound", schedulerName="nobody").ok()
    for more in ({"annotations": {"gpu-fraction": "0.5"}}, {"labels": {"kueue.x-k8s.io/multikueue-origin": "us"}}):
        reply = bind(guard, clinic, "bound", "plain", legacy=legacy, **more)
        assert (reply.status, "pod-changed-by-binding" in reply.message) == (403, True)
    assert bind(guard, clinic, "bound", "plain", legacy=legacy).status == 201


@pytest.mark.parametrize("legacy", [False, True], ids=["pods/binding", "bindings"])
def test_a_node_whose_place_was_taken_back_is_bound_to_no_more(
    guard: Guard, clinic: str, add_node: AddNode, legacy: bool
) -> None:
    """Its kubelet claims another region: the label goes, and with it every binding, until the claim is true again."""
    tighten(guard, clinic)
    add_node(layout.KUBELET_NODE, **machine("eu-central-1"))
    guard.cluster.wait_for("the label", lambda: place(guard, layout.KUBELET_NODE) == "aws.eu-central-1")
    create(guard, clinic, "bound", schedulerName="nobody").ok()

    def claim(region: str) -> None:
        change = {"metadata": {"labels": {REGION: region}}}
        guard.cluster.request("PATCH", f"/api/v1/nodes/{layout.KUBELET_NODE}", change, as_user=layout.KUBELET).ok()

    claim("us-east-1")
    guard.cluster.wait_for("the label to go", lambda: place(guard, layout.KUBELET_NODE) is None)
    reply = bind(guard, clinic, "bound", layout.KUBELET_NODE, legacy=legacy)
    assert (reply.status, "node-outside-jurisdiction" in reply.message) == (403, True)
    claim("eu-central-1")
    guard.cluster.wait_for("the label to come", lambda: place(guard, layout.KUBELET_NODE) == "aws.eu-central-1")
    assert bind(guard, clinic, "bound", layout.KUBELET_NODE, legacy=legacy).status == 201
