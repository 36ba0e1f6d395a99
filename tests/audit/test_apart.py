"""Publishing in a process of its own: what it publishes, what becomes of its faults, and who ends when."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from audit.checks.verify import verify_log
from audit.errors import LogLocked, LogPoisoned, LogRefused
from audit.files.layout import HEAD
from audit.files.log import FileLog
from tests.audit.worlds import NoteKey, decision, open_log, until

KEY = NoteKey().verifier()


def _opened(directory: Path, **options: Any) -> FileLog:
    log: FileLog = open_log(directory, apart=True, publish_seconds=0.01, segment_bytes=100_000, **options)
    return log


def _signed(log: FileLog) -> bool:
    return log.status().signed == log.status().size


def _sign(log: FileLog) -> None:
    until(lambda: _signed(log))


def _publisher(directory: Path) -> int | None:
    """The process that publishes for this one, if there is one."""
    for children in Path(f"/proc/{os.getpid()}/task").glob("*/children"):
        for child in children.read_text().split():
            if str(directory).encode() in Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0"):
                return int(child)
    return None


def test_published_by_another_process(tmp_path: Path) -> None:
    """What is appended is published, signed and verifies, over many segments and openings; the process ends with it."""
    for boot in range(3):
        log = _opened(tmp_path / "log", boot=f"boot-{boot}")
        for _ in range(4):
            log.append_batch([(decision(number), ()) for number in range(150)])
            _sign(log)
        assert _publisher(tmp_path / "log") is not None
        log.close_now()
        assert _publisher(tmp_path / "log") is None
    report = verify_log(tmp_path / "log", [KEY])
    assert [str(problem) for problem in report.problems] == []
    assert report.unsigned == 0
    assert report.records > 1800


def test_a_publisher_that_is_killed(tmp_path: Path) -> None:
    """It is started again, nothing is lost, and appends never notice."""
    log = _opened(tmp_path / "log")
    for number in range(4):
        log.append_batch([(decision(one), ()) for one in range(100)])
        until(lambda: _publisher(tmp_path / "log") is not None)
        if number % 2:
            _sign(log)
        os.kill(_publisher(tmp_path / "log") or 0, signal.SIGKILL)
        log.append_now(decision(1))
        assert log.healthy()
        _sign(log)
    log.close_now()
    report = verify_log(tmp_path / "log", [KEY])
    assert report.ok
    assert report.unsigned == 0


def test_a_disk_that_refuses_the_publisher(tmp_path: Path) -> None:
    """That is trouble and no harm: appends go on, and what waits is published when the disk takes it again."""
    log = _opened(tmp_path / "log")
    _sign(log)
    (tmp_path / "log" / "tile").rename(tmp_path / "tile")
    (tmp_path / "log" / "tile").write_text("in the way")
    log.append_batch([(decision(number), ()) for number in range(300)])
    until(lambda: "exists" in log.status().trouble or "directory" in log.status().trouble)
    log.append_now(decision(1))
    assert log.healthy()
    (tmp_path / "log" / "tile").unlink()
    (tmp_path / "tile").rename(tmp_path / "log" / "tile")
    _sign(log)
    until(lambda: log.status().trouble == "")
    log.close_now()
    assert verify_log(tmp_path / "log", [KEY]).ok


def test_a_second_history_stops_the_log(tmp_path: Path) -> None:
    """A head that somebody moved is found by the other process and ends all acknowledging in this one."""
    log = _opened(tmp_path / "log")
    _sign(log)
    head = tmp_path / "log" / HEAD
    head.write_bytes(head.read_bytes().replace(b'"size":2', b'"size":1'))
    log.append_now(decision(1))
    until(lambda: not log.healthy())
    with pytest.raises(LogPoisoned, match="head"):
        log.append_now(decision(2))
    log.close_now()
    with pytest.raises(LogRefused):
        _opened(tmp_path / "log")


def test_locked_until_the_publisher_has_ended(tmp_path: Path) -> None:
    """Whoever dies leaves the lock to the publisher: nobody opens the log while it may still move the head."""
    log = _opened(tmp_path / "log")
    _sign(log)
    publisher = _publisher(tmp_path / "log") or 0
    os.kill(publisher, signal.SIGSTOP)
    log.append_now(decision(1))
    assert log._lock is not None
    os.close(log._lock)  # as it is when the process has gone
    with pytest.raises(LogLocked):
        _opened(tmp_path / "log", boot="boot-2")
    os.kill(publisher, signal.SIGCONT)
    _sign(log)
    log._lock = None
    log.close_now()
    _opened(tmp_path / "log", boot="boot-2").close_now()
