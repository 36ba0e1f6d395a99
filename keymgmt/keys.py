"""What a key is, apart from its secret bytes: purpose, algorithm, version, state, and an id that proves itself.

    key id = first 16 bytes of SHA-256(lp("bailiwick/key/v1", lineage, region, purpose, algorithm, version, created,
             public)), lp = u16be length before each field; as text `bwk1.` and 22 characters of base64url

The lineage is random and made with the keyring, so a key id is never used twice, and whoever changes a public key in a
file changes its id too.
"""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import lru_cache

from keymgmt.canonical import fields, from_base64url, stamp
from keymgmt.envelopes.envelope import KEY_ID_PREFIX, KEY_ID_SIZE, key_id_text
from keymgmt.errors import NoSuchKey
from keymgmt.states import State

REGION_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
PURPOSE_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


class Algorithm(StrEnum):
    """What a key does."""

    ED25519 = "ed25519"  # signs
    X25519 = "hpke-x25519"  # seals and opens
    HMAC = "hmac-sha256"  # tags
    RSA_OAEP = "rsa-4096-oaep"  # seals here, opens in a key service


DEFAULT_PURPOSES: dict[str, Algorithm] = {
    "audit-checkpoint": Algorithm.ED25519,
    "audit-archive": Algorithm.X25519,
    "audit-tags": Algorithm.HMAC,
}


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """One version of a key as anybody may see it."""

    lineage: bytes
    region: str
    purpose: str
    algorithm: str
    version: int
    created: datetime
    state: State
    public: bytes  # raw public key, SPKI as DER for RSA; empty for a tagging key

    @property
    def id_bytes(self) -> bytes:
        """The key id as envelopes carry it."""
        return _ids_of(self)[0]

    @property
    def key_id(self) -> str:
        """The key id as text; public, may be logged."""
        return _ids_of(self)[1]

    @property
    def address(self) -> str:
        """Where the key is found, for people and errors."""
        return f"{self.region}/{self.purpose}?version={self.version}"


def active_key(keys: Iterable[KeyFacts], region: str, purpose: str, purposes: Iterable[str]) -> KeyFacts:
    """The version that a region produces with now. Raises NoSuchKey, which names the purposes that have keys."""
    for key in keys:
        if key.purpose == purpose and key.state is State.ACTIVE:
            return key
    raise no_active_key(region, purpose, purposes)


def no_active_key(region: str, purpose: str, purposes: Iterable[str]) -> NoSuchKey:
    """The error that names what there is instead."""
    known = ", ".join(sorted(set(purposes)))
    return NoSuchKey(f"region `{region}` has no active key for `{purpose}`; it has keys for: {known}")


def latest_versions(keys: Iterable[KeyFacts]) -> dict[str, int]:
    """The newest version by purpose, in whatever state."""
    latest: dict[str, int] = {}
    for key in keys:
        latest[key.purpose] = max(latest.get(key.purpose, 0), key.version)
    return latest


def generation_of(keys: Iterable[KeyFacts]) -> int:
    """Grows whenever a key gets a version or loses one."""
    keys = tuple(keys)
    return sum(latest_versions(keys).values()) + sum(key.state is State.REVOKED for key in keys)


@lru_cache(maxsize=4096)  # asked for at every use of a key
def _ids_of(key: KeyFacts) -> tuple[bytes, str]:
    parts = (key.region, key.purpose, key.algorithm, str(key.version), stamp(key.created))
    encoded = fields(b"bailiwick/key/v1", key.lineage, *(part.encode() for part in parts), key.public)
    found = hashlib.sha256(encoded).digest()[:KEY_ID_SIZE]
    return found, key_id_text(found)


def parse_key_id(text: str) -> bytes:
    """The 16 bytes of a key id. Raises ValueError."""
    data = from_base64url(text.removeprefix(KEY_ID_PREFIX)) if text.startswith(KEY_ID_PREFIX) else b""
    if len(data) != KEY_ID_SIZE:
        raise ValueError(f"`{text}` is not a key id; one looks like `{KEY_ID_PREFIX}` and 22 characters")
    return data
