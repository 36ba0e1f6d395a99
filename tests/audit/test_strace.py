"""Real system calls that fail, and kill, on a real disk: injected by strace where it is there and allowed.

`BAILIWICK_STRACE_RUNS` sets how many of the combinations are run.
"""

import itertools
import os
import random
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from audit import AuditError
from audit.checks.verify import verify_log
from audit.files.log import FileLog, LogSettings
from audit.reading import read_records
from tests.audit.worlds import ORIGIN, WRITER, Clock, NoteKey

ROOT = Path(__file__).parents[2]
RUNS = int(os.environ.get("BAILIWICK_STRACE_RUNS", "6"))
CALLS = ("fdatasync", "fsync", "pwrite64", "rename", "ftruncate", "unlink")
DEEDS = ("error=EIO", "error=ENOSPC", "signal=KILL")
TIMES = (1, 2, 5, 13, 40)
HOW = ("", "apart")  # who publishes
ALL = list(itertools.product(CALLS, DEEDS, TIMES, HOW))
CHOSEN = [
    ("fdatasync", "error=EIO", 5, ""),
    ("fdatasync", "signal=KILL", 13, "apart"),
    ("pwrite64", "error=ENOSPC", 13, ""),
    ("rename", "signal=KILL", 2, ""),
    ("rename", "signal=KILL", 2, "apart"),
    *random.Random(7).sample(ALL, len(ALL)),
][:RUNS]


@cache
def _strace() -> str:
    """The program, where it may trace."""
    program = shutil.which("strace")
    if program is None:
        pytest.skip("needs strace")
    tried = subprocess.run([program, "-f", "-o", os.devnull, "true"], capture_output=True, check=False)
    if tried.returncode:
        pytest.skip("strace may not trace processes here")
    return program


def _acknowledged(directory: Path, call: str, deed: str, time: int, how: str) -> dict[int, str]:
    """Run the victim with this call failing at this time in each of its threads; what it acknowledged."""
    injected = ["-e", f"trace={call}", "-e", f"inject={call}:{deed}:when={time}"]
    command = [
        _strace(),
        "-f",
        "-o",
        os.devnull,
        *injected,
        sys.executable,
        "-m",
        "tests.audit.victim",
        str(directory),
        how,
    ]
    silent = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}  # the interpreter renames compiled files, too
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=ROOT, env=silent)
    try:
        output, _ = process.communicate(timeout=2.5)
    except subprocess.TimeoutExpired:  # the call was one that can be gone on from, or never came
        assert (call, deed) != ("fdatasync", "error=EIO"), "a failed sync is the end of all acknowledging"
        assert (call, deed) != ("fdatasync", "signal=KILL")
        _end(process.pid)
        output, _ = process.communicate()
    lines = output.decode().split("\n")[:-1]
    return {int(index): digest for index, _, digest in (line.partition(" ") for line in lines)}


def _end(pid: int) -> None:
    """Kill what strace runs: its children, and then itself by their end."""
    children = Path(f"/proc/{pid}/task/{pid}/children")
    for child in children.read_text().split():
        os.kill(int(child), 9)


@pytest.mark.parametrize(("call", "deed", "time", "how"), CHOSEN, ids=str)
def test_a_call_fails(tmp_path: Path, call: str, deed: str, time: int, how: str) -> None:
    """Whatever call fails or is the last one: acknowledged records are there, the log opens again and verifies."""
    directory = tmp_path / "log"
    directory.mkdir()
    ledger = _acknowledged(directory, call, deed, time, how)
    settings = LogSettings(reserve_bytes=0, heartbeat_seconds=0)
    try:
        log = FileLog.open(directory, origin=ORIGIN, signer=NoteKey(), clock=Clock(), writer=WRITER, settings=settings)
    except AuditError as error:
        pytest.fail(f"the log does not open again: {error}")
    log.close_now()
    there = {record.index: record.hash.hex() for record in read_records(directory)}
    assert {index: there.get(index) for index in ledger} == ledger
    report = verify_log(directory, [NoteKey().verifier()])
    assert [str(problem) for problem in report.problems] == []
    assert report.unsigned == 0
