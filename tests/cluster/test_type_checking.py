"""A real API server's `status.typeChecking` and ours, of the same policies: the same expressions, in the same words."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from random import Random

import orjson
import pytest

from policies.cel import CompileError, Compiler, Environment
from policies.cel.types import BOOL
from policies.cel.versions import new_expressions
from policies.gathering import load_rules
from policies.native.compile import compiled
from policies.native.shapes import built_in_table
from policies.request import GroupKind
from policies.typecheck import Schemas
from tests.cluster.bed.cluster import Cluster, Json
from tests.policies.typecheck.cases import ANSWERS, DEFINITIONS, POLICIES, Answers, checked, ours, recorded, theirs
from tests.policies.typecheck.wandering import expressions
from webhook.cluster.apiserver import ApiServer
from webhook.doctor import policy_types

pytestmark = pytest.mark.cluster

_POLICIES = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"
_DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


@pytest.fixture(scope="module")
def answers(control_plane: Cluster) -> Iterator[dict[str, Answers]]:
    """What the API server's controller says of each policy. BAILIWICK_RECORD=1 keeps it for the other tests."""
    for definition in DEFINITIONS:
        control_plane.request("POST", _DEFINITIONS, definition).ok()
        group, plural = definition["spec"]["group"], definition["spec"]["names"]["plural"]
        documents = f"/openapi/v3/apis/{group}/v1"
        control_plane.wait_for(plural, partial(_says, control_plane, documents, definition["spec"]["names"]["kind"]))
    for policy in POLICIES.values():
        control_plane.request("POST", _POLICIES, policy).ok()
    found = {name: theirs(_checked(control_plane, name)) for name in POLICIES}
    if os.environ.get("BAILIWICK_RECORD"):
        ANSWERS.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")
    yield found
    for name in POLICIES:
        control_plane.request("DELETE", f"{_POLICIES}/{name}")
    for definition in DEFINITIONS:
        control_plane.request("DELETE", f"{_DEFINITIONS}/{definition['metadata']['name']}")


def _says(cluster: Cluster, path: str, word: str) -> bool:
    reply = cluster.request("GET", path)
    return reply.status == 200 and word in json.dumps(reply.body)


def _checked(cluster: Cluster, name: str) -> Json:
    found: Json = {}

    def has_status() -> bool:
        found.update(cluster.request("GET", f"{_POLICIES}/{name}").ok())
        return found.get("status", {}).get("observedGeneration") == found["metadata"]["generation"]

    cluster.wait_for(f"the type check of `{name}`", has_status)
    return found


@pytest.mark.parametrize("name", POLICIES)
def test_the_same_warnings(answers: dict[str, Answers], name: str) -> None:
    """The API server warns of the expressions that we warn of, at the same places, in the same words."""
    assert ours(name, Schemas.of(DEFINITIONS)) == answers[name]


def test_what_was_recorded_is_still_said(answers: dict[str, Answers]) -> None:
    """The answers that other tests rely on are those that the API server gives."""
    assert recorded() == answers


def test_from_the_server_s_own_documents(control_plane: Cluster, answers: dict[str, Answers]) -> None:
    """The documents that a server publishes under /openapi/v3 say what the table that we ship says, kind for kind."""
    paths = control_plane.request("GET", "/openapi/v3").ok()["paths"]
    documents = [control_plane.request("GET", f"/openapi/v3/{path}").ok() for path in paths if path.count("/") > 0]
    published, shipped = compiled(documents), built_in_table()
    for part in ("kinds", "resources", "shapes"):
        known = {key: value for key, value in published[part].items() if key in shipped[part]}
        assert known == {key: shipped[part][key] for key in known}
        assert len(known) > 60
    built_in = {key.split("/")[0] for key in shipped["resources"]}
    assert {key for key in published["resources"] if key.split("/")[0] in built_in} <= set(shipped["resources"])
    (definition,) = DEFINITIONS
    custom = f"{definition['spec']['group']}/v1/{definition['spec']['names']['kind']}"
    defined = Schemas.of(DEFINITIONS).tables[0]["shapes"][custom]
    assert orjson.dumps(_sorted(published["shapes"][published["kinds"][custom]])) == orjson.dumps(_sorted(defined))
    schemas = Schemas.of((), documents)
    assert all(ours(name, schemas) == answers[name] for name in POLICIES)


COUNT = int(os.environ.get("BAILIWICK_TYPED_EXPRESSIONS", "60"))  # of each kind
WANDERED = {
    "pods": GroupKind("", "v1", "Pod"),
    "services": GroupKind("", "v1", "Service"),
    "secrets": GroupKind("", "v1", "Secret"),
    "deployments": GroupKind("apps", "v1", "Deployment"),
    "cronjobs": GroupKind("batch", "v1", "CronJob"),
    "networkpolicies": GroupKind("networking.k8s.io", "v1", "NetworkPolicy"),
    "horizontalpodautoscalers": GroupKind("autoscaling", "v2", "HorizontalPodAutoscaler"),
    "resourceclaims": GroupKind("resource.k8s.io", "v1", "ResourceClaim"),
    "customresourcedefinitions": GroupKind("apiextensions.k8s.io", "v1", "CustomResourceDefinition"),
    "typedwidgets": GroupKind("example.test", "v1", "TypedWidget"),
}


@pytest.mark.parametrize("resource", WANDERED)
def test_the_same_warnings_of_random_expressions(
    control_plane: Cluster, answers: dict[str, Answers], resource: str
) -> None:
    """New expressions in every run, over fields that exist and fields that don't: the same warnings, word for word."""
    assert answers
    schemas, kind = Schemas.of(DEFINITIONS), WANDERED[resource]
    seed = int(os.environ.get("BAILIWICK_SEED", "0")) or secrets.randbelow(10**9)
    found = [one for one in expressions(kind, schemas, Random(f"{seed}/{resource}"), COUNT) if _compiles(one)]
    rule = {"apiGroups": [kind.group], "apiVersions": [kind.version], "operations": ["CREATE"], "resources": [resource]}
    spec = {
        "matchConstraints": {"resourceRules": [rule]},
        "validations": [{"expression": one} for one in found],
    }
    name = f"wandered-{resource}"
    control_plane.request("POST", _POLICIES, {"metadata": {"name": name}, "spec": spec}).ok()
    try:
        stored = _checked(control_plane, name)
    finally:
        control_plane.request("DELETE", f"{_POLICIES}/{name}")
    policy = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy", "spec": spec}
    wanted, given = theirs(stored), checked(policy, schemas)
    differing = {field: (wanted.get(field), given.get(field)) for field in wanted | given}
    assert [pair for pair in differing.values() if pair[0] != pair[1]] == [], f"BAILIWICK_SEED={seed}"
    assert len(found) > 20 and len(wanted) > 5


def _compiles(expression: str) -> bool:
    """Whether the API server stores it, not knowing what `object` is."""
    try:
        program = Compiler().compile(expression, Environment.admission(new_expressions((1, 36))))
    except CompileError:
        return False
    return program.type == BOOL


def test_the_doctor_asks_the_cluster(control_plane: Cluster, answers: dict[str, Answers], tmp_path: Path) -> None:
    """With a kubeconfig, the doctor checks policies against what the cluster's own kinds have, custom ones included."""
    assert answers
    group = DEFINITIONS[0]["spec"]["group"]
    rule = {"apiGroups": [group], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["typedwidgets"]}
    spec = {"matchConstraints": {"resourceRules": [rule]}}
    wrong = {"expression": "object.spec.sise == 1 || object.spec.free.anything == 1", "message": "m"}
    policy = {"apiVersion": "bailiwick.dev/v1alpha1", "kind": "SovereigntyPolicy", "metadata": {"name": "mine"}}
    path = tmp_path / "policy.json"
    path.write_text(json.dumps({**policy, "spec": {**spec, "validations": [wrong]}}))
    api = ApiServer.connect(str(control_plane.kubeconfig))
    (doubt,) = policy_types(load_rules([str(path)]), api)
    assert doubt.hint == "did you mean `size`?"
    assert policy_types(load_rules([str(path)]), None) == ()


def _sorted(shape: object) -> object:
    return json.loads(json.dumps(shape, sort_keys=True))
