"""The file keyring's files: its owner's alone, changed whole or not at all and with the key only, never turned back."""

import json
import multiprocessing
import os
import shutil
import stat
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from keymgmt.errors import (
    KeyringExists,
    KeyringInvalid,
    KeyringMissing,
    KeyringRolledBack,
    KeyringUnsafe,
    KeyringUnwritable,
    UnlockFailed,
)
from keymgmt.file.keyring import FileKeyring
from keymgmt.file.unlock import Credential, KeyFile, Passphrase
from keymgmt.ports import Binding
from keymgmt.public import PublicKeyring
from keymgmt.secret import Secret
from keymgmt.states import State
from tests.keymgmt.file_rings import path_of, reopened, versions_of


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
