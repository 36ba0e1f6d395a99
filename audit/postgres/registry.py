"""Which logs a database holds, by origin, and by whose keys they are signed."""

from dataclasses import dataclass
from typing import Any

from psycopg import Connection

from audit.errors import LogRefused

Session = Connection[tuple[Any, ...]]
_JOINED = """
SELECT log, vkey = %s OR EXISTS (SELECT FROM bailiwick.log_key k WHERE k.log = l.log AND k.vkey = %s)
FROM bailiwick.log l WHERE origin = %s
"""
_SHARDS = """
SELECT l.log, l.origin, coalesce(e.size, 0), coalesce(e.next, ''), b.log IS NOT NULL
FROM bailiwick.log l LEFT JOIN bailiwick.ended e USING (log) LEFT JOIN bailiwick.buried b USING (log)
"""
_LOGS = """
SELECT log, origin, EXISTS (SELECT FROM bailiwick.ended e WHERE e.next = l.origin) FROM bailiwick.log l ORDER BY origin
"""


@dataclass(frozen=True, slots=True)
class SharedShard:
    """One shard. `ended`: its records when it ended, 0 while it is written; `pruned`: its records may be gone."""

    number: int
    log: int
    origin: str
    ended: int
    next: str
    pruned: bool


def shards_of(session: Session, origin: str) -> list[SharedShard]:
    """The shards of the log with this name, in order; empty where there is no such log."""
    rows = {row[1]: row for row in session.execute(_SHARDS)}
    found: list[SharedShard] = []
    name = origin
    while name in rows:
        log, _, ended, successor, pruned = rows[name]
        found.append(SharedShard(len(found), log, name, ended, successor, pruned))
        name = successor
    return found


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


def found(session: Session, origin: str | None, shown: str) -> tuple[int, str]:
    """Number and name of the log of this origin, or of the only one: shards are part of theirs.

    Raises LogRefused, psycopg.Error.
    """
    rows = session.execute(_LOGS).fetchall()
    chosen = [(int(log), str(name)) for log, name, is_shard in rows if (name == origin if origin else not is_shard)]
    if len(chosen) == 1:
        return chosen[0]
    names = ", ".join(f"`{name}`" for _, name, is_shard in rows if not is_shard) or "none"
    raise LogRefused(f"the database `{shown}` holds the logs {names}: name one of them with --origin")
