"""Native and Kyverno policies are read whole: what can't be used is said with its place, all at once."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.manifests import Document, read_documents
from policies.native import PoliciesInvalid, kyverno, read
from tests.policies.native.kyverno_suites import CORPUS, policies, rows

RULE = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
Json = dict[str, Any]


def policy(kind: str = "ValidatingAdmissionPolicy", group: str = "admissionregistration.k8s.io", **spec: Any) -> Json:
    spec = {"matchConstraints": {"resourceRules": [RULE]}, **spec}
    return {"apiVersion": f"{group}/v1", "kind": kind, "metadata": {"name": "p"}, "spec": spec}


def binding(**spec: Any) -> Json:
    head = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding"}
    return {**head, "metadata": {"name": "b"}, "spec": {"policyName": "p", "validationActions": ["Deny"], **spec}}


def problems(*found: Json) -> list[str]:
    """Where something is wrong."""
    with pytest.raises(PoliciesInvalid) as invalid:
        read(found)
    return [one.field for one in invalid.value.problems]


TRUE = [{"expression": "true"}]


@pytest.mark.parametrize(
    ("found", "field"),
    [
        (policy(), "spec.validations"),
        (policy(validations=[{"expression": "object.x"}]), "spec.validations[0].expression"),
        (policy(validations=[{"expression": "nope"}]), "spec.validations[0].expression"),
        (policy(validations=[{"expression": "params == null"}]), "spec.validations[0].expression"),
        (policy(validations=[{"expression": "variables.x"}]), "spec.validations[0].expression"),
        (
            policy(validations=[{"expression": "true", "messageExpression": "1"}]),
            "spec.validations[0].messageExpression",
        ),
        (
            policy(
                validations=[{"expression": "true", "messageExpression": "authorizer.path('/x').check('get').reason()"}]
            ),
            "spec.validations[0].messageExpression",
        ),
        (policy(validations=[{"expression": "true", "message": "a\nb"}]), "spec.validations[0].message"),
        (policy(validations=[{"expression": "true", "reason": "Nope"}]), "spec.validations[0].reason"),
        (policy(validations=[{"expression": "true", "mesage": "x"}]), "spec.validations[0].mesage"),
        (policy(validations=TRUE, failurePolicy="Never"), "spec.failurePolicy"),
        (policy(validations=TRUE, matchConstraints={"resourceRules": []}), "spec.matchConstraints.resourceRules"),
        (policy(validations=TRUE, variables=[{"name": "for", "expression": "1"}]), "spec.variables[0].name"),
        (
            policy(
                validations=TRUE,
                variables=[{"name": "a", "expression": "1"}],
                matchConditions=[{"name": "c", "expression": "variables.a == 1"}],
            ),
            "spec.matchConditions[0].expression",
        ),
        (policy(auditAnnotations=[{"key": "a", "valueExpression": "1"}]), "spec.auditAnnotations[0].valueExpression"),
        (binding(validationActions=["Deny", "Warn"]), "spec.validationActions"),
        (binding(validationActions=[]), "spec.validationActions"),
        (binding(paramRef={"parameterNotFoundAction": "Deny"}), "spec.paramRef"),
        (binding(paramRef={"name": "x"}), "spec.paramRef.parameterNotFoundAction"),
        (policy("MutatingAdmissionPolicy", reinvocationPolicy="Never"), "spec.mutations"),
    ],
)
def test_what_the_api_server_refuses(found: Json, field: str) -> None:
    """Each mistake is named by its field, and is the only one that is found."""
    assert problems(found) == [field]


def test_everything_at_once() -> None:
    """All mistakes of all objects are said together, with the lines on which they stand."""
    text = b"""apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: p}
spec:
  failurePolicy: Nope
  matchConstraints:
    resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}]
  validations:
    - expression: objct.x
    - expression: "1"
"""
    documents = [one for one in read_documents(text, "p.yaml") if isinstance(one, Document)]
    with pytest.raises(PoliciesInvalid) as invalid:
        read(documents)
    assert [one.line for one in invalid.value.problems] == [5, 9, 10]
    assert "did you mean `object`?" in [one.hint for one in invalid.value.problems]


def test_only_bound_policies_count() -> None:
    """A policy without a binding does nothing, nor does a binding without its policy; others are passed over."""
    assert read([policy(validations=TRUE)]).validating == ()
    assert read([binding()]).validating == ()
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}}
    (found,) = read([policy(validations=TRUE), binding(), pod]).validating
    assert [one.name for one in found.bindings] == ["b"]


JUNK: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(["Deny", "object", "a == b"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
KINDS = ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding", "MutatingAdmissionPolicy")
FIELDS = ("matchConstraints", "validations", "variables", "mutations", "paramRef", "matchConditions", "failurePolicy")


@given(st.sampled_from(KINDS), st.dictionaries(st.sampled_from(FIELDS), JUNK))
def test_any_spec_is_read_or_refused(kind: str, spec: Json) -> None:
    """Whatever stands in a policy, it is read or its problems are told; nothing else happens."""
    head = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": {"name": "p"}}
    with pytest.raises(PoliciesInvalid) as invalid:  # none of these can be whole
        read([{**head, "spec": spec}])
    assert invalid.value.problems


@pytest.mark.parametrize("version", ["v1", "v1beta1", "v1alpha1"])
@pytest.mark.parametrize(
    ("expression", "name"),
    [
        ("resource.Get('v1', 'pods', 'a', 'b') != null", "resource.Get"),
        ("http.Get('https://x').ok", "http.Get"),
        ("globalContext.Get('x', '') == 1", "globalContext.Get"),
        ("image('a:b').tag() == 'b'", "image"),
        ("object.spec.containers.all(c, isImage(c.image))", "isImage"),
        ("time.now() > timestamp('2020-01-01T00:00:00Z')", "time.now"),
        ("cel.bind(x, 1, x == 1)", "cel.bind"),
    ],
)
def test_what_only_kyverno_has(version: str, expression: str, name: str) -> None:
    """A policy that uses a library of Kyverno's own is refused by the library's name, in every version of the kind."""
    found = policy("ValidatingPolicy", kyverno.reading.GROUP, validations=[{"expression": expression}])
    found["apiVersion"] = f"{kyverno.reading.GROUP}/{version}"
    with pytest.raises(PoliciesInvalid, match=rf"`{name}` is Kyverno's own"):
        kyverno.read([found])


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus kyverno-policies is not beside the checkout")
def test_public_kyverno_policies_compile() -> None:
    """Every expression of every policy of the corpus compiles."""
    found = list(policies())
    assert len(kyverno.read(found)) == len(found) > 30


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus kyverno-policies is not beside the checkout")
def test_public_kyverno_suites_hold() -> None:
    """All expectations of the corpus's own suites are met, those about pod controllers included."""
    judged = list(rows())
    differing = [
        f"{row}: expected {row.expected}, found {row.found()}" for row in judged if row.found() != row.expected
    ]
    assert not differing, "\n".join(differing[:10])
    assert len(judged) > 900
