"""The log as its writer sees it: one shard is written, the next is begun when it is due, old ones are pruned.

Guarantees those of `audit.files.log`; that a shard ends with everything in it published and signed before the next one
commits to it; that a crash between the two is gone on from; and that a shard is only pruned when nothing holds it, it
is old enough, its record of that is signed, and a proof of the record lies in its place. For any threads; while a shard
is changed whoever appends waits.
"""

import logging
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson

from audit.errors import LogBusy, LogCorrupt, LogLocked, PruneRefused
from audit.files.committer import Committed, Item, Late, nobody
from audit.files.heads import FileHead
from audit.files.holds import HOLDS, keep_holds, standing_holds, take_hold
from audit.files.layout import HEAD, LOCK
from audit.files.log import FileLog
from audit.files.pruning import Pruning
from audit.files.shards import (
    SHARDS,
    Shard,
    commitment,
    finish,
    is_pruned,
    last_leaf,
    shard_directory,
    shard_numbers,
    shard_origin,
    successor_of,
)
from audit.files.signing import Source
from audit.files.store import Disk, FileSystem, make_durable_directory
from audit.leaves.record import Draft, Record, Unsealed, event_record
from audit.ports import Envelope, Position
from audit.reading import read_checkpoint, read_records, time_of
from audit.rounds import signed_once
from audit.sealed.erasing import finish_erasing
from audit.switching import Keeping, Switching

logger = logging.getLogger("bailiwick.audit")
SIGNED_WITHIN = 30.0  # seconds that a pruning waits for its record's checkpoint


class ShardedLog(Switching[FileLog]):
    """A log in a directory and the shards below it. Made by `open`; for one thread."""

    @classmethod
    def open(cls, directory: Path, keeping: Keeping, *, files: FileSystem | None = None) -> "ShardedLog":
        """Open the shard that is written. Raises as `FileLog.open` does, LogUnavailable when a shard can't be ended."""
        log = cls(directory, keeping, files or Disk())
        try:
            log._take_lock()
            log._clear()
            log._enter()
        except BaseException:
            log._release()
            raise
        return log

    def __init__(self, directory: Path, keeping: Keeping, files: FileSystem) -> None:
        super().__init__(keeping)
        self._directory = directory
        self._files = files
        self._lock: int | None = None
        self._shard = Shard(0, keeping.origin, directory)

    # — appending —

    @property
    def origin(self) -> str:
        """The name of the shard that is written."""
        return self._shard.origin

    def append_batch(self, items: Sequence[Item], late: Late = nobody) -> Committed:
        """As `FileLog.append_batch`. Raises LogUnavailable."""
        with self._switch:
            return self._current().append_batch(items, late)

    def append_now(self, record: Record | Draft, sealed: Sequence[Envelope | Unsealed] = ()) -> Position:
        """As `FileLog.append_now`; a legal hold is taken into the list of those that stand. Raises LogUnavailable."""
        with self._switch:
            position = self._current().append_now(record, sealed)
            if isinstance(record, Record) and record.schema.startswith("bailiwick.hold/"):
                holds = standing_holds(self._files, self._directory)
                take_hold(holds, orjson.loads(record.body))
                keep_holds(self._files, self._directory, holds)
            return position

    def close_now(self) -> None:
        """Close in good order."""
        with self._switch:
            if self._log is not None:
                self._log.close_now()
                self._log, self._between = None, "the log is closed"
            self._release()

    # — from time to time —

    def _tend(self) -> None:
        if self._log is None:
            self._enter()
        if self._is_due():
            self._rotate()

    def rotate(self) -> None:
        """End this shard and begin the next one now. Raises AuditError, OSError."""
        with self._switch:
            self._rotate()

    # — shards —

    def _enter(self) -> None:
        """Open the last shard; when it has ended, finish it and begin the next."""
        number = shard_numbers(self._directory, self._files)[-1]
        said: Mapping[str, object] = {}
        if number and not self._has_begun(number):  # a crash before its first record: its predecessor is asked again
            number -= 1
        while True:
            shard = Shard(number, shard_origin(self._keeping.origin, number), shard_directory(self._directory, number))
            if not successor_of(shard.directory, self._files):
                break
            note = self._finished(shard)
            number += 1
            said = commitment(number, note)
        self._open(shard, said)

    def _clear(self) -> None:
        """Go on with a pruning, or an erasure in a shard that has ended, that a crash has stopped."""
        for number in shard_numbers(self._directory, self._files):
            shard = Shard(number, shard_origin(self._keeping.origin, number), shard_directory(self._directory, number))
            if is_pruned(shard.directory, self._files):
                Pruning(self._files, shard).remove()
            else:
                finish_erasing(self._files, shard.directory)

    def _has_begun(self, number: int) -> bool:
        return last_leaf(shard_directory(self._directory, number), self._files) != b""

    def _finished(self, shard: Shard) -> bytes:
        """The last checkpoint of an ended shard."""
        files = self._files
        head = FileHead(files, shard.directory / HEAD)
        try:
            return finish(Source(files, shard.directory, shard.origin, self._keeping.signer_of(shard.origin), head))
        except Exception as error:
            self._between = f"shard `{shard.origin}` has ended and can't be signed yet: {error}"
            raise LogBusy(self._between) from error

    def _open(self, shard: Shard, said: Mapping[str, object]) -> None:
        log = FileLog.open(
            shard.directory,
            origin=shard.origin,
            signer=self._keeping.signer_of(shard.origin),
            clock=self._keeping.clock,
            writer=self._keeping.writer,
            settings=self._keeping.settings,
            files=self._files,
            seal=self._keeping.seal,
            genesis=said,
        )
        try:
            self._say_holds(log, shard)
            if said:
                signed_once(log)
            first = next(iter(read_records(shard.directory, 0, 1, self._files)))
        except BaseException:
            log.close_now()
            raise
        self._begun = time_of(first)
        self._log, self._shard, self._between = log, shard, ""

    def _say_holds(self, log: FileLog, shard: Shard) -> None:
        """What holds is said where it is looked for, in the shard that is written, and listed beside the log."""
        holds = standing_holds(self._files, self._directory)
        for fields in holds.values() if shard.number else ():
            log.append_now(self._event("hold", fields))
        if HOLDS not in self._files.names(self._directory):
            keep_holds(self._files, self._directory, holds)

    def _rotate(self) -> None:
        log = self._current()
        self._status = log.status()
        self._log, self._between = None, "the next shard is begun"
        log.close_now(successor=shard_origin(self._keeping.origin, self._shard.number + 1))
        self._enter()

    # — pruning —

    def prune(self, number: int, *, older_than: int, basis: str) -> int:
        """Remove the records of an ended shard that is older than so many days; the number of the record of that.

        Waits until that record is under a signed checkpoint. Raises PruneRefused, LogUnavailable, LogCorrupt, OSError.
        """
        shard = Shard(number, shard_origin(self._keeping.origin, number), shard_directory(self._directory, number))
        pruning = Pruning(self._files, shard)
        if not 0 <= number < self._shard.number:
            raise PruneRefused(f"shard {number} is none that has ended")
        if is_pruned(shard.directory, self._files):  # a crash, maybe in the middle of it
            pruning.remove()
            raise PruneRefused(f"`{shard.origin}` is pruned already")
        if holds := sorted(standing_holds(self._files, self._directory)):
            raise PruneRefused(f"`{shard.origin}` is under the legal hold {', '.join(f'`{name}`' for name in holds)}")
        if young := pruning.too_young(
            self._keeping.clock(), timedelta(days=max(older_than, self._keeping.shards.keep_days))
        ):
            raise PruneRefused(young)
        said = {**pruning.said(), "older_than": older_than, "basis": basis}
        position = self.append_now(self._event("prune", said))
        pruning.bury(self._signed(position), position.index)
        pruning.remove()
        return position.index

    def _signed(self, position: Position) -> Path:
        """The directory of the shard with this record, once a signed checkpoint covers it."""
        number = int(position.origin.rpartition("/")[2]) if position.origin != self._keeping.origin else 0
        place = shard_directory(self._directory, number)
        until = time.monotonic() + SIGNED_WITHIN
        while self._covered(place) <= position.index:
            if time.monotonic() > until:
                raise LogBusy("the record of the pruning is not under a signed checkpoint yet: ask again later")
            time.sleep(0.02)
        return place

    def _covered(self, place: Path) -> int:
        try:
            return read_checkpoint(place, self._files).size
        except LogCorrupt:  # a shard that has just begun has none
            return 0

    def _event(self, schema: str, fields: Mapping[str, Any]) -> Record:
        who = {
            "cluster": self._keeping.writer.cluster,
            "region": self._keeping.writer.region,
            "engine": self._keeping.writer.engine,
        }
        return event_record(schema, {"time": self._keeping.clock(), **who, **fields})

    def _take_lock(self) -> None:
        """One writer for all shards, also while none of them is open."""
        make_durable_directory(self._files, self._directory / SHARDS)
        self._lock = self._files.open(self._directory / SHARDS / LOCK, create=True)
        if not self._files.lock(self._lock):
            raise LogLocked(f"another process writes the log in `{self._directory.name}`: stop it first")

    def _release(self) -> None:
        if self._lock is not None:
            with suppress(OSError):
                self._files.close(self._lock)
            self._lock = None
