"""The body of tlog-witness's `add-checkpoint`: old size, consistency proof, checkpoint. Pure.

Nothing else crosses to a witness: a log's name, two sizes, a root, hashes and signatures; never a record.
"""

import base64
import binascii
import re
from dataclasses import dataclass

from audit.errors import NoteMalformed
from audit.tlog.merkle import HASH_SIZE

PROOF_LIMIT = 63  # hashes
SUBMISSION_LIMIT = 64 << 10  # bytes
_OLD = re.compile(rb"old (0|[1-9][0-9]{0,18})")


@dataclass(frozen=True, slots=True)
class Submission:
    """A checkpoint for a witness that last saw the log at `old` records."""

    old: int
    proof: tuple[bytes, ...]
    checkpoint: bytes  # the note, verbatim

    def to_bytes(self) -> bytes:
        """The request's body."""
        lines = [f"old {self.old}", *(base64.b64encode(value).decode() for value in self.proof), ""]
        return "".join(f"{line}\n" for line in lines).encode() + self.checkpoint

    @classmethod
    def parse(cls, data: bytes) -> "Submission":
        """Any bytes give a submission or NoteMalformed; `to_bytes` gives the same bytes back."""
        if len(data) > SUBMISSION_LIMIT:
            raise NoteMalformed(f"a submission of {len(data)} bytes is over {SUBMISSION_LIMIT}")
        head, blank, checkpoint = data.partition(b"\n\n")
        first, *lines = head.split(b"\n")
        match = _OLD.fullmatch(first)
        if not blank or match is None:
            raise NoteMalformed("a submission begins with `old <size>` and has an empty line before the checkpoint")
        if len(lines) > PROOF_LIMIT:
            raise NoteMalformed(f"a consistency proof has at most {PROOF_LIMIT} hashes, got {len(lines)}")
        return cls(int(match[1]), tuple(_hash(line) for line in lines), checkpoint)


def _hash(line: bytes) -> bytes:
    try:
        value = base64.b64decode(line, validate=True)
    except (binascii.Error, ValueError) as error:
        raise NoteMalformed("a line of the consistency proof is not base64") from error
    if len(value) != HASH_SIZE or base64.b64encode(value) != line:
        raise NoteMalformed("a line of the consistency proof is not the base64 of 32 bytes")
    return value
