"""A real process on a real disk, killed again and again; its acknowledgements are kept by another process."""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

from audit.checks.chain_check import verify_chain
from audit.checks.verify import verify_log
from audit.files.log import LogSettings
from audit.files.shards import shard_numbers
from audit.reading import read_records
from tests.audit import victim_of_shards
from tests.audit.victim import opened
from tests.audit.worlds import NoteKey

ROUNDS = int(os.environ.get("BAILIWICK_KILLS", "12"))
ROOT = Path(__file__).parents[2]


def _kill_one(directory: Path, seconds: float, victim: str = "victim", *how: str) -> dict[str, str]:
    """Start the process, kill it some time after its first acknowledgement; what it had acknowledged."""
    process = subprocess.Popen(
        [sys.executable, "-m", f"tests.audit.{victim}", str(directory), *how], stdout=subprocess.PIPE, cwd=ROOT
    )
    assert process.stdout is not None
    first = process.stdout.readline()
    assert first, "the process ended before it acknowledged anything"
    time.sleep(seconds)
    process.kill()
    rest = process.stdout.read()
    process.stdout.close()
    process.wait()
    lines = (first + rest).decode().split("\n")[:-1]  # a line that isn't whole was never seen by anybody
    return {place: digest for place, _, digest in (line.partition(" ") for line in lines)}


def test_kill_9(tmp_path: Path) -> None:
    """However often the process is killed, every acknowledged record is there, once, and the log verifies.

    Every other time it publishes in a process of its own, which dies by itself.
    """
    chance = random.Random(9)
    ledger: dict[str, str] = {}
    for number in range(ROUNDS):
        acknowledged = _kill_one(tmp_path / "log", chance.uniform(0, 0.3), "victim", *["apart"][: number % 2])
        assert ledger.keys().isdisjoint(acknowledged)
        ledger |= acknowledged
    settings = LogSettings(reserve_bytes=0, heartbeat_seconds=0)
    opened(tmp_path / "log", settings).close_now()
    there = {record.index: record for record in read_records(tmp_path / "log")}
    assert {index: there[int(index)].hash.hex() for index in ledger} == ledger
    starts = [record.fields["clean"] for record in there.values() if record.fields["schema"] == "bailiwick.start/v1"]
    assert starts.count(False) == ROUNDS
    report = verify_log(tmp_path / "log", [NoteKey().verifier()])
    assert [str(problem) for problem in report.problems] == []
    assert report.unsigned == 0
    assert len(ledger) > 20 * ROUNDS


def test_kill_9_between_shards(tmp_path: Path) -> None:
    """Killed while shards end, begin and are pruned: what was acknowledged is there unless it was pruned in order."""
    chance = random.Random(10)
    ledger: dict[str, str] = {}
    for number in range(40):
        if number >= max(3, ROUNDS // 3) and len(shard_numbers(tmp_path / "log")) > 3:
            break  # a slow machine takes more rounds to come so far
        acknowledged = _kill_one(tmp_path / "log", chance.uniform(0.2, 0.9), "victim_of_shards")
        assert ledger.keys().isdisjoint(acknowledged)
        ledger |= acknowledged
    victim_of_shards.opened(tmp_path / "log").close_now()
    chain = verify_chain(tmp_path / "log", [NoteKey().verifier()])
    assert chain.ok, [*map(str, chain.problems), *(str(p) for one in chain.shards for p in one.report.problems)]
    there = {
        f"{one.shard.origin}#{record.index}": record.hash.hex()
        for one in chain.shards
        if not one.pruned
        for record in read_records(one.shard.directory)
    }
    pruned = {one.shard.origin for one in chain.shards if one.pruned}
    kept = {place: digest for place, digest in ledger.items() if place.partition("#")[0] not in pruned}
    assert {place: there.get(place) for place in kept} == kept
    assert len(chain.shards) > 3
