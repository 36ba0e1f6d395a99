"""How the API server serves a kind: its plural, and whether its objects lie in namespaces.

By the catalogue; for other kinds by the API server's own habits (apimachinery guesses plurals the same way), and with
the few cluster-scoped kinds of every cluster. A guess only ever feeds `check`: the webhook is told by the API server.
"""

from policies.workloads import kind_of

_CLUSTER_SCOPED = frozenset(
    {
        ("", "ComponentStatus"),
        ("admissionregistration.k8s.io", "MutatingAdmissionPolicy"),
        ("admissionregistration.k8s.io", "MutatingAdmissionPolicyBinding"),
        ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"),
        ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy"),
        ("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding"),
        ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"),
        ("apiextensions.k8s.io", "CustomResourceDefinition"),
        ("apiregistration.k8s.io", "APIService"),
        ("certificates.k8s.io", "CertificateSigningRequest"),
        ("flowcontrol.apiserver.k8s.io", "FlowSchema"),
        ("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration"),
        ("networking.k8s.io", "IngressClass"),
        ("rbac.authorization.k8s.io", "ClusterRole"),
        ("rbac.authorization.k8s.io", "ClusterRoleBinding"),
        ("scheduling.k8s.io", "PriorityClass"),
        ("storage.k8s.io", "CSIDriver"),
        ("storage.k8s.io", "CSINode"),
        ("storage.k8s.io", "VolumeAttachment"),
    }
)


def resource_of(group: str, version: str, kind: str) -> tuple[str, bool]:
    """The plural, and whether objects of the kind lie in namespaces."""
    entry = kind_of(group, version, kind)
    row = entry.row if entry is not None else {}
    namespaced = row.get("scope") != "Cluster" and (group, kind) not in _CLUSTER_SCOPED
    return str(row.get("plural") or _plural(kind)), namespaced


def _plural(kind: str) -> str:
    lower = kind.lower()
    if lower == "endpoints":
        return lower
    if lower.endswith(("s", "x", "ch", "sh")):
        return lower + "es"
    if lower.endswith("y") and lower[-2:-1] not in tuple("aeiou"):
        return lower[:-1] + "ies"
    return lower + "s"
