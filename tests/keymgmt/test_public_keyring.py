"""The public part of a keyring: enough to seal, nothing to steal, no key to exchange unnoticed."""

import json
from collections.abc import Callable
from datetime import datetime

import pytest

from keymgmt.canonical import to_base64url
from keymgmt.errors import KeyringInvalid, KeyringMissing, KeyringRolledBack, NoSuchKey
from keymgmt.file.keyring import FileKeyring
from keymgmt.keys import parse_key_id
from keymgmt.ports import Binding
from keymgmt.public import PublicKeyring


def test_facts_agree(keyring: FileKeyring, now: datetime) -> None:
    """The public part tells the same facts as the keyring, after every change."""
    keyring.rotate("audit-archive", now)
    public = PublicKeyring.load(keyring.public_path)
    assert public.keys() == keyring.keys()
    assert (public.region, public.generation, public.jurisdiction) == ("eu-de", 2, "")


def test_nothing_secret_in_it(keyring: FileKeyring) -> None:
    """No wrapped key and no MAC is in the public file."""
    private = json.loads(keyring.public_path.with_name("eu-de.keyring.json").read_text())
    text = keyring.public_path.read_text()
    assert private["mac"] not in text
    assert not [entry for entry in private["keys"] if entry["wrapped"] in text]


@pytest.mark.parametrize("name", ["public", "purpose", "version", "created", "algorithm", "key_id"])
def test_a_key_cannot_be_exchanged_under_its_id(keyring: FileKeyring, name: str) -> None:
    """Whoever changes what an id stands for has to change the id."""
    document = json.loads(keyring.public_path.read_text())
    entry = document["keys"][1]
    entry[name] = {
        "public": to_base64url(b"e" * 32),
        "purpose": "other",
        "version": 2,
        "created": "2026-11-21T09:00:00Z",
        "algorithm": "ed25519",
        "key_id": document["keys"][0]["key_id"],
    }[name]
    keyring.public_path.write_text(json.dumps(document))
    with pytest.raises(KeyringInvalid, match="does not fit the key"):
        PublicKeyring.load(keyring.public_path)


def test_pins(keyring: FileKeyring, bound: Binding, now: datetime) -> None:
    """With pinned ids, nothing is sealed to any other key, however well-formed the file is."""
    pinned = keyring.keys()[1].key_id
    public = PublicKeyring.load(keyring.public_path, pins={pinned})
    assert keyring.opener().open(public.sealer().seal(b"x", bound).to_bytes(), bound) == b"x"
    rotated = keyring.rotate("audit-archive", now)
    with pytest.raises(NoSuchKey, match=f"`{rotated.key_id}` .* is not pinned"):
        PublicKeyring.load(keyring.public_path, pins={pinned}).sealer().seal(b"x", bound)


def test_refresh(keyring: FileKeyring, bound: Binding, now: datetime) -> None:
    """A sealer follows a rotation when the file is read again, and stays where it is otherwise."""
    public = PublicKeyring.load(keyring.public_path)
    sealer = public.sealer()
    sealer.seal(b"x", bound)
    rotated = keyring.rotate("audit-archive", now)
    assert rotated.id_bytes not in sealer.seal(b"x", bound).to_bytes()
    assert public.refresh()
    assert rotated.id_bytes in sealer.seal(b"x", bound).to_bytes()
    assert not public.refresh()


def test_refresh_goes_forward_only(keyring: FileKeyring, make: Callable[[str], FileKeyring], now: datetime) -> None:
    """An older file, or another keyring's, is refused and changes nothing."""
    old = keyring.public_path.read_bytes()
    keyring.rotate("audit-archive", now)
    public = PublicKeyring.load(keyring.public_path)
    other = make("eu-fr")
    for _ in range(3):
        other.rotate("audit-archive", now)
    for replacement in (old, other.public_path.read_bytes()):
        keyring.public_path.write_bytes(replacement)
        with pytest.raises(KeyringRolledBack):
            public.refresh()
    assert (public.region, public.generation) == ("eu-de", 2)


@pytest.mark.parametrize("damage", [b"", b"[]", b'{"schema":"bailiwick.dev/keyring/v1"}'])
def test_files_that_are_no_public_part(keyring: FileKeyring, damage: bytes) -> None:
    """Rubbish is called so, and a missing file is told from it."""
    keyring.public_path.write_bytes(damage)
    with pytest.raises(KeyringInvalid, match="is no public part"):
        PublicKeyring.load(keyring.public_path)
    with pytest.raises(KeyringMissing, match=r"copy the region's `\.public\.json`"):
        PublicKeyring.load(keyring.public_path.with_name("absent"))


def test_key_ids_are_text_and_bytes(keyring: FileKeyring) -> None:
    """The id in an envelope and the id people see are the same."""
    known = keyring.keys()
    for key in known:
        assert parse_key_id(key.key_id) == key.id_bytes
    for wrong in ("", "bwk1.", "bwk2." + known[0].key_id[5:], known[0].key_id + "A", "bwk1.é"):
        with pytest.raises(ValueError, match=r"base64url|not a key id"):
            parse_key_id(wrong)
