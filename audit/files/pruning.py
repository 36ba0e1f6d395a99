"""Removes the records of an old shard and leaves what keeps the chain verifiable.

What goes: segments, sealed parts, entry bundles. What stays: the hash tiles and the last checkpoint, so every proof
that was ever made still leads somewhere; and tlog-proofs of two records: the shard's own first one, which commits to
the shard before, and the one that says that it was pruned, its tombstone. The order survives a crash at any point: the
record is durable and under a signed checkpoint first, then the tombstone is, and only then anything is removed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path

from audit.files.layout import CHECKPOINT, archive_of, wal_of
from audit.files.shards import GENESIS, TOMBSTONE, Shard, is_pruned, last_leaf, too_young
from audit.files.store import FileSystem, write_file
from audit.reading import prove, read_records, record_of, time_of
from audit.tlog.checkpoints import Checkpoint
from audit.tlog.notes import parse_note

ENTRIES = Path("tile") / "entries"


@dataclass(frozen=True, slots=True)
class Pruning:
    """The pruning of one ended shard. Methods raise LogCorrupt and OSError; each may be called again after a crash."""

    files: FileSystem
    shard: Shard

    def last_time(self) -> datetime:
        """When the shard's last record was made."""
        return time_of(record_of(-1, last_leaf(self.shard.directory, self.files)))

    def too_young(self, now: datetime, keep: timedelta) -> str:
        """Why the shard is too young, by its last record; empty when it isn't."""
        return too_young(self.shard.origin, self.last_time(), now, keep)

    def said(self) -> Mapping[str, object]:
        """What the record of the pruning says of the shard."""
        note = self.files.read(self.shard.directory / CHECKPOINT)
        checkpoint = Checkpoint.parse(parse_note(note).text)
        return {
            "origin": checkpoint.origin,
            "size": checkpoint.size,
            "root": checkpoint.root.hex(),
            "checkpoint": sha256(note).hexdigest(),
            "until": self.last_time(),
        }

    def bury(self, place: Path, index: int) -> None:
        """Put proofs in the shard's place: of its first record, and of the one that says that it is pruned.

        That one is record `index` of the shard in `place`, and must be under its checkpoint.
        """
        for name, directory, number in ((GENESIS, self.shard.directory, 0), (TOMBSTONE, place, index)):
            record = next(iter(read_records(directory, number, number + 1, self.files)))
            proof = replace(prove(directory, number, self.files), extra=record.leaf)
            write_file(self.files, self.shard.directory / name, proof.to_bytes())
            self.files.sync_directory(self.shard.directory)

    def remove(self) -> None:
        """Remove the records; only once the tombstone lies there."""
        assert is_pruned(self.shard.directory, self.files)
        for folder in (wal_of(self.shard.directory), archive_of(self.shard.directory), self.shard.directory / ENTRIES):
            self._remove_below(folder)

    def _remove_below(self, folder: Path) -> None:
        for name in self.files.names(folder):
            try:
                self._remove_below(folder / name)
            except NotADirectoryError:
                self.files.remove(folder / name)
        self.files.remove_directory(folder)
