"""C2SP tlog-checkpoint: a log's signed head, and cosignature/v1 over it. Pure.

A `Checkpoint` alone is a claim. `parse_checkpoint(...)` gives it unverified, `verified_checkpoint` only after a key of
the log has signed it.
"""

import base64
import binascii
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from audit.errors import NoteMalformed, SignatureInvalid
from audit.tlog.merkle import HASH_SIZE
from audit.tlog.notes import (
    COSIGNATURE_ED25519,
    Note,
    NoteSignature,
    NoteSigner,
    VerifierKey,
    ed25519_key_id,
    parse_note,
    signed_note,
)

LARGEST_TIME = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Origin, size and root of a tree; extension lines are kept and mean nothing here."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def text(self) -> str:
        """The note text that is signed."""
        lines = (self.origin, str(self.size), base64.b64encode(self.root).decode(), *self.extensions)
        return "".join(f"{line}\n" for line in lines)

    @classmethod
    def parse(cls, text: str) -> "Checkpoint":
        """Read a note's text. Raises NoteMalformed."""
        lines = text.split("\n")
        if len(lines) < 4 or lines[-1] != "" or "" in lines[:-1]:
            raise NoteMalformed("a checkpoint has at least three lines, none of them empty")
        origin, size, root = lines[:3]
        if not (size.isascii() and size.isdigit()) or str(int(size[:20])) != size or int(size) >= 1 << 63:
            raise NoteMalformed(f"a checkpoint's size is a decimal number, got `{size[:40]}`")
        return cls(origin, int(size), _root(root), tuple(lines[3:-1]))


@dataclass(frozen=True, slots=True)
class Cosignature:
    """A witness saw this checkpoint at `time` (POSIX seconds) and found it consistent with all before."""

    key: VerifierKey
    time: int


def _root(encoded: str) -> bytes:
    try:
        root = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise NoteMalformed("a checkpoint's root is base64") from error
    if len(root) != HASH_SIZE or base64.b64encode(root).decode() != encoded:
        raise NoteMalformed("a checkpoint's root is the base64 of 32 bytes")
    return root


def signed_checkpoint(checkpoint: Checkpoint, signers: Sequence[NoteSigner]) -> Note:
    """The checkpoint as a note. Whoever calls this has made sure that it extends everything signed before."""
    return signed_note(checkpoint.text(), signers)


def verified_checkpoint(data: bytes, keys: Iterable[VerifierKey], origin: str | None = None) -> tuple[Checkpoint, Note]:
    """Parse and verify. Raises NoteMalformed, SignatureInvalid, also when the origin is another than expected."""
    note = parse_note(data)
    note.verified_by(keys)
    checkpoint = Checkpoint.parse(note.text)
    if origin is not None and checkpoint.origin != origin:
        raise SignatureInvalid(f"the checkpoint is of the log `{checkpoint.origin}`, expected `{origin}`")
    return checkpoint, note


def cosignature_message(text: str, time: int) -> bytes:
    """What an Ed25519 cosigner signs."""
    return f"cosignature/v1\ntime {time}\n{text}".encode()


def cosigned(note: Note, signer: NoteSigner, time: int) -> NoteSignature:
    """A cosignature/v1 line for a checkpoint. The caller has checked consistency first."""
    signature = signer.sign(cosignature_message(note.text, time))
    key_id = ed25519_key_id(signer.name, signer.public_key, COSIGNATURE_ED25519)
    return NoteSignature(signer.name, key_id, time.to_bytes(8, "big") + signature)


def verified_cosignatures(note: Note, witnesses: Iterable[VerifierKey]) -> tuple[Cosignature, ...]:
    """The known witnesses' cosignatures, maybe none. Raises SignatureInvalid when one of a known witness fails."""
    known = {(key.name, key.key_id): key for key in witnesses if key.kind == COSIGNATURE_ED25519}
    found = []
    for line in note.signatures:
        key = known.get((line.name, line.key_id))
        if key is None:
            continue
        time = int.from_bytes(line.signature[:8], "big")
        if len(line.signature) != 72 or time > LARGEST_TIME:
            raise SignatureInvalid(f"the cosignature by `{key.name}` is not a time and 64 bytes")
        key.verify(cosignature_message(note.text, time), line.signature[8:])
        found.append(Cosignature(key, time))
    return tuple(found)
