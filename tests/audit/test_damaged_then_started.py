"""A log that was killed, and one of its files cut, overwritten or grown before the next start.

Whatever it is: the start refuses with the reason, or all that was signed is there, and `verify` knows the rest.
"""

import os
import random
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from audit.checks.verify import verify_log
from audit.errors import LogRefused
from audit.reading import read_records
from tests.audit.plain_reader import read_log
from tests.audit.worlds import ORIGIN, NoteKey, decision, open_log, sealed, until

KEY = NoteKey()
POINTS = int(os.environ.get("BAILIWICK_DAMAGE_POINTS", "90"))
Damage = Callable[[bytearray, random.Random], None]


@dataclass
class Killed:
    """A log as a kill leaves it, and what had been told."""

    directory: Path
    told: Mapping[int, bytes]
    signed: int


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Killed:
    """63 records under a signed checkpoint and as many that are only durable."""
    place = tmp_path_factory.mktemp("killed")
    log = open_log(place / "live", segment_bytes=1 << 14, publish_seconds=3600, publish_leaves=1 << 30)
    told = {}
    for number in range(120):
        position = log.append_now(decision(number), sealed(number) if number % 2 else ())
        told[position.index] = position.leaf_hash
        if number == 60:
            log.publish_soon()
            until(lambda: log.status().signed >= 60)
    shutil.copytree(place / "live", place / "log")
    log.close_now()
    head, _ = read_log(place / "log", {ORIGIN: [KEY.public_key]}, ORIGIN)
    return Killed(place / "log", told, head.size)


def _cut(data: bytearray, chance: random.Random) -> None:
    del data[chance.randrange(len(data)) :]


def _flipped(data: bytearray, chance: random.Random) -> None:
    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def _zeroed(data: bytearray, chance: random.Random) -> None:
    begin = chance.randrange(len(data))
    end = min(len(data), begin + chance.randrange(1, 400))
    data[begin:end] = bytes(end - begin)


def _scribbled(data: bytearray, chance: random.Random) -> None:
    begin = chance.randrange(len(data))
    end = min(len(data), begin + 40)
    data[begin:end] = chance.randbytes(end - begin)


def _grown(data: bytearray, chance: random.Random) -> None:
    data += chance.randbytes(chance.randrange(1, 300))


def _started(directory: Path) -> bool:
    """Whether it starts, takes a record and ends; a refusal has a reason."""
    try:
        log = open_log(directory, segment_bytes=1 << 14, boot="boot-2")
    except LogRefused as refusal:
        assert len(str(refusal)) > 20
        return False
    log.append_now(decision(999))
    log.close_now()
    return True


def _is_of(name: Path, problem: str) -> bool:
    """Whether the problem is that of the damaged file: a tile that is another, sealed parts that are gone."""
    return str(name) in problem or (name.parts[0] == "archive" and "names the sealed part" in problem)


@pytest.mark.parametrize("damage", [_cut, _flipped, _zeroed, _scribbled, _grown])
def test_nothing_signed_is_lost_in_silence(tmp_path: Path, killed: Killed, damage: Damage) -> None:
    """Any file, damaged anywhere: refused, or all that was signed is there, and what isn't is at the very end."""
    chance = random.Random(damage.__name__)
    names = [path.relative_to(killed.directory) for path in killed.directory.rglob("*") if path.is_file()]
    for number in range(POINTS // 5):
        name = chance.choice([name for name in names if (killed.directory / name).stat().st_size])
        directory = tmp_path / str(number)
        shutil.copytree(killed.directory, directory)
        data = bytearray((directory / name).read_bytes())
        damage(data, chance)
        (directory / name).write_bytes(data)
        if not _started(directory):
            continue
        there = {record.index: record.hash for record in read_records(directory)}
        lost = [index for index, digest in killed.told.items() if there.get(index) != digest]
        assert not lost or lost == list(range(lost[0], max(killed.told) + 1)), (name, lost)
        assert not lost or (lost[0] >= killed.signed and name.parts[0] == "wal"), (name, lost)
        report = verify_log(directory, [KEY.verifier()])
        assert report.ok or all(_is_of(name, str(problem)) for problem in report.problems), (name, report)


def test_every_length_of_the_last_segment(tmp_path: Path, killed: Killed) -> None:
    """The last segment cut at any byte: what is before the cut is there and goes on, and the start record says so."""
    last = max((killed.directory / "wal").glob("*.seg"))
    data = last.read_bytes()
    before = int(last.stem)
    for at in range(0, len(data), max(1, len(data) // (POINTS // 4))):
        directory = tmp_path / str(at)
        shutil.copytree(killed.directory, directory)
        (directory / "wal" / last.name).write_bytes(data[:at])
        if not _started(directory):
            assert at < 400, "only a header that isn't whole is refused"
            continue
        there = {record.index: record for record in read_records(directory)}
        assert all(there[index].hash == digest for index, digest in killed.told.items() if index < before)
        (begun,) = [record for record in there.values() if record.fields.get("found") and record.index >= before]
        assert begun.fields["found"] == begun.index
        assert not begun.fields.get("clean")
        assert verify_log(directory, [KEY.verifier()]).ok
