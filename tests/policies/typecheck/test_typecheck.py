"""Type checks of policies: the API server's words, and what we look at beyond it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.manifests import Document, read_documents
from policies.packs import builtin
from policies.request import GroupKind
from policies.typecheck import Schemas, doubts, warnings_of
from policies.typecheck.declared import escaped
from policies.typecheck.policies import kinds_of
from policies.typecheck.schemas import SchemasMalformed
from tests.policies.typecheck.cases import DEFINITIONS, POLICIES, ours, recorded

Json = dict[str, Any]
SCHEMAS = Schemas.of(DEFINITIONS)
EXAMPLES = Path(__file__).parents[3] / "examples"
RULE = {"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["deployments"]}
CUSTOM = RULE | {"apiGroups": ["example.test"], "resources": ["typedwidgets"]}


def policy(kind: str = "bailiwick.dev/v1alpha1/SovereigntyPolicy", rule: Json = RULE, **spec: Any) -> Json:
    version, _, name = kind.rpartition("/")
    spec = {"matchConstraints": {"resourceRules": [rule]}, **spec}
    return {"apiVersion": version, "kind": name, "metadata": {"name": "p"}, "spec": spec}


def fields(found: Json) -> dict[str, list[str]]:
    """What is wrong, by the field where it is written."""
    return {
        one.field: [problem.message for _, problems in one.found for problem in problems]
        for one in warnings_of(found, SCHEMAS)
    }


@pytest.mark.parametrize("name", POLICIES)
def test_as_the_api_server_says(name: str) -> None:
    """Of these policies an API server says, expression by expression, what we say."""
    assert ours(name, SCHEMAS) == recorded()[name]


def test_there_is_enough_to_compare() -> None:
    """The recorded answers have warnings of every sort: fields, calls, operands, containers, circles, unknown kinds."""
    said = "\n".join(text for answers in recorded().values() for text in answers.values())
    for sort in ("undefined field", "applied to", "does not support", "failed resolution", "range of a compr", "bytes"):
        assert sort in said
    assert sum(len(answers) for answers in recorded().values()) > 80
    assert sum(not answers for answers in recorded().values()) >= 5


def test_every_expression_of_our_policies() -> None:
    """In a SovereigntyPolicy every expression is checked, and a variable that doesn't fit is told once."""
    found = policy(
        matchConditions=[{"name": "a", "expression": "object.spec.a == 1"}],
        variables=[{"name": "v", "expression": "object.spec.b"}, {"name": "w", "expression": "object.spec"}],
        validations=[
            {
                "forEach": "object.spec.template.spec.containers",
                "expression": "item.c == 1 || variables.v == 1 || variables.w.d == 1",
                "messageExpression": "item.e",
            },
            {"forEach": "object.spec.f", "expression": "item.anything == 1"},
        ],
        mutations=[
            {
                "patchType": "JSONPatch",
                "jsonPatch": {"expression": "[JSONPatch{op: 'add', path: '/a', value: object.g}]"},
            }
        ],
        auditAnnotations=[{"key": "k", "valueExpression": "object.h"}],
    )
    named = {field: [message.split("'")[1] for message in messages] for field, messages in fields(found).items()}
    assert named == {
        "spec.matchConditions[0].expression": ["a"],
        "spec.variables[0].expression": ["b"],
        "spec.validations[0].expression": ["c", "d"],
        "spec.validations[0].messageExpression": ["e"],
        "spec.validations[1].forEach": ["f"],
        "spec.mutations[0].jsonPatch.expression": ["g"],
        "spec.auditAnnotations[0].valueExpression": ["h"],
    }


QUIET = [
    (
        "object.spec.template.spec.containers.all(c, quantity(c.resources.limits['cpu']).isLessThan(quantity('2')))",
        RULE,
    ),
    ("authorizer.requestResource.check('get').allowed()", RULE),
    ("object.metadata.managedFields.all(m, has(m.fieldsV1.anything))", RULE),
    ("object.spec.free.whatever.lies.there == 1 || object.spec.anything.at.all || object.spec.half.unknown", CUSTOM),
    (
        "object.spec.pod.spec.containers.size() > 0 && object.spec.wild[0].a == 1 && object.spec.wildmap.a.b == 1",
        CUSTOM,
    ),
    (
        "object.spec.versions[0].schema.openAPIV3Schema.properties.a.properties.b.properties.c.anything == 1",
        RULE | {"apiGroups": ["apiextensions.k8s.io"], "resources": ["customresourcedefinitions"]},
    ),
]


@pytest.mark.parametrize(("expression", "rule"), QUIET, ids=[expression[:40] for expression, _ in QUIET])
def test_no_false_warning(expression: str, rule: Json) -> None:
    """What a schema doesn't say is no mistake of our policies, although the API server warns of native ones."""
    checked = {"validations": [{"expression": expression}]}
    assert fields(policy(rule=rule, **checked)) == {}
    native = policy("admissionregistration.k8s.io/v1/ValidatingAdmissionPolicy", rule=rule, **checked)
    assert list(fields(native)) == ["spec.validations[0].expression"]


BOTH = RULE | {"resources": ["deployments", "daemonsets"]}
GUARDED = [
    "object.kind != 'Deployment' || object.spec.replicas > 1",
    "object.kind == 'DaemonSet' || object.spec.replicas > 1",
    "!(object.kind == 'Deployment' && true) || object.spec.replicas > 1",
    "request.kind.kind in ['Deployment'] ? object.spec.replicas > 1 : has(object.spec.updateStrategy)",
    "!(object.kind == 'Deployment' && object.spec.replicas < 2)",
    "(object.kind == 'DaemonSet' || object.kind == 'Job') || object.spec.replicas > 1",
]


@pytest.mark.parametrize("expression", GUARDED)
def test_what_is_asked_for_one_kind_is_judged_for_that_kind(expression: str) -> None:
    """An expression that asks for the object's kind is only judged for the kinds that get so far."""
    assert fields(policy(rule=BOTH, validations=[{"expression": expression}])) == {}
    for open_to_all in (expression.replace("object.kind", "dyn('x')").replace("request.kind.kind", "dyn('x')"),):
        assert fields(policy(rule=BOTH, validations=[{"expression": open_to_all}]))
    misspelt = expression.replace("replicas", "replicaz")
    (warning,) = warnings_of(policy(rule=BOTH, validations=[{"expression": misspelt}]), SCHEMAS)
    assert [kind.kind for kind, _ in warning.found] == ["Deployment"]


PODS = RULE | {"apiGroups": ["", "apps", "batch"], "resources": ["pods", "deployments", "jobs"]}
ASKED = [
    "has(object.spec.containers) ? object.spec.containers.size() > 0 : object.spec.template.spec.containers.size() > 0",
    "!has(object.spec.containers) || object.spec.hostNetwork",
    "has(object.spec.template) && object.spec.template.spec.hostNetwork || true",
    "!(has(object.spec.replicas) && object.spec.replicas > 1)",
]


@pytest.mark.parametrize("expression", ASKED)
def test_a_field_of_some_kinds_tells_kinds_apart(expression: str) -> None:
    """Where `has` asks for what only some of the kinds have, the rest is only judged for the kinds that get so far."""
    assert fields(policy(rule=PODS, validations=[{"expression": expression}])) == {}
    variable = [{"name": "v", "expression": expression}]
    assert fields(policy(rule=PODS, variables=variable, validations=[{"expression": "variables.v"}])) == {}
    native = policy("admissionregistration.k8s.io/v1/ValidatingAdmissionPolicy", rule=PODS)
    native["spec"]["validations"] = [{"expression": expression}]
    assert fields(native)  # the API server warns of it


def test_a_field_of_no_kind_is_a_mistake() -> None:
    """Where no kind has what `has` asks for, that is what is told."""
    found = fields(policy(rule=PODS, validations=[{"expression": "!has(object.spec.contaners) || true"}]))
    assert found == {"spec.validations[0].expression": ["undefined field 'contaners'"] * 3}


def test_containers_of_all_sorts_are_one_list() -> None:
    """Lists of objects of different fields can be joined, as they can when evaluated; what they hold is still known."""
    rule = RULE | {"apiGroups": [""], "resources": ["pods"]}
    others = " + ".join(f"object.spec.?{name}.orValue([])" for name in ("initContainers", "ephemeralContainers"))
    every = f"(object.spec.containers + {others})"
    assert fields(policy(rule=rule, validations=[{"expression": f"{every}.all(c, c.image != '')"}])) == {}
    found = fields(policy(rule=rule, validations=[{"expression": f"{every}.all(c, c.imag != '')"}]))
    assert found == {"spec.validations[0].expression": ["undefined field 'imag'"]}


def test_one_mistake_over_several_kinds_is_one_doubt() -> None:
    """Kinds that have the same problem are named together."""
    found = policy(rule=PODS, validations=[{"expression": "object.spec.nothing == 1"}])
    (warning,) = warnings_of(found, SCHEMAS)
    ((kinds, problem),) = warning.by_problem()
    assert [kind.kind for kind in kinds] == ["Pod", "Deployment", "Job"]
    assert problem.message == "undefined field 'nothing'"


PUBLIC = Path(__file__).parents[4] / "shared" / "corpora" / "kyverno-policies"
MISTAKEN = {  # what is really wrong with public policies
    "require-labels": "a map has no text",
    "require-pod-probes": "a CronJob has no template",
    "adding-capabilities-strict": "`orValue` of what is no optional: an error since 1.37",
    "disallow-capabilities-strict": "the same",
}


@pytest.mark.skipif(not PUBLIC.is_dir(), reason="the corpus kyverno-policies is not beside the checkout")
def test_public_policies_have_no_false_warnings() -> None:
    """Of the policies of the corpus four are warned of, and each of them has that mistake."""
    documents = [
        one
        for path in sorted(PUBLIC.rglob("*.yaml"))
        for one in read_documents(path.read_bytes(), path.name)
        if isinstance(one, Document)
    ]
    assert {doubt.name for doubt in doubts(documents, SCHEMAS)} == set(MISTAKEN)


def test_what_else_fields_hold_is_known() -> None:
    """Beside what isn't known, our policies are held to the same types."""
    wrong = ["object.spec.size == 'a'", "object.spec.listed[0].c == 1", "object.spec.things.a.b == 'x'"]
    found = fields(policy(rule=CUSTOM, validations=[{"expression": one} for one in wrong]))
    assert len(found) == 3


@pytest.mark.parametrize(
    "kind", ["admissionregistration.k8s.io/v1/MutatingAdmissionPolicy", "policies.kyverno.io/v1/MutatingPolicy"]
)
def test_mutations(kind: str) -> None:
    """Merges and patches of native and Kyverno's policies are checked, too."""
    merge = "Object{spec: Object.spec{replicas: object.spec.replicaz}}"
    found = policy(
        kind,
        mutations=[
            {"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": merge}},
            {"patchType": "JSONPatch", "jsonPatch": {"expression": "[JSONPatch{op: object.kind, value: object.knd}]"}},
        ],
    )
    assert fields(found) == {
        "spec.mutations[0].applyConfiguration.expression": ["undefined field 'replicaz'"],
        "spec.mutations[1].jsonPatch.expression": ["undefined field 'knd'"],
    }


def test_kyverno_s_validations() -> None:
    """A ValidatingPolicy of Kyverno is checked as it is."""
    kind = "policies.kyverno.io/v1/ValidatingPolicy"
    checks = [{"expression": "request.object.anything == 1 && object.spec.replicaz == 1"}]
    assert fields(policy(kind, validations=checks)) == {
        "spec.validations[0].expression": ["undefined field 'replicaz'"]
    }


def test_params_are_typed() -> None:
    """Params have the type of their kind where it is known, and any where it isn't."""
    kind = "admissionregistration.k8s.io/v1/MutatingAdmissionPolicy"
    mutation = {"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": "Object{data: params.dta}"}}
    known = policy(kind, paramKind={"apiVersion": "v1", "kind": "ConfigMap"}, mutations=[mutation])
    assert list(fields(known).values()) == [["undefined field 'dta'"]]
    assert fields(policy(kind, paramKind={"apiVersion": "x.test/v1", "kind": "X"}, mutations=[mutation])) == {}


def test_the_built_in_policies_fit() -> None:
    """None of the built-in policies, and none of the examples, has an expression that doesn't fit its kinds."""
    for pack in builtin():
        assert warnings_of(pack.model_dump(mode="json", by_alias=True, exclude_none=True), SCHEMAS) == ()
    read = [one for path in sorted(EXAMPLES.rglob("*.yaml")) for one in read_documents(path.read_text(), str(path))]
    assert [str(one) for one in doubts([one for one in read if isinstance(one, Document)], SCHEMAS)] == []


def test_at_most_ten_kinds_of_a_rule() -> None:
    """As on the API server, the eleventh kind of a rule and all rules after it are left out."""
    several = {"apiGroups": [""], "apiVersions": ["v1"], "resources": sorted(_core())[:11]}
    spec = {"matchConstraints": {"resourceRules": [several, RULE]}}
    found = kinds_of(spec, SCHEMAS)
    assert len(found) == 10
    assert GroupKind("apps", "v1", "Deployment") not in found


def _core() -> list[str]:
    return [key.split("/")[2] for key in SCHEMAS._whole["resources"] if key.startswith("/v1/") and "event" not in key]


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("a", "a"),
        ("namespace", "__namespace__"),
        ("a-b", "a__dash__b"),
        ("a.b/c", "a__dot__b__slash__c"),
        ("a__b", "a__underscores__b"),
        ("1a", None),
        ("$ref", None),
        ("", None),
    ],
)
def test_escapes(name: str, written: str | None) -> None:
    """Names that are no identifiers are written as Kubernetes escapes them."""
    assert escaped(name) == written


def test_documents_of_a_server() -> None:
    """Kinds come from OpenAPI v3 documents, too, and outweigh what is built in."""
    kind = {"group": "x.test", "version": "v1", "kind": "Ex"}
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "x-kubernetes-group-version-kind": [kind]}
    operation = {"get": {"x-kubernetes-group-version-kind": kind}}
    document: Json = {"components": {"schemas": {"Ex": schema}}, "paths": {"/apis/x.test/v1/exes": operation}}
    rule = {"apiGroups": ["x.test"], "apiVersions": ["v1"], "resources": ["exes"]}
    found = policy(rule=rule, validations=[{"expression": "object.a == 'a' || object.b"}])
    assert warnings_of(found, SCHEMAS) == ()
    (warning,) = warnings_of(found, Schemas.of((), [document]))
    assert "(int, string)" in warning.text and "undefined field 'b'" in warning.text
    with pytest.raises(SchemasMalformed):
        Schemas.of((), [{"components": {"schemas": {"Ex": {**schema, "properties": [1]}}}}])
    assert Schemas.of([{"spec": []}, {}]).tables == ()


KEYS = st.sampled_from(
    """matchConstraints resourceRules apiGroups apiVersions resources validations variables name expression
    messageExpression forEach mutations jsonPatch matchConditions paramKind properties items type""".split()  # noqa: SIM905
)
JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["", "a", "object.spec", "*", "deployments", "1 +"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
KINDS = st.sampled_from(["ValidatingAdmissionPolicy", "MutatingAdmissionPolicy", "SovereigntyPolicy", "Pod"])


@given(JSON, KINDS, st.sampled_from(["admissionregistration.k8s.io/v1", "bailiwick.dev/v1alpha1", 1, ""]))
def test_nothing_breaks_it(spec: Any, kind: str, version: Any) -> None:
    """Whatever stands where a policy should be, there are warnings or none."""
    for found in ({"spec": spec}, {"spec": {"matchConstraints": {"resourceRules": [RULE]}, "validations": spec}}):
        warnings_of({"apiVersion": version, "kind": kind, **found}, SCHEMAS)


@given(JSON)
def test_no_definition_breaks_it(schema: Any) -> None:
    """Whatever stands in a CustomResourceDefinition, it adds a kind or nothing."""
    definition: Json = {**DEFINITIONS[0], "spec": {**DEFINITIONS[0]["spec"]}}
    definition["spec"]["versions"] = [{"name": "v1", "schema": {"openAPIV3Schema": schema}}]
    warnings_of(policy(rule=CUSTOM, validations=[{"expression": "object.spec.a == 1"}]), Schemas.of([definition]))
