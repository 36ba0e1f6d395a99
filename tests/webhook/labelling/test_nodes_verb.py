"""`bailiwick nodes` and `bailiwick guards`: what they show, and how they end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from bailiwick import command
from policies.native import read

QUICKSTART = Path(__file__).parents[3] / "examples" / "quickstart"
RULES = ("--rules", str(QUICKSTART / "rules"))
PLACE = "bailiwick.node-restriction.kubernetes.io/place"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(command, list(arguments))


@pytest.fixture
def fleet(tmp_path: Path) -> str:
    """One node that is right, one that lies, one without a label, one at a place that says something else."""

    def node(name: str, region: str, machine: str, label: str | None) -> dict[str, object]:
        labels = {"topology.kubernetes.io/region": region} | ({PLACE: label} if label else {})
        metadata = {"name": name, "labels": labels, "creationTimestamp": "2026-11-01T00:00:00Z"}
        return {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": {"providerID": machine}}

    nodes = [
        node("right", "eu-central-1", "aws:///eu-central-1a/i-00000000000000001", "aws.eu-central-1"),
        node("lying", "eu-central-1", "aws:///us-east-1a/i-00000000000000002", "aws.eu-central-1"),
        node("bare", "eu-west-3", "aws:///eu-west-3a/i-00000000000000003", None),
        node("wrong", "us-east-1", "aws:///us-east-1b/i-00000000000000004", "aws.eu-west-3"),
    ]
    path = tmp_path / "nodes.yaml"
    path.write_text(yaml.safe_dump_all(nodes))
    return str(path)


def test_a_person_sees_each_node_with_the_reason(fleet: str) -> None:
    """By name: the place, its country, what the label says about it, and why a place isn't believed."""
    shown = run("nodes", *RULES, "--cluster", fleet)
    assert shown.exit_code == 0
    rows = {line.split()[0]: line for line in shown.stdout.splitlines()}
    assert list(rows)[:5] == ["NODE", "bare", "lying", "right", "wrong"]
    assert rows["bare"].split()[1:] == ["aws.eu-west-3", "FR", "missing"]
    assert rows["right"].split()[1:] == ["aws.eu-central-1", "DE", "right"]
    assert "`aws.eu-west-3`, wrong" in rows["wrong"]
    assert "unknown" in rows["lying"]
    assert "`aws.eu-central-1`, not believed" in rows["lying"]
    assert "not where `spec.providerID` says" in rows["lying"] or "is not known to lie anywhere" in rows["lying"]
    assert shown.stdout.endswith("4 nodes, 3 to be changed\n")


def test_programs_get_the_same_as_json_and_yaml(fleet: str) -> None:
    """The same rows in both."""
    as_json = json.loads(run("nodes", *RULES, "--cluster", fleet, "-o", "json").stdout)
    assert as_json == yaml.safe_load(run("nodes", *RULES, "--cluster", fleet, "-o", "yaml").stdout)
    assert {row["node"]: row["change"] for row in as_json["nodes"]} == {
        "right": None,
        "lying": "removed",
        "bare": "written",
        "wrong": "replaced",
    }


def test_a_plan_shows_what_has_to_change_and_exits_with_1(fleet: str) -> None:
    """Only those; where nothing has to change it says so, and exits with 0."""
    planned = run("nodes", *RULES, "--cluster", fleet, "label")
    assert planned.exit_code == 1
    assert "right" not in {line.split()[0] for line in planned.stdout.splitlines()}
    settled = run("nodes", *RULES, "--cluster", str(QUICKSTART / "cluster"), "label")
    assert (settled.exit_code, settled.stdout) == (0, "nothing has to change\n")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("nodes",), "whose nodes?"),
        (("nodes", "--cluster", "x"), "whose nodes?"),
        (("nodes", *RULES, "--cluster", "x", "--kubeconfig", "y"), "excludes"),
        (("nodes", *RULES, "--cluster", "x", "label", "--watch"), "labels are written to a cluster"),
        (("nodes", "--kubeconfig", "y", "label", "--watch", "--once"), "exclude each other"),
        (("nodes", "--kubeconfig", "y", "label", "--watch", "--lease", "x"), "`x` is no lease"),
        (("nodes", "--kubeconfig", "y", "label", "--watch", "--lease-seconds", "0"), "not in the range"),
        (("nodes", "--kubeconfig", "y", "label", "--watch", "--rate", "0"), "not in the range"),
        (("serve", "--label-nodes"), "no cluster whose nodes could be labelled"),
        (("guards",), "whose guards?"),
        (("guards", *RULES, "--check"), "nothing to compare with"),
    ],
)
def test_a_mistake_says_what_to_do(arguments: tuple[str, ...], says: str) -> None:
    """Exit code 2, and the option that is missing or too much."""
    shown = run(*arguments)
    assert shown.exit_code == 2
    assert says in shown.stderr


def test_a_folder_without_nodes_says_so(tmp_path: Path) -> None:
    """A table of nothing, told apart from nodes whose labels are right; programs get an empty list."""
    (tmp_path / "ns.yaml").write_text("apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n")
    shown = run("nodes", *RULES, "--cluster", str(tmp_path))
    assert (shown.exit_code, shown.stdout, shown.stderr) == (0, "", "no nodes there\n")
    listed = run("nodes", *RULES, "--cluster", str(tmp_path), "-o", "json")
    assert json.loads(listed.stdout) == {"nodes": []}


def test_without_a_profile_nothing_can_be_believed(tmp_path: Path, fleet: str) -> None:
    """Rules that declare no cluster are a mistake, and not a fleet of unknown nodes."""
    (tmp_path / "rules").mkdir()
    shown = run("nodes", "--rules", str(tmp_path / "rules"), "--cluster", fleet)
    assert (shown.exit_code, "no ClusterProfile" in shown.stderr) == (2, True)


def test_guards_are_documents_that_can_be_applied_and_read() -> None:
    """YAML documents and a JSON List of the same objects, which our reader of native policies takes."""
    documents = list(yaml.safe_load_all(run("guards", *RULES).stdout))
    listed = json.loads(run("guards", *RULES, "-o", "json").stdout)
    assert listed["kind"] == "List"
    assert listed["items"] == documents
    assert len(read(documents).validating) == 3


def test_guards_without_a_profile_say_who_may(tmp_path: Path) -> None:
    """They are printed all the same; who may is said beside them."""
    shown = run("guards", "--rules", str(tmp_path))
    assert shown.exit_code == 0
    assert "`system:masters` alone" in shown.stderr
