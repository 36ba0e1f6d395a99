"""Signed notes (C2SP signed-note, Ed25519): text, an empty line, and a signature line that names its key.

    text ‖ "\n" ‖ "— <name> <base64(u32 key hash ‖ signature)>\n"       the signature is over `text`, newline included
    verifier key: <name>+<hex of key hash>+<base64(0x01 ‖ public key)>
    key hash = first 4 bytes of SHA-256(name ‖ "\n" ‖ 0x01 ‖ public key)

Any tool for signed notes verifies them. Here a note has exactly one signature, by the key that is asked for.
"""

import base64
import binascii
import hashlib
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from keymgmt.errors import KeyManagementError
from keymgmt.ports import Signer

ED25519 = b"\x01"
LARGEST = 1 << 20  # bytes


class NoteInvalid(KeyManagementError):
    """Not a note, or not signed by this key. Never retry."""


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key with a name."""

    name: str
    public: bytes

    @property
    def hash(self) -> bytes:
        """What signature lines name the key by; a hint, and no proof."""
        return hashlib.sha256(self.name.encode() + b"\n" + ED25519 + self.public).digest()[:4]

    def __str__(self) -> str:
        return f"{self.name}+{self.hash.hex()}+{base64.b64encode(ED25519 + self.public).decode()}"


def parse_verifier_key(text: str) -> VerifierKey:
    """The inverse of `str`. Raises NoteInvalid."""
    name, _, rest = text.strip().partition("+")
    _, _, encoded = rest.partition("+")
    material = _decoded(encoded)
    key = VerifierKey(name, material[1:])
    if not name or any(sign.isspace() for sign in name) or material[:1] != ED25519 or len(key.public) != 32:
        raise NoteInvalid("this is no verifier key of Ed25519; one looks like `name+01234567+ATk...`")
    if str(key) != text.strip():
        raise NoteInvalid("the verifier key's hash does not fit it; copy it again from where you trust it")
    return key


def sign_note(text: str, signer: Signer) -> bytes:
    """The note. Raises SignerUnavailable."""
    key = VerifierKey(signer.name, signer.public_key)
    signed = base64.b64encode(key.hash + signer.sign(text.encode())).decode()
    return f"{text}\n— {signer.name} {signed}\n".encode()


def open_note(data: bytes, key: VerifierKey) -> str:
    """The text, if this key signed it. Raises NoteInvalid."""
    try:
        text, _, line = data[: LARGEST + 1].decode().rpartition("\n\n")
    except UnicodeDecodeError:
        raise NoteInvalid("this is no signed note: not text") from None
    signed = _decoded(line.removeprefix(f"— {key.name} ").removesuffix("\n"))
    if len(data) > LARGEST or not text or not line.endswith("\n") or signed[:4] != key.hash:
        raise NoteInvalid(f"this is no note with one signature by `{key.name}`; ask for the right file and key")
    text += "\n"
    try:
        Ed25519PublicKey.from_public_bytes(key.public).verify(signed[4:], text.encode())
    except (InvalidSignature, ValueError):
        raise NoteInvalid(f"`{key.name}` did not sign this: changed, or signed by somebody else") from None
    return text


def _decoded(text: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""
    return data if base64.b64encode(data).decode() == text else b""
