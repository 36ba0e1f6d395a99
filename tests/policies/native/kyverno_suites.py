"""The suites of the kyverno-policies corpus: policies, resources, and the result that its authors expect for each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from policies.checking import creation
from policies.native import kyverno
from policies.native.kyverno import KyvernoPolicy
from policies.snapshot import MemorySnapshot

CORPUS = Path(__file__).parents[4] / "shared" / "corpora" / "kyverno-policies"
Json = dict[str, Any]


@dataclass(frozen=True)
class Row:
    """One resource under one policy, and what is expected."""

    suite: str
    policy: KyvernoPolicy
    resource: Json
    expected: str
    namespaces: tuple[Json, ...]

    def __str__(self) -> str:
        return f"{self.suite}: {self.policy.name}: {self.resource['kind']} {self.resource['metadata']['name']}"

    def found(self) -> str:
        """Our result, in Kyverno's words; a policy that the resource doesn't concern is skipped."""
        namespace = self.resource["metadata"].get("namespace", "default")
        known = {one["metadata"]["name"] for one in self.namespaces}
        made = [] if namespace in known else [{"metadata": {"name": namespace}}]
        heads = [{"apiVersion": "v1", "kind": "Namespace", **one, **_HEAD} for one in (*self.namespaces, *made)]
        request = creation(self.resource, "default")
        verdicts = kyverno.judge([self.policy], request, MemorySnapshot.of(heads))
        return str(verdicts[0].result) if verdicts else "skip"


_HEAD = {"apiVersion": "v1", "kind": "Namespace"}


def policies() -> Iterator[Json]:
    """Every policy of the corpus."""
    for path in sorted(CORPUS.rglob("*.yaml")):
        for found in _documents(path):
            if str(found.get("apiVersion")).startswith(kyverno.reading.GROUP):
                yield found


def rows() -> Iterator[Row]:
    """Every expectation of every suite, resolved to its policy and resource."""
    for path in sorted(CORPUS.rglob("kyverno-test.yaml")):
        (test,) = _documents(path)
        folder = path.parent
        read = [one for name in test["policies"] for one in _documents(folder / name)]
        made = {policy.name: policy for policy in kyverno.read(read)}
        resources = [one for name in test["resources"] for one in _documents(folder / name)]
        values = list(_documents(folder / test["variables"])) if "variables" in test else []
        namespaces = tuple(one for value in values for one in value.get("namespaces", ()))
        for result in test["results"]:
            for name in result["resources"]:
                found = _resource(resources, result["kind"], name)
                suite = str(folder.parent.relative_to(CORPUS))
                yield Row(suite, made[result["policy"]], found, result["result"], namespaces)


def _resource(resources: list[Json], kind: str, name: str) -> Json:
    namespace, _, bare = name.rpartition("/")
    fitting = [
        one
        for one in resources
        if one["kind"] == kind
        and one["metadata"]["name"] == bare
        and namespace in ("", one["metadata"].get("namespace", "default"))
    ]
    assert fitting, f"no {kind} {name}"
    return fitting[0]


def _documents(path: Path) -> Iterator[Mapping[str, Any]]:
    return (found for found in yaml.safe_load_all(path.read_text()) if found)
