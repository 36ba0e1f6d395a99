"""The webhook's registration, computed from the policies in force: what they match is sent to us, nothing else.

What the cluster needs to live never waits for us: nodes, leases, events, certificates, token and subject reviews, the
kubelets' own tokens, and changes of a status alone are excluded by match conditions that the API server evaluates
itself, and so are the infrastructure namespaces, the volumes of their claims, and what their controllers make of things
that were judged when they were made. What policies judge in those namespaces all the same passes when we can't be
reached. Pure: equal policies give equal registrations.
"""

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from policies.facts.law import MACHINERY
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


def _listed(names: Sequence[str]) -> str:
    return "[" + ", ".join(f"'{name}'" for name in names) + "]"


# name -> what else is sent to us only where it holds
CONDITIONS: Mapping[str, str] = {
    # pods get their tokens from their kubelet, controllers from their manager; without them nothing starts
    "not-of-the-machinery": "!(has(request.subResource) && request.subResource == 'token'"
    f" && (request.userInfo.username in {_listed(_MACHINERY)}"
    " || has(request.userInfo.groups) && 'system:nodes' in request.userInfo.groups))",
    # labels and annotations travel through updates of a status; the status itself says nothing that is judged
    "not-status-alone": "!has(request.subResource) || request.subResource != 'status'"
    " || object.metadata.?labels.orValue({}) != oldObject.metadata.?labels.orValue({})"
    " || object.metadata.?annotations.orValue({}) != oldObject.metadata.?annotations.orValue({})",
}


@dataclass(frozen=True, slots=True)
class Guarded:
    """What the policies of one door match: resourceRules in the API's own words."""

    mutate: Sequence[Json] = ()
    fail: Sequence[Json] = ()
    ignore: Sequence[Json] = ()
    infrastructure: Sequence[Json] = ()  # validated in infrastructure namespaces too


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
    doors: dict[str, dict[str, Json]] = {"mutate": {}, "fail": {}, "ignore": {}, "infrastructure": {}}
    for policy in policies:
        spec = policy["spec"]
        for name in _doors(spec):
            for rule in spec["matchConstraints"]["resourceRules"]:
                wanted = _unconnected(rule) if name == "mutate" else rule
                if wanted["operations"]:
                    doors[name][repr(_rule(wanted))] = _rule(wanted)
    return Guarded(*([door[key] for key in sorted(door)] for door in doors.values()))


def _doors(spec: Json) -> Iterable[str]:
    if spec.get("mutations"):
        yield "mutate"
    if spec.get("validations") or spec.get("auditAnnotations"):
        closed = spec.get("failurePolicy") != "Ignore"
        yield "fail" if closed else "ignore"
        if closed and spec.get("infrastructureNamespaces") == "Judged":
            yield "infrastructure"


def _unconnected(rule: Json) -> Json:
    """What can be corrected: everything but connections."""
    named = rule["operations"]
    return {**rule, "operations": [name for name in (_CHANGES if "*" in named else named) if name != "CONNECT"]}


_CHANGES = ("CREATE", "UPDATE", "DELETE")


def _rule(rule: Json) -> dict[str, Json]:
    words = {key: sorted(rule[key]) for key in ("apiGroups", "apiVersions", "operations", "resources")}
    return {**words, "scope": rule.get("scope") or "*"}


def configurations(
    rules: Guarded, endpoint: Endpoint, exempt_namespaces: Sequence[str] = (), name: str = "bailiwick"
) -> list[dict[str, Json]]:
    """The Mutating- and ValidatingWebhookConfiguration. A door that no policy stands behind is left out."""
    exempt = sorted({*MACHINERY, *exempt_namespaces})
    outside, inside = _namespaces("NotIn", exempt), _namespaces("In", exempt)
    always = _conditions(exempt)
    mutate = _hook(f"mutate.{name}.dev", "/mutate", "Fail", rules.mutate, endpoint, outside, always)
    fail = _hook(f"fail.{name}.dev", "/validate/fail", "Fail", rules.fail, endpoint, outside, always)
    ignore = _hook(f"ignore.{name}.dev", "/validate/ignore", "Ignore", rules.ignore, endpoint, outside, always)
    # a cluster whose webhook is gone must be mendable; `audit reconcile` finds what passed meanwhile
    machinery = _hook(
        f"infrastructure.{name}.dev",
        "/validate/fail",
        "Ignore",
        rules.infrastructure,
        endpoint,
        inside,
        {**always, **_IN_NAMESPACE},
    )
    found = []
    if rules.mutate:
        found.append(_configuration("Mutating", name, [{**mutate, "reinvocationPolicy": "IfNeeded"}]))
    doors = ((fail, rules.fail), (ignore, rules.ignore), (machinery, rules.infrastructure))
    if hooks := [hook for hook, door in doors if door]:
        found.append(_configuration("Validating", name, hooks))
    return found


# cluster-scoped requests pass every namespace selector, and are the other doors' business
_IN_NAMESPACE = {"in-a-namespace": "has(request.namespace) && request.namespace != ''"}


def _namespaces(operator: str, names: Sequence[str]) -> dict[str, Json]:
    return {"matchExpressions": [{"key": "kubernetes.io/metadata.name", "operator": operator, "values": list(names)}]}


def _configuration(kind: str, name: str, hooks: list[dict[str, Json]]) -> dict[str, Json]:
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": f"{kind}WebhookConfiguration",
        "metadata": {"name": name},
        "webhooks": hooks,
    }


def _hook(
    name: str,
    path: str,
    failure: str,
    rules: Sequence[Json],
    endpoint: Endpoint,
    namespaces: Json,
    conditions: Mapping[str, str],
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
        "namespaceSelector": namespaces,
        "matchConditions": [{"name": called, "expression": expression} for called, expression in conditions.items()],
    }


def _conditions(exempt: Sequence[str]) -> dict[str, str]:
    """What the API server leaves out by itself, by the name of the condition."""
    never = {f"not-{group.replace('.', '-') or 'core'}": _except(group, names) for group, names in EXEMPT.items()}
    by_hand = {
        f"by-hand-{group.replace('.', '-') or 'core'}": _by_hand(group, names, exempt)
        for group, names in BY_HAND.items()
    }
    return {**never, **by_hand, "not-infrastructure-volume": _foreign_volume(exempt), **CONDITIONS}


def _except(group: str, resources: Sequence[str]) -> str:
    if resources == ("*",):
        return f"request.resource.group != '{group}'"
    # whoever connects to a node isn't the node: nothing lives on it
    return (
        f"!(request.resource.group == '{group}' && request.resource.resource in {_listed(resources)}"
        " && request.operation != 'CONNECT')"
    )


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
