"""`bailiwick check` over policies: doubts with file, line, caret and hint, and what can't be read of schemas."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from bailiwick import command
from policies.store import OpenapiUnreadable
from policies.typecheck.schemas import SchemasMalformed

POLICIES = """\
apiVersion: bailiwick.dev/v1alpha1
kind: SovereigntyPolicy
metadata: {name: mine}
spec:
  matchConstraints:
    resourceRules:
      - {apiGroups: [apps], apiVersions: [v1], operations: [CREATE], resources: [deployments, statefulsets]}
  validations:
    - expression: |
        true ||
          object.spec.replicaz > 1
      message: m
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: native}
spec:
  matchConstraints:
    resourceRules:
      - {apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}
  validations:
    - expression: object.spec.containrs.size() > 0
---
apiVersion: policies.kyverno.io/v1
kind: ValidatingPolicy
metadata: {name: foreign}
spec:
  matchConstraints:
    resourceRules:
      - {apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}
  validations:
    - expression: http.Get('http://a') == 'b'
"""


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(command, ["check", "--no-packs", *map(str, arguments)], catch_exceptions=False)


@pytest.fixture
def policies(tmp_path: Path) -> Path:
    path = tmp_path / "policies.yaml"
    path.write_text(POLICIES)
    return path


def test_warnings_for_people(policies: Path) -> None:
    """Each doubt is shown with file and line, the kinds, the place in the expression, a caret and a hint."""
    done = run(policies)
    assert done.exit_code == 0
    lines = [line.rstrip() for line in done.stdout.splitlines()]
    at = f"{policies}:9: SovereigntyPolicy `mine`: spec.validations[0].expression"
    first = lines.index(
        f"warning       {at} over apps/v1/Deployment, apps/v1/StatefulSet: 2:14: undefined field 'replicaz'"
    )
    assert lines[first + 1 : first + 4] == [
        "              |   object.spec.replicaz > 1",
        "              | .............^",
        "              fix: did you mean `replicas`?",
    ]
    assert any(f"{policies}:22: ValidatingAdmissionPolicy `native`" in line for line in lines)
    assert any("`http.Get` is Kyverno's own" in line for line in lines)
    assert lines[-1].endswith("3 warnings about rules")


def test_warnings_for_programs(policies: Path) -> None:
    """JSON has the same, each part by its name."""
    report = json.loads(run(policies, "-o", "json").stdout)
    native = report["warnings"][1]
    assert native | {"message": ""} == {
        "source": str(policies),
        "line": 22,
        "policy": "ValidatingAdmissionPolicy",
        "name": "native",
        "field": "spec.validations[0].expression",
        "message": "",
        "hint": "did you mean `containers`?",
        "kinds": ["v1/Pod"],
    }
    assert native["message"].startswith("1:12: undefined field 'containrs'\n | object.")
    assert report["summary"]["warnings about policies"] == 3
    assert yaml.safe_load(run(policies, "-o", "yaml").stdout)["warnings"] == report["warnings"]


def test_without_policies_nothing_is_said(tmp_path: Path) -> None:
    """Where there is no policy, there are no warnings."""
    path = tmp_path / "a.yaml"
    path.write_text("{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}")
    assert json.loads(run(path, "-o", "json").stdout)["warnings"] == []


CUSTOM = {"group": "x.test", "version": "v1", "kind": "Ex"}
SCHEMA = {"type": "object", "properties": {"spec": {"type": "object", "properties": {"size": {"type": "integer"}}}}}


def native(expression: str) -> dict[str, Any]:
    rule = {"apiGroups": ["x.test"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["exes"]}
    spec = {"matchConstraints": {"resourceRules": [rule]}, "validations": [{"expression": expression}]}
    kind = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy"}
    return {**kind, "metadata": {"name": "p"}, "spec": spec}


def test_definitions_beside_the_policies_count(tmp_path: Path) -> None:
    """A CustomResourceDefinition among the documents, or of the cluster, says what its kind has."""
    names = {"kind": "Ex", "plural": "exes"}
    version = {"name": "v1", "schema": {"openAPIV3Schema": SCHEMA}}
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "exes.x.test"},
        "spec": {"group": "x.test", "names": names, "versions": [version]},
    }
    policy, crd = tmp_path / "policy.yaml", tmp_path / "crd.yaml"
    policy.write_text(yaml.safe_dump(native("object.spec.size == 'a'")))
    crd.write_text(yaml.safe_dump(definition))
    assert json.loads(run(policy, "-o", "json").stdout)["warnings"] == []
    for arguments in ((policy, crd), (policy, "--cluster", crd)):
        (warning,) = json.loads(run(*arguments, "-o", "json").stdout)["warnings"]
        assert "(int, string)" in warning["message"]


def test_openapi_of_a_server_counts(tmp_path: Path) -> None:
    """What a server publishes under /openapi/v3 says it too: a file, or a folder of such files."""
    operation = {"get": {"x-kubernetes-group-version-kind": CUSTOM}}
    schema = SCHEMA | {"x-kubernetes-group-version-kind": [CUSTOM]}
    folder = tmp_path / "openapi"
    folder.mkdir()
    document = {"components": {"schemas": {"Ex": schema}}, "paths": {"/apis/x.test/v1/exes": operation}}
    (folder / "x.json").write_text(json.dumps(document))
    policy = tmp_path / "policy.yaml"
    policy.write_text(yaml.safe_dump(native("object.spec.sise == 1")))
    for given in (folder, folder / "x.json"):
        (warning,) = json.loads(run(policy, "--openapi", given, "-o", "json").stdout)["warnings"]
        assert warning["hint"] == "did you mean `size`?"


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"components": []}', None])
def test_no_openapi(tmp_path: Path, policies: Path, content: str | None) -> None:
    """A file that isn't OpenAPI v3 is named, with what to give instead."""
    path = tmp_path / "x.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(OpenapiUnreadable, match=r"x\.json") as refused:
        run(policies, "--openapi", path)
    assert "kubectl get --raw" in refused.value.hint


def test_openapi_that_makes_no_sense(tmp_path: Path, policies: Path) -> None:
    """So is one whose schemas aren't schemas."""
    path = tmp_path / "x.json"
    path.write_text(json.dumps({"components": {"schemas": {"Ex": 1}}}))
    with pytest.raises(SchemasMalformed) as refused:
        run(policies, "--openapi", path)
    assert refused.value.hint
