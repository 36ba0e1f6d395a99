"""What the API server sends: the match conditions of the registration, evaluated as the API server evaluates them."""

from typing import Any

import pytest

from policies.cel import Budget, Compiler, Environment
from webhook.cluster.registration import Endpoint, configurations, guarded

RULE = {"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["CREATE"], "resources": ["*"]}
POLICY = {"spec": {"validations": [{"expression": "true"}], "matchConstraints": {"resourceRules": [RULE]}}}
SLICES, VOLUMES = ("discovery.k8s.io", "endpointslices"), ("", "persistentvolumes")


def conditions() -> list[str]:
    (found,) = configurations(guarded([POLICY]), Endpoint(b"ca", "https://x"), ["storage"])
    return [one["expression"] for one in found["webhooks"][0]["matchConditions"]]


def sent(
    resource: tuple[str, str],
    user: str,
    groups: list[str] | None,
    found: Any = None,
    old: Any = None,
    **asked: str,
) -> bool:
    """Whether every condition holds."""
    info: dict[str, Any] = {"username": user} if groups is None else {"username": user, "groups": groups}
    names = {
        "request": {
            "resource": {"group": resource[0], "version": "v1", "resource": resource[1]},
            "userInfo": info,
            "operation": "CREATE",
            **asked,
        },
        "object": found,
        "oldObject": old,
    }
    environment = Environment.admission((1, 36))
    return all(
        Compiler().compile(text, environment).evaluate(names, Budget(1_000_000)) is True for text in conditions()
    )


def account(namespace: str) -> list[str]:
    return ["system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated"]


@pytest.mark.parametrize(
    ("resource", "user", "groups", "wanted"),
    [
        (SLICES, "system:serviceaccount:kube-system:endpointslice-controller", account("kube-system"), False),
        (SLICES, "system:kube-controller-manager", ["system:authenticated"], False),
        (SLICES, "system:serviceaccount:storage:x", account("storage"), False),
        (SLICES, "ada", ["system:authenticated"], True),
        (SLICES, "ada", None, True),
        (SLICES, "system:serviceaccount:clinic:x", account("clinic"), True),
        (("", "endpoints"), "ada", ["system:masters"], True),
        (("", "endpoints"), "system:apiserver", ["system:masters"], False),
        (("karpenter.sh", "nodeclaims"), "system:serviceaccount:kube-system:karpenter", account("kube-system"), False),
        (("karpenter.sh", "nodeclaims"), "ada", [], True),
        (("karpenter.sh", "nodepools"), "system:serviceaccount:kube-system:karpenter", account("kube-system"), True),
        (("", "nodes"), "ada", [], False),
        (("coordination.k8s.io", "leases"), "ada", [], False),
        (("", "pods"), "system:serviceaccount:kube-system:job-controller", account("kube-system"), True),
    ],
)
def test_what_is_sent(resource: tuple[str, str], user: str, groups: list[str] | None, wanted: bool) -> None:
    """What the cluster needs to live isn't sent; what its machinery makes by itself is sent when somebody else does."""
    assert sent(resource, user, groups) is wanted


@pytest.mark.parametrize(
    ("spec", "wanted"),
    [
        ({}, True),
        ({"claimRef": {}}, True),
        ({"claimRef": {"namespace": "clinic"}}, True),
        ({"claimRef": {"namespace": "storage"}}, False),
        ({"claimRef": {"namespace": "kube-system"}}, False),
    ],
)
def test_volumes_of_infrastructure(spec: dict[str, Any], wanted: bool) -> None:
    """The volumes that infrastructure waits for don't wait for us; every other one is sent."""
    assert sent(VOLUMES, "ada", [], {"spec": spec}) is wanted


@pytest.mark.parametrize(
    ("metadata", "wanted"),
    [({}, False), ({"labels": {"a": "b"}}, True), ({"annotations": {"a": "b"}}, True), ({"generation": 2}, False)],
)
def test_a_status_is_sent_for_its_labels_and_annotations(metadata: dict[str, Any], wanted: bool) -> None:
    """They travel through an update of a status; what the status itself says is reported without us."""
    before, after = {"metadata": {}, "status": {}}, {"metadata": metadata, "status": {"phase": "Running"}}
    asked = {"operation": "UPDATE", "subResource": "status"}
    assert sent(("", "pods"), "kubelet", [], after, before, **asked) is wanted


@pytest.mark.parametrize(
    ("resource", "subresource", "groups", "wanted"),
    [
        ("nodes", "proxy", [], True),
        ("pods", "exec", ["system:nodes"], True),
        ("serviceaccounts", "token", ["system:nodes"], False),
        ("serviceaccounts", "token", ["system:authenticated"], True),
        ("secrets", "", ["system:nodes"], True),
        ("serviceaccounts", "token", None, True),
    ],
)
def test_access_is_sent(resource: str, subresource: str, groups: list[str] | None, wanted: bool) -> None:
    """Whoever connects to a node isn't the node; the token that a kubelet gets for its pod doesn't wait."""
    operation = "CREATE" if subresource == "token" else "CONNECT"
    assert sent(("", resource), "x", groups, {}, operation=operation, subResource=subresource) is wanted
