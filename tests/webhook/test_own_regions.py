"""A deployer's own regions: the same file for every command, followed by the webhook, refused whole with its place."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from policies.gathering import engine_of, load_rules
from policies.snapshot import MemorySnapshot
from policies.written_rules import engine_of_document, written_rules
from tests.webhook.decided import CLUSTER, RULES
from tests.webhook.own_file import is_followed, run
from webhook.demo.process import Process

PARIS_IN_BRITAIN = "providers:\n  aws:\n    regions:\n      eu-west-3: {country: GB, confidence: verified}\n"
WRONG = "providers:\n  aws:\n    regions:\n      eu-west-3: {contry: GB}\n"
COMPLAINT = "own.yaml:4: `providers.aws.regions.eu-west-3.contry` is no field: did you mean `country`"
PLACE = "bailiwick.node-restriction.kubernetes.io/place"
POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "p", "namespace": "clinic"},
    "spec": {
        "nodeSelector": {PLACE: "aws.eu-west-3"},
        "containers": [{"name": "c", "image": f"registry.example/c@sha256:{'0' * 64}"}],
    },
}
NODE = {
    "apiVersion": "v1",
    "kind": "Node",
    "metadata": {
        "name": "n",
        "labels": {"topology.kubernetes.io/region": "eu-west-3", "topology.kubernetes.io/zone": "eu-west-3a"},
    },
    "spec": {"providerID": "aws:///eu-west-3a/i-0123456789abcdef0"},
}


@pytest.fixture
def own(tmp_path: Path) -> Path:
    file = tmp_path / "own.yaml"
    file.write_text(PARIS_IN_BRITAIN)
    return file


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    file = tmp_path / "pod.json"
    file.write_text(json.dumps(POD))
    return file


def told(*arguments: str | Path) -> str:
    return run(*arguments, "-o", "json").output


def test_each_command_reads_the_same_file(own: Path, manifest: Path) -> None:
    """A region that the deployer says is elsewhere is elsewhere for check, explain, regions, transfers and nodes."""
    ruled = ("--rules", RULES, "--cluster", CLUSTER)
    for verb in ("check", "explain"):
        assert "place-conflict" not in told(verb, manifest, *ruled)
        assert "place-conflict" in told(verb, manifest, *ruled, "--regions", own)
    for rules in ((), ("--rules", RULES)):
        shown = told("regions", "aws", "eu-west-3", *rules, "--regions", own)
        assert [one["country"] for one in json.loads(shown)["places"]] == ["GB"]
    paris = own.with_name("node.json")
    paris.write_text(json.dumps(NODE))
    shown = told("nodes", "--rules", RULES, "--cluster", paris, "--regions", own)
    assert [one["country"] for one in json.loads(shown)["nodes"]] == ["GB"]
    assert run("transfers", manifest, *ruled, "--regions", own).exit_code == 0


@pytest.mark.parametrize("verb", ["check", "explain", "regions", "transfers", "nodes", "serve"])
def test_a_wrong_file_is_refused_by_file_line_and_field(own: Path, manifest: Path, tmp_path: Path, verb: str) -> None:
    """Each command says file, line, field and what was meant, and decides nothing."""
    own.write_text(WRONG)
    paths = [manifest] if verb in ("check", "explain", "transfers") else []
    given = ["--cluster", CLUSTER] if verb not in ("regions", "serve") else []
    given += ["--snapshot", CLUSTER, "--state", str(tmp_path / "state")] if verb == "serve" else []
    ended = run(verb, *paths, "--rules", RULES, *given, "--regions", own)
    assert COMPLAINT in str(ended.exception)
    assert getattr(ended.exception, "hint", "")
    if verb == "serve":
        return  # it reads the file as the others do, and takes long to start
    missing = run(verb, *paths, "--rules", RULES, *given, "--regions", own.with_name("none.yaml"))
    assert "none.yaml: cannot be read" in str(missing.exception)


def test_the_command_ends_with_its_code_for_misuse(own: Path) -> None:
    """As for any mistake of the one who asks: code 2, the error, a hint."""
    import subprocess
    import sys

    own.write_text(WRONG)
    ended = subprocess.run(  # our own command, no shell
        [sys.executable, "-m", "bailiwick", "regions", "aws", "--regions", str(own)],
        capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert ended.returncode == 2
    assert COMPLAINT in ended.stderr
    assert "hint: " in ended.stderr


def test_expressions_know_the_deployer_s_places(own: Path, tmp_path: Path) -> None:
    """`place()` in a policy is what the file says it is."""
    policy: dict[str, Any] = {"apiVersion": "bailiwick.dev/v1alpha1", "kind": "SovereigntyPolicy"}
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    validation = {"expression": "place('aws', 'eu-west-3').country == 'FR'", "message": "paris is not in france"}
    policy["metadata"] = {"name": "paris"}
    policy["spec"] = {"matchConstraints": {"resourceRules": [rule]}, "validations": [validation]}
    (tmp_path / "policy.json").write_text(json.dumps(policy))
    (tmp_path / "pod.json").write_text(json.dumps(POD))
    asked = ("check", tmp_path / "pod.json", "--rules", tmp_path / "policy.json", "--no-packs")
    assert run(*asked).exit_code == 0
    assert "paris is not in france" in run(*asked, "--regions", own).output


def test_decisions_under_own_regions_can_be_made_again(own: Path) -> None:
    """The document of the rules holds the regions, so an engine of then is made of it bit for bit."""
    engine = engine_of((load_rules([RULES], str(own)),), "test")
    plain = engine_of((load_rules([RULES]),), "test")
    inputs = engine._inputs(_request(), MemorySnapshot.of([]))
    assert engine.law.data_digest != plain.law.data_digest
    again = engine_of_document(json.loads(json.dumps(written_rules(engine.law))), inputs)
    place = again.law.geography.regions.place("aws", "eu-west-3")
    assert place is not None
    assert place.country == "GB"


def _request() -> Any:
    from policies.checking import creation

    return creation(POD, "default")


@pytest.fixture
def webhook(own: Path, tmp_path: Path) -> Iterator[Process]:
    own.write_text("")
    state = tmp_path / "state"
    state.mkdir()
    given = ["--rules", RULES, "--snapshot", CLUSTER, "--regions", str(own), "--linger", "0"]
    process = Process(state, given)
    yield process
    assert process.stop() == 0


def test_a_running_webhook_follows_the_file(webhook: Process, own: Path) -> None:
    """A file that changes comes into force; one with an error doesn't, is told, and leaves the one before in force."""
    texts = {"admitting": "", "refusing": PARIS_IN_BRITAIN, "wrong": WRONG}
    is_followed(webhook, own, POD, texts, COMPLAINT)
