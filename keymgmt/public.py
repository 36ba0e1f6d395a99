"""The public part of a keyring: enough to seal and to verify, holding nothing secret.

`<region>.public.json` can lie in a ConfigMap. Its key ids are hashes over the keys, so a pinned id cannot be kept while
its key is exchanged; whoever needs more than that pins ids (`pins`) or guards the file.
"""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Annotated, Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import Field, ValidationError

from keymgmt.canonical import json_bytes, to_base64url
from keymgmt.envelopes.sealing import RegionSealer
from keymgmt.envelopes.wrapping import Recipient, recipient_of
from keymgmt.errors import (
    KeyDestroyed,
    KeyRevoked,
    KeyringInvalid,
    KeyringMissing,
    KeyringRolledBack,
    NoSuchKey,
    SignatureInvalid,
)
from keymgmt.keys import Algorithm, KeyFacts
from keymgmt.states import MAY, State, Use
from keymgmt.written import Encoded, ForeignId, NamedKeyDoc, Region, Strict, fault, named_key_fields, read_keys

# in our own files, in a key service that never hands keys out, or in a hardware module that cannot
Assurance = Literal["software", "service", "hardware"]


class _Document(Strict):
    schema_: Literal["bailiwick.dev/keyring-public/v1"] = Field(alias="schema")
    assurance: Assurance
    region: Region
    jurisdiction: str
    lineage: Encoded
    generation: Annotated[int, Field(ge=1)]
    keys: list[NamedKeyDoc]


def encode_public(generation: int, jurisdiction: str, keys: Sequence[KeyFacts], assurance: Assurance) -> bytes:
    """The file's bytes."""
    return json_bytes(
        {
            "schema": "bailiwick.dev/keyring-public/v1",
            "assurance": assurance,
            "region": keys[0].region,
            "jurisdiction": jurisdiction,
            "lineage": to_base64url(keys[0].lineage),
            "generation": generation,
            "keys": [named_key_fields(key) for key in keys],
        }
    )


class PublicKeyring:
    """Sealing and key facts without any secret and without any network."""

    def __init__(self, document: _Document, keys: tuple[KeyFacts, ...], pins: frozenset[str], path: Path) -> None:
        self._document = document
        self._keys = keys
        self._pins = pins
        self._path = path

    @classmethod
    def load(cls, path: Path, pins: Collection[str] = ()) -> "PublicKeyring":
        """Read a public part; with `pins`, seal only to keys with these ids. Raises KeyringMissing, KeyringInvalid."""
        document, keys = _load(path)
        return cls(document, keys, frozenset(pins), path)

    def __repr__(self) -> str:
        return f"PublicKeyring({self.region})"

    @property
    def region(self) -> str:
        """The region whose keys these are."""
        return self._document.region

    @property
    def jurisdiction(self) -> str:
        """As declared when the keyring was made; informative."""
        return self._document.jurisdiction

    @property
    def generation(self) -> int:
        """Grows with every change of a key."""
        return self._document.generation

    def keys(self) -> tuple[KeyFacts, ...]:
        """Every version of every key, oldest first."""
        return self._keys

    @property
    def assurance(self) -> Assurance:
        """What protects the private halves, as the keyring declares it."""
        return self._document.assurance

    def sealer(self) -> RegionSealer:
        """Seals to this region's public keys."""
        return RegionSealer(self)

    def refresh(self) -> bool:
        """Read the file again; True when it grew. Raises KeyringRolledBack for an older or another keyring's."""
        document, keys = _load(self._path)
        known = self._document
        if document.lineage != known.lineage or document.region != known.region:
            raise KeyringRolledBack(f"`{self._path}` is another keyring's; restart if that was intended")
        if document.generation < known.generation:
            raise KeyringRolledBack(
                f"`{self._path}` went back from generation {known.generation} to {document.generation}"
            )
        self._document, self._keys = document, keys
        return document.generation > known.generation

    def recipient(self, purpose: str) -> Recipient:
        """The key to seal to. Raises NoSuchKey."""
        for key in self._keys:
            if key.purpose != purpose or Use.PRODUCE not in MAY[key.state]:
                continue
            found = recipient_of(key)
            if found is not None and self._pins and key.key_id not in self._pins:
                raise NoSuchKey(f"key `{key.key_id}` of {key.address} is not pinned; add its id after checking it")
            if found is not None:
                return found
        raise NoSuchKey(f"region `{self.region}` has no active sealing key for `{purpose}`; rotate one in")

    def verify(self, key_id: str, message: bytes, signature: bytes) -> None:
        """Return if this version signed the message and is still trusted.

        Raises NoSuchKey, KeyRevoked, KeyDestroyed, SignatureInvalid.
        """
        key = next((one for one in self._keys if one.key_id == key_id), None)
        if key is None or key.algorithm != Algorithm.ED25519:
            raise NoSuchKey(f"region `{self.region}` has no signing key `{key_id}`")
        if Use.VERIFY not in MAY[key.state]:
            gone = key.state is State.DESTROYED
            raise (KeyDestroyed if gone else KeyRevoked)(
                f"key `{key_id}` is {key.state}; what it signed is not trusted"
            )
        try:
            Ed25519PublicKey.from_public_bytes(key.public).verify(signature, message)
        except InvalidSignature:
            raise SignatureInvalid(f"key `{key_id}` did not sign this") from None


def _load(path: Path) -> tuple[_Document, tuple[KeyFacts, ...]]:
    try:
        document = _Document.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise KeyringMissing(f"no public keys at `{path}`; copy the region's `.public.json` there") from None
    except OSError as error:
        raise KeyringInvalid(f"cannot read `{path}`: {error.strerror}") from error
    except ValidationError as error:
        raise KeyringInvalid(f"`{path}` is no public part of a keyring: {fault(error)}") from None
    try:
        keys = read_keys(document.keys, document.lineage, document.region)
    except ForeignId as error:
        raise KeyringInvalid(f"`{path}`: {error}") from None
    for key in keys:
        if not _is_well_formed(key):
            raise KeyringInvalid(f"`{path}`: {key.address} holds no {key.algorithm} key")
    return document, keys


def _is_well_formed(key: KeyFacts) -> bool:
    try:
        return recipient_of(key) is not None or len(key.public) == (0 if key.algorithm == Algorithm.HMAC else 32)
    except ValueError:
        return False
