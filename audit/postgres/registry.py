"""Which logs a database holds, by origin, and by whose keys they are signed."""

from typing import Any

from psycopg import Connection

from audit.errors import LogRefused

Session = Connection[tuple[Any, ...]]
_JOINED = """
SELECT log, vkey = %s OR EXISTS (SELECT FROM bailiwick.log_key k WHERE k.log = l.log AND k.vkey = %s)
FROM bailiwick.log l WHERE origin = %s
"""


def joined(session: Session, origin: str, vkey: str) -> int:
    """The log's number, made when it is new. Raises LogRefused when it is signed by another key, psycopg.Error."""
    statement = "INSERT INTO bailiwick.log (origin, vkey) VALUES (%s, %s) ON CONFLICT DO NOTHING"
    session.execute(statement, [origin, vkey])
    row = session.execute(_JOINED, [vkey, vkey, origin]).fetchone()
    assert row is not None
    if not row[1]:
        raise LogRefused(
            f"the log `{origin}` is signed by another key than this replica has: give all replicas one "
            "keyring, or after a rotation let the owner add the new key to bailiwick.log_key"
        )
    return int(row[0])


def found(session: Session, origin: str | None, shown: str) -> int:
    """The number of the log of this origin, or of the only one. Raises LogRefused, psycopg.Error."""
    rows = session.execute("SELECT log, origin FROM bailiwick.log ORDER BY origin").fetchall()
    chosen = [log for log, name in rows if origin in (None, name)]
    if len(chosen) == 1:
        return int(chosen[0])
    names = ", ".join(f"`{name}`" for _, name in rows) or "none"
    raise LogRefused(f"the database `{shown}` holds the logs {names}: name one of them with --origin")
