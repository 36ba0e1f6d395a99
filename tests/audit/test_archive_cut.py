"""A log whose archive has lost its end before a start: the start says what is gone, and writes nothing."""

import random
import re
import shutil
from pathlib import Path

import pytest

from audit.checks.verify import verify_log
from audit.errors import LogCorrupt, LogRefused, LogRolledBack
from audit.files.segments import header_bytes, parse_header, scan
from audit.reading import read_records
from tests.audit.disks import Fault, SimulatedDisk
from tests.audit.worlds import NoteKey, decision, filled, open_log, sealed

KEY = NoteKey()
SEGMENT = 4096
HOME = Path("/log")


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log as a kill leaves it, with many segments of records and of parts, each record naming up to two parts."""
    place = tmp_path_factory.mktemp("killed")
    log = open_log(place / "live", segment_bytes=SEGMENT)
    for number in range(120):
        log.append_now(decision(number), [*sealed(number), *sealed(1000 + number)][: number % 3])
    shutil.copytree(place / "live", place / "log")
    log.close_now()
    return place / "log"


def _segments(directory: Path) -> list[Path]:
    return sorted((directory / "archive").glob("*.seg"))


def _refusal(directory: Path) -> str:
    """Why it doesn't start; empty when it does, and takes records with parts."""
    before = _everything(directory)
    try:
        log = open_log(directory, segment_bytes=SEGMENT, boot="boot-2")
    except LogRefused as refusal:
        assert "\n" not in str(refusal)
        assert refusal.hint
        assert _everything(directory) == before, "a refused start writes nothing"
        return str(refusal)
    log.append_now(decision(999), sealed(999))
    log.close_now()
    return ""


def _everything(directory: Path) -> dict[str, bytes]:
    files = (path for path in directory.rglob("*") if path.is_file() and path.suffix != ".tmp")
    return {str(path.relative_to(directory)): path.read_bytes() for path in files}


def test_a_whole_archive_starts(tmp_path: Path, killed: Path) -> None:
    """What a kill leaves is whole."""
    shutil.copytree(killed, tmp_path / "log")
    assert _refusal(tmp_path / "log") == ""
    assert verify_log(tmp_path / "log", [KEY.verifier()]).ok


def test_a_cut_at_any_byte_of_the_last_segment(tmp_path: Path, killed: Path) -> None:
    """Whatever byte it ends at: refused by name when a named part is gone, and as whole as before when none is."""
    last = _segments(killed)[-1]
    data = last.read_bytes()
    ends = [batch.end for batch in scan(data, parse_header(data, last.name)[1], int(last.stem)).batches]
    places = {0, 1, 15, *ends, *(end - 1 for end in ends), *random.Random(1).sample(range(ends[-1]), 20)}
    for at in sorted(places):
        directory = tmp_path / str(at)
        shutil.copytree(killed, directory)
        (directory / "archive" / last.name).write_bytes(data[:at])
        said = _refusal(directory)
        assert bool(said) == (at < ends[-1]), (at, said)
        assert not said or re.search("sealed parts that records? [0-9]|at least [0-9]+ had been|header", said), said


@pytest.mark.parametrize("lost", [1, 2, 100])
def test_segments_removed_from_the_end(tmp_path: Path, killed: Path, lost: int) -> None:
    """The last files of the archive gone, or all, or the folder with them."""
    shutil.copytree(killed, tmp_path / "log")
    for path in _segments(tmp_path / "log")[-lost:]:
        path.unlink()
    assert "bring the newer copy back" in _refusal(tmp_path / "log")
    if lost == 100:
        shutil.rmtree(tmp_path / "log" / "archive")
        assert "bring the newer copy back" in _refusal(tmp_path / "log")


def test_an_older_archive_put_back(tmp_path: Path) -> None:
    """The archive of an earlier day beside the records of today: how many parts are gone, and of which records."""
    filled(tmp_path / "log", 10, segment_bytes=1 << 20)
    shutil.copytree(tmp_path / "log" / "archive", tmp_path / "old")
    first = len(list(read_records(tmp_path / "log")))
    log = open_log(tmp_path / "log", boot="boot-2", segment_bytes=1 << 20)
    for number in range(100, 105):
        log.append_now(decision(number), sealed(number))
    log.close_now()
    shutil.rmtree(tmp_path / "log" / "archive")
    shutil.copytree(tmp_path / "old", tmp_path / "log" / "archive")
    said = _refusal(tmp_path / "log")
    assert f"the archive has lost 5 sealed parts that records {first + 1} to {first + 5} name" in said
    assert not verify_log(tmp_path / "log", [KEY.verifier()]).ok


def test_records_without_parts_at_the_end(tmp_path: Path) -> None:
    """Where the last segment of records names no part, its header says how many there were before."""
    filled(tmp_path / "log", 20)
    log = open_log(tmp_path / "log", segment_bytes=SEGMENT, boot="boot-2")
    for number in range(20):
        log.append_now(decision(number))
    log.close_now()
    assert _refusal(_copy(tmp_path)) == ""
    copy = _copy(tmp_path)
    last = _segments(copy)[-1]
    last.write_bytes(last.read_bytes()[:300])
    assert re.search("ends after [0-9] sealed parts, at least 10 had been written", _refusal(copy))


def _copy(place: Path) -> Path:
    shutil.rmtree(place / "copy", ignore_errors=True)
    return Path(shutil.copytree(place / "log", place / "copy"))


def test_a_log_without_parts_has_no_archive(tmp_path: Path) -> None:
    """Nothing is missed that never was."""
    filled(tmp_path / "log", 40, parts=False)
    shutil.rmtree(tmp_path / "log" / "archive")
    assert _refusal(tmp_path / "log") == ""


def test_segments_of_the_release_before(tmp_path: Path, killed: Path) -> None:
    """Headers that don't say how many parts there were: what the records name is looked for all the same."""
    copy = tmp_path / "copy"
    shutil.copytree(killed, copy)
    for path in sorted((copy / "wal").glob("*.seg")):
        data = path.read_bytes()
        state, begin = parse_header(data, path.name)
        assert state.pop("parts") >= 0
        path.write_bytes(header_bytes(state) + data[begin:])
    shutil.copytree(copy, tmp_path / "cut")
    assert _refusal(copy) == ""
    _segments(tmp_path / "cut")[-1].unlink()
    assert "the archive has lost" in _refusal(tmp_path / "cut")


def test_parts_of_appends_that_came_to_nothing() -> None:
    """Parts that no record names may be at the end, and may be gone: a start misses none of them."""
    disk = SimulatedDisk()
    log = open_log(HOME, files=disk, segment_bytes=SEGMENT)
    for number in range(9):
        log.append_now(decision(number), sealed(number))
    disk.fault = Fault(at=2, only="sync_data")  # the records' own; the parts' comes before
    with pytest.raises(Exception, match="stopped for good"):
        log.append_now(decision(9), [*sealed(9), *sealed(10)])
    with pytest.raises(Exception, match="stopped for good"):
        log.append_now(decision(10))
    log.close_now()
    disk.fault = None
    again = open_log(HOME, files=disk, segment_bytes=SEGMENT, boot="boot-2")
    assert again.status().size >= 10
    again.close_now()


def test_cost_follows_the_tail(tmp_path: Path) -> None:
    """A start reads the last segment of the archive, however many there are."""
    filled(tmp_path / "log", 300, segment_bytes=SEGMENT)
    count = len(_segments(tmp_path / "log"))
    assert count > 5
    for path in _segments(tmp_path / "log")[:-2]:
        path.write_bytes(b"not read")
    assert _refusal(tmp_path / "log") == ""


def test_damage_in_the_last_segment_is_told_as_damage(tmp_path: Path, killed: Path) -> None:
    """A part that is changed in place is no end that is lost."""
    shutil.copytree(killed, tmp_path / "log")
    last = _segments(tmp_path / "log")[-1]
    data = bytearray(last.read_bytes())
    data[parse_header(bytes(data), last.name)[1] + 60] ^= 1
    last.write_bytes(data)
    with pytest.raises((LogCorrupt, LogRolledBack)):
        open_log(tmp_path / "log", segment_bytes=SEGMENT)


@pytest.mark.parametrize("said", [0, -1, "7", None, True])
def test_headers_that_say_something_else(tmp_path: Path, killed: Path, said: object) -> None:
    """A header made anew that says fewer parts than were named is found by `verify`; nonsense is refused by a start."""
    shutil.copytree(killed, tmp_path / "log")
    last = max((tmp_path / "log" / "wal").glob("*.seg"))
    data = last.read_bytes()
    state, begin = parse_header(data, last.name)
    last.write_bytes(header_bytes(state | {"parts": said}) + data[begin:])
    problems = verify_log(tmp_path / "log", [KEY.verifier()]).problems
    assert ["fewer sealed parts than the records" in str(problem) for problem in problems] == [True]
    assert said == 0 or "says nothing of the sealed parts" in _refusal(tmp_path / "log")
