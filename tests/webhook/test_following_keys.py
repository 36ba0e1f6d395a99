"""A running webhook goes over to new keys by itself: recorded first, nothing denied, everything verifiable after."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from audit.checks.verify import verify_log
from audit.errors import LogCorrupt, MerkleError
from audit.reading import checkpoint_bytes, read_records
from audit.tlog.notes import VerifierKey, parse_note
from audit.verbs.places import verifier_keys
from bailiwick import command
from keymgmt.approvals import ApprovalPolicy, approve
from keymgmt.envelopes.envelope import parse_envelope
from keymgmt.errors import KeyManagementError, SignerUnavailable
from keymgmt.file.keyring import FileKeyring
from keymgmt.file.unlock import KeyFile
from keymgmt.ports import Binding
from keymgmt.states import Change
from webhook.demo.process import Process
from webhook.keys.live import LiveKeys

QUICKSTART = Path(__file__).parents[2] / "examples" / "quickstart"
RULES, CLUSTER = str(QUICKSTART / "rules"), str(QUICKSTART / "cluster")
POD = next(yaml.safe_load_all((QUICKSTART / "manifests" / "10-vllm-pod.yaml").read_text()))
PURPOSES = ("audit-checkpoint", "audit-archive", "audit-tags")
SOON = 20.0  # seconds
NOW = datetime.now(UTC).replace(microsecond=0)
ADA = Ed25519PrivateKey.from_private_bytes(b"ada".ljust(32))


def pod(number: int) -> dict[str, Any]:
    return {**POD, "metadata": {**POD["metadata"], "namespace": "clinic", "name": f"vllm-{number}"}}


def eventually(holds: Callable[[], object], what: str, seconds: float = SOON) -> None:
    """Return when it does."""
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, what
        time.sleep(0.1)


def told(log: Path, schema: str) -> list[Any]:
    """The fields of all records of a schema, as far as they lie there."""
    return [dict(r.fields) for r in read_records(log) if f".{schema}/" in r.fields["schema"]]


def run(*words: object) -> str:
    shown = CliRunner().invoke(command, list(map(str, words)))
    assert shown.exit_code == 0, shown.output
    return shown.output


def test_rotated_while_it_serves(tmp_path: Path) -> None:
    """Each key rotated by another process: a record of each, then new tags, seals and signatures; all is replayed."""
    state = tmp_path / "state"
    state.mkdir()
    log, keys = state / "log", state / "keys"
    process = Process(state, ["--rules", RULES, "--snapshot", CLUSTER, "--linger", "0"])
    try:
        asker = process.ready()
        asker.create(pod(1))
        (first,) = {leaf["tags"]["key"] for leaf in told(log, "decision")}
        for purpose in PURPOSES:
            run("keys", "rotate", keys, "--region", "local", "--key-file", keys / "unlock.key", purpose)
        eventually(lambda: len(told(log, "key-rotation")) >= len(PURPOSES), "three records of rotations")
        known = json.loads(run("keys", "list", keys, "-o", "json"))
        active = {row["purpose"]: row["keyId"] for row in known if row["state"] == "active"}
        number = 1

        def tagged_anew() -> object:
            nonlocal number
            number += 1
            asker.create(pod(number))
            return told(log, "decision")[-1]["tags"]["key"] == active["audit-tags"]

        eventually(tagged_anew, "tags by the new key")
        latest = (state / "log.vkeys").read_text().split("\n")[-2]
        eventually(lambda: _signed_by(log, latest), "a checkpoint by the new key")

        def sealed_anew() -> bool:
            tagged_anew()
            return {part["key"] for part in told(log, "decision")[-1]["written"]["sealed"]} == {active["audit-archive"]}

        eventually(sealed_anew, "parts sealed to the new key")
    finally:
        assert process.stop() == 0, process.written()
    rotations = told(log, "key-rotation")
    assert {leaf["purpose"] for leaf in rotations} == set(PURPOSES)
    assert {leaf["reason"] for leaf in rotations} == {"rotated"}
    assert {leaf["tags"]["key"] for leaf in told(log, "decision")} == {first, active["audit-tags"]}
    found = verify_log(log, verifier_keys(log, ()))
    assert found.ok, found
    replayed = json.loads(run("audit", "replay", state, "-o", "json"))
    assert {row["then"]["outcome"] for row in replayed["records"]} == {"same"}
    assert len(replayed["records"]) == 3 * number


def _signed_by(log: Path, vkey: str) -> bool:
    """Whether there is a checkpoint already, and the last one is signed by this key."""
    try:
        parse_note(checkpoint_bytes(log)).verified_by([VerifierKey.parse(vkey)])
    except (LogCorrupt, MerkleError):
        return False
    return True


BOUND = Binding("local", "", "audit-archive", "cluster", "clinic")


@pytest.fixture
def ring(tmp_path: Path) -> FileKeyring:
    """A keyring with approvers, one of whom is enough."""
    policy = ApprovalPolicy({"ada": ADA.public_key().public_bytes_raw()}, needed=1)
    unlock = KeyFile.create(tmp_path / "unlock.key")
    return FileKeyring.create(tmp_path / "keys", "local", unlock=unlock, now=NOW, approvals=policy)


def opened(ring: FileKeyring, seen: FileKeyring | None = None) -> FileKeyring:
    folder = ring.path.parent
    unlock = KeyFile(folder.parent / "unlock.key")
    return FileKeyring.open(folder, "local", unlock=unlock, seen=seen.head if seen else None)


def live(ring: FileKeyring) -> LiveKeys[FileKeyring]:
    return LiveKeys(opened(ring), [ring.path], lambda before: opened(ring, before))


def test_signature_and_public_key_are_of_one_key(ring: FileKeyring) -> None:
    """Whoever shows the public key and then signs does both with one key, whenever the keys change."""
    keys = live(ring)
    signer = keys.signer("audit-checkpoint", "log")
    shown = signer.public_key
    ring.rotate("audit-checkpoint", NOW)
    fresh = keys.look()
    assert fresh is not None
    keys.use(fresh)
    Ed25519PublicKey.from_public_bytes(shown).verify(signer.sign(b"tree head"), b"tree head")
    again = signer.public_key
    assert again != shown
    Ed25519PublicKey.from_public_bytes(again).verify(signer.sign(b"tree head"), b"tree head")


def test_a_look_without_a_change_gives_nothing(ring: FileKeyring) -> None:
    """Only another generation is another keyring; what was sealed before goes on opening."""
    keys = live(ring)
    assert keys.look() is None
    assert keys.look() is None
    before = keys.sealer().seal(b"x", BOUND).to_bytes()
    ring.rotate("audit-archive", NOW)
    fresh = keys.look()
    assert fresh is not None
    keys.use(fresh)
    assert keys.look() is None
    after = keys.sealer().seal(b"x", BOUND).to_bytes()
    assert parse_envelope(before).key_id != parse_envelope(after).key_id == ring.recipient("audit-archive").key_id
    assert fresh.opener().open(before, BOUND) == b"x"


def test_a_keyring_that_went_back_is_not_taken_up(ring: FileKeyring) -> None:
    """A restored older file, and rubbish, leave the keys in use and say so; the true file is taken up again."""
    keys = live(ring)
    old = ring.path.read_bytes()
    ring.rotate("audit-tags", NOW)
    new = ring.path.read_bytes()
    fresh = keys.look()
    assert fresh is not None
    keys.use(fresh)
    for wrong in (old, b"{}", b""):
        ring.path.write_bytes(wrong)
        assert keys.look() is None
        assert keys.trouble
        assert keys.keyring is fresh
    ring.path.write_bytes(new)
    assert keys.look() is None
    assert keys.trouble == ""


def test_a_key_revoked_without_a_successor_refuses(ring: FileKeyring) -> None:
    """Nothing is signed by a revoked key, though the keyring can't be gone over to."""
    keys = live(ring)
    signer = keys.signer("audit-checkpoint", "log")
    known = ring.keys()
    key_id = next(key.key_id for key in known if key.purpose == "audit-checkpoint")
    action, until = ring.action(Change.REVOKE, key_id), NOW + timedelta(hours=1)
    ring.revoke(key_id, [approve(action, "ada", ADA, nonce=b"n" * 16, issued=NOW, expires=until)], NOW)
    fresh = keys.look()
    assert fresh is not None
    with pytest.raises(KeyManagementError):
        fresh.signer("audit-checkpoint", "log")
    keys.refuse("no key to sign with")
    with pytest.raises(SignerUnavailable):
        signer.sign(b"tree head")
