"""Secret keys at work: made from random bytes, and turned into the objects that sign, open and tag."""

import hmac
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from keymgmt.errors import KeyringInvalid
from keymgmt.keys import Algorithm
from keymgmt.secret import Secret

SECRET_SIZE = 32


def new_secret(algorithm: Algorithm, entropy: Callable[[int], bytes]) -> tuple[Secret, bytes]:
    """A fresh secret key and its raw public key, which is empty for a tagging key."""
    secret = Secret(entropy(SECRET_SIZE))
    return secret, public_of(algorithm, secret)


def public_of(algorithm: Algorithm, secret: Secret) -> bytes:
    """The raw public key."""
    match algorithm:
        case Algorithm.ED25519:
            return signing_key(secret).public_key().public_bytes_raw()
        case Algorithm.X25519:
            return opening_key(secret).public_key().public_bytes_raw()
        case Algorithm.HMAC:
            return b""
        case Algorithm.RSA_OAEP:
            raise KeyringInvalid("a file keyring makes no RSA keys; seal with `hpke-x25519`")


def signing_key(secret: Secret) -> Ed25519PrivateKey:
    """The key object that signs."""
    return Ed25519PrivateKey.from_private_bytes(_sized(secret).reveal())


def opening_key(secret: Secret) -> X25519PrivateKey:
    """The key object that unwraps data keys."""
    return X25519PrivateKey.from_private_bytes(_sized(secret).reveal())


def _sized(secret: Secret) -> Secret:
    if len(secret) != SECRET_SIZE:
        raise KeyringInvalid(f"a secret key has {len(secret)} bytes, not {SECRET_SIZE}; restore a backup")
    return secret


class Permission(Protocol):
    """Says at every use whether a key may still produce anything."""

    def __call__(self) -> None: ...


class Used(Protocol):
    """Entered around every use of a key, which is recorded in it."""

    def __call__(self) -> AbstractContextManager[None]: ...


@dataclass(frozen=True, slots=True)
class KeyringSigner:
    """Signs with one version of a key, for as long as that version is active."""

    name: str  # the note name that goes with the public key
    key_id: str
    public_key: bytes
    _key: Ed25519PrivateKey
    _allowed: Permission
    _used: Used = nullcontext

    def __repr__(self) -> str:
        return f"KeyringSigner({self.name}, {self.key_id})"

    def sign(self, message: bytes) -> bytes:
        """64 bytes of Ed25519. Raises SignerUnavailable once the key is no longer active, UseUnrecorded."""
        with self._used():
            self._allowed()
            return self._key.sign(message)


@dataclass(frozen=True, slots=True)
class Tagger:
    """A keyed tag: equal values give equal tags, and nobody without the key can try values."""

    key_id: str
    _key: Secret
    _allowed: Permission
    _used: Used = nullcontext

    def __repr__(self) -> str:
        return f"Tagger({self.key_id})"

    def __call__(self, value: bytes) -> bytes:
        """32 bytes of HMAC-SHA256. Raises SignerUnavailable once the key may not be used any more, UseUnrecorded."""
        with self._used():
            self._allowed()
            return hmac.digest(self._key.reveal(), value, "sha256")
