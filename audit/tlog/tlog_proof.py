"""C2SP tlog-proof: one file with an inclusion proof and the checkpoint that it leads to, checked offline."""

import base64
import binascii
import re
from collections.abc import Iterable
from dataclasses import dataclass

from audit.errors import NoteMalformed
from audit.tlog.checkpoints import Checkpoint, verified_checkpoint
from audit.tlog.merkle import HASH_SIZE
from audit.tlog.notes import VerifierKey
from audit.tlog.proofs import verify_inclusion

HEADER = "c2sp.org/tlog-proof@v1"
_INDEX = re.compile(r"index (0|[1-9][0-9]{0,18})")


@dataclass(frozen=True, slots=True)
class TlogProof:
    """An unverified proof. `extra` is not authenticated by anything."""

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: bytes  # the note, verbatim
    extra: bytes | None = None

    def to_bytes(self) -> bytes:
        """The file's bytes."""
        lines = [HEADER]
        if self.extra is not None:
            lines.append(f"extra {base64.b64encode(self.extra).decode()}")
        lines.append(f"index {self.index}")
        lines += [base64.b64encode(value).decode() for value in self.hashes]
        return "".join(f"{line}\n" for line in (*lines, "")).encode() + self.checkpoint

    @classmethod
    def parse(cls, data: bytes) -> "TlogProof":
        """Any bytes give a proof or NoteMalformed; `to_bytes` gives the same bytes back."""
        head, blank, checkpoint = data.partition(b"\n\n")
        try:
            lines = head.decode("ascii").split("\n")
        except UnicodeDecodeError as error:
            raise NoteMalformed("a tlog-proof's head is ASCII") from error
        if not blank or lines.pop(0) != HEADER:
            raise NoteMalformed(f"a tlog-proof begins with `{HEADER}` and has an empty line before the checkpoint")
        extra = None
        if lines and lines[0].startswith("extra "):
            extra = _base64(lines.pop(0)[6:])
        match = _INDEX.fullmatch(lines.pop(0)) if lines else None
        if match is None:
            raise NoteMalformed("a tlog-proof names its index in decimal")
        hashes = tuple(_base64(line) for line in lines)
        if len(hashes) > 63 or any(len(value) != HASH_SIZE for value in hashes):
            raise NoteMalformed("a tlog-proof holds at most 63 hashes of 32 bytes")
        return cls(int(match[1]), hashes, checkpoint, extra)

    def verify(self, leaf: bytes, keys: Iterable[VerifierKey], origin: str | None = None) -> Checkpoint:
        """The checkpoint, once a known key signed it and the leaf hash lies under its root. Raises MerkleError."""
        checkpoint, _ = verified_checkpoint(self.checkpoint, keys, origin)
        verify_inclusion(self.index, checkpoint.size, leaf, self.hashes, checkpoint.root)
        return checkpoint


def _base64(encoded: str) -> bytes:
    try:
        data = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise NoteMalformed("a line of the tlog-proof is not base64") from error
    if base64.b64encode(data).decode() != encoded:
        raise NoteMalformed("a line of the tlog-proof is not canonical base64")
    return data
