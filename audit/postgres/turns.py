"""One replica's turns at a shared log: whatever waits becomes one durable batch, after what the others wrote.

Guarantees that a batch is acknowledged only once its commit is; that it is in the log at most once, however often the
connection breaks (the writer's counter is the key under which it is found again); and that a server which has lost or
replaced what was seen before is never written to again. A turn is an advisory lock held until the commit is durable,
so the order has no gaps; a trigger and two unique keys refuse what would break it. For one thread, except `cut`.
"""

import contextlib
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

import orjson
from psycopg import Error
from psycopg import errors as server

from audit.errors import LogBusy, LogEnded, LogPoisoned, LogRefused
from audit.files.committer import Committed, Item, numbered
from audit.files.segments import frames_body
from audit.key_changes import Standing
from audit.leaves.counters import Counters
from audit.postgres.address import Address
from audit.postgres.errors import refusal
from audit.postgres.registry import joined, standing_keys
from audit.postgres.seat import Seat, Session
from audit.postgres.sureness import Unsure
from audit.postgres.tables import Tables
from audit.postgres.told import KEY_USED, rows_of
from audit.settings import Writer

SNAPSHOT_EVERY = 1 << 16  # records between two snapshots of all counters
RETRY_SECONDS = 0.05

Items = Callable[[int], Sequence[Item]]
"""The records to write, told how many are there already."""

_BEGIN = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"
_BATCH = """
INSERT INTO bailiwick.batch (log, first, count, writer, seq, digest, chains, body)
VALUES (%b, %b, %b, %b, %b, %b, %b, %b)
"""
_PARTS = """
INSERT INTO bailiwick.part (log, sha256, data)
SELECT %b, * FROM unnest(%b::bytea[], %b::bytea[]) ON CONFLICT DO NOTHING
"""


@dataclass(frozen=True, slots=True)
class Tip:
    """The last batch that was seen."""

    first: int
    count: int
    digest: bytes

    @property
    def size(self) -> int:
        return self.first + self.count


@dataclass(frozen=True, slots=True)
class Doubt:
    """A batch whose commit was sent and never answered."""

    seq: int
    digest: bytes
    committed: Committed


class Turns:
    """A replica's side of the writing. `size` is what it knows of the log."""

    def __init__(
        self,
        address: Address,
        origin: str,
        vkey: str,
        writer: Writer,
        patience: float,
        signed_before: Collection[str] = (),
    ) -> None:
        self._signed_before = signed_before
        self.log = 0
        self.snapshot_every = SNAPSHOT_EVERY
        self.counters = Counters(writer.name, writer.boot)
        self._address = address
        self._origin = origin
        self._vkey = vkey
        self._writer = writer
        self._patience = patience
        self._seat = Seat(address, writer, patience)
        self._tip: Tip | None = None
        self._doubt: Doubt | None = None
        self._snapshot = 0

    @property
    def size(self) -> int:
        """Records in the log, as far as this replica has seen."""
        return self._tip.size if self._tip else 0

    def open(self) -> None:
        """Connect, look at the server, find the log or make it, take up its counters. Raises LogRefused, LogLocked."""
        try:
            session = self._seat.session()
            self.log = joined(session, self._origin, self._vkey, self._signed_before)
            self._seat.take(self.log)
            row = session.execute(
                "SELECT size, state FROM bailiwick.counters WHERE log = %s ORDER BY size DESC LIMIT 1", [self.log]
            ).fetchone()
            if row is not None:
                self._snapshot = row[0]
                self.counters.restore(orjson.loads(row[1]))
            self._take_in(session, self._snapshot)
            session.execute("COMMIT")
        except BaseException as error:
            self.close()
            if isinstance(error, Error):
                raise LogRefused(f"the log in `{self._address.shown}` can't be opened: {_told(error)}") from error
            raise

    def close(self) -> None:
        """Let go of the session."""
        self._seat.close()

    def cut(self, seconds: float) -> bool:
        """Break off a commit that has been under way for longer than this; from another thread."""
        return self._seat.cut(seconds)

    def last_schema(self) -> str:
        """The schema of the last record by this writer's name, empty without one. Raises psycopg.Error."""
        row = (
            self._seat.session()
            .execute(
                "SELECT body, count FROM bailiwick.batch WHERE log = %s AND writer = %s ORDER BY seq DESC LIMIT 1",
                [self.log, self._writer.name],
            )
            .fetchone()
        )
        if row is None:
            return ""
        from audit.leaves.readable import read_leaf
        from audit.postgres.bodies import pairs_of

        return str(read_leaf(pairs_of(row[0], row[1])[-1][1])[0]["schema"])

    def standing_keys(self, named: str) -> Standing:
        """As the log knows them now; for whoever makes records, within their turn. Raises psycopg.Error."""
        return standing_keys(self._seat.session(), self.log, named)

    def keep_keys(self, used: Mapping[str, str], at: int) -> None:
        """These are in use, and no record needs to say so: none was before. Within a turn. Raises psycopg.Error."""
        for purpose, key in used.items():
            self._seat.session().execute(KEY_USED, [self.log, purpose, key, at])

    def commit(self, make: Items) -> Committed:
        """Make the records durable as one batch.

        Raises LogBusy and LogFull when nothing counts or nobody can say, LogPoisoned when two histories would begin.
        """
        end = time.monotonic() + self._patience
        before = self._doubt  # of an earlier call, whose callers were refused
        while True:
            with self._seat.busy():
                try:
                    session = self._seat.session()
                    doubt = self._doubt
                    settled = self._settled(session)
                    if settled is not None and doubt is not before:
                        return settled
                    return self._attempt(session, make)
                except (Error, Unsure) as error:
                    if not self._seat.lost(error) and isinstance(error, Error):
                        raise refusal(error) from error
                    if time.monotonic() >= end:
                        raise LogBusy(f"the database can't be reached: {_told(error)}") from error
                    time.sleep(RETRY_SECONDS)

    def settle(self) -> bool:
        """Reach the server again and learn what became of a batch in doubt; false when it can't be reached."""
        try:
            self._settled(self._seat.session())
        except (Error, Unsure) as error:
            self._seat.lost(error)
            return False
        return True

    # — one turn —

    def _attempt(self, session: Session, make: Items) -> Committed:
        """One transaction. What the server refuses leaves no number used; what it doesn't answer is in doubt."""
        try:
            self._take_in(session, self._tip.first if self._tip else 0)
            return self._write(session, make)
        except BaseException as error:
            if self._doubt is not None and (session.broken or session.closed or isinstance(error, Unsure)):
                raise
            self._doubt = None
            self.counters.take_back()
            if not session.closed:
                with contextlib.suppress(Error):
                    session.execute("ROLLBACK")
            if isinstance(error, server.IntegrityError):
                raise LogPoisoned(
                    f"the log was written by somebody who waited for no turn, or under our name: {_told(error)}"
                ) from error
            raise

    def _write(self, session: Session, make: Items) -> Committed:
        first, seq = self.size, self.counters.next_seq
        items = make(first)
        if not items:
            session.execute("COMMIT")
            return Committed(first, [])
        pairs, parts = numbered(self.counters, items)
        digest = sha256(b"".join([leaf for leaf, _ in pairs])).digest()
        committed = Committed(first, pairs)
        chains = orjson.dumps(self.counters.changed())
        state = self._state_due(first)
        with session.pipeline():
            if parts:
                session.execute(_PARTS, [self.log, [name for name, _ in parts], [data for _, data in parts]])
            if state is not None:
                session.execute("INSERT INTO bailiwick.counters VALUES (%s, %s, %s)", [self.log, first, state])
            for statement, values in rows_of(self.log, first, items):
                session.execute(statement, values)
            body = frames_body(pairs)
            session.execute(_BATCH, [self.log, first, len(pairs), self._writer.name, seq, digest, chains, body])
            self._doubt = Doubt(seq, digest, committed)
            self._seat.sureness.begin()
            session.execute("COMMIT")
        self._seat.sureness.check()
        self._done(Tip(first, len(pairs), digest))
        if state is not None:
            self._snapshot = first
        return committed

    def _done(self, tip: Tip) -> None:
        self._doubt = None
        self.counters.keep()
        self._tip = tip

    def _take_in(self, session: Session, known: int) -> None:
        """Begin, wait for our turn, take in what the others wrote. Raises LogPoisoned when what we saw is gone."""
        with session.pipeline():
            session.execute(_BEGIN)
            turn = session.execute("SELECT * FROM bailiwick.turn(%b, %b)", [self.log, known], binary=True)
        rows = turn.fetchall()
        if self._tip is not None and (not rows or Tip(rows[0][0], rows[0][1], rows[0][4]) != self._tip):
            if not rows and Tables(session, self.log).buried() is not None:
                raise LogEnded("the shard has ended and is pruned")
            raise LogPoisoned(
                f"the database no longer holds the {self._tip.size} records that were acknowledged "
                "(a standby that lagged behind, or a restored copy?): bring the newer server back"
            )
        for first, count, writer, seq, digest, chains in rows if self._tip is None else rows[1:]:
            if first != (self._tip.size if self._tip else self._snapshot):
                raise LogPoisoned(f"the log has a gap before record {first}")
            self.counters.merge(orjson.loads(chains), writer, seq + count - 1)
            self._tip = Tip(first, count, digest)

    def _state_due(self, first: int) -> bytes | None:
        if first - self._snapshot < self.snapshot_every:
            return None
        return orjson.dumps(self.counters.state())

    def _settled(self, session: Session) -> Committed | None:
        """What became of the batch in doubt: committed, and durable wherever a commit has to be, or never written.

        INVARIANT: with our turn taken, no transaction of ours is under way any more.
        """
        doubt = self._doubt
        if doubt is None:
            return None
        session.execute(_BEGIN)
        row = session.execute(
            "SELECT first, count, seq, digest FROM bailiwick.turn(%s, %s) WHERE writer = %s AND seq = %s",
            [self.log, doubt.committed.first, self._writer.name, doubt.seq],
        ).fetchone()
        if row is None:
            session.execute("ROLLBACK")
            self._doubt = None
            self.counters.take_back()
            return None
        if row[3] != doubt.digest:
            session.execute("ROLLBACK")
            raise LogPoisoned(f"another process writes as `{self._writer.name}`: give each replica a name of its own")
        # a commit of our own: when it is durable, so is what came before it
        values = [self.log, self._writer.name, doubt.seq]
        session.execute("INSERT INTO bailiwick.settled (log, writer, seq) VALUES (%s, %s, %s)", values)
        self._seat.sureness.begin()
        session.execute("COMMIT")
        self._seat.sureness.check()
        self._done(Tip(row[0], row[1], row[3]))
        return doubt.committed


def _told(error: Exception) -> str:
    return str(error).split("\n", maxsplit=1)[0]
