"""A region's private keyring for commands that open what is sealed: a file keyring, or Vault by its settings.

Raises errors of `keymgmt` as they are, and `KeyringUnknown` with a hint where nothing was found to open with.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from keymgmt.ports import Opener
from keymgmt.verbs.ring import book_beside

HINT = "it holds `kind: Keyring`; or `archiveKey`, the Transit key's name, and under `vault` its url, ca and login"


class KeyringUnknown(Exception):
    """There is no keyring to open with; `hint` says how to name one."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


class Keyring(Protocol):
    """What commands need of either kind."""

    @property
    def region(self) -> str: ...

    def opener(self) -> Opener: ...


@dataclass(frozen=True, slots=True)
class Where:
    """How the keyring was named on the command line."""

    keyring: Path | None  # a file keyring's directory, or a YAML file with a key service's settings
    key_file: Path | None  # what unlocks a file keyring


def keyring_for(where: Where, log: Path, region: str) -> Keyring:
    """The region's private keyring; what it is used for is written into the book beside it.

    For a command: its name stands in the book. Raises KeyringUnknown, KeyManagementError.
    """
    path = where.keyring or log.parent / "keys"
    if path.is_file():
        return _service(path, region)
    if not path.is_dir():
        hint = "give --keyring: the directory of the region's file keyring, or a file with its key service's settings"
        raise KeyringUnknown(f"no keyring of region `{region}` at `{path}`", hint)
    from keymgmt.file.keyring import FileKeyring
    from keymgmt.file.unlock import KeyFile

    unlock, book = KeyFile(where.key_file or path / "unlock.key"), book_beside(path, region)
    return FileKeyring.open(path, region, unlock=unlock, uses=book)


@dataclass(frozen=True, slots=True)
class ServiceRing:
    """A key service or module with what its settings declare beside it."""

    ring: Keyring
    jurisdiction: str

    @property
    def region(self) -> str:
        return self.ring.region

    def opener(self) -> Opener:
        return self.ring.opener()


def _service(path: Path, region: str) -> Keyring:
    import yaml

    try:
        given: Any = yaml.safe_load(path.read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise KeyringUnknown(f"`{path}` holds no settings of a key service: {_said(error)}", HINT) from error
    if isinstance(given, dict) and given.get("kind") == "Keyring":
        return _declared(path, region)
    return _transit(path, region, given)


def _declared(path: Path, region: str) -> Keyring:
    """By settings of `kind: Keyring`, as other verbs take them."""
    from keymgmt.choosing import load_keyring_file
    from keymgmt.file.keyring import FileKeyring
    from keymgmt.verbs.ring import book_of

    settings = load_keyring_file(path)
    if settings.region != region:
        raise KeyringUnknown(f"`{path}` is of region `{settings.region}`, the log of `{region}`", "name another file")
    ring = settings.connect(os.environ, book_of(settings.book_folder(path.parent)))
    return ring if isinstance(ring, FileKeyring) else ServiceRing(ring, settings.jurisdiction)


def _transit(path: Path, region: str, given: Any) -> Keyring:
    from pydantic import ValidationError

    from keymgmt.transit.keyring import TransitKeyring
    from keymgmt.transit.settings import TransitSettings

    try:
        settings = TransitSettings.model_validate(given["vault"])
        site = settings.site(region, {"audit-archive": str(given["archiveKey"])})
    except (ValidationError, ValueError, KeyError, TypeError) as error:
        raise KeyringUnknown(f"`{path}` holds no settings of a key service: {_said(error)}", HINT) from error
    return TransitKeyring.connect(site, settings.login.login(), uses=book_beside(path.parent, region))


def _said(error: Exception) -> str:
    """What is wrong, without the values: a file under a wrong name may hold anybody's secrets."""
    from pydantic import ValidationError

    if isinstance(error, ValidationError):
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        return f"`{'.'.join(map(str, first['loc']))}`: {first['msg'].lower()}"
    return f"`{error.args[0]}` is missing" if isinstance(error, KeyError) else type(error).__name__


def jurisdiction_of(keyring: Keyring) -> str:
    """What its envelopes are bound to beside the region; a key service declares none."""
    return str(getattr(keyring, "jurisdiction", ""))
