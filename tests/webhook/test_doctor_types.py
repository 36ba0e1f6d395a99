"""What the doctor says of policies that don't fit the kinds they are about."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from policies.gathering import load_rules
from policies.rulebook import RulesInvalid
from webhook.cluster.apiserver import ApiServer, ClusterUnavailable
from webhook.doctor import Check, Health, examine, policy_types, types

Json = dict[str, Any]
KIND = {"group": "x.test", "version": "v1", "kind": "Ex"}
SCHEMA = {"type": "object", "properties": {"size": {"type": "integer"}}, "x-kubernetes-group-version-kind": [KIND]}
OPENAPI: Json = {
    "components": {"schemas": {"Ex": SCHEMA}},
    "paths": {"/apis/x.test/v1/exes": {"get": {"x-kubernetes-group-version-kind": KIND}}},
}


class Answers(ApiServer):
    """An API server that knows some paths, and nothing of others."""

    def __init__(self, known: Json) -> None:
        self._known = known
        self.asked: list[str] = []

    def get(self, path: str, query: Mapping[str, str] | None = None, timeout: float = 10.0) -> Any:
        self.asked.append(path)
        if path not in self._known:
            raise ClusterUnavailable(f"{path} not found", 404)
        return self._known[path]


def policy(name: str, group: str, resource: str, expression: str) -> Json:
    rule = {"apiGroups": [group], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": [resource]}
    spec = {
        "matchConstraints": {"resourceRules": [rule]},
        "validations": [{"expression": expression, "message": "m"}],
    }
    head = {"apiVersion": "bailiwick.dev/v1alpha1", "kind": "SovereigntyPolicy", "metadata": {"name": name}}
    return {**head, "spec": spec}


def written(folder: Path, *policies: Json) -> str:
    path = folder / "policies.yaml"
    path.write_text(yaml.safe_dump_all(policies, sort_keys=False))
    return str(path)


def test_policies_that_fit_are_good(tmp_path: Path) -> None:
    """Where everything fits, one finding says so."""
    path = written(tmp_path, policy("a", "apps", "deployments", "object.spec.replicas > 1"))
    (finding,) = examine([Check("types", lambda: types(lambda: policy_types(load_rules([path]), None)))])
    assert finding.health is Health.GOOD


def test_what_does_not_fit_is_a_warning(tmp_path: Path) -> None:
    """Each doubt is a warning with file, line and hint; nothing is broken by it."""
    path = written(tmp_path, policy("a", "apps", "deployments", "object.spec.replicaz > 1"))
    (finding,) = types(lambda: policy_types(load_rules([path]), None))
    assert finding.health is Health.WARNING
    assert finding.detail.startswith(f"{path}:")
    assert "undefined field 'replicaz'" in finding.detail
    assert finding.hint == "did you mean `replicas`?"


def test_the_cluster_says_what_its_kinds_have(tmp_path: Path) -> None:
    """With a cluster, its OpenAPI is asked for the kinds that policies name, and its stored policies are checked."""
    stored = policy("stored", "x.test", "exes", "object.syze == 1")
    unversioned = {name: value for name, value in stored.items() if name not in ("apiVersion", "kind")}
    api = Answers(
        {
            "/apis/bailiwick.dev/v1alpha1/sovereigntypolicies": {"items": [unversioned]},
            "/openapi/v3": {"paths": {"apis/x.test/v1": {}, "apis/other.test/v1": {}}},
            "/openapi/v3/apis/x.test/v1": OPENAPI,
        }
    )
    path = written(tmp_path, policy("written", "x.test", "exes", "object.sise == 1"))
    found = policy_types(load_rules([path]), api)
    assert [(one.name, one.hint) for one in found] == [
        ("written", "did you mean `size`?"),
        ("stored", "did you mean `size`?"),
    ]
    assert "/openapi/v3/apis/other.test/v1" not in api.asked
    assert str(found[1]).startswith("cluster: SovereigntyPolicy `stored`")


def test_a_cluster_without_our_kinds(tmp_path: Path) -> None:
    """Where the CRDs aren't installed, the files' policies are checked all the same."""
    path = written(tmp_path, policy("a", "apps", "deployments", "object.spec.replicaz > 1"))
    assert len(policy_types(load_rules([path]), Answers({"/openapi/v3": {"paths": {}}}))) == 1


def test_rules_that_cannot_be_read_are_told_once() -> None:
    """What is wrong with the rules themselves is another finding's business."""

    def broken() -> Any:
        raise RulesInvalid(["no"])

    assert list(types(broken)) == []
