"""The registration of access: what is sent to us, what never waits for us, what passes without us."""

from typing import Any

from policies.packs import builtin
from policies.rulebook import Rulebook
from webhook.cluster.registration import CONDITIONS, Endpoint, configurations, guarded

ENDPOINT = Endpoint(b"ca", url="https://webhook.example")
JUDGED_TOO = {"pods/ephemeralcontainers", "serviceaccounts/token"}
ACCESS = {"pods/exec", "pods/attach", "pods/portforward", "pods/proxy", "services/proxy", "nodes/proxy"}


def hooks(*policies: dict[str, Any]) -> dict[str, Any]:
    """Every webhook by the first word of its name."""
    found = configurations(guarded(policies), ENDPOINT, ["network"])
    return {hook["name"].partition(".")[0]: hook for one in found for hook in one["webhooks"]}


def packs() -> list[dict[str, Any]]:
    return [{"spec": spec} for _, spec in Rulebook.of(builtin()).specs("SovereigntyPolicy")]


def connected(hook: dict[str, Any]) -> set[str]:
    """Resources that the hook is asked about when somebody connects to them."""
    return {name for rule in hook["rules"] if "CONNECT" in rule["operations"] for name in rule["resources"]}


def policy(*operations: str, **spec: Any) -> dict[str, Any]:
    rule = {"apiGroups": ["*"], "apiVersions": ["*"], "operations": list(operations), "resources": ["*/*"]}
    return {"spec": {"matchConstraints": {"resourceRules": [rule]}, **spec}}


def test_connections_are_sent_to_the_closed_door() -> None:
    """Every connection of the access packs is, and while we can't be reached it fails."""
    fail = hooks(*packs())["fail"]
    assert connected(fail) == ACCESS
    assert fail["failurePolicy"] == "Fail"


def test_only_statuses_through_which_something_travels_are_sent() -> None:
    """What annotations say: devices, images and pods; keys of claims; services of a mesh; mirrors of an ingress."""
    sent = {name for hook in hooks(*packs()).values() for rule in hook["rules"] for name in rule["resources"]}
    assert {name for name in sent if name.endswith("/status")} == {
        "pods/status",
        "persistentvolumeclaims/status",
        "services/status",
        "ingresses/status",
    }


def test_connections_are_never_sent_to_be_changed() -> None:
    """Whatever operations a mutating policy names, CONNECT is none of them; with nothing else it isn't registered."""
    mutations = [{"name": "m"}]
    (rule,) = hooks(policy("*", mutations=mutations))["mutate"]["rules"]
    assert rule["operations"] == ["CREATE", "DELETE", "UPDATE"]
    assert hooks(policy("CONNECT", mutations=mutations)) == {}
    assert not connected(hooks(*packs())["mutate"])


def test_the_machinery_is_sent_only_where_a_policy_says_so_and_passes_without_us() -> None:
    """Access is judged in infrastructure namespaces, workloads aren't; a cluster without its webhook can be mended."""
    found = hooks(*packs())
    machinery = found["infrastructure"]
    assert (machinery["failurePolicy"], machinery["clientConfig"]["url"][-14:]) == ("Ignore", "/validate/fail")
    inside = machinery["namespaceSelector"]["matchExpressions"][0]
    assert (inside["operator"], inside["values"]) == (
        "In",
        ["kube-node-lease", "kube-public", "kube-system", "network"],
    )
    judged = {name for rule in machinery["rules"] for name in rule["resources"]}
    assert judged >= ACCESS | JUDGED_TOO
    assert judged.isdisjoint(("pods", "secrets", "deployments", "*"))
    for name in ("mutate", "fail"):
        outside = found[name]["namespaceSelector"]["matchExpressions"][0]
        assert (outside["operator"], outside["values"]) == ("NotIn", inside["values"])
    assert "infrastructure" not in hooks(policy("*", validations=[{}], infrastructureNamespaces="Exempt"))
    assert "infrastructure" not in hooks(policy("*", validations=[{}], failurePolicy="Ignore"))


def test_every_door_has_the_conditions() -> None:
    """Statuses alone, kubelets' tokens, nodes and the like are left out by the API server itself, at every door."""
    for hook in hooks(*packs()).values():
        conditions = {one["name"]: one["expression"] for one in hook["matchConditions"]}
        assert CONDITIONS.items() <= conditions.items()
        assert "request.operation != 'CONNECT'" in conditions["not-core"]
        assert len(conditions) <= 64
