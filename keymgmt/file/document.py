"""The keyring's file as a value: parsed strictly, chained to every generation before it.

Pure. Whether its holder wrote it is the locksmith's business, where it lies the store's.
"""

import hashlib
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

import orjson
from pydantic import Field, ValidationError

from keymgmt.canonical import from_base64url, json_bytes
from keymgmt.errors import KeyringInvalid
from keymgmt.file.unlock import Derivation
from keymgmt.keys import KeyFacts
from keymgmt.written import (
    Encoded,
    ForeignId,
    NamedKeyDoc,
    Region,
    Stamp,
    Strict,
    fault,
    named_key_fields,
    read_keys,
)

SCHEMA: Final = "bailiwick.dev/keyring/v1"
LINEAGE_SIZE = 16


Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class DerivationDoc(Strict):
    """Argon2id's parameters."""

    algorithm: Literal["argon2id"]
    salt: Encoded
    memory: Annotated[int, Field(ge=8 * 1024, le=4 * 1024 * 1024)]
    iterations: Annotated[int, Field(ge=1, le=64)]
    lanes: Annotated[int, Field(ge=1, le=64)]


class ApproversDoc(Strict):
    """Who must agree before a key is revoked or destroyed."""

    needed: Annotated[int, Field(ge=1)]
    approvers: dict[str, Encoded]


class EntryDoc(NamedKeyDoc):
    """One version of a key, its secret part wrapped or gone."""

    wrapped: Encoded | None


class KeyringDoc(Strict):
    """The whole file."""

    schema_: Literal["bailiwick.dev/keyring/v1"] = Field(alias="schema")
    assurance: Literal["software", "hardware"]
    region: Region
    jurisdiction: str
    lineage: Encoded
    created: Stamp
    generation: Annotated[int, Field(ge=1)]
    history: list[Digest]  # digest of every generation before this one
    derivation: DerivationDoc | None
    approvals: ApproversDoc | None
    spent: list[Encoded]  # nonces of approvals already used
    keys: list[EntryDoc]
    mac: Encoded = ""


@dataclass(frozen=True, slots=True)
class Head:
    """What to remember of a keyring, elsewhere, to notice that an older or different file was put in its place."""

    generation: int
    digest: str


def parse_document(data: bytes, name: str) -> KeyringDoc:
    """Read a keyring's bytes. Raises KeyringInvalid; proves nothing until `authenticate`."""
    try:
        document = KeyringDoc.model_validate_json(data)
        read_keys(document.keys, document.lineage, document.region)
    except ValidationError as error:
        raise KeyringInvalid(f"`{name}` is not a keyring: {fault(error)}") from None
    except ForeignId as error:
        raise KeyringInvalid(f"`{name}`: {error}") from None
    return document


def facts(document: KeyringDoc, entry: EntryDoc) -> KeyFacts:
    """The public side of an entry."""
    return entry.facts(document.lineage, document.region)


def derivation_of(document: KeyringDoc) -> Derivation | None:
    """The parameters a passphrase is stretched with."""
    found = document.derivation
    return Derivation(from_base64url(found.salt), found.memory, found.iterations, found.lanes) if found else None


def head_of(document: KeyringDoc) -> Head:
    """Generation and digest of a document."""
    return Head(document.generation, hashlib.sha256(content_bytes(document)).hexdigest())


def extends(document: KeyringDoc, seen: Head) -> bool:
    """Whether the document is what was seen, or has grown out of it."""
    chain = [*document.history, head_of(document).digest]
    return len(chain) == document.generation >= seen.generation and chain[seen.generation - 1] == seen.digest


def content_bytes(document: KeyringDoc) -> bytes:
    """What is hashed and authenticated: everything but the MAC itself."""
    return json_bytes(_plain(document, exclude={"mac"}))


def _plain(document: KeyringDoc, exclude: set[str] | None = None) -> dict[str, Any]:
    return document.model_dump(mode="json", by_alias=True, exclude=exclude)


def encode_document(document: KeyringDoc) -> bytes:
    """The file's bytes, for people to read: sorted and indented."""
    return orjson.dumps(_plain(document), option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def entry_of(key: KeyFacts, wrapped: str | None) -> EntryDoc:
    """An entry for a key."""
    return EntryDoc.model_validate({**named_key_fields(key), "wrapped": wrapped})
