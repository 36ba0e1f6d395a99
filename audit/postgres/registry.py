"""Which logs a database holds, by origin, and by whose keys they are signed."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from psycopg import Connection

from audit.errors import LogRefused
from audit.key_changes import SIGNING, Standing, named_alike

Session = Connection[tuple[Any, ...]]
_ADDED = "SELECT vkey FROM bailiwick.log_key WHERE log = %s"
_USED = "SELECT purpose, key FROM bailiwick.key_used WHERE log = %s ORDER BY at, purpose"
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


def joined(session: Session, origin: str, vkey: str, signed_before: Collection[str] = ()) -> int:
    """The log's number, made when it is new. `signed_before`: the keys that the same keyring signed with earlier.

    Raises LogRefused when it is signed by another key than ours, and than ours replaces; psycopg.Error.
    """
    statement = "INSERT INTO bailiwick.log (origin, vkey) VALUES (%s, %s) ON CONFLICT DO NOTHING"
    session.execute(statement, [origin, vkey])
    row = session.execute("SELECT log FROM bailiwick.log WHERE origin = %s", [origin]).fetchone()
    assert row is not None
    log = int(row[0])
    standing = standing_keys(session, log, vkey)
    is_ours = vkey in standing.ever or vkey in standing.added
    if not is_ours and standing.used[SIGNING] not in {named_alike(key, vkey) for key in signed_before}:
        raise LogRefused(
            f"the log `{origin}` is signed by another key than this replica has or ever had: give all replicas one "
            "keyring, or let the owner add the key to bailiwick.log_key"
        )
    return log


def standing_keys(session: Session, log: int, named: str) -> Standing:
    """The keys that the log is known to be written with; those that sign under the name that `named` has.

    Before anything was recorded of them, that is the key that its first replica had. Raises psycopg.Error.
    """
    recorded = [(str(purpose), str(key)) for purpose, key in session.execute(_USED, [log])]
    rows = [(SIGNING, _first_key(session, log)), *recorded]
    used = [(purpose, named_alike(key, named) if purpose == SIGNING else key) for purpose, key in rows]
    return Standing(dict(used), {key for _, key in used}, _added_keys(session, log, named))


def signs_now(session: Session, log: int, size: int, vkey: str) -> bool:
    """Whether this key signs a checkpoint of so many records, all of which are durable. Raises psycopg.Error."""
    query = """
    SELECT key FROM bailiwick.key_used WHERE log = %s AND purpose = %s AND at < %s ORDER BY at DESC, key LIMIT 1
    """
    row = session.execute(query, [log, SIGNING, size]).fetchone()
    if row is not None:
        return named_alike(str(row[0]), vkey) == vkey
    return _first_key(session, log) == vkey or vkey in _added_keys(session, log, vkey)


def _first_key(session: Session, log: int) -> str:
    """The verifier key of the replica that made the log."""
    row = session.execute("SELECT vkey FROM bailiwick.log WHERE log = %s", [log]).fetchone()
    assert row is not None
    return str(row[0])


def _added_keys(session: Session, log: int, named: str) -> list[str]:
    """The verifier keys that the log's owner vouches for, under the name that `named` has."""
    return [named_alike(str(key), named) for (key,) in session.execute(_ADDED, [log])]


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
