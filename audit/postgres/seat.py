"""A replica's session for writing: made anew when it is gone, under a name that one process has, cut when it hangs.

Guarantees that it leads to a server that keeps what it acknowledges, and that what an earlier session of the same
process left under way has ended before. For one thread, except `cut`.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from typing import Any

from psycopg import Connection

from audit.errors import LogLocked
from audit.postgres.address import Address, cut_off, let_go
from audit.postgres.safety import check_server
from audit.postgres.sureness import Sureness, Unsure
from audit.settings import Writer

WRITER_LOCK = 1112822596  # advisory lock class of writers' names; turns have the one before
_LEFTOVERS = """
SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity
WHERE application_name = %s AND usename = current_user AND pid <> pg_backend_pid()
"""

Session = Connection[tuple[Any, ...]]


class Seat:
    """One process's place at a shared log."""

    def __init__(self, address: Address, writer: Writer, patience: float) -> None:
        self._address = address
        self._name = writer.name
        self._patience = patience
        self._application = f"bailiwick {sha256(f'{writer.name}/{writer.boot}'.encode()).hexdigest()[:32]}"
        self._session: Session | None = None
        self._sureness: Sureness | None = None
        self._log = 0  # whose writer this is, once that is known
        self._guard = threading.Lock()
        self._since: float | None = None  # when what is under way began

    def session(self) -> Session:
        """The session, made anew when it is gone. Raises OperationalError, LogRefused, LogLocked."""
        if self._session is not None and not self._session.closed:
            return self._session
        session = self._address.connect(self._application, write=True, patience=self._patience)
        try:
            session.execute(_LEFTOVERS, [self._application])
            check_server(session)
            sureness = Sureness(session)
            if self._log:
                self._take_name(session)
        except BaseException:
            session.close()
            raise
        with self._guard:
            self._session, self._sureness = session, sureness
        return session

    def take(self, log: int) -> None:
        """From now on this process is the log's writer of its name. Raises LogLocked when another one is."""
        self._log = log
        self._take_name(self.session())

    @property
    def sureness(self) -> Sureness:
        """Whether the session's commits reached all that they must."""
        assert self._sureness is not None
        return self._sureness

    @contextmanager
    def busy(self) -> Iterator[None]:
        """Within, something is under way that `cut` may break off."""
        self._since = time.monotonic()
        try:
            yield
        finally:
            self._since = None

    def cut(self, seconds: float) -> bool:
        """Break off what has been under way for longer than this; from another thread."""
        with self._guard:
            since, session = self._since, self._session
            if since is None or session is None or time.monotonic() - since < seconds:
                return False
            cut_off(session)
            return True

    def lost(self, error: Exception) -> bool:
        """Whether the session is of no use any more; then it is let go."""
        if isinstance(error, Unsure) or self._session is None or self._session.broken or self._session.closed:
            self.close()
            return True
        return False

    def close(self) -> None:
        """Let go of the session."""
        with self._guard:
            session, self._session = self._session, None
        if session is not None:
            let_go(session)

    def _take_name(self, session: Session) -> None:
        row = session.execute(
            "SELECT pg_try_advisory_lock(%s, hashtext(%s))", [WRITER_LOCK, f"{self._log}/{self._name}"]
        ).fetchone()
        if row is None or not row[0]:
            raise LogLocked(f"another process writes as `{self._name}`: give each replica a name of its own")
