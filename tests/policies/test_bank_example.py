"""The example of a bank: one law, three clusters, and what becomes of the same manifests in each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from bailiwick import command

BANK = Path(__file__).parents[2] / "examples" / "bank"
EXPECTED: dict[str, dict[str, str]] = yaml.safe_load((BANK / "expected.yaml").read_text())


def told(verb: str, cluster: str, *arguments: str | Path) -> Any:
    """What a verb says in JSON, under the law and the profile of one cluster."""
    rules = ("--rules", BANK / "law", "--rules", BANK / "clusters" / cluster / "profile.yaml")
    words = (verb, *arguments, *rules, "-o", "json")
    return json.loads(CliRunner().invoke(command, list(map(str, words)), catch_exceptions=False).stdout)


def tenants(cluster: str) -> tuple[str | Path, ...]:
    return ("--cluster", BANK / "tenants.yaml", "--cluster", BANK / "clusters" / cluster / "nodes.yaml")


@pytest.mark.parametrize("cluster", EXPECTED)
def test_each_object_comes_out_as_expected(cluster: str) -> None:
    """Every object of the manifests, with the code of its refusal and the line to change, and nothing else."""
    found = {}
    for case in told("check", cluster, BANK / "manifests", *tenants(cluster))["cases"]:
        office = Path(case["source"]).stem.partition("from-")[2]
        name = f"exec from {office}" if office else case["name"]
        (reason,) = case["reasons"] or [None]
        found[name] = f"{reason['code']} {reason['line']}" if reason else case["outcome"]
    assert found == EXPECTED[cluster]


@pytest.mark.parametrize(
    ("cluster", "inside"),
    [("frankfurt", {"office-frankfurt"}), ("sweden", set()), ("datacentre", {"hall-1", "hall-2"})],
)
def test_who_may_be_trusted_with_secrets(cluster: str, inside: set[str]) -> None:
    """Frankfurt and Sweden lie in the EU, and in hands that the US commands: both axes say so."""
    places = told("regions", cluster, "--jurisdiction", "bank-sovereign", "--declared")["places"]
    assert {one["code"] for one in places if one["admitted"]} == inside
    for one in places:
        if one["provider"]:
            assert [refusal.split(" is ", 1)[1] for refusal in one["refusals"]] == [
                "operated from US, which is excepted",
                "controlled from US, which is excepted",
            ]


def test_a_refusal_names_the_transfer_that_has_lapsed() -> None:
    """Whoever sent backups to Virginia for years hears why they may not any more, and since when."""
    cases = told("check", "frankfurt", BANK / "manifests" / "30-backups.yaml", *tenants("frankfurt"))["cases"]
    assert [reason["message"] for case in cases for reason in case["reasons"]] == [
        "backups would lie outside `bank-eu`: `aws.us-east-1` is located in US; "
        "transfer `backups-to-virginia` lapsed after 2025-12-31"
    ]


def test_what_relies_on_each_transfer() -> None:
    """Traces rely on one in force, backups on one that has lapsed: a finding."""
    found = {
        one["name"]: one
        for one in told("transfers", "frankfurt", BANK / "manifests", *tenants("frankfurt"))["transfers"]
    }
    relying = {name: [(each["name"], each["inForce"]) for each in one["relying"]] for name, one in found.items()}
    assert relying == {
        "traces-to-virginia": [("payments/chat", True)],
        "backups-to-virginia": [("payments/overseas", False)],
    }


def test_nodes_of_the_halls() -> None:
    """One hall is known by the machines' UUIDs, the other by a guarded label; a kubelet's own label proves nothing."""
    nodes = told("nodes", "datacentre", "--cluster", BANK / "clusters" / "datacentre" / "nodes.yaml")["nodes"]
    assert {one["node"]: one["place"] for one in nodes} == {
        "hall-1-gpu-1": "hall-1",
        "hall-2-gpu-1": "hall-2",
        "pretender": None,
    }
    assert all(one["change"] is None for one in nodes)


@pytest.mark.parametrize(
    ("cluster", "says", "corrected"),
    [
        ("frankfurt", "place-conflict: `bank-sovereign` admits no place of this cluster", {"aws.eu-central-1": "-"}),
        (
            "datacentre",
            "could run only at hall-1 or hall-2; the webhook adds here:",
            {"hall-1": "yes", "hall-2": "yes"},
        ),
    ],
)
def test_a_class_that_can_run_nowhere_here_is_told_so(cluster: str, says: str, corrected: dict[str, str]) -> None:
    """No wish of the pod is at fault where the law admits no place of the cluster, and no correction is shown."""
    rules = ("--rules", BANK / "law", "--rules", BANK / "clusters" / cluster / "profile.yaml")
    words = ("explain", BANK / "manifests" / "20-desk.yaml", *rules, *tenants(cluster))
    shown = CliRunner().invoke(command, list(map(str, words))).stdout.split("\n\n")[0]
    assert says in shown
    head, *rows = [line for line in shown.splitlines() if line.startswith(("    PLACE", "    hall", "    aws"))]
    at = head.index("CORRECTED")
    assert {row.split()[0]: row[at:].split()[0] for row in rows} == corrected
