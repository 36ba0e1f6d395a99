"""A shared log as one replica's writer sees it: one shard is written, the next is begun when it is due.

Guarantees those of `audit.postgres.log`; that whichever replica ends a shard, all go on in the same next one, which
commits to all that was in it, published and signed; and that nobody's record is refused because of that, or lies in
both. For any threads; while a shard is changed whoever appends waits. Pruning is `audit.postgres.pruning`'s.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from psycopg import Error

from audit.errors import LogBusy, LogEnded, LogRefused, LogUnavailable
from audit.files.committer import Committed, Item, Late, nobody
from audit.files.shards import commitment, shard_origin
from audit.key_changes import KeysInUse
from audit.leaves.record import Draft, Record, Unsealed
from audit.ports import Envelope, Position
from audit.postgres.address import Address
from audit.postgres.errors import reading
from audit.postgres.log import PATIENCE, PostgresLog
from audit.postgres.registry import SharedShard, shards_of
from audit.postgres.safety import check_server
from audit.postgres.shards import finished, is_begun, standing_in
from audit.postgres.tables import Tables
from audit.reading import record_of, time_of
from audit.rounds import signed_once
from audit.switching import Keeping, Switching

logger = logging.getLogger("bailiwick.audit")


class SharedShards(Switching[PostgresLog]):
    """One replica's side of a shared log and its shards. Made by `open`."""

    @classmethod
    def open(
        cls,
        address: Address,
        keeping: Keeping,
        *,
        patience: float = PATIENCE,
        keys: Callable[[], KeysInUse] | None = None,
    ) -> "SharedShards":
        """Open the shard that is written; `keys` tells which this replica uses.

        Raises as `PostgresLog.open` does, LogBusy when one can't be ended.
        """
        log = cls(address, keeping, patience, keys)
        log._enter()
        return log

    def __init__(
        self, address: Address, keeping: Keeping, patience: float, keys: Callable[[], KeysInUse] | None = None
    ) -> None:
        super().__init__(keeping)
        self._keys = keys
        self._address = address
        self._patience = patience
        self._number = 0

    # — appending —

    @property
    def origin(self) -> str:
        """The name of the shard that is written, as far as this replica knows."""
        return shard_origin(self._keeping.origin, self._number)

    def append_batch(self, items: Sequence[Item], late: Late = nobody) -> Committed:
        """As `PostgresLog.append_batch`; in the next shard where another replica has ended this one."""
        batch = list(items)

        def more() -> Sequence[Item]:
            came = late()
            batch.extend(came)
            return came

        with self._switch:
            while True:
                try:
                    return self._current().append_batch(batch, more)
                except LogEnded:
                    self._move_on()

    def append_now(self, record: Record | Draft, sealed: Sequence[Envelope | Unsealed] = ()) -> Position:
        """As `PostgresLog.append_now`. Raises LogUnavailable."""
        with self._switch:
            committed = self.append_batch([self.made(record, sealed)])
            return Position(self.origin, committed.first, committed.pairs[0][0])

    def announce(self, keys: KeysInUse) -> None:
        """As `PostgresLog.announce`, in the shard that is written."""
        with self._switch:
            while True:
                try:
                    return self._current().announce(keys)
                except LogEnded:
                    self._move_on()

    def close_now(self) -> None:
        """Close in good order."""
        with self._switch:
            if self._log is not None:
                self._log.close_now()
                self._log, self._between = None, "the log is closed"

    # — from time to time —

    def _tend(self) -> None:
        if self._log is None:
            self._enter()
        elif self._log.has_ended():
            self._move_on()
        elif self._is_due():
            self.rotate()

    def rotate(self) -> None:
        """End this shard, for all replicas, and begin the next one now. Raises AuditError."""
        with self._switch:
            log = self._current()
            self._leave(log, shard_origin(self._keeping.origin, self._number + 1))
            self._enter()

    # — shards —

    def _move_on(self) -> None:
        """This shard was ended by another replica."""
        self._leave(self._current(), "")
        try:
            self._enter()
        except LogUnavailable as error:
            self._between = str(error)
            raise
        except Exception as error:  # whatever a signer or a database says: nobody may be left without an answer
            self._between = str(error)
            raise LogBusy(f"the next shard can't be opened: {error}") from error

    def _leave(self, log: PostgresLog, successor: str) -> None:
        self._status = log.status()
        self._log, self._between = None, "the next shard is begun"
        log.close_now(successor=successor)

    def _enter(self) -> None:
        """Open the last shard; when it has ended, see it signed to its end and begin the next."""
        while self._log is None:
            ended, is_new, holds = self._looked()
            said = self._commitment(ended[-1]) if is_new else {}
            try:
                self._open(len(ended), said, holds)
            except LogEnded:
                continue  # another replica was quicker

    def _looked(self) -> tuple[list[SharedShard], bool, list[dict[str, Any]]]:
        """The shards that have ended, whether the next is still to be begun, and what holds then."""
        try:
            with self._address.connect("bailiwick", write=True) as session:
                check_server(session)
                ended = [shard for shard in shards_of(session, self._keeping.origin) if shard.ended]
                is_new = bool(ended) and not is_begun(session, shard_origin(self._keeping.origin, len(ended)))
                holds = list(standing_in(session, ended[-1].log).values()) if is_new else []
        except Error as error:
            told = str(error).split("\n", maxsplit=1)[0]
            raise LogRefused(f"the log in `{self._address.shown}` can't be opened: {told}") from error
        return ended, is_new, holds

    def _commitment(self, before: SharedShard) -> Mapping[str, object]:
        try:
            known = self._keys().signed_before if self._keys is not None else ()
            note = finished(self._address, before, self._keeping.signer_of(before.origin), known)
        except Exception as error:
            self._between = f"shard `{before.origin}` has ended and can't be signed yet: {error}"
            raise LogBusy(self._between) from error
        return commitment(before.number + 1, note)

    def _open(self, number: int, said: Mapping[str, object], holds: Sequence[Mapping[str, object]]) -> None:
        origin = shard_origin(self._keeping.origin, number)
        log = PostgresLog.open(
            self._address,
            self._keeping.of_shard(origin),
            patience=self._patience,
            genesis=said,
            holds=holds,
            keys=self._keys() if self._keys is not None else None,
        )
        try:
            if said:
                signed_once(log)
            self._begun = self._first_time(origin)
        except BaseException:
            log.close_now()
            raise
        self._log, self._number, self._between = log, number, ""

    def _first_time(self, origin: str) -> datetime:
        with reading("the shard's first record"), self._address.connect("bailiwick", write=True) as session:
            shard = next(one for one in shards_of(session, self._keeping.origin) if one.origin == origin)
            ((_, leaf),) = Tables(session, shard.log).records(0, 1)
        return time_of(record_of(0, leaf))
