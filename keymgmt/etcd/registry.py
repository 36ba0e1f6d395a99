"""What a key of etcd stands for: resource, namespace and name, from the paths of kube-apiserver's registry."""

from dataclasses import dataclass

_TWO_PART = {"services": ("specs", "endpoints")}  # resources whose path has another step before the namespace
_OLD_NAMES = {"minions": "nodes", "controllers": "replicationcontrollers", "services/specs": "services"}
_OLD_NAMES |= {"services/endpoints": "endpoints"}
# groups of built-in kinds that stand without their group in etcd
GROUPS = {
    "deployments": "apps",
    "daemonsets": "apps",
    "replicasets": "apps",
    "statefulsets": "apps",
    "controllerrevisions": "apps",
    "jobs": "batch",
    "cronjobs": "batch",
    "leases": "coordination.k8s.io",
    "ingress": "networking.k8s.io",
    "networkpolicies": "networking.k8s.io",
    "roles": "rbac.authorization.k8s.io",
    "rolebindings": "rbac.authorization.k8s.io",
    "clusterroles": "rbac.authorization.k8s.io",
    "clusterrolebindings": "rbac.authorization.k8s.io",
    "storageclasses": "storage.k8s.io",
    "csidrivers": "storage.k8s.io",
    "csinodes": "storage.k8s.io",
    "volumeattachments": "storage.k8s.io",
    "priorityclasses": "scheduling.k8s.io",
    "poddisruptionbudgets": "policy",
    "horizontalpodautoscalers": "autoscaling",
    "validatingwebhookconfigurations": "admissionregistration.k8s.io",
    "mutatingwebhookconfigurations": "admissionregistration.k8s.io",
    "validatingadmissionpolicies": "admissionregistration.k8s.io",
    "validatingadmissionpolicybindings": "admissionregistration.k8s.io",
    "mutatingadmissionpolicies": "admissionregistration.k8s.io",
    "mutatingadmissionpolicybindings": "admissionregistration.k8s.io",
    "flowschemas": "flowcontrol.apiserver.k8s.io",
    "prioritylevelconfigurations": "flowcontrol.apiserver.k8s.io",
    "certificatesigningrequests": "certificates.k8s.io",
    "runtimeclasses": "node.k8s.io",
}


@dataclass(frozen=True, slots=True)
class Located:
    """An object as its key names it. `resource` is `plural` or `plural.group`, as kubectl has it."""

    resource: str
    namespace: str
    name: str

    def __str__(self) -> str:
        where = f"{self.namespace}/" if self.namespace else ""
        return f"{self.resource} `{where}{self.name}`"


def located(key: bytes, prefix: str = "/registry") -> Located | None:
    """The object, or None for a key that is not below the prefix. Never raises."""
    path = key.decode("utf-8", "backslashreplace")
    if not path.startswith(f"{prefix}/"):
        return None
    steps = [step for step in path[len(prefix) + 1 :].split("/") if step]
    if len(steps) < 2:
        return Located(steps[0] if steps else "", "", "")
    resource, rest = _resource(steps)
    if len(rest) > 1:
        return Located(resource, rest[0], "/".join(rest[1:]))
    return Located(resource, "", rest[0] if rest else "")


def _resource(steps: list[str]) -> tuple[str, list[str]]:
    first = steps[0]
    if "." in first and len(steps) > 2:  # a group: a custom resource, or a kind that is stored with its group
        return f"{steps[1]}.{first}", steps[2:]
    if first in _TWO_PART and steps[1] in _TWO_PART[first]:
        return _OLD_NAMES[f"{first}/{steps[1]}"], steps[2:]
    plural = _OLD_NAMES.get(first, first)
    group = GROUPS.get(plural)
    return f"{plural}.{group}" if group else plural, steps[1:]
