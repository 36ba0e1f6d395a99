"""A disk that fills: announced long before, refused at the floor, nothing corrupt; with space it goes on."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from audit import LogFull, LogUnavailable
from audit.checks.verify import verify_log
from audit.files.log import FileLog, LogSettings
from audit.files.store import Disk
from audit.reading import read_records
from tests.audit.disks import SimulatedDisk
from tests.audit.small_disk import ballast, small_disk
from tests.audit.worlds import ORIGIN, WRITER, Clock, NoteKey, decision, open_log, sealed

MIB = 1 << 20
KEY = NoteKey().verifier()


def _until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.005)


def test_it_is_announced_before_it_hurts() -> None:
    """Below the alarm the status warns and appends go on; below the reserve they end; both end by themselves."""
    disk = SimulatedDisk()
    disk.free = 100 * MIB
    log = open_log(Path("/log"), files=disk, reserve_bytes=10 * MIB, alarm_bytes=50 * MIB)
    assert (log.status().warning, log.status().free_bytes) == ("", 100 * MIB)
    disk.free = 40 * MIB
    _until(lambda: bool(log.status().warning))
    assert log.status().warning == (
        "40 MiB are free on the log's disk, less than 50 MiB; below 10 MiB nothing is recorded any more"
    )
    assert log.healthy()
    log.append_now(decision(1))
    disk.free = 9 * MIB
    _until(lambda: not log.healthy())
    with pytest.raises(LogFull, match="9 MiB are free, the reserve is 10 MiB"):
        log.append_now(decision(2))
    disk.free = 60 * MIB
    _until(log.healthy)
    assert log.status().warning == ""
    log.append_now(decision(3))
    log.close_now()
    assert verify_log(Path("/log"), [KEY], files=disk).ok


def _opened(directory: Path, reserve: int) -> FileLog:
    settings = LogSettings(
        segment_bytes=1 * MIB, reserve_bytes=reserve, alarm_bytes=2 * reserve, publish_seconds=0.02, heartbeat_seconds=0
    )
    return FileLog.open(directory, origin=ORIGIN, signer=NoteKey(), clock=Clock(), writer=WRITER, settings=settings)


@pytest.mark.parametrize("reserve", [4 * MIB, 0], ids=["a reserve", "to the last byte"])
def test_a_disk_that_is_really_full(tmp_path: Path, reserve: int) -> None:
    """What was acknowledged before, between and after is there, and the whole log verifies, also without a reserve."""
    with small_disk(tmp_path / "small", 24) as small:
        log = _opened(small / "log", reserve)
        acknowledged: dict[int, bytes] = {}
        for turn in range(3):
            full = ballast(small, reserve // 2)
            refused = _appended(log, acknowledged, 4000, until_refused=True)
            assert refused, "the disk was not full"
            assert turn > 1 or not reserve or log.status().warning
            full.unlink()
            _until(log.healthy)
            _until(lambda: not _appended(log, acknowledged, 1, until_refused=False))
        _appended(log, acknowledged, 40, until_refused=False)
        log.close_now()
        there = {record.index: record.hash for record in read_records(small / "log")}
        assert {index: there.get(index) for index in acknowledged} == acknowledged
        report = verify_log(small / "log", [KEY])
        assert [str(problem) for problem in report.problems] == []
        assert report.unsigned == 0
        again = _opened(small / "log", reserve)
        again.append_now(decision(9))
        again.close_now()
        assert Disk().free_bytes(small) > reserve


def _appended(log: FileLog, acknowledged: dict[int, bytes], count: int, *, until_refused: bool) -> str:
    """Append; why one was refused, if one was."""
    for number in range(count):
        try:
            position = log.append_now(decision(number), sealed(number))
        except LogUnavailable as error:
            return str(error)
        assert position.index not in acknowledged
        acknowledged[position.index] = position.leaf_hash
        if until_refused and number % 200 == 199:
            time.sleep(0.02)  # the keeper takes a look
    return ""
