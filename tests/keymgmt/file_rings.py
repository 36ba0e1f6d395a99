"""File keyrings as tests make and look at them."""

from collections.abc import Callable
from pathlib import Path

from keymgmt.file.document import Head
from keymgmt.file.keyring import FileKeyring
from keymgmt.file.unlock import KeyFile
from keymgmt.keys import KeyFacts

Make = Callable[[str], FileKeyring]


def reopened(keyring: FileKeyring, key_file: KeyFile, seen: Head | None = None) -> FileKeyring:
    return FileKeyring.open(keyring.public_path.parent, keyring.region, unlock=key_file, seen=seen)


def versions_of(keyring: FileKeyring, purpose: str) -> list[KeyFacts]:
    known = keyring.keys()
    return [key for key in known if key.purpose == purpose]


def path_of(keyring: FileKeyring) -> Path:
    return keyring.public_path.with_name(f"{keyring.region}.keyring.json")
