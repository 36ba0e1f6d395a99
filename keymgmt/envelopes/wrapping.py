"""Wrapping a data key to a region's public key, without any network.

Guarantees 32-byte keys in, fixed sizes out. HPKE binds the caller's info; OAEP has no label here because Transit takes
none, so for it the content's associated data alone carries the binding.
"""

from dataclasses import dataclass
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from cryptography.hazmat.primitives.serialization import load_der_public_key

from keymgmt.envelopes.envelope import Wrap
from keymgmt.errors import EnvelopeInvalid
from keymgmt.keys import Algorithm, KeyFacts
from keymgmt.secret import Secret

SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
OAEP = padding.OAEP(mgf=padding.MGF1(hashes.SHA256()), algorithm=hashes.SHA256(), label=None)
DATA_KEY_SIZE = 32


class Recipient(Protocol):
    """One public key that data keys are wrapped to."""

    @property
    def key_id(self) -> bytes: ...

    @property
    def wrap(self) -> Wrap: ...

    def wrap_key(self, data_key: Secret, info: bytes) -> bytes: ...


@dataclass(frozen=True, slots=True)
class HpkeRecipient:
    """An X25519 key of a file keyring."""

    key_id: bytes
    public: X25519PublicKey

    @property
    def wrap(self) -> Wrap:
        return Wrap.HPKE_X25519

    def wrap_key(self, data_key: Secret, info: bytes) -> bytes:
        """80 bytes: the encapsulated key and the sealed data key."""
        return SUITE.encrypt(data_key.reveal(), self.public, info=info)


@dataclass(frozen=True, slots=True)
class OaepRecipient:
    """An RSA-4096 key whose private half stays in a key service."""

    key_id: bytes
    public: RSAPublicKey

    @property
    def wrap(self) -> Wrap:
        return Wrap.RSA_OAEP_4096

    def wrap_key(self, data_key: Secret, info: bytes) -> bytes:  # noqa: ARG002  # OAEP has no place for it
        """512 bytes."""
        return self.public.encrypt(data_key.reveal(), OAEP)


def recipient_of(key: KeyFacts) -> Recipient | None:
    """What to seal to, or None for a key that is for something else. Raises ValueError for a malformed key."""
    match key.algorithm:
        case Algorithm.X25519:
            return HpkeRecipient(key.id_bytes, X25519PublicKey.from_public_bytes(key.public))
        case Algorithm.RSA_OAEP:
            public = load_der_public_key(key.public)
            if not isinstance(public, RSAPublicKey) or public.key_size != 4096:
                raise ValueError("not an RSA-4096 key")
            return OaepRecipient(key.id_bytes, public)
        case _:
            return None


def hpke_unwrap(private: X25519PrivateKey, wrapped: bytes, info: bytes) -> Secret:
    """The data key. Raises EnvelopeInvalid when key, bytes or info don't fit."""
    try:
        data_key = Secret(SUITE.decrypt(wrapped, private, info=info))
    except (InvalidTag, ValueError):  # ValueError: a public point of small order
        raise EnvelopeInvalid("the data key does not open: changed, or sealed for something else") from None
    return checked_data_key(data_key)


def checked_data_key(data_key: Secret) -> Secret:
    """The key itself, if it has a data key's size. Raises EnvelopeInvalid."""
    if len(data_key) != DATA_KEY_SIZE:
        raise EnvelopeInvalid(f"the data key has {len(data_key)} bytes, not {DATA_KEY_SIZE}")
    return data_key
