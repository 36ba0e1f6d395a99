"""Signing with one version of a key that stays where it is: in a key service, or in a module."""

from dataclasses import dataclass
from typing import Protocol

from keymgmt.keys import KeyFacts


class SigningRing(Protocol):
    """A keyring that signs with its own keys."""

    def sign(self, key: KeyFacts, message: bytes) -> bytes:
        """64 bytes of Ed25519. Raises SignerUnavailable."""
        ...


@dataclass(frozen=True, slots=True)
class RingSigner:
    """Signs with one version of a key, for as long as its keyring does."""

    name: str
    key: KeyFacts
    _keyring: SigningRing

    @property
    def public_key(self) -> bytes:
        """32 raw bytes."""
        return self.key.public

    @property
    def key_id(self) -> str:
        """The key's id, public."""
        return self.key.key_id

    def sign(self, message: bytes) -> bytes:
        """64 bytes of Ed25519. Raises SignerUnavailable."""
        return self._keyring.sign(self.key, message)
