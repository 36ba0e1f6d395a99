"""The keyring's file as a value: parsed strictly, chained to every generation before it.

Pure. Whether its holder wrote it is the locksmith's business, where it lies the store's.
"""

import hashlib
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

import orjson
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from keymgmt.canonical import from_base64url, json_bytes, moment, stamp, to_base64url
from keymgmt.errors import KeyringInvalid
from keymgmt.keys import PURPOSE_NAME, REGION_NAME, Algorithm, KeyFacts
from keymgmt.states import State
from keymgmt.unlock import Derivation

SCHEMA: Final = "bailiwick.dev/keyring/v1"
LINEAGE_SIZE = 16


def _encoded(text: str) -> str:
    from_base64url(text)
    return text


def _stamped(text: str) -> str:
    moment(text)
    return text


Encoded = Annotated[str, AfterValidator(_encoded)]
Stamp = Annotated[str, AfterValidator(_stamped)]
Region = Annotated[str, Field(pattern=f"^(?:{REGION_NAME.pattern})$")]
Purpose = Annotated[str, Field(pattern=f"^(?:{PURPOSE_NAME.pattern})$")]
Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class _Strict(BaseModel):
    # inputs stay out of messages: a file under a wrong name may hold anybody's secrets
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class DerivationDoc(_Strict):
    """Argon2id's parameters."""

    algorithm: Literal["argon2id"]
    salt: Encoded
    memory: Annotated[int, Field(ge=8 * 1024, le=4 * 1024 * 1024)]
    iterations: Annotated[int, Field(ge=1, le=64)]
    lanes: Annotated[int, Field(ge=1, le=64)]


class ApproversDoc(_Strict):
    """Who must agree before a key is revoked or destroyed."""

    needed: Annotated[int, Field(ge=1)]
    approvers: dict[str, Encoded]


class EntryDoc(_Strict):
    """One version of a key, its secret part wrapped or gone."""

    key_id: str
    purpose: Purpose
    algorithm: Algorithm
    version: Annotated[int, Field(ge=1)]
    state: State
    created: Stamp
    public: Encoded
    wrapped: Encoded | None


class KeyringDoc(_Strict):
    """The whole file."""

    schema_: Literal["bailiwick.dev/keyring/v1"] = Field(alias="schema")
    assurance: Literal["software"]
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
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "document"
        raise KeyringInvalid(f"`{name}` is not a keyring: `{where}`: {first['msg'].lower()}") from None
    for entry in document.keys:
        if facts(document, entry).key_id != entry.key_id:
            raise KeyringInvalid(f"`{name}`: key id of {entry.purpose} version {entry.version} does not fit the key")
    return document


def facts(document: KeyringDoc, entry: EntryDoc) -> KeyFacts:
    """The public side of an entry."""
    return KeyFacts(
        lineage=from_base64url(document.lineage),
        region=document.region,
        purpose=entry.purpose,
        algorithm=entry.algorithm,
        version=entry.version,
        created=moment(entry.created),
        state=entry.state,
        public=from_base64url(entry.public),
    )


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
    return EntryDoc(
        key_id=key.key_id,
        purpose=key.purpose,
        algorithm=Algorithm(key.algorithm),
        version=key.version,
        state=key.state,
        created=stamp(key.created),
        public=to_base64url(key.public),
        wrapped=wrapped,
    )
