"""Keyed tags and salted digests: what a leaf may say about personal values and inputs.

A tag lets equal values be found and counted by whoever holds no key, and be confirmed only by whoever does. The key
belongs to a region and a period; destroying it ends all linking. Tags are still personal data while the key exists.
"""

import hashlib
from collections.abc import Sequence
from typing import Protocol

TAG_BYTES = 16  # a 128-bit tag: no two of 2^40 values meet by chance
_REMEMBERED = 8_192  # a cluster's service accounts come again and again; HMAC is the dearest part of a record
_REMEMBERED_LENGTH = 1_024  # characters; longer values are nobody's daily ones


class KeyedHash(Protocol):
    """HMAC-SHA256 under a key that stays where it is kept; keymgmt's taggers are such."""

    @property
    def key_id(self) -> str: ...

    def __call__(self, value: bytes) -> bytes: ...


class Tagger:
    """Makes the tags of records. Remembers recent ones in memory, since the same identities come all the time.

    Make a new one when the key changes. Raises whatever the keyed hash raises.
    """

    def __init__(self, keyed: KeyedHash) -> None:
        self._keyed = keyed
        self._known: dict[tuple[str, str], str] = {}
        self.key_id = keyed.key_id

    def tag(self, kind: str, value: str) -> str:
        """32 hex digits of HMAC(kind ‖ 0x00 ‖ value): `kind` keeps a user apart from a group of the same name."""
        known = self._known.get((kind, value))
        if known is None:
            message = f"{kind}\x00{value}".encode("utf-8", "backslashreplace")
            known = self._keyed(message)[:TAG_BYTES].hex()
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            if len(value) <= _REMEMBERED_LENGTH:
                self._known[kind, value] = known
        return known

    def of(
        self,
        *,
        tenant: str = "",
        user: str = "",
        groups: Sequence[str] = (),
        address: str = "",
        name: str = "",
        object_digest: bytes = b"",
    ) -> dict[str, object]:
        """The `tags` field of a decision record. Empty values get no tag; an empty tenant is the cluster itself."""
        made: dict[str, object] = {"key": self.key_id, "tenant": self.tag("tenant", tenant)}
        if user:
            made["user"] = self.tag("user", user)
        if groups:
            made["groups"] = [self.tag("group", group) for group in groups]
        if address:
            made["address"] = self.tag("address", address)
        if name:
            made["name"] = self.tag("name", name)
        if object_digest:
            made["object"] = self._keyed(b"object\x00" + object_digest)[:TAG_BYTES].hex()
        return made


def salted(salt: bytes, digest: bytes) -> str:
    """Hex of SHA-256(salt ‖ digest): nobody without the salt can test a guess of the input."""
    return hashlib.sha256(salt + digest).hexdigest()
