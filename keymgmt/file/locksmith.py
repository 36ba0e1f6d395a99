"""Wraps and authenticates a keyring's document under one key-encrypting key.

Each secret key is wrapped with AES-256-GCM under a key derived from the key-encrypting key; header and entry are its
associated data, so no wrapped key can be moved to another entry, version or region. An HMAC over the whole document
protects what is not wrapped: states, generation, history, approvers.

    wrapping key = HKDF-Expand(kek, lp("bailiwick/keyring/v1", "wrap", lineage), 32); the MAC's key likewise, with "mac"
    wrapped      = nonce[12] ‖ AES-256-GCM(secret), associated data lp(schema, region, jurisdiction, lineage, created,
                   key id bytes)
"""

import hmac

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from keymgmt.canonical import fields, from_base64url, to_base64url
from keymgmt.errors import KeyringInvalid
from keymgmt.file.document import SCHEMA, EntryDoc, KeyringDoc, content_bytes, facts
from keymgmt.keys import KeyFacts
from keymgmt.secret import Secret

NONCE_SIZE = 12


class Locksmith:
    """Wraps, unwraps and authenticates under one key-encrypting key, which it holds and never shows."""

    __slots__ = ("_mac", "_wrap")

    def __init__(self, kek: Secret, lineage: bytes) -> None:
        self._wrap = AESGCM(_derive(kek, b"wrap", lineage).reveal())
        self._mac = _derive(kek, b"mac", lineage)

    def __repr__(self) -> str:
        return "Locksmith(...)"

    def wrap(self, secret: Secret, document: KeyringDoc, key: KeyFacts, nonce: bytes) -> str:
        """`nonce ‖ ciphertext ‖ tag`, as text."""
        return to_base64url(nonce + self._wrap.encrypt(nonce, secret.reveal(), _associated(document, key)))

    def unwrap(self, document: KeyringDoc, entry: EntryDoc) -> Secret:
        """The secret part. Raises KeyringInvalid when it was moved or changed."""
        raw = from_base64url(entry.wrapped or "")
        associated = _associated(document, facts(document, entry))
        try:
            return Secret(self._wrap.decrypt(raw[:NONCE_SIZE], raw[NONCE_SIZE:], associated))
        except (InvalidTag, ValueError):
            raise KeyringInvalid(f"key `{entry.key_id}` does not open: moved or changed; restore a backup") from None

    def sealed(self, document: KeyringDoc) -> KeyringDoc:
        """The same document with its MAC."""
        return document.model_copy(update={"mac": to_base64url(self._tag(document))})

    def is_authentic(self, document: KeyringDoc) -> bool:
        """Whether the holder of this key wrote exactly this document."""
        return hmac.compare_digest(self._tag(document), from_base64url(document.mac))

    def _tag(self, document: KeyringDoc) -> bytes:
        return hmac.digest(self._mac.reveal(), content_bytes(document), "sha256")


def _derive(kek: Secret, use: bytes, lineage: bytes) -> Secret:
    # HKDF-Expand of one block (RFC 5869), the key-encrypting key being uniform already
    return Secret(hmac.digest(kek.reveal(), fields(b"bailiwick/keyring/v1", use, lineage) + b"\x01", "sha256"))


def _associated(document: KeyringDoc, key: KeyFacts) -> bytes:
    header = (SCHEMA, document.region, document.jurisdiction, document.lineage, document.created)
    # the key id covers purpose, algorithm, version, creation and public key
    return fields(*(part.encode() for part in header), key.id_bytes)
