"""Who gets into a workload on a real API server: shells, ports, proxies, debug containers, tokens."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.cluster.bed.cluster import Reply, User
from tests.cluster.bed.control_plane import ControlPlane
from tests.cluster.bed.guard import Guard, guarded_cluster, written

pytestmark = pytest.mark.cluster

PLACE = "bailiwick.node-restriction.kubernetes.io/place"
IMAGE = "registry.example/c@sha256:" + "6b3f" * 16
MUNICH = User("ada", ("operators", "ops-eu"))
BOSTON = User("bob", ("operators", "ops-us"))
STRANGER = User("eve", ("operators",))
OFFICE = "example.org/office"
REFUSED = "actor-outside-jurisdiction"
STRATEGIC = "application/strategic-merge-patch+json"


def _site(name: str, country: str) -> dict[str, Any]:
    operator = {"name": "Example", "country": country}
    return {"name": name, "country": country, "operator": operator, "controlledFrom": [country]}


RULES = (
    written("Jurisdiction", "eu", {"locatedIn": {"sets": ["EU"]}}),
    written(
        "Jurisdiction",
        "us",
        {
            "locatedIn": {"countries": ["US"]},
            "transfers": [{"name": "platform", "to": {"countries": ["DE"]}, "what": ["access"], "basis": "contract"}],
        },
    ),
    written(
        "ClusterProfile",
        "cluster",
        {
            "cluster": "bed",
            "providers": [{"name": "aws", "regions": ["eu-central-1", "us-east-1"]}],
            "sites": [_site("munich", "DE"), _site("boston", "US")],
            "actorGroups": [
                {"group": "ops-eu", "place": "munich"},
                {"group": "ops-us", "place": "boston"},
                {"group": "system:masters", "place": "munich"},
            ],
            "actors": [
                {
                    "name": "travellers",
                    "place": "munich",
                    "groups": ["travellers"],
                    "extra": [{"key": OFFICE, "values": ["munich"]}],
                }
            ],
        },
    ),
)
_RBAC = "/apis/rbac.authorization.k8s.io/v1"
BELOW = ("exec", "attach", "portforward", "proxy", "log", "ephemeralcontainers", "resize")
TOKEN = "serviceaccounts/token"
OPERATORS = {
    "metadata": {"name": "bed-operators"},
    "rules": [
        {
            "apiGroups": [""],
            "resources": ["pods", *(f"pods/{name}" for name in BELOW), "services/proxy", "nodes/proxy", TOKEN],
            "verbs": ["*"],
        }
    ],
}
BOUND = {
    "metadata": {"name": "bed-operators"},
    "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "bed-operators"},
    "subjects": [
        {"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "operators"},
        {"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "system:serviceaccounts"},
    ],
}


@dataclass
class Scene:
    """A guarded cluster with a node inside and one outside, and a pod on each."""

    guard: Guard
    plane: ControlPlane
    clinic: str

    def connect(self, path: str, user: User, method: str = "POST", **query: str) -> Reply:
        """A connection below the clinic's namespace, or wherever the path says."""
        whole = path if path.startswith("/") else f"/api/v1/namespaces/{self.clinic}/{path}"
        return self.plane.request(method, whole, as_user=user, params=query)

    def patch(self, path: str, body: dict[str, Any], user: User | None = None, **query: str) -> Reply:
        whole = f"/api/v1/namespaces/{self.clinic}/{path}"
        return self.plane.request("PATCH", whole, body, as_user=user, content_type=STRATEGIC, params=query)

    def records(self, subresource: str) -> list[Any]:
        return [found for found in self.guard.records() if found.get("subresource") == subresource]

    def token(self, pod: str = "", user: User | None = None) -> Reply:
        """A token of the namespace's own service account, bound to a pod where one is named."""
        spec: dict[str, Any] = {"expirationSeconds": 3600}
        if pod:
            uid = self.plane.request("GET", f"/api/v1/namespaces/{self.clinic}/pods/{pod}").ok()["metadata"]["uid"]
            spec["boundObjectRef"] = {"kind": "Pod", "apiVersion": "v1", "name": pod, "uid": uid}
        path = f"/api/v1/namespaces/{self.clinic}/serviceaccounts/default/token"
        return self.plane.request("POST", path, {"spec": spec}, as_user=user)


def pod(name: str, node: str, **container: Any) -> dict[str, Any]:
    """Straight on a node, without the scheduler; with no node it waits for ever, and isn't running yet."""
    where = {"nodeName": node} if node else {"schedulerName": "nobody"}
    spec = {"containers": [{"name": "c", "image": IMAGE, **container}], **where}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


@pytest.fixture(scope="module")
def scene(
    local_control_plane: ControlPlane, webhook_host: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Scene]:
    """The clinic's pods were there before its namespace got a class; so one of them stands abroad, and one shares."""
    plane = local_control_plane
    for name, region in (("access-frankfurt", "eu-central-1"), ("access-virginia", "us-east-1")):
        place = {"topology.kubernetes.io/region": region, "topology.kubernetes.io/zone": f"{region}a"}
        plane.add_node(
            name, labels={**place, PLACE: f"aws.{region}"}, provider_id=f"aws:///{region}a/i-0a1b2c3d4e5f60718"
        )
    clinic = plane.create_namespace()
    pods = f"/api/v1/namespaces/{clinic}/pods"
    gpu = {"resources": {"limits": {"nvidia.com/gpu": "1", "cpu": "1"}, "requests": {"cpu": "1"}}}
    for found in (pod("p", "access-frankfurt"), pod("far", "access-virginia"), pod("gpu", "", **gpu)):
        plane.request("POST", pods, found).ok()
    plane.request("POST", f"{_RBAC}/clusterroles", OPERATORS).ok()
    plane.request("POST", f"{_RBAC}/clusterrolebindings", BOUND).ok()
    labels = {"bailiwick.dev/data-class": "confidential", "bailiwick.dev/jurisdiction": "eu"}
    plane.request("PATCH", f"/api/v1/namespaces/{clinic}", {"metadata": {"labels": labels}}).ok()
    plane.wait_for("the operators' rights", lambda: plane.request("GET", f"{pods}/p", as_user=STRANGER).status == 200)
    try:
        with guarded_cluster(plane, webhook_host, tmp_path_factory.mktemp("state"), RULES) as guard:
            yield Scene(guard, plane, clinic)
    finally:
        for path in (f"{_RBAC}/clusterrolebindings/bed-operators", f"{_RBAC}/clusterroles/bed-operators"):
            plane.request("DELETE", path)
        plane.request("DELETE", f"/api/v1/namespaces/{clinic}")
        for name in ("access-frankfurt", "access-virginia"):
            plane.request("DELETE", f"/api/v1/nodes/{name}")


CONNECTIONS: dict[str, tuple[str, dict[str, str]]] = {
    "exec": ("pods/p/exec", {"command": "id", "container": "c", "stdout": "true"}),
    "attach": ("pods/p/attach", {"container": "c", "stdout": "true"}),
    "portforward": ("pods/p/portforward", {"ports": "8000"}),
    "pod proxy": ("pods/http:p:8000/proxy/v1/models", {}),
    "service proxy": ("services/http:chat:8000/proxy/v1/models", {}),
}


@pytest.mark.parametrize("method", ["POST", "GET"])
@pytest.mark.parametrize("name", CONNECTIONS)
def test_connections_from_outside_are_refused(scene: Scene, name: str, method: str) -> None:
    """403 with our reason, for somebody abroad and for somebody of whom nobody knows; whatever the HTTP method."""
    path, query = CONNECTIONS[name]
    for user, why in ((BOSTON, "located in US"), (STRANGER, "doesn't declare where `eve` acts from")):
        reply = scene.connect(path, user, method, **query)
        assert (reply.status, REFUSED in reply.message, why in reply.message) == (403, True, True), reply


@pytest.mark.parametrize("name", CONNECTIONS)
def test_connections_from_inside_go_on_to_the_kubelet(scene: Scene, name: str) -> None:
    """We allow it and say so in the log; what then fails is the way to a kubelet or a service that isn't there."""
    path, query = CONNECTIONS[name]
    before = len(scene.guard.records())
    reply = scene.connect(path, MUNICH, "GET" if "proxy" in name else "POST", **query)
    assert reply.status >= 400
    assert "admission webhook" not in reply.message, reply
    fresh = [found for found in scene.guard.records()[before:] if found.get("operation") == "CONNECT"]
    assert [(found["verdict"], found["actor_places"]) for found in fresh] == [("allowed", ["munich"])]


def test_kubectl_is_told_why(scene: Scene) -> None:
    """`kubectl exec` shows the reason and what to do."""
    done = scene.plane.kubectl("-n", scene.clinic, "exec", "p", "-c", "c", "--", "id", as_user=BOSTON, check=False)
    assert done.returncode != 0
    assert REFUSED in done.stderr, done.stderr
    assert "to do:" in done.stderr


def test_what_an_authenticator_adds_places_somebody(scene: Scene) -> None:
    """A member of the group is inside only when logged in from the office."""
    path, query = CONNECTIONS["exec"]
    groups = ("operators", "travellers")
    home = scene.connect(path, User("dora", groups, ((OFFICE, "munich"),)), **query)
    away = scene.connect(path, User("dora", groups, ((OFFICE, "boston"),)), **query)
    assert (home.status == 403, away.status, REFUSED in away.message) == (False, 403, True)


def test_service_accounts_act_from_the_node_of_their_pod(scene: Scene) -> None:
    """The API server writes the node into the token of a pod; without a pod, a token works from anywhere."""
    path, query = CONNECTIONS["exec"]
    came = {}
    for name in ("p", "far", ""):
        token = scene.token(name).ok()["status"]["token"]
        came[name] = scene.connect(path, User("default", token=token), **query)
    assert came["p"].status != 403, came["p"]
    assert (came["far"].status, "located in US" in came["far"].message) == (403, True)
    assert (came[""].status, "is bound to no pod" in came[""].message) == (403, True)


def test_tokens_are_minted_inside(scene: Scene) -> None:
    """Nobody abroad gets a token that says that its pod stands inside; a kubelet isn't even asked about."""
    refused = scene.token("p", BOSTON)
    assert (refused.status, "the token would open `eu`" in refused.message) == (403, True)
    scene.token("", BOSTON).ok()  # bound to nothing, it acts from nowhere known
    before = len(scene.records("token"))
    scene.token("p", User("system:node:access-frankfurt", ("system:nodes",))).ok()
    assert len(scene.records("token")) == before


@pytest.mark.parametrize("named", ["access-frankfurt", "https:access-frankfurt:10250"])
def test_a_node_is_reached_by_those_who_may_meet_what_runs_there(scene: Scene, named: str) -> None:
    """The kubelet's proxy on a node inside is for people inside; on one abroad, for people there and by transfer."""
    path = f"/api/v1/nodes/{named}/proxy/pods"
    reply = scene.connect(path, BOSTON, "GET")
    assert (reply.status, REFUSED in reply.message, "workloads of `eu`" in reply.message) == (403, True, True)
    assert REFUSED not in scene.connect(path, MUNICH, "GET").message
    abroad = path.replace("frankfurt", "virginia")
    assert REFUSED not in scene.connect(abroad, BOSTON, "GET").message
    assert REFUSED not in scene.connect(abroad, MUNICH, "GET").message
    assert "workloads of `us`" in scene.connect(abroad, STRANGER, "GET").message


def test_the_clusters_own_machinery_is_judged_too(scene: Scene) -> None:
    """A shell in kube-system reaches every node: it is for people inside every jurisdiction; pods there stay free."""
    path = "/api/v1/namespaces/kube-system/pods"
    scene.plane.request("POST", path, pod("access-agent", "access-frankfurt")).ok()
    _, query = CONNECTIONS["exec"]
    try:
        reply = scene.connect(f"{path}/access-agent/exec", BOSTON, **query)
        assert (reply.status, REFUSED in reply.message) == (403, True)
        assert REFUSED not in scene.connect(f"{path}/access-agent/exec", MUNICH, **query).message
    finally:
        scene.plane.request("DELETE", f"{path}/access-agent", params={"gracePeriodSeconds": "0"})


def test_reads_never_reach_us(scene: Scene) -> None:
    """Whoever may read logs and pods does, wherever they act from: the limit that the guarantees name."""
    before = len(scene.guard.records())
    assert scene.connect("pods/p", BOSTON, "GET").status == 200
    assert REFUSED not in scene.connect("pods/p/log", BOSTON, "GET").message
    assert len(scene.guard.records()) == before


def _debugger(name: str, **more: str) -> dict[str, Any]:
    return {"spec": {"ephemeralContainers": [{"name": name, "image": IMAGE, **more}]}}


def test_debug_containers(scene: Scene) -> None:
    """Added from inside, refused from outside; and nobody's debug container sees into the one with the GPU."""
    outside = scene.patch("pods/p/ephemeralcontainers", _debugger("outside"), BOSTON)
    assert (outside.status, REFUSED in outside.message) == (403, True)
    scene.patch("pods/p/ephemeralcontainers", _debugger("inside", targetContainerName="c"), MUNICH).ok()
    seeing = scene.patch("pods/gpu/ephemeralcontainers", _debugger("seeing", targetContainerName="c"), MUNICH)
    assert (seeing.status, "debug-sees-device" in seeing.message) == (403, True)


def _resources(cpu: str) -> dict[str, Any]:
    return {"spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": cpu}, "limits": {"cpu": cpu}}}]}}


def test_resizes(scene: Scene) -> None:
    """A pod that fits its class grows; one whose GPU may be shared, admitted under a laxer class, doesn't."""
    refused = scene.patch("pods/gpu/resize", _resources("2"))
    assert (refused.status, "isolation-too-weak" in refused.message) == (403, True), refused
    plain = pod("growing", "", resources={"requests": {"cpu": "1"}, "limits": {"cpu": "1"}})
    scene.guard.create(scene.clinic, plain).ok()
    grown = scene.patch("pods/growing/resize", _resources("2")).ok()
    assert grown["spec"]["containers"][0]["resources"]["requests"]["cpu"] == "2"


def _noted(**annotations: str) -> dict[str, Any]:
    return {"metadata": {"annotations": annotations}}


def test_what_travels_through_a_status(scene: Scene) -> None:
    """A fraction of a GPU, asked for by an annotation in a status update, is refused; a harmless one is stored."""
    refused = scene.patch("pods/p/status", _noted(**{"gpu-fraction": "0.5"}))
    assert (refused.status, "isolation-too-weak" in refused.message) == (403, True)
    stored = scene.patch("pods/p/status", _noted(owner="a")).ok()
    assert stored["metadata"]["annotations"]["owner"] == "a"
    main = scene.patch("pods/p", _noted(**{"gpu-fraction": "0.5"}))
    assert (main.status, "isolation-too-weak" in main.message) == (403, True)


def test_what_travels_through_the_status_of_an_ingress(scene: Scene) -> None:
    """Where it mirrors requests to, by an annotation, is refused; what its controller reports isn't even sent."""
    path = f"/apis/networking.k8s.io/v1/namespaces/{scene.clinic}/ingresses"
    backend = {"service": {"name": "x", "port": {"number": 80}}}
    scene.plane.request("POST", path, {"metadata": {"name": "i"}, "spec": {"defaultBackend": backend}}).ok()
    mirror = _noted(**{"nginx.ingress.kubernetes.io/mirror-target": "https://mirror.example.com/"})
    refused = scene.plane.request("PATCH", f"{path}/i/status", mirror)
    assert (refused.status, "data-outside-jurisdiction" in refused.message) == (403, True)
    before = len(scene.records("status"))
    reported = {"status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.7"}]}}}
    scene.plane.request("PATCH", f"{path}/i/status", reported).ok()
    assert len(scene.records("status")) == before


def test_custom_resources_keep_their_labels_through_a_status(scene: Scene) -> None:
    """So nothing that is judged travels through theirs: allowed on purpose."""
    path = "/apis/bailiwick.dev/v1alpha1/jurisdictions/eu/status"
    body = {"metadata": {"labels": {"a": "b"}, "annotations": {"a": "b"}}, "status": {"seen": True}}
    kept = scene.plane.request("PATCH", path, body).ok()["metadata"]
    assert ("labels" in kept, "annotations" in kept) == (False, False)


def test_a_status_alone_is_not_sent(scene: Scene) -> None:
    """What kubelets and controllers report never waits for us, and leaves no record."""
    before = len(scene.records("status"))
    condition = {"type": "example.org/seen", "status": "True"}
    scene.patch("pods/p/status", {"status": {"conditions": [condition]}}).ok()
    assert len(scene.records("status")) == before


def test_without_us_workloads_are_closed_and_the_machinery_is_open(scene: Scene) -> None:
    """Killed, nobody gets into the clinic; what mends the cluster goes on: kube-system, statuses, kubelets' tokens."""
    path, query = CONNECTIONS["exec"]
    os.kill(scene.guard.process.pid, signal.SIGKILL)
    reply = scene.connect(path, MUNICH, **query)
    assert (reply.status, "failed calling webhook" in reply.message) == (500, True)
    attempts: list[Callable[[], Reply]] = [
        lambda: scene.patch("pods/p/status", {"status": {"message": "still here"}}),
        lambda: scene.token("p", User("system:node:access-frankfurt", ("system:nodes",))),
    ]
    assert [attempt().status for attempt in attempts] == [200, 201]
    machinery = scene.connect("/api/v1/namespaces/kube-system/pods/nobody/exec", MUNICH, **query)
    assert "webhook" not in machinery.message
