"""The envelope's bytes, version 1: what is sealed, for which region, under which key.

    offset  size  field
    0       4     magic, ASCII `BWEN`
    4       1     version, 0x01
    5       1     wrap: 0x01 HPKE (X25519, HKDF-SHA256, AES-256-GCM), 0x02 RSA-4096 OAEP (SHA-256, MGF1 SHA-256)
    6       1     content: 0x01 AES-256-GCM
    7       1     r, length of the region, 1..63
    8       r     region, ASCII
    8+r     16    key id, the first 16 bytes of a hash over the key's lineage
    24+r    2     w, length of the wrapped data key, big-endian
    26+r    w     wrapped data key
    26+r+w  12    nonce
    38+r+w  n+16  ciphertext of n bytes, and its tag

The header is everything before the nonce. Parsing here is pure and proves nothing; opening does.
Associated data of the content: `binding bytes ‖ header`. HPKE's info: `WRAP_LABEL ‖ key id ‖ binding bytes`.
"""

from dataclasses import dataclass
from enum import IntEnum

from keymgmt.canonical import to_base64url
from keymgmt.errors import EnvelopeInvalid

KEY_ID_PREFIX = "bwk1."
MAGIC = b"BWEN"
VERSION = 1
CONTENT_AES_256_GCM = 1
KEY_ID_SIZE = 16
NONCE_SIZE = 12
TAG_SIZE = 16
WRAP_LABEL = b"bailiwick/envelope/v1 data key\x00"


class Wrap(IntEnum):
    """How the data key is wrapped to the region's public key."""

    HPKE_X25519 = 1
    RSA_OAEP_4096 = 2


WRAPPED_SIZE = {Wrap.HPKE_X25519: 32 + 32 + 16, Wrap.RSA_OAEP_4096: 512}


@dataclass(frozen=True, slots=True)
class SealedEnvelope:
    """A finished envelope: its region for whoever routes it, and its bytes."""

    region: str
    encoded: bytes
    key_id: str  # of what it is sealed to, as text: whoever stores it can say under which key it lies

    def to_bytes(self) -> bytes:
        """The format above."""
        return self.encoded


@dataclass(frozen=True, slots=True)
class UnverifiedEnvelope:
    """An envelope taken apart. Nothing in it is authentic until it has been opened."""

    region: str
    key_id: bytes
    wrap: Wrap
    wrapped: bytes
    header: bytes
    nonce: bytes
    ciphertext: bytes


def key_id_text(key_id: bytes) -> str:
    """A key id as text; public, may be logged."""
    return KEY_ID_PREFIX + to_base64url(key_id)


def header_bytes(region: str, key_id: bytes, wrap: Wrap, wrapped: bytes) -> bytes:
    """Everything before the nonce."""
    place = region.encode("ascii")
    sizes = bytes((VERSION, wrap, CONTENT_AES_256_GCM, len(place)))
    return MAGIC + sizes + place + key_id + len(wrapped).to_bytes(2, "big") + wrapped


def wrap_info(key_id: bytes, binding: bytes) -> bytes:
    """What HPKE binds a wrapped data key to."""
    return WRAP_LABEL + key_id + binding


def parse_envelope(data: bytes) -> UnverifiedEnvelope:
    """Take an envelope apart. Any bytes give a value or EnvelopeInvalid, nothing else."""
    if len(data) < 8 or data[:4] != MAGIC:
        raise EnvelopeInvalid("not an envelope: it does not begin with `BWEN`")
    version, wrap_number, content, region_size = data[4:8]
    if version != VERSION:
        raise EnvelopeInvalid(f"envelope version {version} is not known here; a newer release may open it")
    if content != CONTENT_AES_256_GCM or wrap_number not in WRAPPED_SIZE:
        raise EnvelopeInvalid(f"envelope names unknown algorithms: wrap {wrap_number}, content {content}")
    wrap = Wrap(wrap_number)
    key_at = 8 + region_size
    wrapped_at = key_at + KEY_ID_SIZE + 2
    nonce_at = wrapped_at + WRAPPED_SIZE[wrap]
    if region_size == 0 or len(data) < nonce_at + NONCE_SIZE + TAG_SIZE:
        raise EnvelopeInvalid(f"envelope is cut short: {len(data)} bytes")
    if int.from_bytes(data[wrapped_at - 2 : wrapped_at], "big") != WRAPPED_SIZE[wrap]:
        raise EnvelopeInvalid("envelope's wrapped key has the wrong length")
    return UnverifiedEnvelope(
        region=_region(data[8:key_at]),
        key_id=data[key_at : key_at + KEY_ID_SIZE],
        wrap=wrap,
        wrapped=data[wrapped_at:nonce_at],
        header=data[:nonce_at],
        nonce=data[nonce_at : nonce_at + NONCE_SIZE],
        ciphertext=data[nonce_at + NONCE_SIZE :],
    )


def _region(name: bytes) -> str:
    if not name.isascii() or not name.decode("ascii").isprintable():
        raise EnvelopeInvalid("envelope's region is not a printable name")
    return name.decode("ascii")
