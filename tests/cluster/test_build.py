"""Building the bed's programs: once, whole or not at all, and with a reason when it can't be done."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cluster.bed import build

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(not shutil.which("go") and not os.environ.get("CI"), reason="there is no `go` command"),
]

ROOT = Path(__file__).resolve().parents[2]
HELLO = 'package main\n\nvar word = "unset"\n\nfunc main() { println(word) }\n'


@pytest.fixture
def bed(tmp_path: Path) -> Path:
    """A bed with one small program."""
    folder = tmp_path / "bed" / "hello"
    folder.mkdir(parents=True)
    (folder / "go.mod").write_text("module example.org/hello\n\ngo 1.24\n")
    (folder / "main.go").write_text(HELLO)
    return tmp_path / "bed"


def built(bed: Path) -> tuple[Path, list[str]]:
    """Build the small program; return where it lies and what was reported."""
    said: list[str] = []
    return build.build("hello", report=said.append, root=bed, cache=bed.parent / "cache"), said


def test_programs() -> None:
    """The control plane's programs can all be built."""
    assert {"etcd", "kubernetes", "kwok"} <= set(build.programs())
    assert build.recipe("etcd").binaries == ("etcd",)
    servers = ("kube-apiserver", "kube-scheduler", "kube-controller-manager", "kubectl")
    assert build.recipe("kubernetes").binaries == servers


def test_built_once(bed: Path) -> None:
    """A program is built when it is missing, says so, and is taken from the cache from then on."""
    home, said = built(bed)
    assert any("building hello" in line for line in said)
    assert subprocess.run([home / "hello"], capture_output=True, text=True, check=True).stderr == "unset\n"
    assert built(bed) == (home, [])


def test_every_input_counts(bed: Path) -> None:
    """A change of the program, its requirements or its recipe gives another build; the old one stays."""
    homes = [built(bed)[0]]
    (bed / "hello" / "bed.toml").write_text('[variables]\n"main.word" = "set"\n')
    homes.append(built(bed)[0])
    (bed / "hello" / "main.go").write_text(HELLO.replace("println(word)", 'println(word, "again")'))
    homes.append(built(bed)[0])
    (bed / "hello" / "go.mod").write_text("module example.org/hello\n\ngo 1.24.0\n")
    homes.append(built(bed)[0])
    said = [subprocess.run([home / "hello"], capture_output=True, text=True, check=True).stderr for home in homes]
    assert said == ["unset\n", "set\n", "set again\n", "set again\n"]
    assert len(set(homes)) == 4


def test_failed_build_leaves_nothing(bed: Path) -> None:
    """A build that fails says what the compiler said, and nothing of it can be taken for a program later."""
    (bed / "hello" / "main.go").write_text("package main\n\nfunc main() { undefined() }\n")
    with pytest.raises(build.BuildFailed, match=r"cannot build hello[^$]*undefined: undefined"):
        built(bed)
    assert [p.suffix for p in (bed.parent / "cache").iterdir()] == [".lock"]


def test_two_processes_build_once(bed: Path) -> None:
    """Of two processes that want the same program at once, one builds it and both get it."""
    code = (
        "import sys; from pathlib import Path; from tests.cluster.bed import build; bed = Path(sys.argv[1])\n"
        "print(build.build('hello', root=bed, cache=bed.parent / 'cache'))\n"
    )
    command = [sys.executable, "-c", code, str(bed)]
    pipe = subprocess.PIPE
    started = [subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, cwd=ROOT) for _ in range(2)]
    ended = [process.communicate() for process in started]
    assert [process.returncode for process in started] == [0, 0]
    assert ended[0][0] == ended[1][0]
    assert sum("bed: building hello" in errors for _, errors in ended) == 1


def test_copies(bed: Path) -> None:
    """A folder of a required module is laid beside the binaries, and can be deleted like any other."""
    data = bed / "hello" / "data"
    data.mkdir()
    (data / "stage.yaml").write_text("kind: Stage\n")
    (bed / "hello" / "bed.toml").write_text('[copies]\nstages = { module = "example.org/hello", folder = "data" }\n')
    home, _ = built(bed)
    assert (home / "stages" / "stage.yaml").read_text() == "kind: Stage\n"
    shutil.rmtree(home)


def test_unknown_program() -> None:
    """A program that doesn't exist is an error that names those that do."""
    command = [sys.executable, build.__file__, "helloo"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "error: no program `helloo` in the test bed; there are:" in done.stderr
    assert "Traceback" not in done.stderr


def test_without_go() -> None:
    """Without Go the command line says what to install."""
    command = [sys.executable, build.__file__, "etcd"]
    done = subprocess.run(command, capture_output=True, text=True, env={"PATH": "/nonexistent"}, check=False)
    assert done.returncode == 1
    assert "there is no `go` command; install Go 1.26 or newer, or set BAILIWICK_TEST_KUBECONFIG" in done.stderr


@pytest.mark.parametrize(("ci", "word", "status"), [("", "1 skipped", 0), ("true", "1 error", 1)])
def test_suite_without_go(tmp_path: Path, ci: str, word: str, status: int) -> None:
    """Without Go cluster tests are skipped with the reason; in CI they fail, so that nothing passes by not running."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", f"--basetemp={tmp_path / 'base'}"]
    done = subprocess.run(
        [*command, "tests/cluster/test_bed.py::test_version"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={"PATH": "/nonexistent", "HOME": str(tmp_path), "CI": ci},
        check=False,
    )
    assert done.returncode == status, done.stdout + done.stderr
    assert word in done.stdout
    assert "there is no `go` command" in done.stdout
