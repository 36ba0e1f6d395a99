"""The file keyring: made once, opened by its owner, changed whole or not at all, never turned back."""

import json
import multiprocessing
import os
import shutil
import stat
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from keymgmt.approvals import ApprovalPolicy, approve
from keymgmt.errors import (
    EnvelopeInvalid,
    KeyDestroyed,
    KeyManagementError,
    KeyRevoked,
    KeyringExists,
    KeyringInvalid,
    KeyringMissing,
    KeyringRolledBack,
    KeyringUnsafe,
    KeyringUnwritable,
    NoSuchKey,
    NotApproved,
    SignerUnavailable,
    TransitionRefused,
    UnlockFailed,
)
from keymgmt.file.document import Head
from keymgmt.file.keyring import FileKeyring
from keymgmt.file.unlock import Credential, KeyFile, Passphrase
from keymgmt.keys import Algorithm, KeyFacts
from keymgmt.ports import Approval, Binding
from keymgmt.public import PublicKeyring
from keymgmt.secret import Secret
from keymgmt.states import MAY, NEXT, Change, State, Use, after

Make = Callable[[str], FileKeyring]
APPROVERS = {name: Ed25519PrivateKey.from_private_bytes(name.encode().ljust(32)) for name in ("alice", "bob", "carol")}
POLICY = ApprovalPolicy({name: key.public_key().public_bytes_raw() for name, key in APPROVERS.items()}, needed=2)


@pytest.fixture
def guarded(tmp_path: Path, key_file: KeyFile, now: datetime) -> FileKeyring:
    """A keyring with approvers."""
    return FileKeyring.create(tmp_path / "guarded", "eu-de", unlock=key_file, now=now, approvals=POLICY)


def reopened(keyring: FileKeyring, key_file: KeyFile, seen: Head | None = None) -> FileKeyring:
    return FileKeyring.open(keyring.public_path.parent, keyring.region, unlock=key_file, seen=seen)


def versions_of(keyring: FileKeyring, purpose: str) -> list[KeyFacts]:
    known = keyring.keys()
    return [key for key in known if key.purpose == purpose]


def votes(action: bytes, now: datetime, nonce: bytes = b"n" * 16) -> list[Approval]:
    until = now + timedelta(hours=1)
    return [approve(action, name, APPROVERS[name], nonce=nonce, issued=now, expires=until) for name in ("alice", "bob")]


def path_of(keyring: FileKeyring) -> Path:
    return keyring.public_path.with_name(f"{keyring.region}.keyring.json")


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


def test_files_are_for_their_owner(keyring: FileKeyring) -> None:
    """The directory is 0700 and the keyring 0600, whatever the umask."""
    path = path_of(keyring)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_private_under_any_umask(tmp_path: Path, now: datetime) -> None:
    """A careless umask opens nothing."""
    before = os.umask(0)
    try:
        key_file = KeyFile.create(tmp_path / "kek")
        keyring = FileKeyring.create(tmp_path / "keys", "eu-de", unlock=key_file, now=now)
        keyring.rotate("audit-tags", now)
    finally:
        os.umask(before)
    for path in (key_file.path, path_of(keyring), tmp_path / "keys" / "eu-de.lock"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
def test_a_keyring_that_others_can_touch_is_refused(keyring: FileKeyring, key_file: KeyFile, mode: int) -> None:
    """Group and others have no business with the file, not even reading."""
    path_of(keyring).chmod(mode)
    with pytest.raises(KeyringUnsafe, match="mode 600"):
        reopened(keyring, key_file)


def test_a_directory_that_others_can_touch_is_refused(keyring: FileKeyring, key_file: KeyFile, now: datetime) -> None:
    """Nor with the directory, neither when opening nor when making another keyring in it."""
    directory = path_of(keyring).parent
    directory.chmod(0o770)
    with pytest.raises(KeyringUnsafe, match="mode 700"):
        reopened(keyring, key_file)
    with pytest.raises(KeyringUnsafe, match="mode 700"):
        FileKeyring.create(directory, "eu-fr", unlock=key_file, now=now)


def test_links_are_not_followed(keyring: FileKeyring, key_file: KeyFile, tmp_path: Path) -> None:
    """A symbolic link in the keyring's place is refused."""
    elsewhere = tmp_path / "elsewhere"
    path_of(keyring).rename(elsewhere)
    path_of(keyring).symlink_to(elsewhere)
    with pytest.raises(KeyringUnsafe, match="cannot read"):
        reopened(keyring, key_file)


def test_a_keyring_is_never_overwritten(keyring: FileKeyring, key_file: KeyFile, now: datetime) -> None:
    """Making a keyring where one is fails and leaves it as it was."""
    before = path_of(keyring).read_bytes()
    with pytest.raises(KeyringExists):
        FileKeyring.create(path_of(keyring).parent, "eu-de", unlock=key_file, now=now)
    assert path_of(keyring).read_bytes() == before


def test_nothing_to_open(tmp_path: Path, key_file: KeyFile) -> None:
    """Where there is no keyring, the message says how to make one."""
    with pytest.raises(KeyringMissing, match="bailiwick keys init"):
        FileKeyring.open(tmp_path, "eu-de", unlock=key_file)


@pytest.mark.parametrize("region", ["", "../eu", "eu/de", ".", "eu de", "-eu", "é", "x" * 64])
def test_region_names(tmp_path: Path, key_file: KeyFile, now: datetime, region: str) -> None:
    """A region's name is a file name and nothing cleverer."""
    with pytest.raises(KeyringInvalid, match="is no region name"):
        FileKeyring.create(tmp_path / "keys", region, unlock=key_file, now=now)
    with pytest.raises(KeyringInvalid, match="is no region name"):
        FileKeyring.open(tmp_path / "keys", region, unlock=key_file)


def test_one_region_per_file(keyring: FileKeyring, key_file: KeyFile) -> None:
    """A keyring renamed to another region is refused."""
    shutil.copy2(path_of(keyring), path_of(keyring).with_name("eu-fr.keyring.json"))
    with pytest.raises(KeyringInvalid, match="holds the keys of `eu-de`, not of `eu-fr`"):
        FileKeyring.open(path_of(keyring).parent, "eu-fr", unlock=key_file)


def edits(document: dict[str, Any]) -> list[tuple[str, Callable[[dict[str, Any]], object]]]:
    """A change to every value of a keyring's document."""

    def other(value: object) -> object:
        match value:
            case int():
                return value + 1
            case str():
                return ("A" if value[:1] != "A" else "B") + value[1:]
            case list():
                return [*value, "0" * 64]
            case None:
                return {}
            case _:
                return None

    def set_at(doc: Any, path: tuple[Any, ...]) -> None:
        for step in path[:-1]:
            doc = doc[step]
        doc[path[-1]] = other(doc[path[-1]])

    paths: list[tuple[Any, ...]] = [(name,) for name in document]
    paths += [("keys", n, name) for n, entry in enumerate(document["keys"]) for name in entry]
    found: list[tuple[str, Callable[[dict[str, Any]], object]]] = [(str(p), partial(set_at, path=p)) for p in paths]
    found += [
        ("active key retired", lambda doc: doc["keys"][0].__setitem__("state", "retired")),
        ("key dropped", lambda doc: doc["keys"].pop()),
        ("key doubled", lambda doc: doc["keys"].append(doc["keys"][0])),
        ("keys swapped", lambda doc: doc["keys"].reverse()),
        ("field added", lambda doc: doc.__setitem__("note", "hello")),
    ]
    return found


def test_no_value_can_be_changed_without_the_key(keyring: FileKeyring, key_file: KeyFile) -> None:
    """Whatever is changed in the file, opening it fails."""
    path = path_of(keyring)
    original = path.read_text()
    for name, edit in edits(json.loads(original)):
        document = json.loads(original)
        edit(document)
        path.write_text(json.dumps(document))
        with pytest.raises((KeyringInvalid, UnlockFailed)):
            reopened(keyring, key_file)
            pytest.fail(f"accepted: {name}")
    path.write_text(json.dumps(json.loads(original), indent=7))
    assert reopened(keyring, key_file).head == keyring.head  # spelling is not content


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b"null", b"\xff" * 100, b"{}", b'{"schema":1}'])
def test_files_that_are_no_keyring(keyring: FileKeyring, key_file: KeyFile, damage: bytes) -> None:
    """Rubbish is called so, in one line."""
    path_of(keyring).write_bytes(damage)
    with pytest.raises(KeyringInvalid, match="is not a keyring") as refusal:
        reopened(keyring, key_file)
    assert "\n" not in str(refusal.value)


def test_the_wrong_key(keyring: FileKeyring, tmp_path: Path) -> None:
    """Another key file opens nothing."""
    with pytest.raises(UnlockFailed, match="wrong key"):
        reopened(keyring, KeyFile.create(tmp_path / "other"))


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_a_key_file_that_others_can_read_is_refused(keyring: FileKeyring, key_file: KeyFile, mode: int) -> None:
    """A key-encrypting key that others may have read protects nothing."""
    key_file.path.chmod(mode)
    with pytest.raises(UnlockFailed, match="read by others"):
        reopened(keyring, key_file)


def test_key_files_that_are_none(keyring: FileKeyring, tmp_path: Path) -> None:
    """A missing, short, linked or special key file is refused with what is wrong."""
    short = KeyFile.create(tmp_path / "short", entropy=lambda size: b"x" * (size - 1))
    link = tmp_path / "link"
    link.symlink_to(short.path)
    os.mkfifo(tmp_path / "pipe", 0o600)
    wrong = {"missing": "No such file", "short": "31 bytes", "link": "Too many levels", "pipe": "not a regular file"}
    wrong |= {".": "not a regular file"}
    for name, says in wrong.items():
        with pytest.raises(UnlockFailed, match=says):
            reopened(keyring, KeyFile(tmp_path / name))
    with pytest.raises(KeyringExists):
        KeyFile.create(short.path)


def test_credential(tmp_path: Path, now: datetime) -> None:
    """A systemd credential unlocks a keyring, and its absence is explained."""
    (tmp_path / "bailiwick").write_bytes(b"k" * 32)
    unlock = Credential("bailiwick", {"CREDENTIALS_DIRECTORY": str(tmp_path), "TOKEN": "hush"})
    keyring = FileKeyring.create(tmp_path / "keys", "eu-de", unlock=unlock, now=now)
    assert FileKeyring.open(tmp_path / "keys", "eu-de", unlock=unlock).head == keyring.head
    assert "hush" not in repr(unlock)
    for broken in (replace(unlock, environment={}), replace(unlock, name="../bailiwick")):
        with pytest.raises(UnlockFailed):
            FileKeyring.open(tmp_path / "keys", "eu-de", unlock=broken)


def test_passphrase(tmp_path: Path, now: datetime, key_file: KeyFile) -> None:
    """A passphrase unlocks what was made with it, and nothing else does."""
    unlock = Passphrase(Secret(b"correct horse battery staple"))
    keyring = FileKeyring.create(tmp_path / "keys", "eu-de", unlock=unlock, now=now)
    assert FileKeyring.open(tmp_path / "keys", "eu-de", unlock=unlock).head == keyring.head
    for wrong in (Passphrase(Secret(b"correct horse")), key_file):
        with pytest.raises(UnlockFailed):
            FileKeyring.open(tmp_path / "keys", "eu-de", unlock=wrong)


def test_a_passphrase_does_not_open_what_a_file_protects(keyring: FileKeyring) -> None:
    """Without derivation parameters in the header a passphrase is of no use, and the message says so."""
    with pytest.raises(UnlockFailed, match="not protected by a passphrase"):
        FileKeyring.open(path_of(keyring).parent, "eu-de", unlock=Passphrase(Secret(b"x")))


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
    quorum = guarded.revoke(key.key_id, votes(guarded.action(Change.REVOKE, key.key_id), now), now)
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
    guarded.destroy(old.key_id, votes(guarded.action(Change.DESTROY, old.key_id), now), now)
    assert wrapped not in path_of(guarded).read_text()
    for keyring in (guarded, reopened(guarded, key_file)):
        with pytest.raises(KeyDestroyed):
            keyring.opener().open(envelope, bound)
        assert keyring.opener().open(kept, bound) == b"y"


def test_an_active_key_is_not_destroyed_in_one_step(guarded: FileKeyring, now: datetime) -> None:
    """Even a quorum cannot destroy the key in use."""
    key = guarded.keys()[1]
    with pytest.raises(TransitionRefused, match="`active` cannot destroy"):
        guarded.destroy(key.key_id, votes(guarded.action(Change.DESTROY, key.key_id), now), now)
    assert guarded.generation == 1


def test_approvals_are_for_one_key_one_change_and_once(guarded: FileKeyring, now: datetime) -> None:
    """Votes for another key, another change, another keyring or an earlier time move nothing."""
    first, second = guarded.keys()[0], guarded.keys()[1]
    given = votes(guarded.action(Change.REVOKE, first.key_id), now)
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
        keyring.revoke(key.key_id, votes(keyring.action(Change.REVOKE, key.key_id), now), now)


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


def test_generations_form_a_chain(keyring: FileKeyring, key_file: KeyFile, now: datetime) -> None:
    """Every head ever seen is still part of the history, and the numbers have no gap."""
    heads = [keyring.head]
    for _ in range(4):
        keyring.rotate("audit-tags", now)
        heads.append(keyring.head)
    assert all(later.generation == earlier.generation + 1 for earlier, later in pairwise(heads))
    assert [reopened(keyring, key_file, seen=head).generation for head in heads] == [5] * 5


def test_an_older_file_is_noticed(keyring: FileKeyring, key_file: KeyFile, now: datetime) -> None:
    """A restored backup is refused by whoever remembers a later head, and by a running keyring."""
    backup = path_of(keyring).read_bytes()
    keyring.rotate("audit-archive", now)
    path_of(keyring).write_bytes(backup)
    with pytest.raises(KeyringRolledBack):
        reopened(keyring, key_file, seen=keyring.head)
    with pytest.raises(KeyringRolledBack):
        keyring.refresh()
    with pytest.raises(KeyringRolledBack):
        keyring.rotate("audit-archive", now)


def test_two_histories_are_noticed(keyring: FileKeyring, key_file: KeyFile, now: datetime) -> None:
    """A file that went its own way from a backup is refused even when it has as many generations."""
    backup = path_of(keyring).read_bytes()
    keyring.rotate("audit-archive", now)
    path_of(keyring).write_bytes(backup)
    for _ in range(3):
        reopened(keyring, key_file).rotate("audit-tags", now)
    with pytest.raises(KeyringRolledBack):
        reopened(keyring, key_file, seen=keyring.head)
    with pytest.raises(KeyringRolledBack):
        keyring.refresh()


def test_a_forged_later_generation_is_noticed(keyring: FileKeyring, now: datetime) -> None:
    """Somebody without the key cannot give a running keyring a next generation, however well it continues the last."""
    document = json.loads(path_of(keyring).read_text())
    document["history"].append(keyring.head.digest)
    document["generation"] += 1
    document["approvals"] = {"needed": 1, "approvers": {"eve": "A" * 43}}
    path_of(keyring).write_text(json.dumps(document))
    for attempt in (keyring.refresh, lambda: keyring.rotate("audit-tags", now)):
        with pytest.raises(KeyringInvalid, match="changed without its key"):
            attempt()
    assert keyring.generation == 1


def test_a_key_exchanged_under_its_id_is_named(keyring: FileKeyring, key_file: KeyFile) -> None:
    """A public key that does not belong to its id is found before anything is unlocked, and the entry is named."""
    document = json.loads(path_of(keyring).read_text())
    document["keys"][1]["public"] = document["keys"][0]["public"]
    path_of(keyring).write_text(json.dumps(document))
    with pytest.raises(KeyringInvalid, match="audit-archive version 1 does not fit the key"):
        reopened(keyring, key_file)


def test_another_process_rotates(keyring: FileKeyring, key_file: KeyFile, bound: Binding, now: datetime) -> None:
    """What another process changed is taken up by `refresh`, and by the next change."""
    other = reopened(keyring, key_file)
    rotated = other.rotate("audit-archive", now)
    sealer = keyring.sealer()
    sealer.seal(b"x", bound)
    assert keyring.refresh()
    assert rotated.id_bytes in sealer.seal(b"x", bound).to_bytes()
    assert not keyring.refresh()
    other.rotate("audit-tags", now)
    keyring.rotate("audit-tags", now)
    assert keyring.generation == 4


def rotate_often(directory: Path, key: Path, now: datetime, times: int) -> None:
    keyring = FileKeyring.open(directory, "eu-de", unlock=KeyFile(key))
    for _ in range(times):
        keyring.rotate("audit-tags", now)


def test_processes_take_turns(keyring: FileKeyring, key_file: KeyFile, now: datetime) -> None:
    """Rotations of several processes at once are all there in the end, in one chain."""
    context = multiprocessing.get_context("spawn")
    directory = path_of(keyring).parent
    workers = [context.Process(target=rotate_often, args=(directory, key_file.path, now, 10)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    final = reopened(keyring, key_file, seen=keyring.head)
    tagging = versions_of(final, "audit-tags")
    assert (final.generation, [key.version for key in tagging]) == (31, list(range(1, 32)))
    assert [key.state for key in tagging] == [State.RETIRED] * 30 + [State.ACTIVE]


def test_a_change_that_cannot_be_written_has_not_happened(
    keyring: FileKeyring, key_file: KeyFile, bound: Binding, now: datetime
) -> None:
    """When the file cannot be replaced, keyring and file stay at the generation they were."""
    blocked = path_of(keyring).with_name(f".{path_of(keyring).name}.new")
    blocked.mkdir()
    before = keyring.head
    with pytest.raises(KeyringUnwritable, match="nothing was changed"):
        keyring.rotate("audit-archive", now)
    assert keyring.head == before == reopened(keyring, key_file).head
    blocked.rmdir()
    assert keyring.opener().open(keyring.sealer().seal(b"x", bound).to_bytes(), bound) == b"x"


def test_a_crash_between_the_two_files(keyring: FileKeyring, key_file: KeyFile, bound: Binding, now: datetime) -> None:
    """When only the public part cannot be written, that is said, the change holds, and opening again mends it."""
    blocked = keyring.public_path.with_name(f".{keyring.public_path.name}.new")
    blocked.mkdir()
    with pytest.raises(KeyringUnwritable, match="the keyring itself has changed"):
        keyring.rotate("audit-archive", now)
    assert keyring.generation == reopened(keyring, key_file).generation == 2
    assert PublicKeyring.load(keyring.public_path).generation == 1
    blocked.rmdir()
    assert reopened(keyring, key_file).generation == PublicKeyring.load(keyring.public_path).generation == 2


def test_left_overs_of_a_crash(keyring: FileKeyring, now: datetime) -> None:
    """A half-written file of a process that died is no obstacle."""
    path_of(keyring).with_name(f".{path_of(keyring).name}.new").write_bytes(b'{"half":')
    assert keyring.rotate("audit-archive", now).version == 2


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
