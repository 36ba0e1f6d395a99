"""The second thread of a shared log's replica: publishes when it is this replica's office, looks on when it isn't.

Guarantees that its failures touch no acknowledged record: what can't be published or signed now is tried again; only a
database that holds another history than was seen stops the replica.
"""

import time
from typing import Any, Protocol

from psycopg import Connection, Error

from audit.errors import HeadMoved, LogBusy, LogCorrupt, LogRolledBack, LogUnavailable
from audit.key_changes import KeyNotInUse
from audit.postgres.address import Address, cut_off, let_go
from audit.postgres.publisher import SharedPublisher
from audit.postgres.safety import check_server
from audit.postgres.sureness import Sureness
from audit.rounds import Lag, Rounds
from audit.settings import LogSettings

LOOK_SECONDS = 1.0
FROZEN_SECONDS = 30.0  # of silence, after which a publisher loses its office; it speaks every second
LAST_SECONDS = 3.0  # for somebody to sign our last records


class Kept(Protocol):
    """The log, as its keeper sees it."""

    @property
    def size(self) -> int: ...

    def look_after(self, unsigned_seconds: float, *, beat: bool) -> None: ...

    def poison(self, error: Exception) -> None: ...


class SharedKeeper:
    """Looks after one replica. `refuses` is why appends must wait, `trouble` what lags behind without harm yet."""

    def __init__(self, log: Kept, address: Address, publisher: SharedPublisher, settings: LogSettings) -> None:
        self.refuses: LogUnavailable | None = None
        self.trouble: Exception | None = None
        self._log = log
        self._address = address
        self._publisher = publisher
        self._settings = settings
        self._session: Connection[tuple[Any, ...]] | None = None
        self._leads = False
        self._since: float | None = None  # when the round under way began
        self._lag = Lag()
        self._rounds = Rounds(settings, self._tended, self._finish, longest=LOOK_SECONDS)

    @property
    def published(self) -> int:
        """Records under the newest head."""
        return self._publisher.size

    @property
    def signed(self) -> int:
        """Records under the newest signed checkpoint."""
        return self._publisher.signed

    def unsigned_seconds(self) -> float:
        """For how long this replica has seen records that no signed checkpoint covers; 0 when all are covered."""
        return self._lag.seconds()

    def start(self) -> None:
        """Begin to work."""
        self._rounds.start()

    def stop(self) -> None:
        """One last round, then let go."""
        self._rounds.stop()

    def hurry(self) -> None:
        """Look, publish and sign now rather than in the next round."""
        self._rounds.wake()

    def cut(self, seconds: float) -> None:
        """Break off a round that has been under way for longer than this; from another thread."""
        since, session = self._since, self._session
        if since is not None and session is not None and time.monotonic() - since > seconds:
            cut_off(session)

    def saw(self, size: int) -> None:
        """The log has so many records; for the writer's thread."""
        self._lag.grow()
        if size - self.published >= self._settings.publish_leaves:
            self._rounds.wake()

    def _tended(self, beat: bool) -> None:
        self._work()
        self._log.look_after(self.unsigned_seconds(), beat=beat)

    def _finish(self) -> None:
        """See our last records signed, by whoever's office it is: a publisher that ends beside us leaves it to us."""
        end = time.monotonic() + LAST_SECONDS
        while True:
            self._work()
            if self.signed >= self._log.size or self.trouble is not None or time.monotonic() > end:
                break
            time.sleep(0.05)
        self._let_go()

    def _work(self) -> None:
        """One round. What fails for now is `trouble`, and is tried again in the next."""
        begun = self._since = time.monotonic()
        try:
            self._round(self._connected())
        except HeadMoved:
            self.trouble = None  # another replica's office, just now
        except (LogCorrupt, LogRolledBack) as error:
            self._log.poison(error)
            self.trouble = error
        except KeyNotInUse as error:
            self.trouble = error
            self._leave()
        except Exception as error:  # noqa: BLE001 — a signer may raise anything; nothing of it harms durable records
            self.trouble = error
            if isinstance(error, Error) and (self._session is None or self._session.closed or self._session.broken):
                self._let_go()
        else:
            self.trouble = None
        self._since = None
        behind = self._log.size - self.signed
        self._lag.settle((self._lag.since or begun) if behind > 0 else None)
        backlog = self._log.size - self.published
        late = backlog >= self._settings.unpublished
        told = f"{backlog} records wait to be published: {self.trouble or 'the database is slow'}"
        self.refuses = LogBusy(told) if late else None

    def _round(self, session: Connection[tuple[Any, ...]]) -> None:
        self._publisher.look(session)
        self._leads = self._leads or self._publisher.is_ours(session)
        if self._leads:
            while self._publisher.publish(session):
                pass
            self._publisher.sign(session)

    def _leave(self) -> None:
        """Give the office up to a replica that has the key in use."""
        self._leads = False
        if self._session is not None:
            try:
                self._publisher.leave(self._session)
            except Error:
                self._let_go()

    def _connected(self) -> Connection[tuple[Any, ...]]:
        if self._session is None or self._session.closed:
            self._leads = False
            session = self._address.connect("bailiwick keeper", write=True, idle=FROZEN_SECONDS)
            try:
                check_server(session)
                self._publisher.hear(Sureness(session))
            except BaseException:
                session.close()
                raise
            self._session = session
        return self._session

    def _let_go(self) -> None:
        session, self._session, self._leads = self._session, None, False
        if session is not None:
            let_go(session)
