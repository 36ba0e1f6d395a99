"""Each check is needed: without it a test fails. A copy of the package loses one check at a time.

Two are tried always, all of them with `BAILIWICK_TEST_LONG=1`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.keymgmt.mutations import Mutation, copied, fails_without, hold_with_all, only_long

MUTATIONS = {
    "a foreign region is let in": Mutation(
        "kms/annotations.py",
        "if region != bound.region:",
        "if False:",
        "kms/test_kms_service.py::test_g4_only",
        always=True,
    ),
    "the key id beside it is not compared": Mutation(
        "kms/annotations.py", "if key_id != key_id_of(envelope):", "if False:", "kms/test_kms_service.py::test_g3"
    ),
    "annotations are not compared": Mutation(
        "kms/annotations.py", "!= wanted.get(name):", "is wanted:", "kms/test_kms_service.py::test_g3"
    ),
    "unknown keys reach the keyring": Mutation(
        "kms/service.py",
        "raise Refused(Reason.UNKNOWN_KEY)",
        "return self._opener.open(stored.ciphertext, self._bound), key",
        "kms/test_kms_service.py::test_an_unknown",
    ),
    "withdrawn versions reach the keyring": Mutation(
        "kms/service.py", "if Use.OPEN not in MAY[key.state]:", "if False:", "kms/test_kms_service.py::test_g6"
    ),
    "encrypts whatever the standing": Mutation(
        "kms/service.py", "if standing.reason is not Reason.OK:", "if False:", "kms/test_kms_service.py::test_g8"
    ),
    "decrypts whatever the standing": Mutation(
        "kms/service.py", "if reason is not Reason.OK:", "if False:", "kms/test_kms_service.py::test_g8"
    ),
    "names its key while things are bad": Mutation(
        "kms/service.py",
        "if standing.key and standing.reason is Reason.OK else",
        "if standing.key else",
        "kms/test_kms_service.py::test_g8",
        always=True,
    ),
    "remembers over a loss": Mutation(
        "kms/service.py",
        "return self._watch.standing.losses << 32 | (keyring.generation",
        "return (keyring.generation",
        "kms/test_kms_service.py::test_g9",
    ),
    "results without a record": Mutation(
        "kms/service.py", "raise Refused(Reason.UNRECORDED) from None", "return", "kms/test_kms_service.py::test_g10_no"
    ),
    "what was seen long ago is good": Mutation(
        "kms/watch.py",
        "self.clock() - standing.seen_at > self.rhythm.patience",
        "False",
        "kms/test_kms_service.py::test_g8_what",
    ),
    "looks without opening anything": Mutation(
        "kms/watch.py", "        self._probe(keyring, key)\n", "", "kms/test_kms_key_service.py::test_g8"
    ),
    "forgets what it wrote with": Mutation(
        "kms/watch.py", "self.memory.store(seen)", "pass", "kms/test_kms_rotation.py::test_restarts"
    ),
    "goes back to an older version": Mutation(
        "kms/serving.py",
        "active is None or active.version < served",
        "active is None",
        "kms/test_kms_rotation.py::test_never",
    ),
    "writes at once with a new version": Mutation(
        "kms/serving.py",
        "return now - key.created >= ripening.delay and",
        "return",
        "kms/test_kms_rotation.py::test_which",
    ),
    "believes a clock alone": Mutation(
        "kms/serving.py", "and sightings >= ripening.observations", "", "kms/test_kms_rotation.py::test_a_version"
    ),
    "serves in a directory of others": Mutation(
        "kms/endpoint.py", "or status.st_mode & 0o777 & ~allowed", "", "kms/test_kms_endpoint.py::test_a_directory"
    ),
    "serves below a directory of others": Mutation(
        "kms/endpoint.py", "self._check(directory, gid)", "pass", "kms/test_kms_endpoint.py::test_a_parent"
    ),
    "binds for everybody": Mutation(
        "kms/endpoint.py", "os.umask(0o177)", "os.umask(0)", "kms/test_kms_endpoint.py::test_only"
    ),
    "takes over a socket": Mutation(
        "kms/endpoint.py",
        "fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)",
        "pass",
        "kms/test_kms_endpoint.py::test_a_second",
    ),
    "waits where answers are given": Mutation(
        "kms/server.py",
        "self._service.decrypt(stored, may_wait=False)",
        "self._service.decrypt(stored)",
        "kms/test_kms_server.py::test_status_while",
    ),
    "nobody stands in for those that wait": Mutation(
        "kms/server.py",
        "            with self.crew.aside():\n",
        "            if True:\n",
        "kms/test_kms_server.py::test_status_while",
    ),
    "as many wait as want to": Mutation(
        "kms/server.py", "if self._waiting >= WAITING or", "if False or", "kms/test_kms_server.py::test_status_while"
    ),
    "asks without time left": Mutation(
        "kms/server.py",
        "or (left is not None and left < LEAST_LEFT)",
        "",
        "kms/test_kms_server.py::test_a_call_without",
    ),
    "tells what an exception said": Mutation(
        "kms/service.py", "else type(error).__name__", "else str(error)", "kms/test_kms_server.py::test_an_errors"
    ),
}


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copied(tmp_path_factory.mktemp("mutations"), ("tests/cluster/bed", "examples/kms"))


@pytest.mark.parametrize("name", MUTATIONS)
def test_without_the_check_a_test_fails(tree: Path, name: str) -> None:
    """It fails because of an assertion, in the copy without the check, and only there."""
    fails_without(tree, MUTATIONS[name])


@only_long
def test_with_all_checks_they_hold(tree: Path) -> None:
    """The unchanged copy passes: what fails above fails for want of the check."""
    hold_with_all(tree, MUTATIONS.values())
