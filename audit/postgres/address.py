"""Where the database is and how to get in: no password on a command line, in a message or in a `repr`.

A connection to another machine is encrypted and its certificate verified unless the address says otherwise. Sessions
are bounded: whoever stops in the middle of a turn is ended by the server, and the others go on.
"""

import os
import socket
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from psycopg import Connection, Error, ProgrammingError, connect
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import TransactionStatus

from audit.errors import LogRefused

CONNECT_SECONDS = 2
PATIENCE = 10.0  # seconds
IDLE_IN_TURN = 2_000  # milliseconds that a session may hold its turn without a word; less than others wait
_LOCAL = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Address:
    """A database's address. `shown` is what messages say."""

    shown: str
    conninfo: str = field(repr=False)

    @classmethod
    def parse(cls, url: str, password: str = "") -> "Address":
        """`postgres://user@host[:port][,host2]/database?option=value`; without `password`, libpq's own ways apply.

        Raises LogRefused when it can't be read or carries a password.
        """
        try:
            given = conninfo_to_dict(url)
        except ProgrammingError:
            raise LogRefused("the database's address can't be read: expected postgres://user@host/database") from None
        if given.get("password"):
            raise LogRefused("the database's address carries a password: give it by file, or in PGPASSWORD")
        host = str(given.get("host") or os.environ.get("PGHOST", ""))
        more: dict[str, Any] = {"password": password} if password else {}
        if not _is_local(host) and "sslmode" not in given and "PGSSLMODE" not in os.environ:
            more["sslmode"] = "verify-full"
        return cls(f"{host or 'local socket'}/{given.get('dbname', '')}", make_conninfo("", **given, **more))

    def connect(
        self, application: str, *, write: bool, patience: float = PATIENCE, idle: float = 0
    ) -> "Connection[tuple[Any, ...]]":
        """A session in autocommit mode. Raises OperationalError.

        `patience`: seconds for a turn, or a statement; `idle`: seconds of silence after which the server ends it.
        """
        limits = {
            "idle_in_transaction_session_timeout": IDLE_IN_TURN,
            "idle_session_timeout": round(idle * 1000),
            "lock_timeout": round(patience * 1000),
            "statement_timeout": round(patience * 1000) + 200,  # a turn that isn't had is said to be that
            "default_transaction_isolation": "read\\ committed",
        }
        return connect(
            self.conninfo,
            autocommit=True,
            application_name=application,
            connect_timeout=CONNECT_SECONDS,
            target_session_attrs="read-write" if write else "any",
            options=" ".join(f"-c {name}={value}" for name, value in limits.items()),
            keepalives_idle=5,
            keepalives_interval=2,
            keepalives_count=3,
            tcp_user_timeout=10_000,
        )


def let_go(session: "Connection[tuple[Any, ...]]") -> None:
    """Close a session in good order: what it held is free for others when this returns, if the server answers."""
    with suppress(Error):
        if not session.closed and not session.broken and session.info.transaction_status == TransactionStatus.IDLE:
            session.execute("SELECT pg_advisory_unlock_all()")
        session.close()


def cut_off(session: "Connection[tuple[Any, ...]]") -> None:
    """End a session's connection under whoever waits for it, from another thread."""
    with suppress(OSError, Error), socket.socket(fileno=os.dup(session.fileno())) as wire:
        wire.shutdown(socket.SHUT_RDWR)


def _is_local(hosts: str) -> bool:
    return all(not host or host.startswith(("/", "@")) or host in _LOCAL for host in hosts.split(","))
