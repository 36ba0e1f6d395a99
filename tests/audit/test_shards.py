"""A log in shards: each commits to the one before, old ones are pruned, holds keep them, crashes don't matter."""

import os
import random
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import orjson
import pytest

from audit import LogBusy, LogRefused
from audit.checks.chain_check import verify_chain
from audit.errors import LogLocked, PruneRefused
from audit.files.holds import standing_holds
from audit.files.layout import CHECKPOINT
from audit.files.sharded_log import ShardedLog
from audit.files.shards import (
    GENESIS,
    TOMBSTONE,
    ShardSettings,
    keys_of_shards,
    shard_directories,
    shard_directory,
)
from audit.reading import prove, read_records
from audit.switching import Keeping
from audit.tlog import leaf_hash
from tests.audit.disks import Fault, SimulatedDisk
from tests.audit.lives import (
    HOME,
    KEY,
    QUICK,
    Time,
    World,
    aged,
    breathe,
    hold,
    lived,
    nothing_is_lost,
    prune,
)
from tests.audit.worlds import ORIGIN, SMALL, WRITER, NoteKey, decision, open_log, sealed

AGED = timedelta(days=400)
POINTS = int(os.environ.get("BAILIWICK_CRASH_POINTS", "260")) // 10


def _filled(world: World, shards: int = 3, count: int = 6) -> ShardedLog:
    """An open log with this many shards, the last of them written."""
    log = world.open()
    for number in range(shards):
        for record in range(count):
            log.append_now(decision(100 * number + record), sealed(record))
        if number < shards - 1:
            world.time.now += timedelta(days=1)
            log.rotate()
    return log


@pytest.fixture
def world() -> World:
    return World()


class TestRotation:
    """One shard ends, the next begins."""

    def test_an_ended_shard_takes_no_more(self, world: World) -> None:
        """Nobody can append to a shard that has ended, and only one writes the whole."""
        log = _filled(world, 2)
        with pytest.raises(LogRefused, match=f"has ended: it goes on as `{ORIGIN}/1`"):
            open_log(HOME, files=world.disk, settings=SMALL)
        with pytest.raises(LogLocked):
            world.open()
        log.close_now()
        again = world.open()
        assert again.origin == f"{ORIGIN}/1"
        again.close_now()
        with pytest.raises(LogBusy):
            again.append_now(decision(1))

    def test_no_rotation_while_it_can_not_be_signed(self, world: World) -> None:
        """A shard that is due isn't ended while the signer is away: appends go on."""
        world.settings = ShardSettings(records=3)
        log = world.open()
        world.key.down = True
        for number in range(5):
            log.append_now(decision(number))
        _until(lambda: bool(log.status().trouble))
        log.tend()
        assert log.origin == ORIGIN
        log.append_now(decision(6))
        log.close_now()


def test_verified_while_it_is_written(tmp_path: Path) -> None:
    """A log that goes on in new shards, and loses old ones, while it is verified holds each time."""
    log = ShardedLog.open(
        tmp_path / "log",
        Keeping(
            origin=ORIGIN,
            signer=NoteKey(),
            clock=Time(),
            writer=WRITER,
            settings=QUICK,
            shards=ShardSettings(records=20, keep_days=0),
        ),
    )
    _settled(log)
    stop = threading.Event()

    def work() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            log.append_now(decision(number), sealed(number))
            if number % 5 == 0:
                log.tend()
            if number % 60 == 0:
                with suppress(PruneRefused):
                    prune(log, int(log.origin.rpartition("/")[2]) - 2, 0)

    writer = threading.Thread(target=work)
    writer.start()
    try:
        shards = 0
        while shards < 7:
            report = verify_chain(tmp_path / "log", [KEY])
            found = [*report.problems, *(problem for one in report.shards for problem in one.report.problems)]
            assert [str(problem) for problem in found] == []
            shards = len(report.shards)
    finally:
        stop.set()
        writer.join()
        log.close_now()
    assert any(one.pruned for one in verify_chain(tmp_path / "log", [KEY]).shards)


@pytest.fixture
def ended(tmp_path: Path) -> Path:
    """A log of two shards on the real disk."""
    directory = tmp_path / "log"
    log = ShardedLog.open(
        directory,
        Keeping(origin=ORIGIN, signer=NoteKey(), clock=Time(), writer=WRITER, settings=QUICK, shards=ShardSettings()),
    )
    log.append_now(decision(1), sealed(1))
    log.rotate()
    log.append_now(decision(2))
    log.close_now()
    return directory


def test_all_that_came_after_the_first_is_removed(ended: Path) -> None:
    """A first shard that says that another follows isn't a log without shards; a copy of what it published may be."""
    assert verify_chain(ended, [KEY]).ok
    alone = verify_chain(ended / "shards" / "000001", keys_of_shards((KEY,), f"{ORIGIN}/1"))
    assert alone.ok
    shutil.rmtree(ended / "shards")
    found = verify_chain(ended, [KEY])
    assert [str(problem) for problem in found.problems] == [f"shard 0: goes on as `{ORIGIN}/1`, which is missing"]
    shutil.rmtree(ended / "wal")
    shutil.rmtree(ended / "archive")
    copy = verify_chain(ended, [KEY])
    assert copy.ok
    assert [str(note) for note in copy.notes] == [f"shard 0: has ended; `{ORIGIN}/1` goes on and was not verified"]


def test_a_file_with_the_name_of_a_shard(ended: Path) -> None:
    """What lies there under a shard's name and is no directory is a problem of its own, all others are verified."""
    (ended / "shards" / "000002").write_text("x")
    found = verify_chain(ended, [KEY])
    problems = [str(problem) for one in found.shards for problem in one.report.problems]
    assert problems == ["directory: can't be read: Not a directory"]
    assert [one.report.records for one in found.shards[:2]] == [4, 4]


class TestPruning:
    """`ShardedLog.prune`, and holds."""

    def test_what_is_left_verifies(self, world: World) -> None:
        """Records and sealed parts are gone; hashes, checkpoint and the signed record of it stay; the chain holds."""
        log = _filled(world)
        proof = prove(HOME, 4, world.disk)
        leaf = next(iter(read_records(HOME, 4, 5, world.disk))).leaf
        world.time.now += AGED
        assert [prune(log, number) for number in (0, 1)] == [8, 9]
        report = world.verify()
        assert report.ok, world.problems()
        assert [one.pruned for one in report.shards] == [True, True, False]
        assert [one.report.records for one in report.shards][:2] == [9, 9]
        left = {str(path.relative_to(HOME)) for path in world.disk.files(HOME) if "000002" not in str(path)}
        kept = {CHECKPOINT, "head.json", "lock", GENESIS, TOMBSTONE, "tile/0/000.p/9"}
        below = {f"shards/000001/{name}" for name in kept}
        old = {name for name in left if ".p/" in name and not name.endswith("/9")}  # of earlier checkpoints
        assert left - old == kept | below | {"shards/lock", "holds.json"}
        assert shard_directories(HOME, world.disk) == [shard_directory(HOME, 2)]
        assert proof.verify(leaf_hash(leaf), [KEY]).size > 4
        records = [record.fields for record in read_records(shard_directory(HOME, 2), files=world.disk)]
        pruned = [one for one in records if one["schema"].startswith("bailiwick.prune/")]
        assert [(one["origin"], one["size"], one["basis"]) for one in pruned] == [
            (ORIGIN, 9, "retention of 90 days"),
            (f"{ORIGIN}/1", 9, "retention of 90 days"),
        ]
        log.close_now()

    def test_a_hold_keeps_every_shard(self, world: World) -> None:
        """While a hold stands nothing is pruned, also after rotation and restart; once it is lifted, it goes on."""
        log = _filled(world, 2)
        log.append_now(hold("case-7"))
        world.time.now += AGED
        log.rotate()
        log.close_now()
        log = world.open()
        with pytest.raises(PruneRefused, match=f"`{ORIGIN}` is under the legal hold `case-7`"):
            prune(log, 0)
        said = [record.fields for record in read_records(shard_directory(HOME, 2), files=world.disk)]
        assert {one["hold"] for one in said if one["schema"].startswith("bailiwick.hold/")} == {"case-7"}
        world.disk.remove(HOME / "holds.json")
        assert list(standing_holds(world.disk, HOME)) == ["case-7"]
        log.append_now(hold("case-7", "lifted"))
        assert standing_holds(world.disk, HOME) == {}
        prune(log, 0)
        with pytest.raises(PruneRefused, match="is pruned already"):
            prune(log, 0)
        log.close_now()
        assert world.verify().ok


class TestTampering:
    """What somebody with the disk could do to shards."""

    @pytest.fixture
    def three(self, world: World) -> World:
        _filled(world).close_now()
        return world

    def test_a_shard_removed(self, three: World) -> None:
        """A shard that is gone is named, at the beginning, in the middle and at the end."""
        whole = three.disk
        for number, message in (
            (0, "0: checkpoint: is missing: nothing here is signed"),
            (1, f"shard 1: the shard `{ORIGIN}/1` is missing"),
            (2, f"shard 1: goes on as `{ORIGIN}/2`, which is missing"),
        ):
            three.disk = _without(whole, shard_directory(HOME, number))
            assert message in three.problems()

    def test_shards_swapped(self, three: World) -> None:
        """Shards in each other's place are named."""
        one, two = shard_directory(HOME, 1), shard_directory(HOME, 2)
        disk = _without(_without(three.disk, one), two)
        _copied(three.disk, one, disk, two)
        _copied(three.disk, two, disk, one)
        three.disk = disk
        problems = "\n".join(three.problems())
        assert f"1: origin: this is the log `{ORIGIN}/2`, not `{ORIGIN}/1`" in problems
        assert f"2: origin: this is the log `{ORIGIN}/1`, not `{ORIGIN}/2`" in problems

    def test_a_shard_exchanged(self, three: World) -> None:
        """Another history under the same key and name is found by what the next shard commits to."""
        other = World()
        _filled(other, 3, 5).close_now()
        disk = _without(three.disk, shard_directory(HOME, 1))
        _copied(other.disk, shard_directory(HOME, 1), disk, shard_directory(HOME, 1))
        three.disk = disk
        problems = "\n".join(three.problems())
        assert "shard 1: commits to another checkpoint of its predecessor than lies there" in problems
        assert "shard 2: commits to another predecessor: `previous_root`" in problems
        assert "shard 2: commits to another checkpoint of its predecessor than lies there" in problems

    def test_removed_without_a_record(self, three: World) -> None:
        """Records that were removed by hand, also beside a forged tombstone, are missed."""
        for folder in ("wal", "archive", "tile/entries"):
            for path in three.disk.files(HOME / folder):
                three.disk.remove(path)
        assert "0: tile/entries/000: can't be read: no such file" in "\n".join(three.problems())
        forged = prove(shard_directory(HOME, 2), 0, three.disk).to_bytes()
        for name in (TOMBSTONE, GENESIS):
            descriptor = three.disk.open(HOME / name, create=True)
            three.disk.write(descriptor, forged, 0)
            three.disk.close(descriptor)
        assert "0: pruned.tlog-proof: doesn't show that the shard was pruned" in "\n".join(three.problems())

    def test_every_flip_of_what_pruning_left(self, world: World) -> None:
        """A flipped byte of a pruned shard's proofs, checkpoint and tiles is found, every eleventh of them tried."""
        log = _filled(world, 3, 2)
        world.time.now += AGED
        prune(log, 0)
        prune(log, 1)
        log.close_now()
        place = shard_directory(HOME, 1)
        names = (TOMBSTONE, GENESIS, CHECKPOINT, "tile/0/000.p/5")
        for name in names:
            size = len(world.disk.read(place / name))
            for at in range(0, size, 11):
                _flip(world.disk, place / name, at)
                assert not world.verify().ok, f"{name} at {at}"
                _flip(world.disk, place / name, at)
        assert world.verify().ok

    def test_the_wrong_log(self, three: World) -> None:
        """Another origin than the log's is said for what it is."""
        report = three.verify(origin="wrong")
        assert str(report.shards[0].report.problems[0]).startswith(f"origin: this is the log `{ORIGIN}`, not `wrong`")


def _origin(number: int) -> str:
    return f"{ORIGIN}/{number}" if number else ORIGIN


def _flip(disk: SimulatedDisk, path: Path, at: int) -> None:
    disk.edit(path, lambda content: content.__setitem__(at, content[at] ^ 1))


def _belongs(path: Path, place: Path) -> bool:
    """Whether a file is of this shard; those of later ones lie below the first."""
    return place in path.parents and (place != HOME or "shards" not in path.parts)


def _without(disk: SimulatedDisk, place: Path) -> SimulatedDisk:
    copy = disk.copy()
    for path in copy.files(place):
        if _belongs(path, place):
            copy.remove(path)
    if place != HOME:
        for folder in sorted({parent for path in disk.files(place) for parent in path.parents}, reverse=True):
            if place == folder or place in folder.parents:
                copy.remove_directory(folder)
    return copy


def _copied(source: SimulatedDisk, place: Path, target: SimulatedDisk, new: Path) -> None:
    for path in source.files(place):
        at = new / path.relative_to(place)
        target.make_directory(at.parent)
        descriptor = target.open(at, create=True)
        target.write(descriptor, source.read(path), 0)
        target.close(descriptor)


def _until(condition: Callable[[], bool]) -> None:
    for _ in range(2000):
        if condition():
            return
        breathe()
    raise AssertionError("it did not happen")


def _settled(log: ShardedLog) -> None:
    _until(lambda: log.status().signed == log.status().size)


# — crashes —


def _points(total: int, count: int) -> Iterator[int]:
    yield from (1 + number * total // count for number in range(count))


@pytest.mark.parametrize("kind", ["power", "EIO"])
def test_crashes_of_rotation_and_pruning(kind: str) -> None:
    """Power lost, or a call failing, in a life with rotation and pruning: the log opens again, nothing else is lost."""
    calm = World(settings=ShardSettings(keep_days=0))
    lived(aged(calm), {})
    total = calm.disk.calls
    assert calm.verify().ok
    for number, at in enumerate(_points(total, POINTS)):
        chance = random.Random(at)
        world, ledger = aged(World(settings=ShardSettings(keep_days=0))), dict[str, bytes]()
        world.disk.fault = Fault(at, forever=kind == "power")
        lived(world, ledger)
        if kind == "power":
            world.disk.lose_power()
            world.disk = world.disk.after_power_loss(chance)
        world.disk.fault = None
        log = world.open()
        log.append_now(decision(number))
        with suppress(PruneRefused):
            prune(log, 0, 0)
        log.close_now()
        report = world.verify()
        assert report.ok, (at, world.problems())
        nothing_is_lost(world, report, ledger, at)


def test_a_log_without_shards_is_a_chain_of_one(tmp_path: Path) -> None:
    """What `FileLog` wrote verifies and is gone on with."""
    log = open_log(tmp_path / "log")
    log.append_now(decision(1))
    log.close_now()
    assert [one.shard.number for one in verify_chain(tmp_path / "log", [KEY]).shards] == [0]
    sharded = ShardedLog.open(
        tmp_path / "log", Keeping(origin=ORIGIN, signer=NoteKey(), clock=Time(), writer=WRITER, settings=QUICK)
    )
    sharded.append_now(decision(2))
    sharded.rotate()
    sharded.close_now()
    report = verify_chain(tmp_path / "log", [KEY], jobs=2)
    assert report.ok
    assert [one.report.records for one in report.shards] == [7, 3]
    assert orjson.loads(next(iter(read_records(tmp_path / "log", 2, 3))).leaf)["id"] == "decision-1"
