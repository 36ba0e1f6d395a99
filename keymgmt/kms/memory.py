"""What the plugin has seen, over restarts: which versions, which history, which version it wrote with, for whom.

Guarantees: written whole or not at all, 0600 in a directory of our own; what was written for another region, cluster
or jurisdiction is refused rather than overwritten. Nothing in it is secret. A lost file costs the comparison with what
was seen before, and nothing else.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from keymgmt.canonical import json_bytes, to_base64url
from keymgmt.errors import KeyManagementError, KeyringUnsafe, KeyringUnwritable
from keymgmt.file.document import Head
from keymgmt.keys import KeyFacts
from keymgmt.ports import Binding
from keymgmt.regular import open_regular
from keymgmt.written import Encoded, KeyDoc, Region, Strict, key_fields

SCHEMA: Literal["bailiwick.dev/kms-memory/v1"] = "bailiwick.dev/kms-memory/v1"
LARGEST = 8 * 1024 * 1024  # bytes


class MemoryForeign(KeyManagementError):
    """What was remembered belongs to another region, jurisdiction, cluster or keyring. Give this one its own state."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What is remembered of a keyring."""

    keys: tuple[KeyFacts, ...] = ()
    head: Head | None = None  # of a file keyring
    served: int = 0  # the version written with last; 0: none yet


class _Key(KeyDoc):
    lineage: Encoded
    region: Region


class _Document(Strict):
    schema_: Literal["bailiwick.dev/kms-memory/v1"] = Field(alias="schema")
    bound: Annotated[list[str], Field(min_length=4, max_length=4)]
    served: Annotated[int, Field(ge=0)]
    generation: int | None
    digest: str | None
    keys: list[_Key]


class Memory:
    """One plugin's memory, in a file of its state directory."""

    def __init__(self, directory: Path, bound: Binding) -> None:
        self._path = directory / f"{bound.region}.{bound.purpose}.seen.json"
        self._bound = [bound.region, bound.jurisdiction, bound.purpose, bound.cluster]
        self._written = b""

    def prepare(self) -> None:
        """Make the directory 0700 or check that it is ours alone. Raises KeyringUnsafe, KeyringUnwritable."""
        directory = self._path.parent
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            status = directory.stat()
        except OSError as error:
            raise KeyringUnwritable(f"cannot make `{directory}`: {error.strerror}; check path and owner") from error
        if status.st_uid != os.geteuid() or status.st_mode & 0o077:
            raise KeyringUnsafe(f"directory `{directory}` must be your own with mode 700")

    def load(self) -> Seen:
        """What was written last; nothing where there is no file. Raises KeyringUnsafe, MemoryForeign."""
        try:
            with open_regular(self._path, follow=False) as file:
                data = file.read(LARGEST)
            document = _Document.model_validate_json(data)
            seen = _seen(document)
        except FileNotFoundError:
            return Seen()
        except OSError as error:
            raise KeyringUnsafe(f"cannot read `{self._path}`: {error.strerror}") from error
        except (ValidationError, ValueError):
            raise KeyringUnsafe(
                f"`{self._path}` is not what a plugin wrote; find out who changed it before removing it"
            ) from None
        if document.bound != self._bound:
            raise MemoryForeign(
                f"`{self._path}` is for cluster `{document.bound[3]}` under `{document.bound[1]}`, not for "
                f"`{self._bound[3]}` under `{self._bound[1]}`: what is in etcd would not open; correct the settings"
            )
        self._written = data
        return seen

    def store(self, seen: Seen) -> None:
        """Replace what was written, when it differs. Raises KeyringUnwritable."""
        data = json_bytes(self._plain(seen))
        if data == self._written:
            return
        try:
            _replace(self._path, data)
        except OSError as error:
            raise KeyringUnwritable(f"cannot write `{self._path}`: {error.strerror}; free the disk") from error
        self._written = data

    def _plain(self, seen: Seen) -> dict[str, object]:
        return {
            "schema": SCHEMA,
            "bound": self._bound,
            "served": seen.served,
            "generation": seen.head.generation if seen.head else None,
            "digest": seen.head.digest if seen.head else None,
            "keys": [
                {"lineage": to_base64url(key.lineage), "region": key.region, **key_fields(key)} for key in seen.keys
            ],
        }


def _seen(document: _Document) -> Seen:
    keys = tuple(key.facts(key.lineage, key.region) for key in document.keys)
    has_head = document.generation is not None and document.digest is not None
    head = Head(document.generation or 0, document.digest or "") if has_head else None
    return Seen(keys, head, document.served)


def _replace(path: Path, data: bytes) -> None:
    scratch = path.with_name(f".{path.name}.new")
    scratch.unlink(missing_ok=True)  # left by a crash; the plugin's lock says that we are alone
    handle = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    scratch.rename(path)
