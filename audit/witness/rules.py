"""A witness as tlog-witness has it: cosigns a checkpoint once it extends all that it cosigned before.

Guarantees that no two checkpoints of one log that it cosigned contradict each other, over restarts too: the new state
is durable before the answer is made, and requests are taken one at a time. It learns a log's name, sizes, roots and
hashes, and nothing else. Leaves transport to `audit.web.witness`.
"""

import re
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from audit.errors import NoteMalformed, ProofInvalid, SignatureInvalid
from audit.tlog.checkpoints import Checkpoint, cosigned, verified_checkpoint
from audit.tlog.merkle import EMPTY_ROOT
from audit.tlog.notes import ED25519, Note, NoteSigner, VerifierKey, parse_note
from audit.tlog.proofs import verify_extension
from audit.tlog.submission import Submission

_SHARD = re.compile(r"[1-9][0-9]{0,9}")
SIZE_TYPE = "text/x.tlog.size"


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back: an HTTP status, a body and its type."""

    status: int
    body: bytes
    kind: str = "text/plain; charset=utf-8"


class States(Protocol):
    """The newest cosigned checkpoint of each log."""

    def read(self, origin: str) -> bytes | None:
        """The cosigned note, None before the first. Raises OSError."""
        ...

    def shown(self, folder: str) -> bytes | None:
        """The same by `folder_of` the origin."""
        ...

    def write(self, origin: str, note: bytes) -> None:
        """Return once it is durable. Raises OSError."""
        ...


class Witness:
    """Safe to be used by several threads. `clock` gives POSIX seconds."""

    def __init__(
        self,
        logs: Mapping[str, Sequence[VerifierKey]],
        signer: NoteSigner,
        states: States,
        clock: Callable[[], int],
    ) -> None:
        self._logs = logs
        self._signer = signer
        self._states = states
        self._clock = clock
        self._alone = threading.Lock()
        self._broken = ""

    def add_checkpoint(self, body: bytes) -> Answer:
        """The answer to a submission. Raises what the signer raises; nothing has been promised then."""
        try:
            submission = Submission.parse(body)
            claimed = Checkpoint.parse(parse_note(submission.checkpoint).text)
        except NoteMalformed as error:
            return _refusal(400, str(error))
        keys = self._keys_of(claimed.origin)
        if not keys:
            return _refusal(404, f"the log `{claimed.origin}` is not witnessed here")
        try:
            checkpoint, note = verified_checkpoint(submission.checkpoint, keys)
        except SignatureInvalid as error:
            return _refusal(403, str(error))
        if submission.old > checkpoint.size:
            return _refusal(400, "the old size is above the checkpoint's")
        with self._alone:
            return self._advance(submission, checkpoint, note)

    def _keys_of(self, origin: str) -> Sequence[VerifierKey]:
        """Those of the log, which sign its later shards (`<origin>/<number>`) under each shard's name."""
        known = self._logs.get(origin)
        base, _, number = origin.rpartition("/")
        if known is not None or not _SHARD.fullmatch(number):
            return known or ()
        return [VerifierKey.ed25519(origin, key.public) for key in self._logs.get(base, ()) if key.kind == ED25519]

    def newest(self, folder: str) -> bytes | None:
        """The newest cosigned checkpoint of a log by the SHA-256 of its origin in hex, for monitors. Raises OSError."""
        return self._states.shown(folder)

    def _advance(self, submission: Submission, checkpoint: Checkpoint, note: Note) -> Answer:
        if self._broken:
            return _refusal(503, self._broken)
        size, root = self._known(checkpoint.origin)
        if submission.old != size or (checkpoint.size == size and checkpoint.root != root):
            return Answer(409, b"%d\n" % size, SIZE_TYPE)
        try:
            verify_extension(size, checkpoint.size, submission.proof, root, checkpoint.root)
        except ProofInvalid as error:
            return _refusal(422, str(error))
        line = cosigned(note, self._signer, self._clock())
        try:
            self._states.write(checkpoint.origin, str(Note(note.text, (*note.signatures, line))).encode())
        except OSError as error:  # what the disk holds is uncertain: a later success would prove nothing
            self._broken = f"the state could not be made durable: {error}; restart the witness"
            return _refusal(503, self._broken)
        return Answer(200, line.line().encode())

    def _known(self, origin: str) -> tuple[int, bytes]:
        data = self._states.read(origin)
        if data is None:
            return 0, EMPTY_ROOT
        known = Checkpoint.parse(parse_note(data).text)
        return known.size, known.root


def _refusal(status: int, message: str) -> Answer:
    return Answer(status, f"{message}\n".encode())
