"""The log on files: its disk in every mood. What all logs promise is in `test_log_contract.py`."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import orjson
import pytest

from audit import (
    LogBusy,
    LogFull,
    LogLocked,
    LogPoisoned,
    LogRefused,
    RecordInvalid,
    SealedPart,
)
from audit.checks.verify import verify_log
from audit.files.log import FileLog, LogSettings, Writer
from audit.files.segments import archive_hash
from audit.reading import prove, read_records, read_sealed
from tests.audit.disks import Fault, SimulatedDisk
from tests.audit.wired import wired
from tests.audit.worlds import ORIGIN, NoteKey, decision, filled, open_log, sealed

HOME = Path("/log")


@pytest.fixture
def disk() -> SimulatedDisk:
    """A disk in memory."""
    return SimulatedDisk()


@pytest.fixture
def log(disk: SimulatedDisk) -> Iterator[FileLog]:
    """An open log on it."""
    opened = open_log(HOME, files=disk)
    yield opened
    disk.fault = None
    opened.close_now()


class Gate:
    """Holds up every sync until it is opened."""

    def __init__(self, disk: SimulatedDisk) -> None:
        self._open = threading.Event()
        self.waiting = threading.Event()
        disk.before = self._hold

    def _hold(self, _method: str, _what: object) -> None:
        self.waiting.set()
        self._open.wait(10)

    def open(self) -> None:
        self._open.set()


async def test_no_answer_before_the_sync(log: FileLog, disk: SimulatedDisk) -> None:
    """While the disk syncs nobody is answered; once it has, the record is durable on the disk itself."""
    async with wired(log) as remote:
        gate = Gate(disk)
        waiting = asyncio.ensure_future(remote.append(decision(1), sealed(1)))
        await asyncio.to_thread(gate.waiting.wait, 10)
        done, _ = await asyncio.wait([waiting], timeout=0.05)
        assert not done
        gate.open()
        position = await waiting
    durable = b"".join(inode.durable for inode in disk._inodes)
    assert position.leaf_hash in durable
    assert sealed(1)[0].to_bytes() in durable


def test_a_failed_sync_is_the_end(log: FileLog, disk: SimulatedDisk) -> None:
    """After one failed sync nothing is acknowledged ever again, though the disk would sync now; a restart recovers."""
    kept = log.append_now(decision(0))
    disk.fault = Fault(1, only="sync_data")
    with pytest.raises(LogPoisoned, match="EIO"):
        log.append_now(decision(1))
    assert not log.healthy()
    disk.fault = None
    for _ in range(3):
        with pytest.raises(LogPoisoned):
            log.append_now(decision(2))
    assert "stopped for good" in log.status().trouble
    log.close_now()
    again = open_log(HOME, files=disk, boot="boot-2")
    assert again.healthy()
    again.close_now()
    leaves = {record.index: record for record in read_records(HOME, files=disk)}
    assert leaves[kept.index].hash == kept.leaf_hash
    assert verify_log(HOME, [NoteKey().verifier()], files=disk).ok


def test_a_full_disk_refuses_and_recovers(log: FileLog, disk: SimulatedDisk) -> None:
    """What finds no room is refused and leaves no number used; with room again the counters go on without a gap."""
    disk.fault = Fault(1, error=28, only="write", forever=True)
    for number in range(3):
        with pytest.raises(LogFull):
            log.append_now(decision(number), sealed(number))
    disk.fault = None
    log.append_now(decision(3), sealed(3))
    log.close_now()
    report = verify_log(HOME, [NoteKey().verifier()], files=disk)
    assert [str(problem) for problem in report.problems] == []
    ids = [record.fields.get("id") for record in read_records(HOME, files=disk)]
    assert ids == [None, None, "decision-3", None]


def test_the_reserve(disk: SimulatedDisk) -> None:
    """Below the reserve appends are refused before the disk is full; above it they are taken again by themselves."""
    log = open_log(HOME, files=disk, reserve_bytes=1 << 20)
    disk.free = 1000
    _until(lambda: not log.healthy())
    with pytest.raises(LogFull, match="the reserve is 1 MiB"):
        log.append_now(decision(0))
    disk.free = 1 << 30
    _until(log.healthy)
    assert log.append_now(decision(0)).index == 2
    log.close_now()
    disk.free = 1000
    with pytest.raises(LogFull):
        open_log(HOME, files=disk, reserve_bytes=1 << 20)
    disk.free = 1 << 30
    open_log(HOME, files=disk, reserve_bytes=1 << 20).close_now()


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    """A second writer is refused while the first runs, and not after it."""
    log = open_log(tmp_path / "log")
    with pytest.raises(LogLocked, match="another process"):
        open_log(tmp_path / "log")
    log.append_now(decision(0))
    log.close_now()
    open_log(tmp_path / "log").close_now()


def test_publishing_that_fails_is_tried_again(disk: SimulatedDisk) -> None:
    """Tiles that can't be written harm no record; once they can, everything is published and fits."""
    log = open_log(HOME, files=disk, segment_bytes=1 << 18)
    _until(lambda: log.status().published == 2)
    disk.fault = Fault(1, only="rename", forever=True)
    for number in range(40):
        log.append_now(decision(number))
    _until(lambda: "rename" in log.status().trouble)
    assert log.status().published == 2
    assert log.healthy()
    disk.fault = None
    _until(lambda: log.status().signed == 42)
    log.close_now()
    assert verify_log(HOME, [NoteKey().verifier()], files=disk).ok


def test_a_backlog_of_publication_is_bounded(disk: SimulatedDisk) -> None:
    """When publication fails for long, appends are refused at a bound, and taken again afterwards."""
    log = open_log(HOME, files=disk, unpublished=20, segment_bytes=1 << 18)
    _until(lambda: log.status().published == 2)
    disk.fault = Fault(1, only="rename", forever=True)
    with pytest.raises(LogBusy, match="wait to be published"):
        for number in range(1000):
            log.append_now(decision(number))
    disk.fault = None
    _until(log.healthy)
    log.append_now(decision(0))
    log.close_now()
    assert verify_log(HOME, [NoteKey().verifier()], files=disk).ok


@pytest.mark.parametrize(
    ("lie", "message"),
    [
        (lambda path, data: data.replace(b"denied", b"Denied") if "entries" in str(path) else data, "other records"),
        (lambda path, data: data[:-1] if "entries" in str(path) else data, "reads back damaged"),
        (lambda path, data: data[::-1] if "tile/0" in str(path) else data, "not to be trusted"),
    ],
    ids=["record", "cut", "tile"],
)
def test_a_disk_that_lies_stops_the_log(disk: SimulatedDisk, lie: Callable[[Path, bytes], bytes], message: str) -> None:
    """A bundle or tile that reads back as something else is never vouched for: the log stops."""
    log = open_log(HOME, files=disk)
    _until(lambda: log.status().signed == 2)
    disk.lie = lie
    log.append_now(decision(0))
    _until(lambda: not log.healthy())
    with pytest.raises(LogPoisoned, match=message):
        log.append_now(decision(1))
    log.close_now()
    assert log.status().signed == 2


def test_another_publisher_stops_the_log(disk: SimulatedDisk) -> None:
    """When the head was moved by somebody else, nothing is signed any more."""
    log = open_log(HOME, files=disk)
    _until(lambda: log.status().signed == 2)
    disk.edit(HOME / "head.json", lambda data: data.__setitem__(slice(-3, -2), b"3"))
    log.append_now(decision(0))
    _until(lambda: not log.healthy())
    assert "head is at 3" in log.status().trouble
    log.close_now()


def test_a_writer_with_an_impossible_name(disk: SimulatedDisk) -> None:
    """A name that would not fit into every record is refused at the start."""
    for name in ("", "x" * 254, "tab\t", "\u00e9"):
        with pytest.raises(LogRefused, match="printable ASCII"):
            Writer(name, "boot", "c", "r").check()


def test_segments_rotate(disk: SimulatedDisk) -> None:
    """Many records fill many segments, each finished at its last record; all of them are read in order."""
    acknowledged = filled(HOME, 300, files=disk, segment_bytes=8192)
    segments = [path for path in disk.files(HOME) if path.parent.name == "wal"]
    assert len(segments) > 20
    assert [r.index for r in read_records(HOME, files=disk)] == list(range(303))
    assert [r.hash for r in read_records(HOME, 250, 260, files=disk)] == [acknowledged[i] for i in range(250, 260)]
    assert verify_log(HOME, [NoteKey().verifier()], files=disk).ok


def test_sealed_parts_and_proofs(tmp_path: Path) -> None:
    """On a real disk: sealed parts are found by their hash, and every record has a proof under the checkpoint."""
    log = open_log(tmp_path / "log")
    positions = [log.append_now(decision(number), sealed(number)) for number in range(600)]
    with pytest.raises(RecordInvalid, match="at most 8"):
        log.append_now(decision(0), [SealedPart("k", b"x")] * 9)
    log.close_now()
    key = NoteKey().verifier()
    for number in (0, 255, 256, 599):
        part = sealed(number)[0].to_bytes()
        assert read_sealed(tmp_path / "log", archive_hash(part)) == part
        proof = prove(tmp_path / "log", positions[number].index)
        assert proof.verify(positions[number].leaf_hash, [key], ORIGIN).size == 603
    assert read_sealed(tmp_path / "log", b"\x00" * 32) is None
    leaf = next(iter(read_records(tmp_path / "log", 2, 3))).leaf
    named = sealed(0)[0]
    assert orjson.loads(leaf)["written"]["sealed"] == [
        {"key": named.key_id, "sha256": archive_hash(named.ciphertext).hex(), "size": len(named.ciphertext)}
    ]
    report = verify_log(tmp_path / "log", [key])
    assert (report.ok, report.records, report.sealed, report.tenants) == (True, 603, 600, 3)


def test_the_defaults_on_a_real_disk(tmp_path: Path) -> None:
    """A log with the default settings opens, appends and closes."""
    log = open_log(tmp_path / "log", settings=LogSettings(reserve_bytes=0))
    assert log.append_now(decision(0), sealed(0)).index == 2
    log.close_now()
    assert verify_log(tmp_path / "log", [NoteKey().verifier()]).ok


def _until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait for something that another thread does."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.002)
