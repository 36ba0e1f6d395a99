"""Whether a server keeps what it acknowledges, and whether our role can only add: looked at before anything is written.

Looked at on every new session, since a failover may lead to another server.
"""

from typing import Any

from psycopg import Connection

from audit.errors import LogRefused, LogUnsafe

VERSION = 3
APPEND_ONLY = (
    *("batch", "part", "counters", "settled", "tile", "head", "note", "log", "log_key"),
    *("ended", "hold", "declared", "buried", "key_used"),
)
DURABLE = ("on", "remote_apply", "remote_write", "local")
_SETTINGS = """
SELECT current_setting('fsync'), current_setting('full_page_writes'), current_setting('synchronous_commit'),
    pg_is_in_recovery(), to_regclass('bailiwick.version') IS NOT NULL, current_user
"""
_RIGHTS = """
SELECT name FROM unnest(%s::text[]) AS name
WHERE has_table_privilege('bailiwick.' || name, 'UPDATE')
    OR has_table_privilege('bailiwick.' || name, 'DELETE')
    OR has_table_privilege('bailiwick.' || name, 'TRUNCATE')
"""
_UNLOGGED = """
SELECT relname FROM pg_class WHERE relnamespace = 'bailiwick'::regnamespace AND relkind = 'r' AND relpersistence <> 'p'
"""


def check_server(session: "Connection[tuple[Any, ...]]") -> None:
    """Raise LogUnsafe, or LogRefused when the tables are not there or of another version."""
    row = session.execute(_SETTINGS).fetchone()
    assert row is not None
    fsync, pages, commit, standby, is_there, user = row
    if fsync != "on":
        raise LogUnsafe("the server runs with fsync=off and would lose records in a crash: set fsync = on")
    if pages != "on":
        raise LogUnsafe("the server runs with full_page_writes=off and could tear pages: set full_page_writes = on")
    if commit not in DURABLE:
        raise LogUnsafe(
            f"synchronous_commit is `{commit}` for role `{user}`: answers would come before records are durable; "
            "set synchronous_commit = on (for the role: ALTER ROLE ... SET synchronous_commit = on)"
        )
    if standby:
        raise LogUnsafe("the server is a standby and takes no records: point to the primary, or name all hosts")
    if not is_there:
        raise LogRefused("the database has no tables for a log: run `bailiwick audit sql | psql DATABASE` as its owner")
    _check_tables(session, user)


def _check_tables(session: "Connection[tuple[Any, ...]]", user: str) -> None:
    version = session.execute("SELECT max(version) FROM bailiwick.version").fetchone()
    if version is None or version[0] != VERSION:
        found = version[0] if version and version[0] else 0
        hint = f"run `bailiwick audit sql --from {found}` as their owner" if found < VERSION else "use a newer release"
        raise LogRefused(f"the log's tables are of version {found}, this software needs {VERSION}: {hint}")
    loose = [name for (name,) in session.execute(_RIGHTS, [list(APPEND_ONLY)])]
    if loose:
        raise LogUnsafe(
            f"role `{user}` may change `{loose[0]}` and {len(loose) - 1} other tables: connect as a role that "
            "has bailiwick_writer alone, neither the owner nor a superuser"
        )
    unlogged = [name for (name,) in session.execute(_UNLOGGED)]
    if unlogged:
        raise LogUnsafe(f"table `{unlogged[0]}` is UNLOGGED and empty after a crash: ALTER TABLE ... SET LOGGED")
