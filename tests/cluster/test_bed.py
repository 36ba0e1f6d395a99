"""The bed is a real control plane: its version, its guards, its scheduler, its audit log."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cluster.bed import layout
from tests.cluster.bed.cluster import Cluster, Json, KubectlFailed, RequestFailed, User, node_affinity
from tests.cluster.bed.control_plane import ControlPlane
from tests.cluster.bed.processes import BedError, Household

pytestmark = pytest.mark.cluster

PLACE = "bailiwick.node-restriction.kubernetes.io/place"
AddNode = Callable[..., Json]


def pod(name: str, *, place: str | None = None) -> Json:
    """A pod, with a required place when one is given."""
    spec: Json = {"containers": [{"name": "main", "image": "registry.example/app:1"}]}
    if place:
        spec["affinity"] = node_affinity(PLACE, [place])
    return {"metadata": {"name": name}, "spec": spec}


def condition(cluster: Cluster, namespace: str, name: str, kind: str) -> Json:
    """One condition of a pod's status; empty while it has none."""
    status = cluster.request("GET", f"/api/v1/namespaces/{namespace}/pods/{name}").ok()["status"]
    return next((c for c in status.get("conditions", ()) if c["type"] == kind), {})


def test_version(local_control_plane: ControlPlane) -> None:
    """The API server is Kubernetes 1.36 and says so, and so does kubectl."""
    assert local_control_plane.request("GET", "/version").ok()["gitVersion"] == "v1.36.3"
    assert "Client Version: v1.36.3" in local_control_plane.kubectl("version").stdout


@pytest.mark.parametrize(
    ("group", "resource"),
    [
        ("admissionregistration.k8s.io/v1", "validatingadmissionpolicies"),
        ("admissionregistration.k8s.io/v1", "mutatingadmissionpolicies"),
        ("resource.k8s.io/v1", "resourceclaims"),
        ("resource.k8s.io/v1", "deviceclasses"),
    ],
)
def test_served(local_control_plane: ControlPlane, group: str, resource: str) -> None:
    """Admission policies and device claims are served as v1."""
    listed = local_control_plane.request("GET", f"/apis/{group}").ok()["resources"]
    assert resource in {r["name"] for r in listed}


def test_policy_in_force(control_plane: Cluster, namespace: str) -> None:
    """A ValidatingAdmissionPolicy refuses what its expression refuses, and a dry run is refused too."""
    name = f"no-{namespace}"
    rules = [{"apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"], "operations": ["CREATE"]}]
    selector = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
    spec = {
        "matchConstraints": {"resourceRules": rules, "namespaceSelector": selector},
        "validations": [{"expression": "object.metadata.name != 'refused'", "message": "not by this name"}],
    }
    base = "/apis/admissionregistration.k8s.io/v1"
    control_plane.request(
        "POST", f"{base}/validatingadmissionpolicies", {"metadata": {"name": name}, "spec": spec}
    ).ok()
    binding = {"metadata": {"name": name}, "spec": {"policyName": name, "validationActions": ["Deny"]}}
    control_plane.request("POST", f"{base}/validatingadmissionpolicybindings", binding).ok()
    try:
        path, dry = f"/api/v1/namespaces/{namespace}/configmaps", {"dryRun": "All"}
        refused = {"metadata": {"name": "refused"}}
        control_plane.wait_for(
            "the policy to be in force",
            lambda: "not by this name" in control_plane.request("POST", path, refused, params=dry).message,
        )
        assert control_plane.request("POST", path, {"metadata": {"name": "welcome"}}).status == 201
        assert control_plane.request("POST", path, refused).status == 422
    finally:
        control_plane.request("DELETE", f"{base}/validatingadmissionpolicybindings/{name}")
        control_plane.request("DELETE", f"{base}/validatingadmissionpolicies/{name}")


def test_node_restriction(local_control_plane: ControlPlane, add_node: AddNode) -> None:
    """A kubelet may set its node's topology label but no label of the node-restriction domain; the admin may."""
    node = f"/api/v1/nodes/{layout.KUBELET_NODE}"
    add_node(layout.KUBELET_NODE, labels={PLACE: "aws.eu-central-1"})

    def label(key: str, value: str, user: User, path: str = node) -> int:
        return local_control_plane.request("PATCH", path, {"metadata": {"labels": {key: value}}}, as_user=user).status

    assert label("topology.kubernetes.io/region", "us-east-1", layout.KUBELET) == 200
    assert label(PLACE, "aws.us-east-1", layout.KUBELET) == 403
    assert label(PLACE, "aws.us-east-1", layout.KUBELET, f"{node}/status") == 403
    assert label(PLACE, "aws.us-east-1", layout.ADMIN) == 200


def test_node_authorizer(local_control_plane: ControlPlane, add_node: AddNode, namespace: str) -> None:
    """A kubelet can change its own node and no other, and reads only the Secrets of its own pods."""
    add_node(layout.KUBELET_NODE)
    add_node("somebody-else")
    labels = {"metadata": {"labels": {"topology.kubernetes.io/zone": "a"}}}
    request = local_control_plane.request
    assert request("PATCH", f"/api/v1/nodes/{layout.KUBELET_NODE}", labels, as_user=layout.KUBELET).status == 200
    assert request("PATCH", "/api/v1/nodes/somebody-else", labels, as_user=layout.KUBELET).status == 403
    request("POST", f"/api/v1/namespaces/{namespace}/secrets", {"metadata": {"name": "s"}}).ok()
    assert request("GET", f"/api/v1/namespaces/{namespace}/secrets/s", as_user=layout.KUBELET).status == 403


def test_scheduling(local_control_plane: ControlPlane, add_node: AddNode, namespace: str) -> None:
    """A pod that requires a place is bound to the one node there and runs; one that no node suits stays pending."""
    add_node("in-frankfurt", labels={PLACE: "aws.eu-central-1"}, provider_id="aws:///eu-central-1a/i-0")
    add_node("in-virginia", labels={PLACE: "aws.us-east-1"}, provider_id="aws:///us-east-1a/i-1")
    pods = f"/api/v1/namespaces/{namespace}/pods"
    local_control_plane.request("POST", pods, pod("stays", place="aws.eu-north-1")).ok()
    local_control_plane.request("POST", pods, pod("goes", place="aws.eu-central-1")).ok()

    def goes() -> Json:
        return local_control_plane.request("GET", f"{pods}/goes").ok()

    local_control_plane.wait_for("the pod to run", lambda: goes()["status"]["phase"] == "Running")
    assert goes()["spec"]["nodeName"] == "in-frankfurt"
    # the scheduler has looked at the other pod and said why, so its waiting is a verdict and not a delay
    local_control_plane.wait_for(
        "the scheduler to give its reason",
        lambda: condition(local_control_plane, namespace, "stays", "PodScheduled").get("reason") == "Unschedulable",
    )
    stays = local_control_plane.request("GET", f"{pods}/stays").ok()
    assert stays["status"]["phase"] == "Pending"
    assert "nodeName" not in stays["spec"]


def test_controllers(local_control_plane: ControlPlane, add_node: AddNode, namespace: str) -> None:
    """A Deployment gets its pods from the controller manager and they run; deleted, they go."""
    add_node("worker", capacity={"nvidia.com/gpu": "8"})
    template = {"metadata": {"labels": {"app": "a"}}, "spec": pod("ignored")["spec"]}
    template["spec"]["containers"][0]["resources"] = {"limits": {"nvidia.com/gpu": "4"}}
    spec = {"replicas": 2, "selector": {"matchLabels": {"app": "a"}}, "template": template}
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    local_control_plane.request("POST", path, {"metadata": {"name": "d"}, "spec": spec}).ok()

    def available() -> bool:
        status = local_control_plane.request("GET", f"{path}/d").ok()["status"]
        return bool(status.get("availableReplicas") == 2)

    local_control_plane.wait_for("both replicas", available)
    local_control_plane.kubectl("delete", "deployment", "d", "-n", namespace)
    pods = f"/api/v1/namespaces/{namespace}/pods"
    local_control_plane.wait_for("the pods to go", lambda: not local_control_plane.request("GET", pods).ok()["items"])


def test_users(control_plane: Cluster, namespace: str) -> None:
    """A tenant may do nothing until a role is bound, then what the role says in that namespace; kubectl agrees."""
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    assert control_plane.request("GET", path, as_user=layout.TENANT).status == 403
    control_plane.grant(layout.TENANT, "edit", namespace)
    control_plane.wait_for(
        "the role to be bound", lambda: control_plane.request("GET", path, as_user=layout.TENANT).status == 200
    )
    assert control_plane.request("GET", path, as_user=layout.OTHER_TENANT).status == 403
    asked = control_plane.kubectl("auth", "whoami", "-o", "jsonpath={.status.userInfo.username}", as_user=layout.TENANT)
    assert asked.stdout == layout.TENANT.name
    stranger = User("a-stranger", ("one", "two"))
    reply = control_plane.request(
        "POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", {}, as_user=stranger
    ).ok()
    assert reply["status"]["userInfo"]["username"] == "a-stranger"
    assert {"one", "two"} <= set(reply["status"]["userInfo"]["groups"])


def test_service_account(control_plane: Cluster, namespace: str) -> None:
    """A service account's kubeconfig speaks for that account alone."""
    config = control_plane.service_account_kubeconfig(namespace, "default")
    who = control_plane.kubectl(
        f"--kubeconfig={config}", "auth", "whoami", "-o", "jsonpath={.status.userInfo.username}"
    )
    assert who.stdout == f"system:serviceaccount:{namespace}:default"


def test_audit_log(local_control_plane: ControlPlane, namespace: str) -> None:
    """A write is in the audit log by the time it is answered, with its body; a read is not."""
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    local_control_plane.request("POST", path, {"metadata": {"name": "seen"}, "data": {"k": "v"}}).ok()
    local_control_plane.request("GET", f"{path}/seen").ok()
    events = [e for e in local_control_plane.audit_events() if e.get("objectRef", {}).get("namespace") == namespace]
    writes = [e for e in events if e["objectRef"]["resource"] == "configmaps" and e["verb"] == "create"]
    seen = [e for e in writes if e["requestObject"]["metadata"].get("name") == "seen"]
    assert [e["user"]["username"] for e in seen] == [layout.ADMIN.name]
    assert seen[0]["requestObject"]["data"] == {"k": "v"}
    assert not [e for e in events if e["verb"] in {"get", "list", "watch"}]


def test_warnings_and_errors(control_plane: Cluster, namespace: str) -> None:
    """The API server's warnings and the words of its refusals reach the test."""
    doubtful = pod("doubtful")
    doubtful["spec"]["nodeSelector"] = {"beta.kubernetes.io/os": "linux"}
    reply = control_plane.request("POST", f"/api/v1/namespaces/{namespace}/pods", doubtful)
    assert reply.status == 201
    assert any("deprecated" in warning for warning in reply.warnings)
    with pytest.raises(RequestFailed, match=r"404: pods .*nothing.* not found"):
        control_plane.request("GET", f"/api/v1/namespaces/{namespace}/pods/nothing").ok()
    with pytest.raises(KubectlFailed, match="nothing"):
        control_plane.kubectl("get", "pod", "nothing", "-n", namespace)


def test_restart(local_control_plane: ControlPlane, add_node: AddNode, namespace: str) -> None:
    """After a restart of the API server objects are still there, new flags hold, and pods are scheduled again.

    Flags that it refuses are an error with its own words, and another restart mends that.
    """
    add_node("steady")
    pods = f"/api/v1/namespaces/{namespace}/pods"
    local_control_plane.request("POST", pods, pod("before")).ok()
    try:
        with pytest.raises(BedError, match=r"kube-apiserver ended with[^$]*unknown flag: --no-such-flag"):
            local_control_plane.restart_apiserver("--no-such-flag")
        local_control_plane.restart_apiserver("--runtime-config=autoscaling/v1=false")
        assert local_control_plane.request("GET", "/apis/autoscaling/v1").status == 404
        assert local_control_plane.request("GET", f"{pods}/before").status == 200
        local_control_plane.request("POST", pods, pod("after")).ok()
        local_control_plane.wait_for(
            "a pod to run",
            lambda: local_control_plane.request("GET", f"{pods}/after").ok()["status"]["phase"] == "Running",
        )
    finally:
        local_control_plane.restart_apiserver()
    assert local_control_plane.request("GET", "/apis/autoscaling/v1").status == 200


def test_dead_server_is_reported(tmp_path: Path) -> None:
    """A server that ends is reported with its last words, and stopping the rest still works."""
    household = Household(tmp_path, remove=tmp_path / "data")
    try:
        household.start("brief", [sys.executable, "-c", "print('no such flag'); raise SystemExit(3)"])
        deadline = time.monotonic() + 20
        with pytest.raises(BedError, match=r"brief ended with status 3[^$]*no such flag"):
            while time.monotonic() < deadline:
                household.check()
                time.sleep(0.02)
    finally:
        household.stop_all()


@pytest.mark.skipif(sys.platform != "linux", reason="looks at processes in /proc")
def test_nothing_outlives_a_killed_parent(tmp_path: Path) -> None:
    """When the tests are killed outright, servers and their children die and the data folder goes."""
    data = tmp_path / "data"
    data.mkdir()
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom tests.cluster.bed.processes import Household\n"
        f"household = Household(Path({str(tmp_path)!r}), remove=Path({str(data)!r}))\n"
        "server = household.start('server', ['sh', '-c', 'sleep 600 & echo $! >child; wait'])\n"
        "print(server.pid, flush=True)\ntime.sleep(600)\n"
    )
    root = Path(__file__).parents[2]
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=root)
    assert parent.stdout
    server = int(parent.stdout.readline())
    child = tmp_path / "child"
    deadline = time.monotonic() + 20
    while not (child.exists() and child.read_text().strip()) and time.monotonic() < deadline:
        time.sleep(0.02)
    grandchild = int(child.read_text())
    assert alive(server)
    assert alive(grandchild)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    while (alive(server) or alive(grandchild) or data.exists()) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not alive(server)
    assert not alive(grandchild)
    assert not data.exists()


def alive(pid: int) -> bool:
    """Is this process there and not a zombie?"""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return status.rsplit(")", 1)[1].split()[0] != "Z"
