"""The signed checkpoint of a log on files: it follows the published head and is never ahead of it."""

from dataclasses import dataclass
from pathlib import Path

from audit.errors import LogCorrupt, LogRolledBack, MerkleError
from audit.files.heads import Head, TreeHead
from audit.files.layout import CHECKPOINT
from audit.files.store import FileSystem, write_file
from audit.tlog.checkpoints import Checkpoint, signed_checkpoint
from audit.tlog.notes import NoteSigner, parse_note


@dataclass(frozen=True, slots=True)
class Source:
    """Where a log is published from, and as whom."""

    files: FileSystem
    directory: Path
    origin: str
    signer: NoteSigner
    head: Head


class Signing:
    """The checkpoint's side of one log."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.size = 0  # records under the signed checkpoint on disk

    def resume(self, head: TreeHead | None) -> None:
        """Read the checkpoint. Raises LogRolledBack when it is ahead of the head, LogCorrupt."""
        published = head.size if head else 0
        self.size = self._checkpoint_size()
        if self.size > published:
            raise LogRolledBack(
                f"the checkpoint covers {self.size} records, the head only {published}: an old head was put back"
            )

    def sign(self, head: TreeHead | None) -> None:
        """Sign and publish the head when the checkpoint is behind it. Raises what the signer raises, and OSError."""
        if head is None or self.size == head.size:
            return
        files, directory = self._source.files, self._source.directory
        note = signed_checkpoint(Checkpoint(self._source.origin, head.size, head.root), [self._source.signer])
        write_file(files, directory / CHECKPOINT, str(note).encode())
        files.sync_directory(directory)
        self.size = head.size

    def _checkpoint_size(self) -> int:
        try:
            data = self._source.files.read(self._source.directory / CHECKPOINT)
        except FileNotFoundError:
            return 0
        try:
            checkpoint = Checkpoint.parse(parse_note(data).text)
        except MerkleError as error:
            raise LogCorrupt(f"the file `{CHECKPOINT}` is damaged: {error}; restore it from a copy") from error
        if checkpoint.origin != self._source.origin:
            raise LogCorrupt(f"the checkpoint is of `{checkpoint.origin}`, not of `{self._source.origin}`")
        return checkpoint.size
