"""Verification of ranges, in several processes, of the log that was meant; single proofs."""

import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from audit.checks.report import Report
from audit.checks.verify import verify_log
from audit.errors import MerkleError
from audit.files.layout import CHECKPOINT
from audit.files.log import FileLog, LogSettings
from audit.leaves.record import event_record
from audit.reading import prove, read_checkpoint, read_records
from audit.tlog import TlogProof, leaf_hash, signed_checkpoint
from tests.audit.disks import SimulatedDisk
from tests.audit.worlds import NOON, ORIGIN, WRITER, NoteKey, decision, filled, open_log

HOME = Path("/log")
KEY = NoteKey().verifier()
ONCE: dict[str, Any] = {"publish_seconds": 60.0, "publish_leaves": 10_000}
ROOT = Path(__file__).parents[2]


BEATING = LogSettings(reserve_bytes=0, segment_bytes=1 << 16, publish_seconds=0.002, heartbeat_seconds=0.004)


@dataclass
class Leaping:
    """A clock that goes on by a step whenever it is asked."""

    now: datetime = NOON
    step: timedelta = timedelta(0)

    def __call__(self) -> datetime:
        self.now += self.step
        return self.now


def _until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.002)


def _verify(disk: SimulatedDisk, **options: Any) -> Report:
    return verify_log(HOME, [KEY], files=disk, **options)


@pytest.fixture(scope="module")
def long() -> SimulatedDisk:
    """A log of 1,203 records in many segments."""
    disk = SimulatedDisk()
    filled(HOME, 1200, files=disk, **ONCE)
    return disk


@pytest.fixture(scope="module")
def on_disk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log of 703 records in several segments, on the real disk."""
    directory = tmp_path_factory.mktemp("real") / "log"
    filled(directory, 700, segment_bytes=1 << 17, **ONCE)
    return directory


def _bailiwick(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bailiwick", "audit", *map(str, words)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def _mirror(disk: SimulatedDisk) -> SimulatedDisk:
    copy = disk.copy()
    for path in copy.files(HOME):
        if path.parent.name in ("wal", "archive") or path.name == "head.json":
            copy.remove(path)
    return copy


class TestRange:
    """`verify_log(begin=, end=)`."""

    @pytest.mark.parametrize("mirror", [False, True], ids=["log", "mirror"])
    @pytest.mark.parametrize(
        ("begin", "end", "first", "count"),
        [(0, 1, 0, 256), (300, 520, 256, 512), (1100, None, 1024, 179), (0, None, 0, 1203), (1202, 5000, 1024, 179)],
    )
    def test_a_range_holds(
        self, long: SimulatedDisk, mirror: bool, begin: int, end: int | None, first: int, count: int
    ) -> None:
        """Any range verifies against the root, in whole tiles, with the counters within it."""
        report = _verify(_mirror(long) if mirror else long, begin=begin, end=end)
        assert [str(problem) for problem in report.problems] == []
        assert (report.first, report.records, report.unsigned) == (first, count, 0)

    def test_only_damage_within_the_range_is_found(self, long: SimulatedDisk) -> None:
        """A changed record is found by ranges that hold it, and by no other."""
        disk = long.copy()
        path = next(path for path in disk.files(HOME / "wal") if int(path.stem) > 600)
        first = int(path.stem)
        data = disk.read(path)
        disk.edit(path, lambda content: content.__setitem__(data.index(b'"verdict"') + 14, 0))
        assert _verify(disk, begin=0, end=256).ok
        report = _verify(disk, begin=first, end=first + 1)
        assert f"wal/{path.name}: at offset" in str(report.problems[0])
        assert "is damaged" in str(report.problems[0])

    @pytest.mark.parametrize(
        ("tile", "message"),
        [
            ("tile/0/002", "tile/0/002: differs from the records at byte 0: hash of record 512"),
            ("tile/entries/002", "tile/entries/002: differs from the records"),
            ("tile/1/000.p/4", "tile/1/000.p/4: differs at hash 2 from the root of tile/0/002"),
            ("tile/0/004.p/179", "checkpoint: the first 1203 records have another root than it says"),
        ],
    )
    def test_a_damaged_spine(self, long: SimulatedDisk, tile: str, message: str) -> None:
        """A tile on the way from the range to the root, or on the tree's edge, that doesn't fit is named."""
        disk = long.copy()
        at = 64 if tile.startswith("tile/1") else 0
        disk.edit(HOME / tile, lambda content: content.__setitem__(at, content[at] ^ 1))
        found = [str(problem) for problem in _verify(disk, begin=512, end=513).problems]
        assert any(one.startswith(message) for one in found), found

    def test_a_range_beyond_the_end(self, long: SimulatedDisk) -> None:
        """There is nothing to hold, also where the tile in which the record would lie has begun."""
        assert "range: there is no record 5000: the log ends before" in str(_verify(long, begin=5000).problems[0])
        assert _verify(long, begin=1202).ok
        assert [str(one) for one in _verify(long, begin=1203, end=1204).problems] == [
            "range: there is no record 1203: the log ends before"
        ]


class TestSharing:
    """`verify_log(jobs=)`."""

    def test_the_same_report(self, on_disk: Path) -> None:
        """Two processes find what one finds: all of it holds."""
        alone = verify_log(on_disk, [KEY])
        assert verify_log(on_disk, [KEY], jobs=2) == alone
        assert alone.ok
        assert alone.records == 703

    def test_the_same_problems(self, tmp_path: Path) -> None:
        """Damage in segments, tiles and archive is found alike, and in the same order."""
        directory = tmp_path / "log"
        filled(directory, 600, segment_bytes=1 << 16, **ONCE)
        segments = sorted((directory / "wal").iterdir())
        for path, at in ((segments[1], 9000), (directory / "tile/0/001", 70), (directory / "tile/entries/000", 500)):
            data = bytearray(path.read_bytes())
            data[at] ^= 4
            path.write_bytes(data)
        alone = verify_log(directory, [KEY])
        assert not alone.ok
        assert verify_log(directory, [KEY], jobs=2) == alone


def test_processes_that_can_not_be_started(on_disk: Path) -> None:
    """Where other processes can't start, as in a program read from standard input, it is done in this one."""
    program = (
        "from pathlib import Path\n"
        "from audit.tlog import VerifierKey\n"
        "from audit.checks.verify import verify_log\n"
        f"report = verify_log(Path({str(on_disk)!r}), [VerifierKey.parse({str(KEY)!r})], jobs=2)\n"
        "print(report.ok, report.records)\n"
    )
    shown = subprocess.run(
        [sys.executable, "-"], input=program, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert shown.stdout == "True 703\n", shown.stderr


class TestAnotherLog:
    """`--origin`, remembered checkpoints, keys."""

    def test_one_clear_message(self, long: SimulatedDisk) -> None:
        """Another log than was meant is one problem, whatever else there would be to say."""
        broken = long.copy()
        broken.remove(HOME / "tile/0/001")
        for disk in (long, broken, _mirror(long)):
            report = _verify(disk, origin="wrong")
            assert [str(problem) for problem in report.problems] == [
                f"origin: this is the log `{ORIGIN}`, not `wrong`; nothing else was looked at"
            ]
        assert _verify(long, origin=ORIGIN).ok

    def test_segments_of_another_log(self, long: SimulatedDisk) -> None:
        """Segments and checkpoint that belong to different logs are named."""
        other = SimulatedDisk()
        filled(HOME, 2, files=other, signer=NoteKey("elsewhere"))
        note = other.read(HOME / CHECKPOINT)
        disk = long.copy()
        disk.edit(
            HOME / CHECKPOINT, lambda content: content.__setitem__(slice(None), note.replace(ORIGIN.encode(), b"x", 1))
        )
        assert f"checkpoint: is of the log `x`, the segments are of `{ORIGIN}`" in map(str, _verify(disk).problems)

    def test_a_rolled_back_checkpoint(self) -> None:
        """An older checkpoint in the place of a newer one is found by whoever has seen the newer one."""
        disk = SimulatedDisk()
        filled(HOME, 3, files=disk)
        old = disk.read(HOME / CHECKPOINT)
        open_log(HOME, files=disk, boot="boot-2").close_now()
        seen = read_checkpoint(HOME, disk)
        disk.edit(HOME / CHECKPOINT, lambda content: content.__setitem__(slice(None), old))
        [problem] = _verify(disk, remembered=[seen]).problems
        assert str(problem) == "checkpoint: covers 6 records, one of 8 was seen: put back?"

    def test_a_rolled_back_checkpoint_by_itself(self) -> None:
        """The log's own heartbeats tell that records were signed which the checkpoint doesn't cover any more."""
        disk, clock = SimulatedDisk(), Leaping()
        log = FileLog.open(
            HOME, origin=ORIGIN, signer=NoteKey(), clock=clock, writer=WRITER, settings=BEATING, files=disk
        )
        _until(lambda: log.status().signed > 0)
        old = disk.read(HOME / CHECKPOINT)
        size = log.status().signed
        clock.step = timedelta(seconds=40)
        log.append_now(decision(1))
        _until(lambda: log.status().size > size + 12)
        log.close_now()
        assert _verify(disk).ok
        disk.edit(HOME / CHECKPOINT, lambda content: content.__setitem__(slice(None), old))
        [problem] = _verify(disk).problems
        assert str(problem).startswith("checkpoint: is older than one that was there: heartbeat ")

    def test_a_signer_that_is_away_is_no_rollback(self) -> None:
        """Heartbeats that say since when nothing is signed fit a checkpoint that is old for that reason."""
        disk, key = SimulatedDisk(), NoteKey()
        log = FileLog.open(
            HOME, origin=ORIGIN, signer=key, clock=Leaping(), writer=WRITER, settings=BEATING, files=disk
        )
        _until(lambda: log.status().signed > 0)
        key.down = True
        size = log.status().size
        _until(lambda: log.status().size > size + 12)
        log.close_now()
        report = _verify(disk)
        assert report.ok
        assert report.unsigned > 10

    def test_a_swapped_key(self) -> None:
        """A checkpoint signed anew by another key fails under the right one; under the other, the genesis tells."""
        disk, other = SimulatedDisk(), NoteKey(seed=b"\x66" * 32)
        filled(HOME, 3, files=disk)
        checkpoint = read_checkpoint(HOME, disk)
        note = str(signed_checkpoint(checkpoint, [other])).encode()
        disk.edit(HOME / CHECKPOINT, lambda content: content.__setitem__(slice(None), note))
        [problem] = _verify(disk).problems
        assert str(problem).startswith("checkpoint: no known key signed the note")
        [told] = verify_log(HOME, [other.verifier()], files=disk).notes
        assert str(told) == f"checkpoint: is signed by `{other.verifier()}`, which no record of this log announces"

    def test_a_rotated_key_is_announced(self) -> None:
        """A key that a key-rotation record names is as good as the one of the genesis."""
        disk, other = SimulatedDisk(), NoteKey(seed=b"\x66" * 32)
        filled(HOME, 3, files=disk)
        log = open_log(HOME, files=disk, signer=other, boot="boot-2")
        common: dict[str, object] = {"time": NOON, "cluster": "prod-7", "region": "eu-de"}
        rotation = {"purpose": "checkpoints", "new_key": str(other.verifier()), "old_key": str(KEY)}
        log.append_now(event_record("key-rotation", common | rotation))
        log.close_now()
        assert verify_log(HOME, [other.verifier()], files=disk).notes == ()


class TestProofs:
    """`audit prove` and `audit verify-proof`."""

    def test_round_trip(self, on_disk: Path, tmp_path: Path) -> None:
        """A proof is made by index and verified with the verifier key alone, elsewhere; it shows the record."""
        target = tmp_path / "elsewhere" / "record.tlog-proof"
        target.parent.mkdir()
        made = _bailiwick("prove", on_disk, 517, "--to", target)
        assert made.returncode == 0, made.stderr
        shown = _bailiwick("verify-proof", target, "--key", KEY, "--origin", ORIGIN)
        assert shown.returncode == 0, shown.stderr
        assert shown.stdout.startswith(f"holds: record 517 of `{ORIGIN}` lies under the checkpoint")
        record = next(iter(read_records(on_disk, 517, 518)))
        told = yaml.safe_load(_bailiwick("verify-proof", target, "--key", KEY, "-o", "yaml").stdout)
        assert told["record"].encode() == record.leaf
        assert (told["leafHash"], told["checkpoint"]["size"], told["signedBy"]) == (record.hash.hex(), 703, [ORIGIN])

    def test_a_bare_proof_needs_the_record(self, on_disk: Path, tmp_path: Path) -> None:
        """Without the record in it, the record's bytes are given beside it; others don't fit."""
        proof, leaf = tmp_path / "p", tmp_path / "leaf"
        proof.write_text(_bailiwick("prove", on_disk, 3, "--bare").stdout)
        leaf.write_bytes(next(iter(read_records(on_disk, 3, 4))).leaf)
        without = _bailiwick("verify-proof", proof, "--key", KEY)
        assert (without.returncode, "give the record's bytes with --leaf" in without.stdout) == (1, True)
        assert _bailiwick("verify-proof", proof, "--key", KEY, "--leaf", leaf).returncode == 0
        leaf.write_bytes(leaf.read_bytes() + b" ")
        assert "leads to another root" in _bailiwick("verify-proof", proof, "--key", KEY, "--leaf", leaf).stdout

    def test_what_does_not_hold(self, on_disk: Path, tmp_path: Path) -> None:
        """Another log, another key, and a record that isn't there are told with exit codes 1, 1 and 2."""
        proof = tmp_path / "p"
        proof.write_text(_bailiwick("prove", on_disk, 3).stdout)
        other = _bailiwick("verify-proof", proof, "--key", KEY, "--origin", "wrong")
        assert other.returncode == 1
        assert other.stdout == f"broken: the checkpoint is of the log `{ORIGIN}`, expected `wrong`\n"
        key = NoteKey(seed=b"\x66" * 32).verifier()
        assert "broken: no known key signed" in _bailiwick("verify-proof", proof, "--key", key).stdout
        beyond = _bailiwick("prove", on_disk, 703)
        assert (beyond.returncode, "record 703 can't be proved" in beyond.stderr) == (2, True)
        assert "hint: " in beyond.stderr

    def test_every_flipped_byte_of_a_proof(self, on_disk: Path) -> None:
        """No flipped byte leaves a proof whole."""
        record = next(iter(read_records(on_disk, 700, 701)))
        data = replace(prove(on_disk, 700), extra=record.leaf).to_bytes()
        assert _holds(data)
        for at in range(len(data)):
            for bit in (0, 5):
                flipped = bytearray(data)
                flipped[at] ^= 1 << bit
                assert not _holds(bytes(flipped)), f"byte {at}: {data[max(0, at - 20) : at + 20]!r}"


def _holds(data: bytes) -> bool:
    try:
        proof = TlogProof.parse(data)
        proof.verify(leaf_hash(proof.extra or b""), [KEY], ORIGIN)
    except MerkleError:
        return False
    return proof.index == 700


def test_the_command(on_disk: Path, tmp_path: Path) -> None:
    """`audit verify` takes a range, jobs, an origin and remembered checkpoints; a wrong origin is one line."""
    held = _bailiwick("verify", on_disk, "--key", KEY, "--from", 256, "--to", 300, "--jobs", 2)
    assert (held.returncode, held.stdout.splitlines()[0]) == (
        0,
        "holds: records 256 to 511, 0 of them not yet under a signed checkpoint",
    )
    wrong = _bailiwick("verify", on_disk, "--key", KEY, "--origin", "wrong")
    assert wrong.returncode == 1
    assert wrong.stdout == f"broken: this is the log `{ORIGIN}`, not `wrong`; nothing else was looked at\n"
    seen = tmp_path / "seen"
    seen.write_bytes((on_disk / CHECKPOINT).read_bytes())
    assert _bailiwick("verify", on_disk, "--key", KEY, "--remembered", seen).returncode == 0
    seen.write_text("no checkpoint")
    assert _bailiwick("verify", on_disk, "--key", KEY, "--remembered", seen).returncode == 2
    assert _bailiwick("verify", on_disk, "--key", KEY, "--from", 9, "--to", 9).returncode == 2
