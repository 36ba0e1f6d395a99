"""What isn't known is never taken for absent, nor for allowed, whatever a policy says about failures."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from policies.checking import creation
from policies.native import Outcome, Policies, admit, kyverno, read
from policies.native.findings import Findings, header_texts
from policies.native.kyverno import Result
from policies.snapshot import Absent, Answer, Authorization, Lookup, MemorySnapshot, Ref

Json = dict[str, Any]
RULE = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps", "pods"]}
MAP = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"a": "b"}}
SHOP = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "labels": {"tier": "gold"}}}
PARAMS = {"apiVersion": "v1", "kind": "ConfigMap"}


def policies(binding: Json | None = None, **spec: Any) -> Policies:
    head = {"apiVersion": "admissionregistration.k8s.io/v1", "metadata": {"name": "p"}}
    spec = {"matchConstraints": {"resourceRules": [RULE]}, "validations": [{"expression": "true"}], **spec}
    bound = {"policyName": "p", "validationActions": ["Deny"], **(binding or {})}
    kind = "ValidatingAdmissionPolicy"
    return read([{**head, "kind": kind, "spec": spec}, {**head, "kind": f"{kind}Binding", "spec": bound}])


def outcome(found: Policies, snapshot: MemorySnapshot) -> Outcome:
    return admit(found, creation(MAP, "shop"), snapshot)


@pytest.mark.parametrize("failure", ["Fail", "Ignore"])
@pytest.mark.parametrize(
    "spec",
    [
        {"validations": [{"expression": "namespaceObject.metadata.name == 'shop'"}]},
        {"validations": [{"expression": "authorizer.path('/x').check('get').allowed()"}]},
        {"matchConditions": [{"name": "c", "expression": "authorizer.path('/x').check('get').allowed()"}]},
        {"matchConstraints": {"resourceRules": [RULE], "namespaceSelector": {"matchLabels": {"a": "b"}}}},
        {
            "variables": [{"name": "v", "expression": "namespaceObject.metadata.name"}],
            "validations": [{"expression": "variables.v == 'shop'"}],
        },
    ],
)
def test_the_unknown_is_not_allowed(failure: str, spec: Json) -> None:
    """A policy that needs what nobody knows leaves the request undetermined, under `Ignore` as well."""
    found = outcome(policies(failurePolicy=failure, **spec), MemorySnapshot.of([]))
    assert found.undetermined and not found.allowed and found.status is None


@pytest.mark.parametrize("ref", [{"name": "limits"}, {"selector": {}}])
@pytest.mark.parametrize("action", ["Allow", "Deny"])
def test_unknown_params_are_not_missing(ref: Json, action: str) -> None:
    """Params that a snapshot doesn't know are neither there nor missing."""
    binding = {"paramRef": {**ref, "parameterNotFoundAction": action}}
    found = outcome(policies(binding, paramKind=PARAMS), MemorySnapshot.of([SHOP]))
    assert found.undetermined and not found.denials


def test_what_is_not_read_need_not_be_known() -> None:
    """A policy that never looks at the namespace is decided without it, and one that is short-circuited, too."""
    assert outcome(policies(), MemorySnapshot.of([])).allowed
    lazy = policies(validations=[{"expression": "object.data.a == 'b' || namespaceObject.metadata.name == 'x'"}])
    assert outcome(lazy, MemorySnapshot.of([])).allowed


def test_questions_can_be_answered() -> None:
    """Where somebody can be asked, the outcome names the questions; with the answers there is a verdict."""
    may = "authorizer.group('').resource('pods').namespace(namespaceObject.metadata.name).check('get').allowed()"
    asking = policies(validations=[{"expression": may, "message": "may not"}])
    snapshot = MemorySnapshot.of([], live=True)
    (first,) = outcome(asking, snapshot).questions
    assert first == Lookup(Ref("", "Namespace", "", "shop"))
    snapshot = snapshot.with_answers({first: Answer(SHOP)})
    (second,) = outcome(asking, snapshot).questions
    assert isinstance(second, Authorization)
    for allowed in (True, False):
        assert outcome(asking, snapshot.with_answers({second: Answer({"allowed": allowed})})).allowed is allowed


def test_a_namespace_that_is_surely_missing() -> None:
    """Then the API server answers 404, and so do we."""
    snapshot = MemorySnapshot.of([], live=True).with_answers(
        {Lookup(Ref("", "Namespace", "", "shop")): Answer(Absent())}
    )
    status = outcome(policies(), snapshot).status
    assert status is not None and (status.code, status.message) == (404, 'namespaces "shop" not found')


def test_versions_that_cannot_be_converted() -> None:
    """A rule for another version of a custom kind is undetermined as long as its definition isn't known."""
    rule = {"apiGroups": ["x.example"], "apiVersions": ["v2"], "operations": ["CREATE"], "resources": ["things"]}
    widgets = policies(matchConstraints={"resourceRules": [rule]}, validations=[{"expression": "false"}])
    thing = {"apiVersion": "x.example/v1", "kind": "Thing", "metadata": {"name": "t"}}
    assert admit(widgets, creation(thing, "shop"), MemorySnapshot.of([SHOP])).undetermined
    exact = policies(matchConstraints={"resourceRules": [rule], "matchPolicy": "Exact"})
    assert admit(exact, creation(thing, "shop"), MemorySnapshot.of([SHOP])).allowed


def test_admission_policies_are_exempt() -> None:
    """No policy is asked about policies themselves, nor about access reviews."""
    rule = {"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*/*"]}
    all_of_it = policies(matchConstraints={"resourceRules": [rule]}, validations=[{"expression": "false"}])
    request = creation(MAP, "shop")
    assert not admit(all_of_it, request, MemorySnapshot.of([SHOP])).allowed
    for group, plural in (
        ("admissionregistration.k8s.io", "validatingadmissionpolicies"),
        ("admissionregistration.k8s.io", "mutatingadmissionpolicybindings"),
        ("authorization.k8s.io", "subjectaccessreviews"),
    ):
        resource = replace(request.resource, group=group, plural=plural)
        assert admit(all_of_it, replace(request, resource=resource), MemorySnapshot.of([SHOP])).allowed


def test_warnings_are_cut_for_headers() -> None:
    """Warnings come once, without control characters, and short where together they are too long."""
    assert header_texts(["a", "b", "a", "", "c\nd"]) == ("a", "b")
    long = [f"{number}{'x' * 999}" for number in range(5)]
    assert {len(text) for text in header_texts(long)} == {256}


def test_annotations_of_several_bindings() -> None:
    """Different values of one key are joined, equal ones stand once, and the first writer of a key wins."""
    findings = Findings()
    findings.publish("p", [("k", "one"), ("k", "two"), ("k", "one")])
    findings.publish("p", [("k", "late")])
    assert findings.annotations == {"p/k": "one, two"}


def test_kyverno_does_not_guess_either() -> None:
    """A Kyverno policy that needs an unknown namespace is undetermined, and refuses."""
    head = {"apiVersion": "policies.kyverno.io/v1", "kind": "ValidatingPolicy", "metadata": {"name": "k"}}
    validations = [{"expression": "namespaceObject.metadata.name == 'shop'"}]
    spec = {"matchConstraints": {"resourceRules": [RULE]}, "validations": validations, "failurePolicy": "Ignore"}
    found = kyverno.read([{**head, "spec": spec}])
    (verdict,) = kyverno.judge(found, creation(MAP, "shop"), MemorySnapshot.of([]))
    assert verdict.result is Result.UNDETERMINED and verdict.refuses


def test_kyverno_mutates_pod_templates() -> None:
    """Under autogen, what a MutatingPolicy does to a Pod is done to the template of its controller."""
    pods = {**RULE, "resources": ["pods"]}
    container = 'Object.spec.containers{name: c.name, imagePullPolicy: "Always"}'
    patch = f"Object{{spec: Object.spec{{containers: object.spec.containers.map(c, {container})}}}}"
    mutation = {"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": patch}}
    head = {"apiVersion": "policies.kyverno.io/v1beta1", "kind": "MutatingPolicy", "metadata": {"name": "k"}}
    found = kyverno.read([{**head, "spec": {"matchConstraints": {"resourceRules": [pods]}, "mutations": [mutation]}}])
    job = {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "i"}]}}}}
    cron = {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "n"}, "spec": {"jobTemplate": job}}
    mutated = kyverno.mutate(found, creation(cron, "shop"), MemorySnapshot.of([SHOP]))
    path = "/spec/jobTemplate/spec/template/spec/containers/0/imagePullPolicy"
    assert mutated.patch == ({"op": "add", "path": path, "value": "Always"},)
    assert [one.result for one in mutated.verdicts] == [Result.PASS]
