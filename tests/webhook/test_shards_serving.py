"""A webhook whose log goes on in shards: rotated while it answers, held, pruned, verified from outside."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import yaml
from click.testing import CliRunner

from audit.files.shards import shard_numbers
from bailiwick import command
from webhook.demo.process import Process

QUICKSTART = Path(__file__).parents[2] / "examples" / "quickstart"
RULES, CLUSTER = str(QUICKSTART / "rules"), str(QUICKSTART / "cluster")
POD = next(yaml.safe_load_all((QUICKSTART / "manifests" / "10-vllm-pod.yaml").read_text()))


def _run(state: Path, verb: str, *arguments: str) -> tuple[int, str]:
    shown = CliRunner().invoke(command, ["audit", verb, str(state), *arguments], standalone_mode=False)
    return shown.exit_code, shown.output + (str(shown.exception) if shown.exception else "")


def _until(condition: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.05)


def test_a_life_in_shards(tmp_path: Path) -> None:
    """Answers go on over rotations; a hold keeps what is old, then it goes; `audit verify` follows the chain."""
    state = tmp_path / "state"
    state.mkdir()
    arguments = ["--rules", RULES, "--snapshot", CLUSTER, "--linger", "0", "--shard-records", "8", "--keep-days", "0"]
    process = Process(state, arguments)
    try:
        asker = process.ready()

        def shards() -> int:
            asker.create({**POD, "metadata": {**POD["metadata"], "name": f"vllm-{time.monotonic_ns()}"}})
            return len(shard_numbers(state / "log"))

        _until(lambda: shards() >= 3, process.written())
        code, shown = _run(state, "verify")
        assert code == 0, shown
        assert shown.startswith("holds: 3 shards, ")
        assert _run(state, "verify", "--from", "0", "--to", "3")[0] == 1  # click's, for a usage error in a test
        code, shown = _run(state, "verify", "--shard", "1", "--to", "3")
        assert (code, shown.startswith("holds: ")) == (0, True), shown
        code, shown = _run(state, "prune", "--older-than", "0")
        assert (code, shown.count("prunable")) == (0, 3), shown  # two shards, and the line that says what to do
        assert _run(state, "prune", "--older-than", "30", "--shard", "0")[0] == 1
        assert _run(state, "hold", "case-7", "--basis", "GDPR 17(3)(e)")[0] == 0
        code, shown = _run(state, "prune", "--older-than", "0", "--shard", "0", "--yes")
        assert (code, "held, by case-7" in shown) == (1, True), shown
        assert _run(state, "hold", "case-7", "--basis", "settled", "--lift")[0] == 0
        code, shown = _run(state, "prune", "--older-than", "0", "--yes", "-o", "json")
        assert [one["state"] for one in json.loads(shown)][:2] == ["pruned", "pruned"], shown
        assert code == 0
        asker.create(POD)
        assert _run(state, "verify")[0] == 0
    finally:
        code = process.stop()
    assert code == 0, process.written()
    code, shown = _run(state, "verify", "-o", "json")
    told = json.loads(shown)
    pruned = [one["pruned"] for one in told["shards"]]
    assert (code, told["ok"], pruned[:2], pruned[-1]) == (0, True, [True, True], False)
    assert not (state / "log" / "wal").exists()


def test_what_serve_would_not_prune_the_command_does_not_either(tmp_path: Path) -> None:
    """Without a webhook the command does it itself, under the time that nothing is pruned before."""
    state = tmp_path / "state"
    state.mkdir()
    process = Process(state, ["--rules", RULES, "--snapshot", CLUSTER, "--linger", "0", "--shard-records", "3"])
    try:
        asker = process.ready()
        asker.create(POD)
        _until(lambda: len(shard_numbers(state / "log")) >= 2, process.written())
    finally:
        process.stop()
    code, shown = _run(state, "prune", "--older-than", "0", "--shard", "0", "--yes")
    assert (code, "is kept for 180" in shown) == (1, True), shown
    assert _run(state, "verify")[0] == 0
