"""`bailiwick explain`: what it shows, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from bailiwick import command

QUICKSTART = Path(__file__).parents[2] / "examples" / "quickstart"
GIVEN = ("--rules", QUICKSTART / "rules", "--cluster", QUICKSTART / "cluster")


def run(*arguments: str | Path, stdin: str | None = None) -> Result:
    return CliRunner().invoke(command, ["explain", *map(str, arguments)], input=stdin, catch_exceptions=False)


def test_a_person_sees_places_constraints_and_verdict() -> None:
    """The refused model server: its constraint with its line, each place with the jurisdiction's word, what to do."""
    shown = run(QUICKSTART / "manifests" / "40-kserve-llminferenceservice.yaml", *GIVEN)
    assert shown.exit_code == 0
    assert "could run   only at aws.us-east-1" in shown.stdout
    assert 'line 18  spec.template.nodeSelector["bailiwick.node-restriction.kubernetes.io/place"]' in shown.stdout
    rows = {
        line.split()[0]: line for line in shown.stdout.splitlines() if line.strip().startswith(("aws.", "scaleway."))
    }
    assert rows["aws.us-east-1"].endswith("no: located in US")
    assert rows["aws.eu-central-1"].endswith("in `eu`")
    assert "DE" in rows["aws.eu-central-1"].split()
    assert "verdict       denied" in shown.stdout
    assert "fix: drop the wish that lies outside the jurisdiction" in shown.stdout


def test_programs_get_the_same_as_json_and_yaml() -> None:
    """Every object of the quickstart, with its facts, pods, places and reasons, in both formats alike."""
    as_json = json.loads(run(QUICKSTART / "manifests", *GIVEN, "-o", "json").stdout)
    assert as_json == yaml.safe_load(run(QUICKSTART / "manifests", *GIVEN, "-o", "yaml").stdout)
    objects = {one["name"]: one for one in as_json["objects"]}
    assert objects["vllm-mistral"]["pods"][0]["correctedPlaces"] == [
        "aws.eu-central-1",
        "aws.eu-west-3",
        "scaleway.fr-par",
    ]
    assert objects["vllm-mistral"]["pods"][0]["places"] == ["!"]
    assert objects["overseas"]["destinations"][0]["where"] == "aws.us-east-1"
    assert [reason["code"] for reason in objects["qwen"]["reasons"]] == ["place-conflict"]
    assert objects["qwen"]["reasons"][0]["line"] == 18
    assert objects["nobody-said"]["dataClass"] == ""


def test_standard_input_and_no_rules_at_all() -> None:
    """Whoever has only a manifest still learns what is in it; what isn't known is said to be unknown."""
    shown = run("-", stdin=(QUICKSTART / "manifests" / "10-vllm-pod.yaml").read_text())
    assert shown.exit_code == 0
    assert "mistralai/Mistral-7B-Instruct-v0.3 at e0bc86c23ce5aae1db576c8cca6f06f1f73af2db" in shown.stdout
    assert "name the file that holds it with --cluster" in shown.stdout
    assert "could run   anywhere" in shown.stdout


def test_what_can_not_be_read_ends_with_2(tmp_path: Path) -> None:
    """The rest is explained all the same."""
    path = tmp_path / "half.yaml"
    path.write_text("apiVersion: v1\nkind: Secret\nmetadata: {name: s}\n---\na: [\n")
    shown = run(path)
    assert shown.exit_code == 2
    assert "Secret default/s" in shown.stdout
    assert f"unreadable {path}" in shown.stdout


@pytest.mark.parametrize("text", ["", "# nothing\n"])
def test_nothing_to_explain_is_a_mistake(text: str) -> None:
    """An empty input is more likely a mistake than a wish."""
    shown = run("-", stdin=text)
    assert shown.exit_code == 2
    assert "nothing to explain" in shown.output
