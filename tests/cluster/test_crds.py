"""The definitions in the chart on a real API server: accepted as structural, and of one mind with our own models."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from policies.kinds import KINDS, KindInvalid, parse
from tests.cluster.bed.cluster import Cluster, Json, Reply
from tests.policies.kinds.mutants import mutants
from tests.policies.kinds.vectors import Case, cases

pytestmark = pytest.mark.cluster

CRDS = Path(__file__).parents[2] / "charts" / "bailiwick" / "crds"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
STRICT = {"fieldValidation": "Strict"}
MUTANTS = int(os.environ.get("BAILIWICK_TEST_MUTANTS", "500"))  # four a hundredth of a second


@pytest.fixture(scope="module")
def served(control_plane: Cluster) -> Iterator[Cluster]:
    """An API server that knows our kinds; those that it learns here it forgets afterwards."""
    definitions: list[Json] = [yaml.safe_load(path.read_text()) for path in sorted(CRDS.glob("*.yaml"))]
    assert len(definitions) == len(KINDS)
    replies = {
        one["metadata"]["name"]: control_plane.request("POST", DEFINITIONS, one, params=STRICT) for one in definitions
    }
    assert {reply.status for reply in replies.values()} <= {201, 409}, [reply.message for reply in replies.values()]
    control_plane.wait_for(
        "our kinds", lambda: all("Established" in conditions(control_plane, name) for name in replies)
    )
    yield control_plane
    for name, reply in replies.items():
        if reply.status == 201:
            control_plane.request("DELETE", f"{DEFINITIONS}/{name}")


def conditions(cluster: Cluster, name: str) -> set[str]:
    """The conditions of a definition that are true."""
    status = cluster.request("GET", f"{DEFINITIONS}/{name}").ok().get("status", {})
    return {one["type"] for one in status.get("conditions", ()) if one["status"] == "True"}


def created(cluster: Cluster, value: Json) -> Reply:
    """What the API server says to the creation of this object, as a dry run."""
    about = KINDS[value["kind"]].registration
    space = "namespaces/default/" if about.namespaced else ""
    path = f"/apis/bailiwick.dev/v1alpha1/{space}{about.plural}"
    return cluster.request("POST", path, value, params={**STRICT, "dryRun": "All"})


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_accepted(served: Cluster, kind: str) -> None:
    """A definition is established under its names, and the API server calls nothing about it unstructural."""
    found = conditions(served, f"{KINDS[kind].registration.plural}.bailiwick.dev")
    assert {"Established", "NamesAccepted"} <= found
    assert not found & {"NonStructuralSchema", "Terminating", "KubernetesAPIApprovalPolicyConformant"}


def test_for_people(served: Cluster) -> None:
    """`kubectl explain` has our sentences, and `kubectl get` our columns, by short name and by category."""
    explained = said(served, "explain", "svp.spec.validations.forEach")
    assert "judged once for each item" in " ".join(explained.split())
    head = {"apiVersion": "bailiwick.dev/v1alpha1", "kind": "DataClass", "metadata": {"name": "shown"}}
    path = "/apis/bailiwick.dev/v1alpha1/dataclasses"
    served.request("POST", path, {**head, "spec": {"rank": 7}}, params=STRICT).ok()
    for name in ("dcl", "dataclass", "bailiwick"):
        header, row = said(served, "get", name).splitlines()
        assert header.split() == ["NAME", "RANK", "RESIDENCY", "DEVICE", "RUNTIME", "AGE"]
        assert row.split()[:2] == ["shown", "7"] or row.split()[:2] == ["dataclass.bailiwick.dev/shown", "7"]
    served.request("DELETE", f"{path}/shown").ok()


def said(served: Cluster, *words: str) -> str:
    """What kubectl prints, once the API server has published the kinds: that follows their being served."""

    def known() -> bool:
        return served.kubectl(*words, check=False).returncode == 0

    served.wait_for(f"kubectl {' '.join(words)}", known)
    return served.kubectl(*words).stdout


@pytest.mark.parametrize("case", cases(), ids=str)
def test_same_verdict(served: Cluster, case: Case) -> None:
    """The API server takes what our models take and refuses what they refuse."""
    reply = created(served, case.value)
    assert reply.status in ((201,) if case.good else (400, 422)), reply.message


def test_same_verdict_on_mutants(served: Cluster) -> None:
    """On objects that nobody thought of, too."""
    differing = []
    for case in mutants(MUTANTS, seed=3):
        reply = created(served, case.value)
        assert reply.status in (201, 400, 422), reply.message
        if (reply.status == 201) != taken(case.value):
            differing.append(f"{case}: API server {reply.status} {reply.message}; ours {problems(case.value)}")
    assert not differing, "\n".join(differing)


def taken(value: Json) -> bool:
    """Do our models take it?"""
    return not problems(value)


def problems(value: Json) -> list[str]:
    """What our models find wrong."""
    try:
        parse(value)
    except KindInvalid as invalid:
        return [str(problem) for problem in invalid.problems]
    return []
