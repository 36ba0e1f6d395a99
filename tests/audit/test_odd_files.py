"""What lies in a log's directory and isn't what it should be: pipes, devices, directories, links, zeros without end."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from audit.errors import LogRefused
from audit.query.asking import ask
from audit.query.index import Bounds
from audit.query.search import Question
from audit.verbs.places import verifier_keys
from tests.audit.wired import fill
from tests.audit.worlds import NoteKey, decision, filled, open_log

ROOT = Path(__file__).parents[2]
TOO_MUCH = 6 << 30  # bytes, none of them on the disk


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _device(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


def _circle(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.name)


def _zeros(path: Path) -> None:
    path.write_bytes(b"")
    os.truncate(path, TOO_MUCH)


def _more_zeros(path: Path) -> None:
    os.truncate(path, TOO_MUCH)


ODD: tuple[Callable[[Path], None], ...] = (_pipe, _folder, _device, _circle, _zeros, _more_zeros)
FILES = (
    "checkpoint",
    "head.json",
    "tile/0/000",
    "tile/0/001.p/47",
    "tile/1/000.p/1",
    "tile/entries/000",
    "wal/00000000000000000000.seg",
    "archive/00000000000000000000.seg",
)


def _verified(*directories: Path) -> list[tuple[bool, list[str]]]:
    command = [sys.executable, "-m", "tests.audit.limited", *map(str, directories)]
    done = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    return [tuple(json.loads(line)) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("odd") / "log"
    filled(directory, 300, segment_bytes=1 << 16)
    return directory


def test_each_is_a_problem_of_its_file(tmp_path: Path, log: Path) -> None:
    """Nothing is waited for, nothing is read without end, and `verify` names the file: no path, no fault, no hang."""
    cases = [(name, how) for name in FILES for how in ODD]
    directories = []
    for number, (name, how) in enumerate(cases):
        directories.append(tmp_path / str(number))
        shutil.copytree(log, directories[-1])
        how(directories[-1] / name)
    found = _verified(*directories)
    assert len(found) == len(cases)
    for (name, how), (holds, problems) in zip(cases, found, strict=True):
        assert not holds, (name, how.__name__)
        assert any(name in problem for problem in problems), (name, how.__name__, problems[:3])
        assert not any("Errno" in problem or str(tmp_path) in problem for problem in problems), problems[:3]


def test_a_link_to_the_file_is_the_file(tmp_path: Path, log: Path) -> None:
    """Operators put parts of a log on other volumes: what a link leads to is what is verified."""
    directory = tmp_path / "log"
    shutil.copytree(log, directory)
    for name in FILES:
        (directory / name).rename(tmp_path / name.replace("/", "-"))
        (directory / name).symlink_to(tmp_path / name.replace("/", "-"))
    assert _verified(directory) == [(True, [])]


def test_a_log_with_them_does_not_start(tmp_path: Path, log: Path) -> None:
    """A segment or head that is a pipe, a folder or too large: the start refuses, and writes nothing."""
    for number, name in enumerate(("head.json", "wal/00000000000000000262.seg", "checkpoint")):
        for how in (_pipe, _folder, _device):
            directory = tmp_path / f"{number}-{how.__name__}"
            shutil.copytree(log, directory)
            how(directory / name)
            with pytest.raises(LogRefused):
                open_log(directory, boot="boot-2")


def test_an_index_that_is_no_file_is_made_again(tmp_path: Path) -> None:
    """A run of the index that is a pipe, a device or zeros is made anew, and the answer is the same."""
    log = open_log(tmp_path / "log", segment_bytes=1 << 20)
    fill(log, [decision(number) for number in range(900)])
    log.close_now()
    question, bounds = Question({"verdict": ["denied"]}), Bounds(widest=256, fresh=64)
    expected = ask(tmp_path / "log", question, bounds=bounds).count
    assert expected == 225
    runs = sorted((tmp_path / "query-index").iterdir())
    assert len(runs) > 2
    for how in (_pipe, _device, _circle, _zeros, _more_zeros):
        how(runs[1])
        assert ask(tmp_path / "log", question, bounds=bounds).count == expected
    assert sorted((tmp_path / "query-index").iterdir()) == runs


def test_keys_that_are_no_text(tmp_path: Path, log: Path) -> None:
    """A file of keys that isn't UTF-8 is a usage error that names the file."""
    path = tmp_path / "log.vkeys"
    path.write_bytes(str(NoteKey().verifier()).encode() + b"\n\xff\xfe")
    with pytest.raises(Exception, match=r"log.vkeys` holds no verifier keys: it is no UTF-8"):
        verifier_keys(log, [str(path)])
