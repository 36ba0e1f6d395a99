"""A deployer's own kinds of workloads: judged by each command, followed by the webhook, refused whole with the line."""

import json
from pathlib import Path
from typing import Any

import pytest

from policies.replaying import Outcome
from policies.workloads.catalogue.compile import overridden
from policies.workloads.catalogue.kinds import COMPILED, Catalogue, builtin, catalogue_digest
from tests.webhook.decided import CLUSTER, RULES, Decided
from tests.webhook.own_file import is_followed, run
from webhook.demo.process import Process

EXAMPLE = Path(__file__).parents[2] / "examples" / "catalogue.yaml"
KIND = "- group: farms.example\n  kind: Farm\n  versions: [v1]\n  plural: farms\n"
FARMS = KIND + "  pods:\n  - {template: spec, metadata: object, flat: [.engine]}\n"
WRONG = KIND + "  pods:\n  - {template: spec, metdata: object}\n"
COMPLAINT = "own.yaml:6: Farm: `metdata` is no field of a row of `pods`: did you mean `metadata`?"
PLACE = "bailiwick.node-restriction.kubernetes.io/place"
FARM: dict[str, Any] = {
    "apiVersion": "farms.example/v1",
    "kind": "Farm",
    "metadata": {"name": "f", "namespace": "clinic"},
    "spec": {
        "engine": {"image": f"registry.example/c@sha256:{'0' * 64}"},
        "nodeSelector": {PLACE: "aws.us-east-1"},
    },
}
RULED = ("--rules", RULES, "--cluster", CLUSTER)


@pytest.fixture
def own(tmp_path: Path) -> Path:
    file = tmp_path / "own.yaml"
    file.write_text(FARMS)
    return file


@pytest.fixture
def farm(tmp_path: Path) -> Path:
    file = tmp_path / "farm.json"
    file.write_text(json.dumps(FARM))
    return file


def test_a_kind_of_one_s_own_is_judged_by_its_pods(own: Path, farm: Path) -> None:
    """What nobody could read is found at the path that the file names, judged, and explained."""
    for catalogue in (own, EXAMPLE):
        assert run("check", farm, *RULED).exit_code == 0
        judged = run("check", farm, *RULED, "--catalogue", catalogue)
        assert judged.exit_code == 1
        assert "place-conflict: spec " in judged.output
        assert "not in the catalogue" in run("explain", farm, *RULED).output
        shown = run("explain", farm, *RULED, "--catalogue", catalogue)
        assert "farms.example/v1 Farm, in the catalogue" in shown.output
        assert "pod spec, line 1" in shown.output
    assert run("transfers", farm, *RULED, "--catalogue", own).exit_code == 0


def test_a_kind_of_one_s_own_says_whether_it_lies_in_a_namespace(own: Path, farm: Path) -> None:
    """`scope: Cluster` of the file is what the request of a check is made by."""
    own.write_text(FARMS + "  scope: Cluster\n")
    farm.write_text(json.dumps({**FARM, "metadata": {"name": "f"}}))
    told = [run("explain", farm, "-n", "clinic", *RULED, *more, "-o", "json").output for more in ((), own_at(own))]
    assert [json.loads(one)["objects"][0]["namespace"] for one in told] == ["clinic", ""]


def own_at(own: Path) -> tuple[str, Path]:
    return ("--catalogue", own)


@pytest.mark.parametrize("verb", ["check", "explain", "transfers", "serve", "replay"])
def test_a_wrong_file_is_refused_by_file_line_and_field(own: Path, farm: Path, tmp_path: Path, verb: str) -> None:
    """Each command says file, line, field and what was meant, and decides nothing."""
    own.write_text(WRONG)
    given = {"serve": ["--snapshot", CLUSTER, "--state", str(tmp_path / "state")], "replay": []}
    words = {"serve": [verb], "replay": ["audit", verb, tmp_path]}.get(verb, [verb, farm])
    asked = [*words, "--rules", RULES, *given.get(verb, ["--cluster", CLUSTER]), "--catalogue"]
    ended = run(*asked, own)
    assert COMPLAINT in str(ended.exception)
    assert "nothing of it was put in force" in getattr(ended.exception, "hint", "")
    if verb != "serve":  # it reads the file as the others do, and takes long to start
        missing = run(*asked, own.with_name("none.yaml"))
        assert "none.yaml: cannot be read" in str(missing.exception)


def test_the_doctor_looks_with_it(own: Path, tmp_path: Path) -> None:
    """`doctor` compiles the rules with the file, and says what is wrong with it."""
    asked = ["doctor", "--rules", RULES, "--state", tmp_path, "-o", "json", "--catalogue", own]
    good = {row["subject"]: row for row in json.loads(run(*asked).output)}["rules"]
    assert good["health"] == "good"
    own.write_text(WRONG)
    wrong = {row["subject"]: row for row in json.loads(run(*asked).output)}["rules"]
    assert (wrong["health"], COMPLAINT in wrong["detail"]) == ("broken", True)


def test_replays_take_it_with_todays_rules_only(own: Path, tmp_path: Path) -> None:
    """What was archived is what decisions are made again with: a catalogue alone would be for nothing."""
    ended = run("audit", "replay", tmp_path, "--catalogue", own)
    assert (ended.exit_code, "give --rules, too" in ended.output) == (2, True)


def test_the_digest_tells_catalogues_apart() -> None:
    """Another catalogue is other data, and one that changes nothing is the built-in one; what is written is read."""
    farms = overridden(builtin(), FARMS, "own.yaml")
    assert overridden(builtin(), "[]", "own.yaml").digest == builtin().digest == catalogue_digest()
    assert farms.digest != catalogue_digest()
    again = Catalogue.of(farms.written)
    assert again.digest == farms.digest
    assert again.kinds == farms.kinds
    assert builtin().written == COMPILED.read_bytes()


def test_a_running_webhook_follows_the_file_and_its_decisions_are_made_again(own: Path, tmp_path: Path) -> None:
    """A change comes into force; an error doesn't, is told, and leaves the one before; the archive knows them all."""
    own.write_text("[]\n")
    state = tmp_path / "state"
    state.mkdir()
    process = Process(state, ["--rules", RULES, "--snapshot", CLUSTER, "--catalogue", str(own), "--linger", "0"])
    try:
        texts = {"admitting": "[]\n", "refusing": FARMS, "wrong": WRONG}
        is_followed(process, own, FARM, texts, COMPLAINT)
    finally:
        assert process.stop() == 0, process.written()
    own.with_name("today.yaml").write_text(FARMS)
    shown = run("audit", "replay", state, "--rules", RULES, "--catalogue", own.with_name("today.yaml"), "-o", "json")
    today = {(one["verdict"], one["today"]["outcome"]) for one in json.loads(shown.output)["records"]}
    assert ("allowed", "differs") in today
    assert ("denied", "differs") not in today
    without = json.loads(run("audit", "replay", state, "--rules", RULES, "-o", "json").output)["records"]
    assert ("denied", "differs") in {(one["verdict"], one["today"]["outcome"]) for one in without}
    lines = Decided(state, ()).lines()
    assert {line.then.outcome for line in lines} == {Outcome.SAME}
    assert {line.verdict for line in lines} >= {"allowed", "denied"}
