"""Each check is needed: without it a test fails. A copy of the package loses one check at a time.

Two are tried always, all of them with `BAILIWICK_TEST_LONG=1`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@dataclass(frozen=True)
class Mutation:
    """What is taken out, and the tests one of which must notice."""

    file: str
    before: str
    after: str
    tests: str  # file, or file::test
    always: bool = False


MUTATIONS = {
    "a foreign region is let in": Mutation(
        "annotations.py", "if region != bound.region:", "if False:", "test_kms_service.py::test_g4_only", always=True
    ),
    "the key id beside it is not compared": Mutation(
        "annotations.py", "if key_id != key_id_of(envelope):", "if False:", "test_kms_service.py::test_g3"
    ),
    "annotations are not compared": Mutation(
        "annotations.py", "!= wanted.get(name):", "is wanted:", "test_kms_service.py::test_g3"
    ),
    "unknown keys reach the keyring": Mutation(
        "service.py",
        "raise Refused(Reason.UNKNOWN_KEY)",
        "return self._opener.open(stored.ciphertext, self._bound), key",
        "test_kms_service.py::test_an_unknown",
    ),
    "withdrawn versions reach the keyring": Mutation(
        "service.py", "if Use.OPEN not in MAY[key.state]:", "if False:", "test_kms_service.py::test_g6"
    ),
    "encrypts whatever the standing": Mutation(
        "service.py", "if standing.reason is not Reason.OK:", "if False:", "test_kms_service.py::test_g8"
    ),
    "decrypts whatever the standing": Mutation(
        "service.py", "if reason is not Reason.OK:", "if False:", "test_kms_service.py::test_g8"
    ),
    "names its key while things are bad": Mutation(
        "service.py",
        "if standing.key and standing.reason is Reason.OK else",
        "if standing.key else",
        "test_kms_service.py::test_g8",
        always=True,
    ),
    "remembers over a loss": Mutation(
        "service.py",
        "return self._watch.standing.losses << 32 | (keyring.generation",
        "return (keyring.generation",
        "test_kms_service.py::test_g9",
    ),
    "results without a record": Mutation(
        "service.py", "raise Refused(Reason.UNRECORDED) from None", "return", "test_kms_service.py::test_g10_no"
    ),
    "what was seen long ago is good": Mutation(
        "watch.py",
        "self.clock() - standing.seen_at > self.rhythm.patience",
        "False",
        "test_kms_service.py::test_g8_what",
    ),
    "looks without opening anything": Mutation(
        "watch.py", "        self._probe(keyring, key)\n", "", "test_kms_key_service.py::test_g8"
    ),
    "forgets what it wrote with": Mutation(
        "watch.py", "self.memory.store(seen)", "pass", "test_kms_rotation.py::test_restarts"
    ),
    "goes back to an older version": Mutation(
        "serving.py", "active is None or active.version < served", "active is None", "test_kms_rotation.py::test_never"
    ),
    "writes at once with a new version": Mutation(
        "serving.py", "return now - key.created >= ripening.delay and", "return", "test_kms_rotation.py::test_which"
    ),
    "believes a clock alone": Mutation(
        "serving.py", "and sightings >= ripening.observations", "", "test_kms_rotation.py::test_a_version"
    ),
    "serves in a directory of others": Mutation(
        "endpoint.py", "or status.st_mode & 0o777 & ~allowed", "", "test_kms_endpoint.py::test_a_directory"
    ),
    "serves below a directory of others": Mutation(
        "endpoint.py", "self._check(directory, gid)", "pass", "test_kms_endpoint.py::test_a_parent"
    ),
    "binds for everybody": Mutation("endpoint.py", "os.umask(0o177)", "os.umask(0)", "test_kms_endpoint.py::test_only"),
    "takes over a socket": Mutation(
        "endpoint.py",
        "fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)",
        "pass",
        "test_kms_endpoint.py::test_a_second",
    ),
    "waits where answers are given": Mutation(
        "server.py",
        "self._service.decrypt(stored, may_wait=False)",
        "self._service.decrypt(stored)",
        "test_kms_server.py::test_status_while",
    ),
    "nobody stands in for those that wait": Mutation(
        "server.py",
        "            with self.crew.aside():\n",
        "            if True:\n",
        "test_kms_server.py::test_status_while",
    ),
    "as many wait as want to": Mutation(
        "server.py", "if self._waiting >= WAITING or", "if False or", "test_kms_server.py::test_status_while"
    ),
    "asks without time left": Mutation(
        "server.py",
        "or (left is not None and left < LEAST_LEFT)",
        "",
        "test_kms_server.py::test_a_call_without",
    ),
    "tells what an exception said": Mutation(
        "service.py", "else type(error).__name__", "else str(error)", "test_kms_server.py::test_an_errors"
    ),
}


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of what the tests need."""
    copy = tmp_path_factory.mktemp("mutations")
    for name in ("keymgmt", "tests/keymgmt", "tests/cluster/bed", "examples/kms"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "bailiwick.py"):
        shutil.copy(ROOT / name, copy / name)
    yield copy


def run(tree: Path, selected: str) -> subprocess.CompletedProcess[str]:
    """The tests of a file whose names begin so, on the copy."""
    file, _, prefix = selected.partition("::")
    words = ["-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", f"tests/keymgmt/kms/{file}", "-k", prefix]
    environment = {**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, *words], cwd=tree, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("name", MUTATIONS)
def test_without_the_check_a_test_fails(tree: Path, name: str) -> None:
    """It fails because of an assertion, in the copy without the check, and only there."""
    mutation = MUTATIONS[name]
    if not mutation.always and not os.environ.get("BAILIWICK_TEST_LONG"):
        pytest.skip("takes seconds; set BAILIWICK_TEST_LONG=1")
    path = tree / "keymgmt" / "kms" / mutation.file
    whole = path.read_text()
    assert whole.count(mutation.before) == 1, "the check is written otherwise now"
    path.write_text(whole.replace(mutation.before, mutation.after))
    try:
        done = run(tree, mutation.tests)
    except subprocess.TimeoutExpired:
        return  # what hangs has noticed, too
    finally:
        path.write_text(whole)
    assert done.returncode == 1, done.stdout[-2000:]
    assert str(tree) in done.stdout or "failed" in done.stdout


@pytest.mark.skipif(not os.environ.get("BAILIWICK_TEST_LONG"), reason="takes seconds; set BAILIWICK_TEST_LONG=1")
def test_with_all_checks_they_hold(tree: Path) -> None:
    """The unchanged copy passes: what fails above fails for want of the check."""
    for selected in sorted({mutation.tests for mutation in MUTATIONS.values()}):
        done = run(tree, selected)
        assert done.returncode == 0, done.stdout[-2000:]
