"""The file keyring's keys: what they sign, tag, seal and open, and what becomes of them as they change."""

import json
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from keymgmt.errors import (
    EnvelopeInvalid,
    KeyDestroyed,
    KeyManagementError,
    KeyRevoked,
    KeyringInvalid,
    NoSuchKey,
    NotApproved,
    SignerUnavailable,
    TransitionRefused,
)
from keymgmt.file.keyring import FileKeyring
from keymgmt.file.unlock import KeyFile
from keymgmt.keys import Algorithm
from keymgmt.ports import Binding
from keymgmt.states import MAY, NEXT, Change, State, Use, after
from tests.keymgmt.approvers import POLICY, votes
from tests.keymgmt.file_rings import Make, path_of, reopened, versions_of


@pytest.fixture
def guarded(tmp_path: Path, key_file: KeyFile, now: datetime) -> FileKeyring:
    """A keyring with approvers."""
    return FileKeyring.create(tmp_path / "guarded", "eu-de", unlock=key_file, now=now, approvals=POLICY)


def test_signing(keyring: FileKeyring, key_file: KeyFile) -> None:
    """A signature verifies under the signer's public key, and a reopened keyring signs the same."""
    signer = keyring.signer("audit-checkpoint", "log.example/eu-de")
    signature = signer.sign(b"tree head")
    Ed25519PublicKey.from_public_bytes(signer.public_key).verify(signature, b"tree head")
    again = reopened(keyring, key_file).signer("audit-checkpoint", "log.example/eu-de")
    assert (again.sign(b"tree head"), again.public_key, again.name) == (signature, signer.public_key, signer.name)


def test_tagging(keyring: FileKeyring, key_file: KeyFile, make: Make) -> None:
    """Equal values have equal tags, after reopening too; other values, regions and key versions have others."""
    tagger = keyring.tagger("audit-tags")
    tag = tagger(b"user:jane")
    assert tag == reopened(keyring, key_file).tagger("audit-tags")(b"user:jane")
    others = [tagger(b"user:john"), make("eu-fr").tagger("audit-tags")(b"user:jane")]
    assert len(tag) == 32
    assert tag not in others


def test_keys_of_other_kinds_are_not_mixed_up(keyring: FileKeyring) -> None:
    """A key does only what its algorithm is for."""
    with pytest.raises(NoSuchKey, match="hpke-x25519, and ed25519 was asked for"):
        keyring.signer("audit-archive", "name")
    with pytest.raises(NoSuchKey, match="ed25519, and hmac-sha256 was asked for"):
        keyring.tagger("audit-checkpoint")
    with pytest.raises(NoSuchKey, match="it has keys for: audit-archive, audit-checkpoint, audit-tags"):
        keyring.signer("etcd", "name")


def test_rotation(keyring: FileKeyring, key_file: KeyFile, bound: Binding, now: datetime) -> None:
    """One version is active; those before are retired, open what they sealed and sign no more."""
    signer = keyring.signer("audit-checkpoint", "name")
    sealed = []
    for _ in range(3):
        sealed.append(keyring.sealer().seal(b"x", bound).to_bytes())
        keyring.rotate("audit-archive", now)
    keyring.rotate("audit-checkpoint", now)
    states = [key.state for key in versions_of(keyring, "audit-archive")]
    assert states == [State.RETIRED] * 3 + [State.ACTIVE]
    assert [reopened(keyring, key_file).opener().open(envelope, bound) for envelope in sealed] == [b"x"] * 3
    with pytest.raises(SignerUnavailable, match="is retired"):
        signer.sign(b"tree head")
    assert keyring.signer("audit-checkpoint", "name").public_key != signer.public_key


def test_a_retired_tagging_key_stops(keyring: FileKeyring, now: datetime) -> None:
    """A tag is never made with a version that was replaced."""
    tagger = keyring.tagger("audit-tags")
    keyring.rotate("audit-tags", now)
    with pytest.raises(SignerUnavailable):
        tagger(b"user:jane")


def test_staging(keyring: FileKeyring, bound: Binding, now: datetime) -> None:
    """A staged key is published and unused until it is activated, and then there is still one active key."""
    staged = keyring.stage("audit-archive", now)
    sealer = keyring.sealer()
    assert sealer.seal(b"x", bound).to_bytes().find(staged.id_bytes) == -1
    keyring.activate(staged.key_id)
    assert sealer.seal(b"x", bound).to_bytes().find(staged.id_bytes) > 0
    assert [key.state for key in versions_of(keyring, "audit-archive")] == [State.RETIRED, State.ACTIVE]
    with pytest.raises(TransitionRefused, match="`active` cannot activate; possible here: retire, revoke"):
        keyring.activate(staged.key_id)


def test_key_ids_are_never_used_twice(keyring: FileKeyring, make: Make, now: datetime) -> None:
    """Every version of every key of every keyring has an id of its own."""
    for _ in range(5):
        for purpose in ("audit-archive", "audit-tags", "audit-checkpoint"):
            keyring.rotate(purpose, now)
    known = (*keyring.keys(), *make("eu-fr").keys())
    ids = [key.key_id for key in known]
    assert len(set(ids)) == len(ids) == 21


def test_revocation(guarded: FileKeyring, bound: Binding, now: datetime) -> None:
    """A revoked key opens nothing from that moment on, not even from memory, and its sealer falls silent."""
    sealer, opener = guarded.sealer(), guarded.opener()
    envelope = sealer.seal(b"x", bound).to_bytes()
    opener.open(envelope, bound)
    key = guarded.keys()[1]
    quorum = guarded.revoke(key.key_id, votes(guarded.action(Change.REVOKE, key.key_id)), now)
    assert quorum.approvers == ("alice", "bob")
    with pytest.raises(KeyRevoked):
        opener.open(envelope, bound)
    with pytest.raises(NoSuchKey):
        sealer.seal(b"x", bound)


def test_destruction(guarded: FileKeyring, key_file: KeyFile, bound: Binding, now: datetime) -> None:
    """A destroyed key's secret part is gone from the file, and so is what was sealed to it; the rest stays."""
    old = guarded.keys()[1]
    envelope = guarded.sealer().seal(b"x", bound).to_bytes()
    guarded.rotate("audit-archive", now)
    kept = guarded.sealer().seal(b"y", bound).to_bytes()
    wrapped = json.loads(path_of(guarded).read_text())["keys"][1]["wrapped"]
    guarded.destroy(old.key_id, votes(guarded.action(Change.DESTROY, old.key_id)), now)
    assert wrapped not in path_of(guarded).read_text()
    for keyring in (guarded, reopened(guarded, key_file)):
        with pytest.raises(KeyDestroyed):
            keyring.opener().open(envelope, bound)
        assert keyring.opener().open(kept, bound) == b"y"


def test_an_active_key_is_not_destroyed_in_one_step(guarded: FileKeyring, now: datetime) -> None:
    """Even a quorum cannot destroy the key in use."""
    key = guarded.keys()[1]
    with pytest.raises(TransitionRefused, match="`active` cannot destroy"):
        guarded.destroy(key.key_id, votes(guarded.action(Change.DESTROY, key.key_id)), now)
    assert guarded.generation == 1


def test_approvals_are_for_one_key_one_change_and_once(guarded: FileKeyring, now: datetime) -> None:
    """Votes for another key, another change, another keyring or an earlier time move nothing."""
    first, second = guarded.keys()[0], guarded.keys()[1]
    given = votes(guarded.action(Change.REVOKE, first.key_id))
    with pytest.raises(NotApproved, match="not for this action"):
        guarded.revoke(second.key_id, given, now)
    with pytest.raises(NotApproved, match="not for this action"):
        guarded.destroy(first.key_id, given, now)
    with pytest.raises(NotApproved, match="expired"):
        guarded.revoke(first.key_id, given, now + timedelta(hours=1))
    assert guarded.generation == 1
    guarded.revoke(first.key_id, given, now)
    with pytest.raises(NotApproved, match="used already"):
        guarded.revoke(first.key_id, given, now)


def test_without_approvers_nothing_is_destroyed(keyring: FileKeyring, now: datetime) -> None:
    """A keyring made without approvers never loses a key."""
    key = keyring.keys()[0]
    with pytest.raises(NotApproved, match="has no approvers"):
        keyring.revoke(key.key_id, votes(keyring.action(Change.REVOKE, key.key_id)), now)


def test_the_table_of_states() -> None:
    """From every state only the listed changes exist; nothing leads back, and less and less is allowed."""
    order = list(State)
    for state in State:
        for change in Change:
            if (state, change) in NEXT:
                follows = after(state, change)
                assert order.index(follows) > order.index(state)
                assert state is State.STAGED or MAY[follows] <= MAY[state]
            else:
                with pytest.raises(TransitionRefused):
                    after(state, change)
    assert [state for state in State if Use.PRODUCE in MAY[state]] == [State.ACTIVE]
    assert set(MAY) == set(State)


def test_it_says_what_it_is(keyring: FileKeyring) -> None:
    """A file keyring declares that software alone protects it, in the object and in both files."""
    assert keyring.assurance == "software"
    for path in (path_of(keyring), keyring.public_path):
        assert json.loads(path.read_text())["assurance"] == "software"


def test_own_purposes(tmp_path: Path, key_file: KeyFile, now: datetime) -> None:
    """A keyring can be made for other purposes, and for none it cannot."""
    purposes = {"etcd-seal": Algorithm.X25519}
    keyring = FileKeyring.create(tmp_path / "own", "eu-de", unlock=key_file, now=now, purposes=purposes)
    bound = Binding("eu-de", "DE", "etcd-seal", "prod", "")
    assert keyring.opener().open(keyring.sealer().seal(b"x", bound).to_bytes(), bound) == b"x"
    with pytest.raises(KeyringInvalid, match="at least one purpose"):
        FileKeyring.create(tmp_path / "none", "eu-de", unlock=key_file, now=now, purposes={})


def test_a_key_opens_for_its_own_purpose_only(tmp_path: Path, key_file: KeyFile, now: datetime) -> None:
    """Of two sealing keys in one keyring, neither opens under the other's purpose."""
    purposes = {"audit-archive": Algorithm.X25519, "etcd-seal": Algorithm.X25519}
    keyring = FileKeyring.create(tmp_path / "two", "eu-de", unlock=key_file, now=now, purposes=purposes)
    bound = Binding("eu-de", "DE", "etcd-seal", "prod", "")
    envelope = keyring.sealer().seal(b"x", bound).to_bytes()
    with pytest.raises(EnvelopeInvalid, match="is for `etcd-seal`, not for `audit-archive`"):
        keyring.opener().open(envelope, replace(bound, purpose="audit-archive"))


def test_signatures_are_for_the_message(keyring: FileKeyring) -> None:
    """A signature does not verify for another message."""
    signer = keyring.signer("audit-checkpoint", "name")
    with pytest.raises(InvalidSignature):
        Ed25519PublicKey.from_public_bytes(signer.public_key).verify(signer.sign(b"one"), b"two")


def test_every_refusal_is_ours(keyring: FileKeyring, now: datetime) -> None:
    """Unknown keys are refused by an error of this package that names the key asked for."""
    for attempt in (
        lambda: keyring.activate("bwk1.unknown"),
        lambda: keyring.revoke("bwk1.unknown", [], now),
        lambda: keyring.action(Change.DESTROY, "bwk1.unknown"),
        lambda: keyring.rotate("unknown", now),
    ):
        with pytest.raises(KeyManagementError, match="unknown"):
            attempt()
