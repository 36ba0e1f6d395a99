"""Whether a check is needed: a copy of the package loses it, and a test of the copy has to fail."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LONG = bool(os.environ.get("BAILIWICK_TEST_LONG"))
only_long = pytest.mark.skipif(not LONG, reason="takes seconds; set BAILIWICK_TEST_LONG=1")


@dataclass(frozen=True)
class Mutation:
    """What is taken out, and the tests one of which must notice."""

    file: str  # in keymgmt
    before: str
    after: str
    tests: str  # a file or folder of tests/keymgmt, and after `::` how the tests' names begin
    always: bool = False


def copied(copy: Path, names: Iterable[str]) -> Path:
    """A copy of what the tests need: keymgmt, its tests, and those files and folders."""
    for name in ("keymgmt", "tests/keymgmt", "pyproject.toml", "bailiwick.py", *names):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, copy / name)
    return copy


def fails_without(tree: Path, mutation: Mutation) -> None:
    """It fails because of an assertion, in the copy without the check, and only there."""
    if not mutation.always and not LONG:
        pytest.skip("takes seconds; set BAILIWICK_TEST_LONG=1")
    path = tree / "keymgmt" / mutation.file
    whole = path.read_text()
    assert whole.count(mutation.before) == 1, "the check is written otherwise now"
    path.write_text(whole.replace(mutation.before, mutation.after))
    try:
        done = _run(tree, mutation.tests)
    except subprocess.TimeoutExpired:
        return  # what hangs has noticed, too
    finally:
        path.write_text(whole)
    assert done.returncode == 1, done.stdout[-2000:]
    assert "failed" in done.stdout


def hold_with_all(tree: Path, mutations: Iterable[Mutation]) -> None:
    """The unchanged copy passes: what fails above fails for want of the check."""
    for selected in sorted({mutation.tests for mutation in mutations}):
        done = _run(tree, selected)
        assert done.returncode == 0, done.stdout[-2000:]


def _run(tree: Path, selected: str) -> subprocess.CompletedProcess[str]:
    """The tests of a file whose names begin so, on the copy."""
    file, _, prefix = selected.partition("::")
    words = ["-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", f"tests/keymgmt/{file}"]
    words += ["-k", prefix] if prefix else []
    environment = {**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, *words], cwd=tree, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
