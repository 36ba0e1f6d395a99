"""Which requests a native policy is about, on reviews that a real API server sent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from policies.native import kyverno, read, validate
from policies.native.kyverno.libraries import _FUNCTIONS, _NAMESPACES
from policies.native.reading import PoliciesInvalid
from policies.snapshot import MemorySnapshot
from webhook.reviews.review import parse_review

Json = dict[str, Any]
REVIEWS = Path(__file__).parents[2] / "vectors" / "reviews"
GROUP = "admissionregistration.k8s.io/v1"


def rule(*resources: str, group: str = "", version: str = "v1", operations: str = "*", **more: Any) -> Json:
    named = {"apiGroups": [group], "apiVersions": [version], "operations": operations.split()}
    return {**named, "resources": list(resources), **more}


def is_about(review: str, *rules: Json, **constraints: Any) -> bool:
    """Whether a policy with these rules, which refuses all that it is about, refuses the request."""
    request = parse_review((REVIEWS / f"{review}.json").read_bytes())
    matched = {"resourceRules": list(rules), **constraints}
    spec = {"matchConstraints": matched, "validations": [{"expression": "false"}]}
    policy = {"apiVersion": GROUP, "kind": "ValidatingAdmissionPolicy", "metadata": {"name": "p"}, "spec": spec}
    bound = {"policyName": "p", "validationActions": ["Deny"]}
    binding = {"apiVersion": GROUP, "kind": "ValidatingAdmissionPolicyBinding", "metadata": {"name": "b"}}
    labels = {"kubernetes.io/metadata.name": request.namespace, "tier": "gold"}
    metadata = {"name": request.namespace or "none", "labels": labels}
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
    policies = read([policy, {**binding, "spec": bound}])
    outcome = validate(policies.validating, request, MemorySnapshot.of([namespace]))
    assert not outcome.undetermined
    return outcome.status is not None


@pytest.mark.parametrize(
    ("review", "operation"),
    [
        ("pod-create", "CREATE"),
        ("pod-update", "UPDATE"),
        ("pod-delete", "DELETE"),
        ("pod-exec", "CONNECT"),
        ("pod-attach", "CONNECT"),
        ("pod-portforward", "CONNECT"),
        ("pod-proxy", "CONNECT"),
        ("pod-binding", "CREATE"),
        ("pod-eviction", "CREATE"),
        ("pod-ephemeral-containers", "UPDATE"),
    ],
)
def test_operations(review: str, operation: str) -> None:
    """A rule is about the operations that it names, and `*` about all of them."""
    others = {"CREATE", "UPDATE", "DELETE", "CONNECT"} - {operation}
    assert is_about(review, rule("pods", "pods/*", operations=operation))
    assert is_about(review, rule("pods", "pods/*"))
    assert not is_about(review, rule("pods", "pods/*", operations=" ".join(sorted(others))))


@pytest.mark.parametrize(
    ("review", "resources", "matches"),
    [
        ("pod-create", "pods", True),
        ("pod-create", "pods/*", True),
        ("pod-create", "pods/exec", False),
        ("pod-create", "*", True),
        ("pod-create", "*/*", True),
        ("pod-create", "secrets", False),
        ("pod-exec", "pods", False),
        ("pod-exec", "pods/exec", True),
        ("pod-exec", "pods/attach", False),
        ("pod-exec", "pods/*", True),
        ("pod-exec", "*/exec", True),
        ("pod-exec", "*", False),
        ("pod-exec", "*/*", True),
        ("deployment-scale", "deployments", False),
    ],
)
def test_resources(review: str, resources: str, matches: bool) -> None:
    """Subresources are resources of their own: `pods` isn't about `pods/exec`, and `*` about none of them."""
    group = "apps" if review.startswith("deployment") else ""
    assert is_about(review, rule(resources, group=group)) is matches


def test_groups_and_versions() -> None:
    """Groups and versions are asked for by name, or all of them."""
    assert is_about("deployment-create", rule("deployments", group="apps"))
    assert is_about("deployment-create", rule("deployments", group="*", version="*"))
    assert not is_about("deployment-create", rule("deployments", group=""))
    assert not is_about("deployment-create", rule("deployments", group="apps", version="v2"), matchPolicy="Exact")


def test_equivalent_versions() -> None:
    """Under Equivalent a rule for one version is about the other versions of the resource, under Exact it isn't."""
    served = rule("horizontalpodautoscalers", group="autoscaling", version="v2")
    other = rule("horizontalpodautoscalers", group="autoscaling", version="v1")
    exact = {"matchPolicy": "Exact"}
    found = [is_about("autoscaler-other-version", one, **exact) for one in (served, other)]
    assert sorted(found) == [False, True]
    assert is_about("autoscaler-other-version", served if found[0] else other)


def test_scope() -> None:
    """Namespaced and cluster-wide resources are told apart; a namespace lies in none."""
    assert is_about("pod-create", rule("pods", scope="Namespaced"))
    assert not is_about("pod-create", rule("pods", scope="Cluster"))
    assert is_about("namespace-create", rule("namespaces", scope="Cluster"))
    assert not is_about("namespace-create", rule("namespaces", scope="Namespaced"))
    assert is_about("node-update", rule("nodes", scope="Cluster"))
    assert is_about("node-status", rule("nodes/status", scope="*"))


def test_names() -> None:
    """A rule with names is about objects of these names alone; one that has none yet has no name."""
    name = parse_review((REVIEWS / "pod-update.json").read_bytes()).name
    assert is_about("pod-update", rule("pods", resourceNames=["other", name]))
    assert not is_about("pod-update", rule("pods", resourceNames=["other"]))
    assert not is_about("pod-create-generate-name-mutate", rule("pods", resourceNames=["other"]))


def test_exclusions() -> None:
    """What is excluded isn't matched, whatever else matches it."""
    everything = rule("*/*", group="*", version="*")
    assert is_about("pod-create", everything)
    assert not is_about("pod-create", everything, excludeResourceRules=[rule("pods", operations="CREATE")])
    assert is_about("pod-update", everything, excludeResourceRules=[rule("pods", operations="CREATE")])
    assert not is_about("pod-exec", everything, excludeResourceRules=[rule("pods/*")])


SELECTORS = [
    ({"matchLabels": {"tier": "gold"}}, True),
    ({"matchLabels": {"tier": "silver"}}, False),
    ({"matchExpressions": [{"key": "tier", "operator": "In", "values": ["gold", "x"]}]}, True),
    ({"matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["gold"]}]}, False),
    ({"matchExpressions": [{"key": "other", "operator": "NotIn", "values": ["gold"]}]}, True),
    ({"matchExpressions": [{"key": "tier", "operator": "Exists"}]}, True),
    ({"matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]}, False),
    ({}, True),
]


@pytest.mark.parametrize(("selector", "matches"), SELECTORS)
def test_namespaces(selector: Json, matches: bool) -> None:
    """A namespace is selected by its stored labels; what lies in none is always selected."""
    assert is_about("pod-create", rule("pods"), namespaceSelector=selector) is matches
    assert is_about("node-update", rule("nodes"), namespaceSelector=selector)


def test_objects() -> None:
    """An object is selected by its labels, before or after; one that has gone by those it had."""
    request = parse_review((REVIEWS / "pod-delete.json").read_bytes())
    assert isinstance(request.old_object, dict) and request.object is None
    labels = request.old_object["metadata"].get("labels") or {}
    absent = {"matchLabels": {"nobody": "has"}}
    for review in ("pod-create", "pod-delete", "pod-exec"):
        assert not is_about(review, rule("pods", "pods/*"), objectSelector=absent)
    for name, value in labels.items():
        assert is_about("pod-delete", rule("pods"), objectSelector={"matchLabels": {name: value}})


KYVERNO = {
    "apiVersion": "policies.kyverno.io/v1",
    "kind": "ValidatingPolicy",
    "metadata": {"name": "p"},
    "spec": {"matchConstraints": {"resourceRules": [rule("pods")]}},
}


@pytest.mark.parametrize("name", [*(f"{name}.anything" for name in _NAMESPACES), *_FUNCTIONS])
def test_every_library_of_kyverno_s_own_is_refused_by_name(name: str) -> None:
    """A policy that uses what only Kyverno has is refused with the name of the library and what it does."""
    spec = {**KYVERNO["spec"], "validations": [{"expression": f"{name}(object.spec) == 'x'"}]}  # type: ignore[dict-item]
    with pytest.raises(PoliciesInvalid) as refused:
        kyverno.read([{**KYVERNO, "spec": spec}])
    (problem,) = refused.value.problems
    assert problem.message.startswith(f"`{name}` is Kyverno's own: it ")
    assert problem.field == "spec.validations[0].expression"
    assert problem.hint
