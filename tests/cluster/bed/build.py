"""Build the test bed's programs from published Go modules, once, into a cache outside the tree.

Guarantees: a program is found under a name made of everything that decides its bytes (its folder's files and the Go
version), so a stale binary is never used; a half-built one is never seen, because a build is renamed into place when
complete; two processes never build the same thing at once. Needs only the standard library.

A program is a folder beside this file with a go.mod. Its optional `bed.toml` says what to build there:

    packages = ["example.org/tool/cmd/tool"]     # default: the folder's own main package
    tags = "minimal"                             # build tags
    [variables]                                  # string variables set by the linker
    "example.org/tool/version" = "v1.0.0"
    [copies]                                     # folders of a required module, laid beside the binaries
    stages = { module = "example.org/tool", folder = "data" }

Run as `python tests/cluster/bed/build.py [program...]` to fill the cache ahead of the tests.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
CACHE_VARIABLE = "BAILIWICK_BED_CACHE"
REPORT_EVERY = 5.0  # seconds between progress lines: ten silent minutes look like a hang
LOG_LINES = 30  # of a failed build, enough for the compiler's complaint

Report = Callable[[str], None]


class BuildError(Exception):
    """The bed's programs cannot be had; the message says why and what to do."""


class GoMissing(BuildError):
    """There is no `go` command on this machine."""


class BuildFailed(BuildError):
    """`go build` ended with an error, whose last lines are in the message."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What to build in a program's folder, as its `bed.toml` says."""

    folder: Path
    packages: tuple[str, ...] = (".",)
    tags: str = ""
    variables: dict[str, str] = field(default_factory=dict)
    copies: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The program's name, which is its folder's."""
        return self.folder.name

    @property
    def binaries(self) -> tuple[str, ...]:
        """File names of what is built, in the order of `packages`."""
        return tuple(self.name if p == "." else p.rsplit("/", 1)[-1] for p in self.packages)

    def digest(self, go_version: str) -> str:
        """SHA-256 of all that decides the binaries' bytes, in hex."""
        sources = sorted(p for p in self.folder.iterdir() if p.suffix in {".go", ".mod", ".sum", ".toml"})
        digest = hashlib.sha256(go_version.encode())
        for source in sources:
            content = source.read_bytes()
            digest.update(f"\0{source.name}\0{len(content)}\0".encode() + content)
        return digest.hexdigest()

    def arguments(self, output: Path) -> list[str]:
        """The `go` command that builds everything into `output`."""
        links = " ".join(["-s -w", *(f"-X {name}={value}" for name, value in self.variables.items())])
        tags = ["-tags", self.tags] if self.tags else []
        # -v names each package as it is compiled, which is the progress we have
        return ["go", "build", "-v", "-trimpath", *tags, "-ldflags", links, "-o", f"{output}/", *self.packages]


def recipe(program: str, root: Path = HERE) -> Recipe:
    """Read how `program` is built; raise BuildError when there is no such folder."""
    folder = root / program
    if not (folder / "go.mod").is_file():
        known = ", ".join(programs(root))
        raise BuildError(f"no program `{program}` in the test bed; there are: {known}")
    described: dict[str, Any] = {}
    if (folder / "bed.toml").is_file():
        described = tomllib.loads((folder / "bed.toml").read_text())
    return Recipe(
        folder=folder,
        packages=tuple(described.get("packages", ["."])),
        tags=described.get("tags", ""),
        variables=described.get("variables", {}),
        copies=described.get("copies", {}),
    )


def programs(root: Path = HERE) -> tuple[str, ...]:
    """Names of all programs that can be built, in order."""
    return tuple(sorted(p.parent.name for p in root.glob("*/go.mod")))


def cache_root() -> Path:
    """Where built programs lie: `$BAILIWICK_BED_CACHE`, or `bailiwick/bed` in the user's cache."""
    if chosen := os.environ.get(CACHE_VARIABLE):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bailiwick" / "bed"


def say(line: str) -> None:
    """Report progress to stderr."""
    print(line, file=sys.stderr, flush=True)


def build(program: str, *, report: Report = say, root: Path = HERE, cache: Path | None = None) -> Path:
    """Return the folder that holds `program`'s binaries, building them first when they are not in the cache.

    Raise GoMissing without a `go` command, BuildFailed when the build ends with an error.
    """
    wanted = recipe(program, root)
    home = (cache or cache_root()) / f"{program}-{wanted.digest(_go_version(wanted.folder))}"
    if home.is_dir():
        return home
    home.parent.mkdir(parents=True, exist_ok=True)
    with _alone(home.with_suffix(".lock"), program, report):
        if not home.is_dir():  # another process may have built it while this one waited
            _build_into(home, wanted, report)
    return home


def _go_version(folder: Path) -> str:
    """Go's version and platform, for the toolchain that the folder's go.mod selects."""
    try:
        done = _go(folder, "version")
    except FileNotFoundError as error:
        raise GoMissing(
            "the test bed is built with Go, and there is no `go` command; "
            "install Go 1.26 or newer, or set BAILIWICK_TEST_KUBECONFIG to use a cluster of your own"
        ) from error
    if done.returncode != 0:
        raise BuildFailed(f"`go version` failed: {done.stderr.strip()}")
    return done.stdout.strip()


def _go(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["go", *arguments], cwd=folder, env=_environment(), capture_output=True, text=True, check=False
    )


def _environment() -> dict[str, str]:
    """The caller's environment without the settings that would change what is built."""
    # no C compiler is asked for, and no module outside go.sum gets in
    return {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly", "GOWORK": "off"}


@contextmanager
def _alone(lock: Path, program: str, report: Report) -> Iterator[None]:
    """Hold the lock file; say so now and then while another process has it. The kernel frees it if we die."""
    with lock.open("w") as handle:
        clock = _Progress(report, f"waiting for another process that builds {program}")
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                clock.tick(str)
                time.sleep(0.2)
        yield


def _build_into(home: Path, wanted: Recipe, report: Report) -> None:
    """Build in a folder of its own and rename it to `home` when complete."""
    with tempfile.TemporaryDirectory(prefix=f".{wanted.name}-", dir=home.parent) as scratch:
        output = Path(scratch) / "output"
        output.mkdir()
        started = time.monotonic()
        _run(wanted, output, Path(scratch) / "log", report)
        for name, copied in wanted.copies.items():
            shutil.copytree(_module_folder(wanted.folder, copied["module"]) / copied["folder"], output / name)
        _writable(output)  # the module cache is read-only, and its copies must not stay so
        output.rename(home)
        report(f"bed: built {wanted.name} in {time.monotonic() - started:.0f} s")


def _run(wanted: Recipe, output: Path, log: Path, report: Report) -> None:
    nice = ["nice"] if shutil.which("nice") else []  # minutes of compiling shall not freeze a desk
    with log.open("w") as sink:
        compiler = subprocess.Popen(
            [*nice, *wanted.arguments(output)], cwd=wanted.folder, env=_environment(), stdout=sink, stderr=sink
        )
        try:
            _watch(compiler, log, wanted, report)
        finally:
            compiler.kill()  # only reached alive when we are interrupted
            compiler.wait()
    if compiler.returncode != 0:
        tail = "\n".join(log.read_text().splitlines()[-LOG_LINES:])
        raise BuildFailed(f"cannot build {wanted.name}: `go build` ended with {compiler.returncode}\n{tail}")


def _watch(compiler: subprocess.Popen[bytes], log: Path, wanted: Recipe, report: Report) -> None:
    """Report progress until the compiler ends."""
    report(f"bed: building {', '.join(wanted.binaries)} (once; minutes on a cold cache)")
    clock = _Progress(report, f"building {wanted.name}")
    while compiler.poll() is None:
        clock.tick(lambda: _stage(log))
        time.sleep(0.1)


def _stage(log: Path) -> str:
    lines = log.read_text().splitlines()
    loaded = sum(line.startswith("go: downloading") for line in lines)
    return f", {loaded} modules loaded, {len(lines) - loaded} packages compiled" if lines else ""


class _Progress:
    """Speaks every few seconds, with the time elapsed."""

    def __init__(self, report: Report, what: str) -> None:
        self._report, self._what = report, what
        self._started = self._spoke = time.monotonic()

    def tick(self, detail: Callable[[], str]) -> None:
        now = time.monotonic()
        if now - self._spoke >= REPORT_EVERY:
            self._spoke = now
            self._report(f"bed: {self._what}: {now - self._started:.0f} s{detail()}")


def _module_folder(folder: Path, module: str) -> Path:
    done = _go(folder, "list", "-m", "-f", "{{.Dir}}", module)
    if done.returncode != 0:
        raise BuildFailed(f"cannot find the module `{module}`: {done.stderr.strip()}")
    return Path(done.stdout.strip())


def _writable(folder: Path) -> None:
    for path in [folder, *folder.rglob("*")]:
        path.chmod(path.stat().st_mode | 0o200)


def main(arguments: list[str] | None = None) -> int:
    """Build the programs named, or all; print where each lies. 0 when all are there, 1 otherwise."""
    parser = argparse.ArgumentParser(description="build the test bed's programs into the cache")
    parser.add_argument("program", nargs="*", help=f"one of {', '.join(programs())}; all of them by default")
    try:
        for program in parser.parse_args(arguments).program or programs():
            print(build(program))
    except BuildError as error:
        say(f"error: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
