"""C2SP signed notes: text under one or more signatures. Ed25519 is signed and verified, ECDSA verified.

`parse_note` proves nothing; `verified_by` does, and raises. A signature by an unknown key is ignored, a failing one
by a known key refuses the whole note.
"""

import base64
import binascii
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from audit.errors import NoteMalformed, SignatureInvalid

ED25519 = 0x01
ECDSA_SHA256 = 0x02
COSIGNATURE_ED25519 = 0x04
SIGNATURES_LIMIT = 64  # a note with more is refused; the specification asks for at least 16
NOTE_LIMIT = 1 << 20
_CURVES = frozenset({"secp256r1", "secp384r1", "secp521r1"})


class NoteSigner(Protocol):
    """Whoever holds an Ed25519 key with a note name."""

    @property
    def name(self) -> str: ...

    @property
    def public_key(self) -> bytes: ...

    def sign(self, message: bytes) -> bytes: ...


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One signature line: whose it says it is, and the bytes after the key id."""

    name: str
    key_id: bytes
    signature: bytes

    def line(self) -> str:
        return f"\u2014 {self.name} {base64.b64encode(self.key_id + self.signature).decode()}\n"


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key with a name and a kind of signature; its text form is the `vkey`."""

    name: str
    key_id: bytes
    kind: int
    public: bytes

    @classmethod
    def ed25519(cls, name: str, public: bytes, kind: int = ED25519) -> "VerifierKey":
        """The key of a log (0x01) or a cosigner (0x04)."""
        return cls(_name(name), ed25519_key_id(name, public, kind), kind, public)

    @classmethod
    def parse(cls, text: str) -> "VerifierKey":
        """A `vkey`. Raises NoteMalformed, also when the key id is not that of the key."""
        name, _, rest = text.partition("+")
        key_hex, _, encoded = rest.partition("+")
        material = _base64(encoded, "verifier key")
        if len(key_hex) != 8 or key_hex != key_hex.lower() or len(material) < 2:
            raise NoteMalformed(f"`{text[:80]}` is no verifier key: expected `name+hex+base64`")
        try:
            key = cls(_name(name), bytes.fromhex(key_hex), material[0], material[1:])
        except ValueError as error:
            raise NoteMalformed(f"`{text[:80]}` is no verifier key: its id is not hex") from error
        key.check()
        return key

    def check(self) -> None:
        """Raise NoteMalformed when the kind is unknown, or key and id don't belong together."""
        if self.kind in (ED25519, COSIGNATURE_ED25519):
            if len(self.public) != 32:
                raise NoteMalformed(f"an Ed25519 key has 32 bytes, `{self.name}` has {len(self.public)}")
            expected = ed25519_key_id(self.name, self.public, self.kind)
        elif self.kind == ECDSA_SHA256:
            expected = sha256(self._ecdsa().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()[:4]
        else:
            raise NoteMalformed(f"verifier key `{self.name}` is of the unknown kind {self.kind:#04x}")
        if expected != self.key_id:
            raise NoteMalformed(
                f"verifier key `{self.name}` has the id {self.key_id.hex()}, its key has {expected.hex()}"
            )

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{base64.b64encode(bytes([self.kind]) + self.public).decode()}"

    def verify(self, message: bytes, signature: bytes) -> None:
        """Raise SignatureInvalid, or be silent."""
        try:
            if self.kind == ECDSA_SHA256:
                self._ecdsa().verify(signature, message, ECDSA(SHA256()))
            else:
                Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except (InvalidSignature, ValueError) as error:
            raise SignatureInvalid(f"the signature by `{self.name}` ({self.key_id.hex()}) does not verify") from error

    def _ecdsa(self) -> EllipticCurvePublicKey:
        try:
            key = load_der_public_key(self.public)
        except (ValueError, UnsupportedAlgorithm) as error:
            raise NoteMalformed(f"verifier key `{self.name}` holds no public key in DER") from error
        if not isinstance(key, EllipticCurvePublicKey) or key.curve.name not in _CURVES:
            raise NoteMalformed(f"verifier key `{self.name}` holds no ECDSA key on a NIST curve")
        return key


@dataclass(frozen=True, slots=True)
class Note:
    """A parsed note. `text` ends in a newline; nothing in it is to be believed before it is verified."""

    text: str
    signatures: tuple[NoteSignature, ...]

    def __str__(self) -> str:
        return f"{self.text}\n{''.join(signature.line() for signature in self.signatures)}"

    def verified_by(self, keys: Iterable[VerifierKey]) -> tuple[VerifierKey, ...]:
        """The known keys that signed the text. Raises SignatureInvalid when one fails, or none of them signed."""
        known = {(key.name, key.key_id): key for key in keys if key.kind != COSIGNATURE_ED25519}
        signed = []
        for signature in self.signatures:
            key = known.get((signature.name, signature.key_id))
            if key is not None:
                key.verify(self.text.encode(), signature.signature)
                signed.append(key)
        if not signed:
            raise SignatureInvalid(f"no known key signed the note: it names {self._signers()}")
        return tuple(signed)

    def _signers(self) -> str:
        return ", ".join(f"`{s.name}` ({s.key_id.hex()})" for s in self.signatures[:4])


def ed25519_key_id(name: str, public: bytes, kind: int = ED25519) -> bytes:
    """SHA-256(name ‖ 0x0A ‖ kind ‖ public key)[:4]"""
    return sha256(b"%b\n%c%b" % (name.encode(), kind, public)).digest()[:4]


def signed_note(text: str, signers: Sequence[NoteSigner]) -> Note:
    """Sign a text that ends in a newline. Raises whatever a signer raises."""
    if not text.endswith("\n") or _has_control(text):
        raise NoteMalformed("a note's text ends in a newline and holds no other control characters")
    message = text.encode()
    made = [NoteSignature(_name(s.name), ed25519_key_id(s.name, s.public_key), s.sign(message)) for s in signers]
    return Note(text, tuple(made))


def parse_note(data: bytes) -> Note:
    """Take a note apart. Any bytes give a note or NoteMalformed, and a note's `str` gives the same bytes."""
    if len(data) > NOTE_LIMIT:
        raise NoteMalformed(f"a note of {len(data)} bytes is over {NOTE_LIMIT}")
    try:
        whole = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise NoteMalformed("a note is UTF-8 text") from error
    if _has_control(whole):
        raise NoteMalformed("a note holds no control characters but newlines")
    text, blank, lines = whole.rpartition("\n\n")
    if not blank or not lines.endswith("\n"):
        raise NoteMalformed("a note is text, an empty line and signature lines, each ended by a newline")
    signatures = tuple(_signature(line) for line in lines[:-1].split("\n"))
    if len(signatures) > SIGNATURES_LIMIT:
        raise NoteMalformed(f"a note with {len(signatures)} signatures is over the limit of {SIGNATURES_LIMIT}")
    return Note(text + "\n", signatures)


def _signature(line: str) -> NoteSignature:
    dash, _, rest = line.partition(" ")
    name, _, encoded = rest.partition(" ")
    if dash != "\u2014":
        raise NoteMalformed("a signature line begins with an em dash")
    material = _base64(encoded, "signature")
    if len(material) < 5:
        raise NoteMalformed("a signature has a key id of 4 bytes and something after it")
    return NoteSignature(_name(name), material[:4], material[4:])


def _name(name: str) -> str:
    if not name or "+" in name or any(character.isspace() for character in name):
        raise NoteMalformed(f"`{name[:80]}` is no key name: it is empty or holds a space or a plus")
    return name


def _has_control(text: str) -> bool:
    return any(character < " " and character != "\n" for character in text)


def _base64(encoded: str, what: str) -> bytes:
    try:
        data = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise NoteMalformed(f"the {what} is not base64") from error
    if base64.b64encode(data).decode() != encoded:
        raise NoteMalformed(f"the {what} is not canonical base64")
    return data
