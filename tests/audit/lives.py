"""Lives of a log in shards on a simulated disk, and what must be found after them, whatever happened."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from audit import AuditError
from audit.checks.chain_check import ChainReport, verify_chain
from audit.files.log import LogSettings
from audit.files.sharded_log import ShardedLog
from audit.files.shards import ShardSettings
from audit.leaves.record import Record, event_record
from audit.reading import read_records
from audit.switching import Keeping
from tests.audit.disks import SimulatedDisk
from tests.audit.worlds import NOON, ORIGIN, WRITER, NoteKey, decision, sealed

HOME = Path("/log")
KEY = NoteKey().verifier()
QUICK = LogSettings(segment_bytes=8_192, reserve_bytes=0, publish_seconds=0.005, heartbeat_seconds=0, publish_leaves=64)


@dataclass
class Time:
    """A clock that stands unless it is moved."""

    now: datetime = NOON

    def __call__(self) -> datetime:
        return self.now


@dataclass
class World:
    """A disk, a clock, a key, and the log on them."""

    disk: SimulatedDisk = field(default_factory=SimulatedDisk)
    time: Time = field(default_factory=Time)
    key: NoteKey = field(default_factory=NoteKey)
    settings: ShardSettings = field(default_factory=lambda: ShardSettings(keep_days=30))

    def open(self) -> ShardedLog:
        return ShardedLog.open(
            HOME,
            Keeping(
                origin=ORIGIN, signer=self.key, clock=self.time, writer=WRITER, settings=QUICK, shards=self.settings
            ),
            files=self.disk,
        )

    def verify(self, **options: Any) -> ChainReport:
        return verify_chain(HOME, [KEY], files=self.disk, **options)

    def problems(self) -> list[str]:
        report = self.verify()
        assert not report.ok
        within = [f"{one.shard.number}: {problem}" for one in report.shards for problem in one.report.problems]
        return [*map(str, report.problems), *within]


def breathe() -> None:
    """A moment for the log's threads."""

    time.sleep(0.005)


def prune(log: ShardedLog, number: int, days: int = 90) -> int:
    return log.prune(number, older_than=days, basis="retention of 90 days")


def hold(name: str, state: str = "placed") -> Record:
    said = {"time": NOON, "cluster": "prod-7", "region": "eu-de", "hold": name, "state": state, "basis": "litigation"}
    return event_record("hold", said | {"scope": "all"})


def lived(world: World, ledger: dict[str, bytes]) -> None:
    """A life with appends, rotations and a pruning, until it is done or the disk refuses."""
    try:
        log = world.open()
    except (AuditError, OSError):
        return
    with suppress(AuditError, OSError):
        for number in range(2):
            for record in range(3):
                position = log.append_now(decision(len(ledger)), sealed(record))
                ledger[f"{position.origin}#{position.index}"] = position.leaf_hash
            _until_or(lambda: log.status().signed == log.status().size)
            if number == 0:
                log.rotate()
        log.tend()
        prune(log, 0, 0)
    with suppress(AuditError, OSError):
        log.close_now()


def _until_or(condition: Callable[[], bool]) -> None:
    for _ in range(20):
        if condition():
            return
        breathe()


def aged(world: World) -> World:
    """Every look at the clock is a year later than the last."""

    @dataclass
    class Rushing(Time):
        def __call__(self) -> datetime:
            self.now += timedelta(days=30)
            return self.now

    world.time = Rushing()
    return world


def nothing_is_lost(world: World, report: ChainReport, ledger: dict[str, bytes], at: int) -> None:
    there = {}
    pruned = set()
    for one in report.shards:
        if one.pruned:
            pruned.add(one.shard.origin)
            continue
        for record in read_records(one.shard.directory, files=world.disk):
            there[f"{one.shard.origin}#{record.index}"] = record.hash
    for place, digest in ledger.items():
        if place.partition("#")[0] not in pruned:
            assert there.get(place) == digest, f"{place} was acknowledged and is lost (fault at {at})"
