"""The webhook's registration, computed from the policies in force: what they match is sent to us, nothing else.

What the cluster needs to live never waits for us: nodes, leases, events, certificates, token and subject reviews are
excluded by match conditions that the API server evaluates itself, and so are the infrastructure namespaces, the volumes
of their claims, and what their controllers make of things that were judged when they were made. Pure: equal policies
give equal registrations.
"""

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from policies.json import Json

TIMEOUT = 10  # seconds; the webhook answers before it, or denies

# group -> resources that are never sent to us ("*": the whole group)
EXEMPT: Mapping[str, tuple[str, ...]] = {
    "": ("nodes", "events", "componentstatuses"),
    "coordination.k8s.io": ("leases",),
    "events.k8s.io": ("events",),
    "certificates.k8s.io": ("*",),
    "authentication.k8s.io": ("*",),
    "authorization.k8s.io": ("*",),
    "admissionregistration.k8s.io": ("*",),
}
# group -> resources that are sent to us only where no controller of the cluster's own machinery asks: addresses of pods
# that were judged, machines of pools that were judged
BY_HAND: Mapping[str, tuple[str, ...]] = {
    "": ("endpoints",),
    "discovery.k8s.io": ("endpointslices",),
    "karpenter.sh": ("nodeclaims",),
    "cluster.x-k8s.io": ("machines", "machinesets"),
}
_MACHINERY = ("system:apiserver", "system:kube-controller-manager", "system:kube-scheduler")
ALWAYS_EXEMPT_NAMESPACES = ("kube-system", "kube-node-lease", "kube-public")


@dataclass(frozen=True, slots=True)
class Guarded:
    """What the policies of one door match: resourceRules in the API's own words."""

    mutate: Sequence[Json] = ()
    fail: Sequence[Json] = ()
    ignore: Sequence[Json] = ()


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the API server finds us: a URL, or a Service by namespace and name."""

    ca_bundle: bytes  # PEM
    url: str = ""
    service: Mapping[str, Json] = field(default_factory=dict)

    def client_config(self, path: str) -> dict[str, Json]:
        bundle = base64.b64encode(self.ca_bundle).decode()
        if self.url:
            return {"url": self.url.rstrip("/") + path, "caBundle": bundle}
        return {"service": {**self.service, "path": path}, "caBundle": bundle}


def guarded(policies: Iterable[Json]) -> Guarded:
    """From SovereigntyPolicies in JSON form. The rules are sorted and free of doubles."""
    doors: dict[str, dict[str, Json]] = {"mutate": {}, "fail": {}, "ignore": {}}
    for policy in policies:
        spec = policy["spec"]
        names = ["mutate"] if spec.get("mutations") else []
        if spec.get("validations") or spec.get("auditAnnotations"):
            names.append("ignore" if spec.get("failurePolicy") == "Ignore" else "fail")
        for name in names:
            for rule in spec["matchConstraints"]["resourceRules"]:
                doors[name][repr(_rule(rule))] = _rule(rule)
    return Guarded(*([door[key] for key in sorted(door)] for door in doors.values()))


def _rule(rule: Json) -> dict[str, Json]:
    words = {key: sorted(rule[key]) for key in ("apiGroups", "apiVersions", "operations", "resources")}
    return {**words, "scope": rule.get("scope") or "*"}


def configurations(
    rules: Guarded, endpoint: Endpoint, exempt_namespaces: Sequence[str] = (), name: str = "bailiwick"
) -> list[dict[str, Json]]:
    """The Mutating- and ValidatingWebhookConfiguration. A door that no policy stands behind is left out."""
    exempt = sorted({*ALWAYS_EXEMPT_NAMESPACES, *exempt_namespaces})
    mutate = _hook(f"mutate.{name}.dev", "/mutate", "Fail", rules.mutate, endpoint, exempt)
    fail = _hook(f"fail.{name}.dev", "/validate/fail", "Fail", rules.fail, endpoint, exempt)
    ignore = _hook(f"ignore.{name}.dev", "/validate/ignore", "Ignore", rules.ignore, endpoint, exempt)
    found = []
    if rules.mutate:
        found.append(_configuration("Mutating", name, [{**mutate, "reinvocationPolicy": "IfNeeded"}]))
    if rules.fail or rules.ignore:
        hooks = [hook for hook, door in ((fail, rules.fail), (ignore, rules.ignore)) if door]
        found.append(_configuration("Validating", name, hooks))
    return found


def _configuration(kind: str, name: str, hooks: list[dict[str, Json]]) -> dict[str, Json]:
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": f"{kind}WebhookConfiguration",
        "metadata": {"name": name},
        "webhooks": hooks,
    }


def _hook(
    name: str, path: str, failure: str, rules: Sequence[Json], endpoint: Endpoint, exempt: Sequence[str]
) -> dict[str, Json]:
    return {
        "name": name,
        "admissionReviewVersions": ["v1"],
        "clientConfig": endpoint.client_config(path),
        "rules": list(rules),
        "failurePolicy": failure,
        "matchPolicy": "Equivalent",
        "sideEffects": "NoneOnDryRun",
        "timeoutSeconds": TIMEOUT,
        "namespaceSelector": {
            "matchExpressions": [{"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": list(exempt)}]
        },
        "matchConditions": [
            {"name": f"not-{group.replace('.', '-') or 'core'}", "expression": _except(group, resources)}
            for group, resources in EXEMPT.items()
        ]
        + [
            {"name": f"by-hand-{group.replace('.', '-') or 'core'}", "expression": _by_hand(group, resources, exempt)}
            for group, resources in BY_HAND.items()
        ]
        + [{"name": "not-infrastructure-volume", "expression": _foreign_volume(exempt)}],
    }


def _except(group: str, resources: Sequence[str]) -> str:
    if resources == ("*",):
        return f"request.resource.group != '{group}'"
    return f"!(request.resource.group == '{group}' && request.resource.resource in {_listed(resources)})"


def _by_hand(group: str, resources: Sequence[str], exempt: Sequence[str]) -> str:
    """The machinery is known by its user, or by the namespace of its service account."""
    groups = _listed([f"system:serviceaccounts:{namespace}" for namespace in exempt])
    machinery = (
        f"request.userInfo.username in {_listed(_MACHINERY)}"
        f" || (has(request.userInfo.groups) && request.userInfo.groups.exists(group, group in {groups}))"
    )
    return f"{_except(group, resources)} || !({machinery})"


def _foreign_volume(exempt: Sequence[str]) -> str:
    """A volume that a claim of an infrastructure namespace is bound to serves nobody else; ours may be one of them."""
    bound = f"has(object.spec.claimRef) && object.spec.claimRef.?namespace.orValue('') in {_listed(exempt)}"
    return f"request.resource.resource != 'persistentvolumes' || object == null || !({bound})"


def _listed(names: Sequence[str]) -> str:
    return "[" + ", ".join(f"'{name}'" for name in names) + "]"
