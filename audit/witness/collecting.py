"""The log's side of witnessing: submits each new checkpoint to the policy's witnesses and keeps it once cosigned.

Runs in a thread of its own beside a log, and reads only what is published: no answer ever waits for a witness, and a
witness gets a name, sizes, a root and hashes. What goes wrong is `trouble`; that a witness saw another history is
`split`, which stays until a restart. A witness that lies can raise that alarm, so it stops nothing by itself.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

from audit.errors import AuditError, MerkleError
from audit.published import NotPublished, Published, whole_tile
from audit.tlog.checkpoints import Checkpoint, verified_cosignatures
from audit.tlog.notes import Note, NoteSignature, parse_note
from audit.tlog.policy import Policy, PolicyWitness
from audit.tlog.proofs import consistency_proof
from audit.tlog.submission import Submission
from audit.tlog.tiles import subtrees_in
from audit.witness.rules import SIZE_TYPE, Answer

logger = logging.getLogger("bailiwick.witnesses")

ROUND_SECONDS = 1.0
_LARGEST = 19  # digits of a size

Submit = Callable[[PolicyWitness, bytes], Answer]
"""Send a submission to a witness. Raises AuditError when it can't be reached."""


class SplitView(AuditError):
    """A witness has cosigned a history of this log that ours does not extend: compare both checkpoints."""


class WitnessedLog(Published, Protocol):
    """A log that keeps its newest cosigned checkpoint beside its newest."""

    def keep_witnessed(self, note: bytes) -> None: ...


@dataclass(frozen=True, slots=True)
class WitnessStatus:
    """For metrics and alarms."""

    size: int  # records under the newest checkpoint with a quorum
    behind_seconds: float  # since when a newer checkpoint has been without one
    trouble: str
    split: str


class Collector:
    """Collects for one log. `collect` is one round; `start` and `stop` run them in a thread."""

    def __init__(self, log: WitnessedLog, policy: Policy, submit: Submit) -> None:
        self._log = log
        self._policy = policy
        self._submit = submit
        self._sizes: dict[str, int] = {}  # what each witness cosigned last of this shard, as far as known
        self._shard = ""
        self._done = ""  # the newest text with a quorum
        self._size = 0
        self._since: float | None = None
        self._trouble: Mapping[str, str] = {}
        self._split = ""
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="audit-witnessing", daemon=True)

    def start(self) -> None:
        """Begin to collect."""
        self._thread.start()

    def stop(self) -> None:
        """One last round, so that the end of the log is witnessed too, then end."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def status(self) -> WitnessStatus:
        """The state of things."""
        behind = time.monotonic() - self._since if self._since is not None else 0.0
        told = "; ".join(f"{name}: {message}" for name, message in sorted(self._trouble.items()))
        return WitnessStatus(self._size, behind, told, self._split)

    def collect(self) -> bool:
        """Submit the newest checkpoint everywhere; whether it has its quorum now. Raises AuditError, OSError."""
        try:
            note = parse_note(self._log.note())
        except NotPublished:
            return True
        if note.text == self._done:
            return True
        self._since = self._since if self._since is not None else time.monotonic()
        lines = self._cosigned(note)
        whole = Note(note.text, (*note.signatures, *lines))
        if not self._policy.is_met_by(self._policy.cosigners(whole)):
            return False
        self._log.keep_witnessed(str(whole).encode())
        self._done, self._size, self._since = note.text, Checkpoint.parse(note.text).size, None
        return True

    def _cosigned(self, note: Note) -> list[NoteSignature]:
        """The lines of all witnesses that gave one; why others didn't becomes `trouble`."""
        if (origin := Checkpoint.parse(note.text).origin) != self._shard:
            self._shard, self._sizes = origin, {}
        witnesses = [witness for witness in self._policy.witnesses if witness.url]
        trouble: dict[str, str] = {}
        lines: list[NoteSignature] = []

        def ask(witness: PolicyWitness) -> None:
            try:
                lines.extend(self._ask(witness, note))
            except SplitView as error:
                self._split = f"{witness.name}: {error}"
                trouble[witness.name] = str(error)
            except Exception as error:  # noqa: BLE001 — of one witness; the others go on
                trouble[witness.name] = str(error)

        with ThreadPoolExecutor(max(len(witnesses), 1), "audit-witness") as pool:
            list(pool.map(ask, witnesses))
        self._tell(trouble)
        return lines

    def _tell(self, trouble: Mapping[str, str]) -> None:
        """Say what is new."""
        for name, message in trouble.items():
            if self._trouble.get(name) != message:
                logger.log(logging.CRITICAL if message in self._split else logging.WARNING, "%s: %s", name, message)
        self._trouble = trouble

    def _ask(self, witness: PolicyWitness, note: Note) -> Sequence[NoteSignature]:
        """One witness's cosignature. Raises SplitView, AuditError."""
        checkpoint = Checkpoint.parse(note.text)
        answer = self._submitted(witness, note, checkpoint)
        if answer.status == 409:
            self._sizes[witness.name] = self._seen(answer, checkpoint)
            answer = self._submitted(witness, note, checkpoint)
        if answer.status == 409 and self._seen(answer, checkpoint) == checkpoint.size:
            raise SplitView(f"at {checkpoint.size} records it saw another root")
        if answer.status == 422:
            raise SplitView(f"what it saw at {self._sizes.get(witness.name, 0)} records is not part of our history")
        if answer.status != 200:
            raise AuditError(f"it answers with status {answer.status}: {answer.body[:200].decode(errors='replace')}")
        lines = parse_note(note.text.encode() + b"\n" + answer.body).signatures
        kept = [line for line in lines if (line.name, line.key_id) == (witness.key.name, witness.key.key_id)]
        if not verified_cosignatures(Note(note.text, tuple(kept)), [witness.key]):
            raise AuditError("its answer holds no cosignature by the key that the policy names")
        self._sizes[witness.name] = checkpoint.size
        return kept

    def _submitted(self, witness: PolicyWitness, note: Note, checkpoint: Checkpoint) -> Answer:
        old = self._sizes.get(witness.name, 0)
        if old > checkpoint.size:
            raise AuditError(f"it has cosigned {old} records already")  # a newer checkpoint, by another replica

        def tile(level: int, index: int, width: int) -> bytes:
            return whole_tile(self._log, level, index, width)

        proof = consistency_proof(old, checkpoint.size, subtrees_in(tile, checkpoint.size))
        return self._submit(witness, Submission(old, proof, str(note).encode()).to_bytes())

    def _seen(self, answer: Answer, checkpoint: Checkpoint) -> int:
        """The size that a witness says it knows. Raises SplitView when our log can't have been that."""
        told = answer.body.decode("ascii", "replace").strip()
        if answer.kind.split(";")[0] != SIZE_TYPE or not told.isdigit() or len(told) > _LARGEST:
            raise AuditError(f"it names no size: `{told[:80]}`")
        size = int(told)
        if size > checkpoint.size and size > self._newest_size():
            raise SplitView(f"it saw {size} records, the log has {checkpoint.size}: put back, or two histories")
        return size

    def _newest_size(self) -> int:
        return Checkpoint.parse(parse_note(self._log.note()).text).size

    def _run(self) -> None:
        while not self._stopping.wait(ROUND_SECONDS):
            self._round()
        self._round()

    def _round(self) -> None:
        try:
            self.collect()
        except (MerkleError, AuditError, OSError) as error:
            self._tell({"log": str(error)})
