"""Crashes and faults at every call that the log makes to its disk: nothing acknowledged is lost, nothing unnoticed.

Power is cut, and errors and short writes are injected, at each call in turn, also while recovering. What was
acknowledged is kept in a ledger apart. `BAILIWICK_CRASH_POINTS` sets how many points each kind gets.
"""

import ast
import errno
import os
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path

import pytest

from audit import AuditError, LogRefused, LogUnavailable
from audit.checks.verify import verify_log
from audit.files.log import FileLog
from audit.files.segments import archive_hash
from audit.files.store import FileSystem
from audit.reading import read_records, sealed_parts
from tests.audit.disks import Fault, SimulatedDisk
from tests.audit.worlds import NoteKey, decision, open_log, sealed

HOME = Path("/var/log")
POINTS = int(os.environ.get("BAILIWICK_CRASH_POINTS", "260"))
KEY = NoteKey().verifier()
Ledger = dict[int, tuple[bytes, bytes]]  # index: leaf hash, hash of the sealed part
SITES: set[tuple[str, int]] = set()


def _work(disk: SimulatedDisk, ledger: Ledger, boot: str, rounds: int = 4) -> FileLog | None:
    """Append from three threads, until it is done or the disk refuses; acknowledgements go to the ledger."""
    try:
        log = open_log(HOME, files=disk, boot=boot, segment_bytes=4096, publish_leaves=4, publish_seconds=0.003)
    except (AuditError, OSError):
        return None
    guard = threading.Lock()

    def run(begin: int) -> None:
        with suppress(LogUnavailable):
            for number in range(begin, begin + rounds):
                part = sealed(number)
                position = log.append_now(decision(number), part)
                with guard:
                    assert position.index not in ledger, "two records were given one place"
                    ledger[position.index] = position.leaf_hash, archive_hash(part[0].ciphertext)

    threads = [threading.Thread(target=run, args=(100 * number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return log


def _check(disk: SimulatedDisk, ledger: Ledger, boot: str) -> None:
    """A start on this disk works; everything acknowledged is there with its sealed part; the whole log verifies."""
    log = open_log(HOME, files=disk, boot=boot, segment_bytes=4096)
    log.close_now()
    there = {record.index: record.hash for record in read_records(HOME, files=disk)}
    parts = {digest for digest, _ in sealed_parts(HOME, disk)}
    for index, (digest, part) in ledger.items():
        assert there.get(index) == digest, f"record {index} was acknowledged and is lost"
        assert part in parts, f"the sealed part of record {index} is lost"
    report = verify_log(HOME, [KEY], files=disk)
    assert [str(problem) for problem in report.problems] == []
    assert report.unsigned == 0
    SITES.update(disk.sites)


@cache
def _almost_full() -> tuple[SimulatedDisk, Ledger]:
    """A log whose first tile is about to be full: the next records finish it, and its partial forms are removed."""
    disk, ledger = SimulatedDisk(), Ledger()
    log = open_log(HOME, files=disk, boot="boot-0", segment_bytes=65_536)
    for number in range(248):
        part = sealed(number)
        position = log.append_now(decision(number), part)
        ledger[position.index] = position.leaf_hash, archive_hash(part[0].ciphertext)
    log.close_now()
    return disk, ledger


def _world(number: int) -> tuple[SimulatedDisk, Ledger]:
    """Where a run begins: on an empty disk, or on one with a log."""
    if number % 2:
        disk, ledger = _almost_full()
        return disk.copy(), dict(ledger)
    return SimulatedDisk(), Ledger()


@cache
def _calls(number: int) -> int:
    """How many calls an undisturbed run makes."""
    disk, ledger = _world(number)
    log = _work(disk, ledger, "boot-1")
    assert log is not None
    log.close_now()
    SITES.update(disk.sites)
    return disk.calls


def _points() -> Iterator[tuple[int, int]]:
    """The number of a run and of the call that it is about: evenly over the calls of either kind of run."""
    for number in range(POINTS):
        yield number, 1 + number * _calls(number % 2) // POINTS


def test_power_loss_at_every_call() -> None:
    """Power is cut at each call in turn, then twice while recovering: the next start finds everything."""
    for number, at in _points():
        chance = random.Random(number)
        disk, ledger = _world(number)
        disk.fault = Fault(at, forever=True)
        log = _work(disk, ledger, "boot-1")
        disk.lose_power()
        if log is not None:
            log.close_now()
        SITES.update(disk.sites)
        for boot in ("boot-2", "boot-3"):
            disk = disk.after_power_loss(chance)
            disk.fault = Fault(chance.randint(1, 60), forever=True)
            log = _work(disk, ledger, boot, rounds=2)
            disk.lose_power()
            if log is not None:
                log.close_now()
            SITES.update(disk.sites)
        _check(disk.after_power_loss(chance), ledger, "boot-4")


@pytest.mark.parametrize("error", [errno.EIO, errno.ENOSPC, None], ids=["EIO", "ENOSPC", "short write"])
def test_one_fault_at_every_call(error: int | None) -> None:
    """One call fails or writes short, and the disk works on: the log works on or stops, and never lies."""
    for number, at in _points():
        disk, ledger = _world(number)
        disk.fault = Fault(at // (3 if error is None else 1) + 1, error=error, only="write" if error is None else "")
        log = _work(disk, ledger, "boot-1")
        if log is not None:
            log.close_now()
        disk.fault = None
        SITES.update(disk.sites)
        _check(disk.after_power_loss(random.Random(at)), ledger, "boot-2")


@pytest.mark.parametrize("error", [errno.EIO, errno.ENOSPC])
def test_faults_while_recovering(error: int) -> None:
    """A start that meets a fault refuses with a reason or goes on; the next one finds everything."""
    full = SimulatedDisk()
    ledger = Ledger()
    log = _work(full, ledger, "boot-1")
    assert log is not None
    full.lose_power()
    log.close_now()
    for at in range(1, 45):
        disk = full.after_power_loss(random.Random(at))
        disk.fault = Fault(at, error=error)
        with suppress(LogRefused, LogUnavailable):
            open_log(HOME, files=disk, boot="boot-2", segment_bytes=4096).close_now()
        disk.fault = None
        _check(disk, ledger, "boot-3")


def test_every_call_site_was_hit() -> None:
    """The runs above pass through every place where the log asks its disk for something; it can't be run alone."""
    if not SITES:
        pytest.skip("the runs that collect the places were not made")
    reached = {(file, line) for file, line in SITES}
    missing = [
        f"{file}:{first}"
        for file, first, last in _sites(
            "segment_writer", "publisher", "signing", "tail", "heads", "store", "recovery", "log", "keeper"
        )
        if not any((file, line) in reached for line in range(first, last + 1))
    ]
    assert missing == []


def _sites(*modules: str) -> list[tuple[str, int, int]]:
    """Every call of a method of the FileSystem port in these modules, by reading their source."""
    methods = {name for name in vars(FileSystem) if not name.startswith("_")}
    found = []
    for module in modules:
        path = Path(__file__).parents[2] / "audit" / "files" / f"{module}.py"
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in methods:
                owner = node.func.value
                name = (
                    owner.attr if isinstance(owner, ast.Attribute) else owner.id if isinstance(owner, ast.Name) else ""
                )
                if name in ("files", "_files"):
                    found.append((path.name, node.lineno, node.end_lineno or node.lineno))
    assert len(found) > 25
    return found


def test_a_torn_write_is_removed_and_counted() -> None:
    """What a crash left of an unacknowledged batch is removed by the next start, which says how much it was."""
    disk = SimulatedDisk()
    log = open_log(HOME, files=disk, segment_bytes=4096)
    log.append_now(decision(0))
    wal = next(path for path in disk.files(HOME) if path.parent.name == "wal" and path.suffix == ".seg")
    data = disk.read(wal)
    end = len(data.rstrip(b"\0"))
    disk.lose_power()
    log.close_now()
    disk = disk.copy()
    batch = data[data.rindex(b"\xf7BWBAT") : end]
    disk.edit(wal, lambda content: content.__setitem__(slice(end, end + len(batch) - 9), batch[:-9]))
    open_log(HOME, files=disk, boot="boot-2", segment_bytes=4096).close_now()
    start = [r.fields for r in read_records(HOME, files=disk) if r.fields["schema"] == "bailiwick.start/v1"][-1]
    assert (start["torn"], start["found"], start["clean"]) == (len(batch) - 9, 3, False)
    assert verify_log(HOME, [KEY], files=disk).ok


def _never(call: Callable[[], object]) -> None:
    with pytest.raises(LogRefused):
        call()


def test_a_start_that_can_not_read_says_why() -> None:
    """An unreadable directory is refused with the cause."""
    disk = SimulatedDisk()
    open_log(HOME, files=disk).close_now()
    disk.fault = Fault(1, only="read", forever=True)
    _never(lambda: open_log(HOME, files=disk, boot="boot-2"))
    disk.fault = None
    open_log(HOME, files=disk, boot="boot-3").close_now()
