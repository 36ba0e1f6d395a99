"""Objects that refer to each other in circles: there is a decision for each of them."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from policies.checking import check
from policies.gathering import gather

QUICKSTART = Path(__file__).parents[2] / "examples" / "quickstart"
NOW = datetime(2026, 11, 21, tzinfo=UTC)


def made(version: str, kind: str, name: str, **fields: Any) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": "clinic"}, **fields}


def claim(name: str, source: str) -> dict[str, Any]:
    spec = {"volumeName": f"of-{name}", "dataSource": {"kind": "PersistentVolumeClaim", "name": source}}
    return made("v1", "PersistentVolumeClaim", name, spec={**spec, "dataSourceRef": spec["dataSource"]})


def volume(name: str) -> dict[str, Any]:
    return made("v1", "PersistentVolume", f"of-{name}", spec={"claimRef": {"namespace": "clinic", "name": name}})


def nested(depth: int) -> dict[str, Any]:
    held = made("v1", "Pod", "innermost", spec={"containers": [{"name": "c", "image": "a:b"}]})
    for _ in range(depth):
        held = made("workload.codeflare.dev/v1beta2", "AppWrapper", "w", spec={"components": [{"template": held}]})
    return held


NODES = {
    "root": {"routerType": "Sequence", "steps": [{"nodeName": "again"}]},
    "again": {"routerType": "Sequence", "steps": [{"nodeName": "root"}]},
}
BACKEND = {"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": "route"}
HELD = [claim("a", "b"), claim("b", "a"), claim("itself", "itself"), *map(volume, ("a", "b", "itself"))]
CIRCLES = {
    "claims": made(
        "v1",
        "Pod",
        "p",
        spec={
            "containers": [{"name": "c", "image": "a:b"}],
            "volumes": [{"name": one, "persistentVolumeClaim": {"claimName": one}} for one in ("a", "b", "itself")],
        },
    ),
    "a graph": made("serving.kserve.io/v1alpha1", "InferenceGraph", "g", spec={"nodes": NODES}),
    "a template": made(
        "argoproj.io/v1alpha1",
        "WorkflowTemplate",
        "t",
        spec={"templates": [{"name": "t", "dag": {"tasks": [{"name": "x", "templateRef": {"name": "t"}}]}}]},
    ),
    "a base": made("serving.kserve.io/v1alpha2", "LLMInferenceServiceConfig", "c", spec={"baseRefs": [{"name": "c"}]}),
    "a route": made("gateway.networking.k8s.io/v1", "HTTPRoute", "route", spec={"rules": [{"backendRefs": [BACKEND]}]}),
    "variables": made(
        "v1",
        "Pod",
        "v",
        spec={
            "containers": [
                {
                    "name": "c",
                    "image": "a:b",
                    "args": ["--model=$(A)"],
                    "env": [{"name": "A", "value": "$(B)$(B)"}, {"name": "B", "value": "$(A)$(A)"}],
                }
            ]
        },
    ),
    "objects inside": nested(20),
}


@pytest.mark.parametrize("name", CIRCLES)
def test_there_is_a_decision_for_circles(name: str, tmp_path: Path) -> None:
    """References that come back to where they began end in a decision, and in the same one each time."""
    judged, held = tmp_path / "judged.json", tmp_path / "held.json"
    judged.write_text(json.dumps(CIRCLES[name]))
    held.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": HELD}))
    cluster = [str(QUICKSTART / "cluster"), str(held)]
    given = gather([str(judged)], [str(QUICKSTART / "rules")], cluster, "test")
    first, second = (list(check(given.documents, given.engine, given.snapshot, NOW, "clinic")) for _ in range(2))
    assert [(one.code, one.message) for one in first[0].reasons] == [
        (one.code, one.message) for one in second[0].reasons
    ]
    assert first[0].outcome == second[0].outcome
    assert first[0].outcome in ("allowed", "denied", "undetermined")
