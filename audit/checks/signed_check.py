"""Checks what is signed and remembered of a log against its records: checkpoint, head, and checkpoints seen before.

Found are signatures that don't hold, roots of other records, and a checkpoint or a head that was put back.
"""

from contextlib import suppress
from pathlib import Path

from audit.checks.findings import Findings, unread
from audit.checks.record_check import RecordCheck
from audit.checks.rollback_check import put_back
from audit.checks.spine_check import SpineCheck
from audit.checks.tile_check import TileCheck
from audit.errors import AuditError, MerkleError
from audit.files.heads import TreeHead
from audit.files.layout import CHECKPOINT, HEAD
from audit.files.store import FileSystem
from audit.reading import read_checkpoint, read_records
from audit.tlog.checkpoints import Checkpoint, Cosignature, verified_checkpoint, verified_cosignatures
from audit.tlog.notes import VerifierKey, parse_note


class SignedCheck:
    """Of one log in a directory; `signers` and `cosignatures` are whose signatures hold, once it was looked at."""

    def __init__(
        self,
        files: FileSystem,
        directory: Path,
        keys: tuple[VerifierKey, ...],
        remembered: tuple[Checkpoint, ...],
        findings: Findings,
        *,
        is_range: bool,
    ) -> None:
        self._files = files
        self._directory = directory
        self._keys = keys
        self._remembered = remembered
        self._findings = findings
        self._is_range = is_range
        self.signers: tuple[VerifierKey, ...] = ()
        self.cosignatures: tuple[Cosignature, ...] = ()

    def checkpoint(self) -> tuple[Checkpoint | None, Checkpoint | None]:
        """The checkpoint as it claims to be, and again when a key verifies it."""
        try:
            data = self._files.read(self._directory / CHECKPOINT)
        except OSError as error:
            why = "is missing" if isinstance(error, FileNotFoundError) else unread(error)
            self._findings.problem(CHECKPOINT, f"{why}: nothing here is signed")
            return None, None
        claimed = None
        try:
            note = parse_note(data)
            claimed = Checkpoint.parse(note.text)
            verified, note = verified_checkpoint(data, self._keys)
            self.signers = note.verified_by(self._keys)
            self.cosignatures = verified_cosignatures(note, self._keys)
            self._unknown_signatures(len(note.signatures))
        except MerkleError as error:
            self._findings.problem(CHECKPOINT, str(error))
            return claimed, None
        return claimed, verified

    def head(self, claimed: Checkpoint | None) -> TreeHead | None:
        try:
            head = TreeHead.parse(self._files.read(self._directory / HEAD), HEAD)
        except FileNotFoundError:
            return None
        except (AuditError, OSError) as error:
            self._findings.problem(HEAD, unread(error))
            return None
        if claimed is not None and claimed.size > head.size:
            self._findings.problem(
                HEAD, f"is at {head.size} records, behind the checkpoint's {claimed.size}: put back?"
            )
        return head

    def roots(self, tiles: TileCheck | SpineCheck, claimed: Checkpoint | None, head: TreeHead | None) -> None:
        seen = [(CHECKPOINT, claimed), (HEAD, head), *(("remembered checkpoint", one) for one in self._remembered)]
        for where, known in seen:
            root = tiles.roots.get(known.size) if known is not None else None
            if known is None or (root is None and self._is_range):
                continue
            if root is None:
                self._findings.problem(where, f"covers {known.size} records, only {tiles.size} are there")
            elif root != known.root:
                self._findings.problem(where, f"the first {known.size} records have another root than it says")
        seen_size = max((one.size for one in self._remembered), default=0)
        if claimed is not None and claimed.size < seen_size <= tiles.size:
            self._findings.problem(CHECKPOINT, f"covers {claimed.size} records, one of {seen_size} was seen: put back?")

    def put_back(self, covered: int) -> None:
        """Say so when the unsigned records show that a newer checkpoint was there."""
        with suppress(AuditError, OSError, ValueError, KeyError, TypeError):  # damage is said by whoever found it
            why = put_back(read_records(self._directory, covered, files=self._files))
            if why and read_checkpoint(self._directory, self._files).size == covered:  # not one that was signed since
                self._findings.problem(CHECKPOINT, why)

    def announced(self, claimed: Checkpoint | None, records: RecordCheck) -> None:
        """Say of a key that signed and that no record names; genesis and key-rotation records do. The name too."""
        own = records.origin
        if claimed is not None and own and own != claimed.origin:
            self._findings.problem(CHECKPOINT, f"is of the log `{claimed.origin}`, the first record is of `{own}`")
        for key in self.signers:
            if records.announced and str(key) not in records.announced:
                self._findings.note(CHECKPOINT, f"is signed by `{key}`, which no record of this log announces")

    def _unknown_signatures(self, count: int) -> None:
        unknown = count - len(self.signers) - len(self.cosignatures)
        if unknown:
            self._findings.note(CHECKPOINT, f"carries {unknown} signatures by keys that were not given")
