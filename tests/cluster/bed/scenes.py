"""What is done to an API server so that it sends each kind of AdmissionReview once.

A scene is one action and a description of the one review it is about; an action may cause others. Actors are a tenant
wherever a tenant would act, and the real controllers where they do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.cluster.bed import layout, manifests
from tests.cluster.bed.cluster import Json
from tests.cluster.bed.control_plane import ControlPlane
from tests.cluster.bed.manifests import PASSING, SERVICES, SPACE

SELECTED: Json = {"key": "kubernetes.io/metadata.name", "operator": "In", "values": [SPACE, PASSING]}
# cluster-scoped objects pass any namespace selector: of those only the namespaces above and the kubelet's node
ONLY_OURS: Json = {
    "name": "only-ours",
    "expression": "has(request.namespace) && request.namespace != '' || request.resource.resource == 'namespaces'"
    f" || request.resource.resource == 'nodes' && request.name == '{layout.KUBELET_NODE}'",
}
PODS = f"/api/v1/namespaces/{SPACE}/pods"
DEPLOYMENTS = f"/apis/apps/v1/namespaces/{SPACE}/deployments"
APPLY = "application/apply-patch+yaml"
STRATEGIC = "application/strategic-merge-patch+json"


@dataclass(frozen=True, slots=True)
class Scene:
    """One action, and which of the reviews it causes is wanted."""

    name: str
    operation: str
    resource: str  # with group and subresource: `apps/deployments/scale`
    shows: str
    play: Callable[[ControlPlane], object]
    path: str = "/validate"
    by: str = ""  # the beginning of the user's name, when it matters
    name_of_object: str | None = None  # when others of its kind are about

    def is_about(self, path: str, request: Json) -> bool:
        """Is this the review that the scene is about?"""
        return (
            path.split("?", maxsplit=1)[0] == self.path
            and request["operation"] == self.operation
            and full_resource(request) == self.resource
            and str(request["userInfo"]["username"]).startswith(self.by)
            and self.name_of_object in {None, request.get("name")}
        )


def full_resource(request: Json) -> str:
    """A review's resource with its group and subresource."""
    parts = (request["resource"]["group"], request["resource"]["resource"], request.get("subResource", ""))
    return "/".join(part for part in parts if part)


@contextmanager
def stage(plane: ControlPlane) -> Iterator[None]:
    """What all scenes need: a namespace, a tenant with rights in it, a node, a custom resource. Removed after."""
    made: list[str] = []

    def make(path: str, body: Json) -> None:
        plane.request("POST", path, body).ok()
        made.append(f"{path}/{body['metadata']['name']}")

    try:
        plane.create_namespace(SPACE, labels=manifests.RESTRICTED)
        made.append(f"/api/v1/namespaces/{SPACE}")
        make("/apis/rbac.authorization.k8s.io/v1/clusterroles", manifests.TENANTS_ROLE)
        make("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", manifests.service_definition())
        made.append(f"/api/v1/nodes/{layout.KUBELET_NODE}")
        plane.add_node(layout.KUBELET_NODE, **manifests.GPU_NODE)
        for role in ("admin", manifests.TENANTS_ROLE["metadata"]["name"]):
            plane.grant(layout.TENANT, role, SPACE)
        path = f"/apis/{SERVICES}/v1/namespaces/{SPACE}/inferenceservices"
        plane.wait_for("the custom resource to be served", lambda: plane.request("GET", path).status == 200)
        plane.wait_for("the tenant's rights", lambda: plane.request("GET", path, as_user=layout.TENANT).status == 200)
        yield
    finally:
        for path in made:
            plane.request("DELETE", path)


def _post(path: str, body: Json, **parameters: str) -> Callable[[ControlPlane], object]:
    return lambda plane: plane.request("POST", path, body, as_user=layout.TENANT, params=parameters).ok()


def _patch(path: str, body: Json, kind: str | None = None, **parameters: str) -> Callable[[ControlPlane], object]:
    return lambda plane: plane.request(
        "PATCH", path, body, as_user=layout.TENANT, params=parameters, content_type=kind
    ).ok()


def _delete(path: str, **parameters: str) -> Callable[[ControlPlane], object]:
    return lambda plane: plane.request("DELETE", path, as_user=layout.TENANT, params=parameters).ok()


def _connect(path: str, **parameters: str) -> Callable[[ControlPlane], object]:
    """Admission is asked before the kubelet is called; there is none, so the answer is an error in any case."""
    return lambda plane: plane.request("POST", path, as_user=layout.TENANT, params=parameters)


def _running(plane: ControlPlane) -> None:
    plane.request("POST", PODS, manifests.pod("bound"), as_user=layout.TENANT).ok()
    plane.wait_for("the pod to run", lambda: plane.request("GET", f"{PODS}/bound").ok()["status"]["phase"] == "Running")


def _with_service_account(plane: ControlPlane) -> None:
    plane.request("POST", f"/api/v1/namespaces/{SPACE}/serviceaccounts", {"metadata": {"name": "pipeline"}}).ok()
    subject = {"kind": "ServiceAccount", "name": "pipeline", "namespace": SPACE}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "edit"}
    binding = {"metadata": {"name": "pipeline"}, "roleRef": role, "subjects": [subject]}
    plane.request("POST", f"/apis/rbac.authorization.k8s.io/v1/namespaces/{SPACE}/rolebindings", binding).ok()
    config = plane.service_account_kubeconfig(SPACE, "pipeline")
    text = '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"by-pipeline"},"data":{"k":"v"}}'
    flags = (f"--kubeconfig={config}", "-n", SPACE)
    plane.wait_for(
        "the service account's rights",
        lambda: plane.kubectl(*flags, "auth", "can-i", "create", "configmaps", check=False).returncode == 0,
    )
    plane.kubectl(*flags, "create", "-f", "-", stdin=text)


def _namespace(method: str, body: Json | None, suffix: str = "") -> Callable[[ControlPlane], object]:
    path = "/api/v1/namespaces" if method == "POST" else f"/api/v1/namespaces/{PASSING}{suffix}"
    return lambda plane: plane.request(method, path, body).ok()


def _kubelet(body: Json, suffix: str = "") -> Callable[[ControlPlane], object]:
    path = f"/api/v1/nodes/{layout.KUBELET_NODE}{suffix}"
    return lambda plane: plane.request("PATCH", path, body, as_user=layout.KUBELET, content_type=STRATEGIC).ok()


SCENES = (
    Scene("pod-create", "CREATE", "pods", "a GPU pod, as defaulted by the API server", _post(PODS, manifests.pod())),
    Scene(
        "pod-create-mutate",
        "CREATE",
        "pods",
        "the same kind of pod before validation: what a mutating webhook gets",
        _post(PODS, manifests.pod("second")),
        path="/mutate",
    ),
    Scene(
        "pod-create-dry-run",
        "CREATE",
        "pods",
        "`dryRun` is true: nothing may be recorded",
        _post(PODS, manifests.pod("dry"), dryRun="All"),
    ),
    Scene(
        "pod-create-generate-name", "CREATE", "pods", "a name made by the API server", _post(PODS, manifests.UNNAMED)
    ),
    Scene(
        "pod-create-generate-name-mutate",
        "CREATE",
        "pods",
        "a generated name, as a mutating webhook gets it",
        _post(PODS, manifests.UNNAMED),
        path="/mutate",
    ),
    Scene(
        "pod-binding",
        "CREATE",
        "pods/binding",
        "the real scheduler binds a pod to a node",
        _running,
        by="system:kube-scheduler",
        name_of_object="bound",
    ),
    Scene(
        "pod-update",
        "UPDATE",
        "pods",
        "a label changes; `oldObject` has the one before",
        _patch(f"{PODS}/bound", {"metadata": {"labels": {"tier": "gold"}}}),
        by="tenant",
    ),
    Scene(
        "pod-ephemeral-containers",
        "UPDATE",
        "pods/ephemeralcontainers",
        "a debug container is added to a running pod; the object is the whole Pod",
        _patch(f"{PODS}/bound/ephemeralcontainers", manifests.EPHEMERAL_CONTAINERS, STRATEGIC),
    ),
    Scene(
        "pod-exec",
        "CONNECT",
        "pods/exec",
        "the object is a PodExecOptions",
        _connect(f"{PODS}/bound/exec", command="id", container="server", stdout="true"),
    ),
    Scene(
        "pod-attach",
        "CONNECT",
        "pods/attach",
        "the object is a PodAttachOptions",
        _connect(f"{PODS}/bound/attach", container="server", stdout="true"),
    ),
    Scene(
        "pod-portforward",
        "CONNECT",
        "pods/portforward",
        "the object is a PodPortForwardOptions",
        _connect(f"{PODS}/bound/portforward", ports="8000"),
    ),
    Scene(
        "pod-proxy",
        "CONNECT",
        "pods/proxy",
        "the object is a PodProxyOptions",
        _connect(f"{PODS}/bound/proxy/v1/models"),
    ),
    Scene(
        "pod-eviction",
        "CREATE",
        "pods/eviction",
        "a dry run of an eviction",
        _post(f"{PODS}/bound/eviction", manifests.EVICTION, dryRun="All"),
    ),
    Scene(
        "pod-delete",
        "DELETE",
        "pods",
        "`object` is null, `oldObject` has the pod",
        _delete(f"{PODS}/bound"),
        by="tenant",
    ),
    Scene(
        "pod-delete-collection",
        "DELETE",
        "pods",
        "one of many deleted at once",
        _delete(PODS, labelSelector="app=vllm"),
        by="tenant",
    ),
    Scene(
        "deployment-create",
        "CREATE",
        "apps/deployments",
        "managedFields of a plain client",
        _post(DEPLOYMENTS, manifests.deployment(), fieldManager="tenant-client"),
    ),
    Scene(
        "pod-by-controller",
        "CREATE",
        "pods",
        "a replica set's pod: generated name, owner reference, the controller's service account",
        _post(DEPLOYMENTS, manifests.deployment("owned")),
        by="system:serviceaccount:kube-system:replicaset-controller",
    ),
    Scene(
        "deployment-apply",
        "CREATE",
        "apps/deployments",
        "server-side apply that creates: options are PatchOptions",
        _patch(f"{DEPLOYMENTS}/applied", manifests.deployment("applied"), APPLY, fieldManager="gitops", force="true"),
        by="tenant",
    ),
    Scene(
        "deployment-apply-again",
        "UPDATE",
        "apps/deployments",
        "server-side apply that updates",
        _patch(
            f"{DEPLOYMENTS}/applied", manifests.deployment("applied", 2), APPLY, fieldManager="gitops", force="true"
        ),
        by="tenant",
    ),
    Scene(
        "deployment-scale",
        "UPDATE",
        "apps/deployments/scale",
        "the object is an autoscaling/v1 Scale, not the Deployment",
        _patch(f"{DEPLOYMENTS}/vllm/scale", {"spec": {"replicas": 3}}),
    ),
    Scene(
        "autoscaler-other-version",
        "CREATE",
        "autoscaling/horizontalpodautoscalers",
        "asked for as v1, matched and converted as v2: `requestKind` differs from `kind`",
        _post(f"/apis/autoscaling/v1/namespaces/{SPACE}/horizontalpodautoscalers", manifests.SCALER),
        path="/validate-v2",
    ),
    Scene(
        "job-create",
        "CREATE",
        "batch/jobs",
        "a suspended Job",
        _post(f"/apis/batch/v1/namespaces/{SPACE}/jobs", manifests.JOB),
    ),
    Scene(
        "secret-create",
        "CREATE",
        "secrets",
        "a Secret's data travels to webhooks too",
        _post(f"/api/v1/namespaces/{SPACE}/secrets", manifests.SECRET),
    ),
    Scene(
        "claim-create",
        "CREATE",
        "resource.k8s.io/resourceclaims",
        "a device claim",
        _post(f"/apis/resource.k8s.io/v1/namespaces/{SPACE}/resourceclaims", manifests.CLAIM),
    ),
    Scene(
        "custom-create",
        "CREATE",
        f"{SERVICES}/inferenceservices",
        "a custom resource",
        _post(f"/apis/{SERVICES}/v1/namespaces/{SPACE}/inferenceservices", manifests.SERVICE),
    ),
    Scene(
        "by-service-account",
        "CREATE",
        "configmaps",
        "`userInfo` of a service account, with `extra`",
        _with_service_account,
        by=f"system:serviceaccount:{SPACE}:",
    ),
    Scene(
        "namespace-create",
        "CREATE",
        "namespaces",
        "`namespace` equals the name",
        _namespace("POST", manifests.PASSING_NAMESPACE),
    ),
    Scene(
        "namespace-update",
        "UPDATE",
        "namespaces",
        "its class label changes",
        _namespace("PATCH", {"metadata": {"labels": {"bailiwick.dev/data-class": "public"}}}),
    ),
    Scene(
        "namespace-status",
        "UPDATE",
        "namespaces/status",
        "labels change through the status subresource too",
        _namespace("PATCH", {"metadata": {"labels": {"by-status": "true"}}}, "/status"),
    ),
    Scene(
        "namespace-delete",
        "DELETE",
        "namespaces",
        "`oldObject` is still active",
        _namespace("DELETE", None),
        by="bed-admin",
    ),
    Scene(
        "node-update",
        "UPDATE",
        "nodes",
        "a kubelet labels its own node",
        _kubelet({"metadata": {"labels": {"topology.kubernetes.io/zone": "eu-central-1a"}}}),
        by="system:node:",
    ),
    Scene(
        "node-status",
        "UPDATE",
        "nodes/status",
        "a kubelet changes a label through the status subresource",
        _kubelet({"metadata": {"labels": {"topology.kubernetes.io/zone": "eu-central-1b"}}}, "/status"),
        by="system:node:",
    ),
)
