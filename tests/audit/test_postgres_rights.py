"""Who may do what in a shared log's tables, and which servers, roles and addresses are refused."""

import psycopg
import pytest

from audit import LogBusy, LogRefused
from audit.errors import LogUnsafe
from audit.postgres.address import Address
from audit.postgres.safety import APPEND_ONLY
from tests.audit.backends import Tables
from tests.audit.replicas import opened
from tests.audit.worlds import decision, until


@pytest.mark.parametrize("table", APPEND_ONLY)
def test_a_writer_can_only_add(tables: Tables, table: str) -> None:
    """UPDATE, DELETE, TRUNCATE, DROP and ALTER by the writer's role fail on every table."""
    tables.open().close_now()
    statements = [
        f"UPDATE bailiwick.{table} SET {'origin = origin' if table == 'log' else 'log = log'}",
        f"DELETE FROM bailiwick.{table}",
        f"TRUNCATE bailiwick.{table} CASCADE",
        f"DROP TABLE bailiwick.{table} CASCADE",
        f"ALTER TABLE bailiwick.{table} DISABLE TRIGGER ALL",
        f"CREATE TABLE bailiwick.{table}_2 (log integer)",
    ]
    for statement in statements:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            tables.execute(statement, user="replica")


def test_an_owner_is_no_writer(tables: Tables) -> None:
    """A role that could change what it wrote is refused at the start."""
    with pytest.raises(LogUnsafe, match="has bailiwick_writer alone"):
        opened(tables.server.address("owner", tables.database))


def test_the_order_has_no_gaps_and_no_doubles(tables: Tables) -> None:
    """A writer that waits for no turn can't make a gap, write a place twice, or use a number twice."""
    log = tables.open()
    log.append_now(decision(0))
    insert = (
        "INSERT INTO bailiwick.batch (log, first, count, writer, seq, digest, chains, body) VALUES (1, {}, 1, {}, {}, "
    )
    insert += "decode(repeat('00', 32), 'hex'), '{{}}', '')"
    for first, writer, seq in ((4, "'x'", 1), (2, "'x'", 1), (0, "'x'", 1), (3, "'bailiwick-0'", 3)):
        with pytest.raises(psycopg.errors.IntegrityError):
            tables.execute(insert.format(first, writer, seq), user="replica")
    assert log.append_now(decision(1)).index == 3
    log.close_now()
    assert tables.report().ok


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("fsync=off", "set fsync = on"),
        ("full_page_writes=off", "set full_page_writes = on"),
        ("synchronous_commit=off", "ALTER ROLE"),
    ],
)
def test_a_server_that_could_lose_records_is_refused(tables: Tables, setting: str, message: str) -> None:
    """fsync, full_page_writes and synchronous_commit off: each is refused, at the start and after a reconnection."""
    log = tables.open(wire=False)
    log.append_now(decision(0))
    try:
        tables.server.configure(setting + "\n")
        tables.server.restart()
        with pytest.raises(LogUnsafe, match=message):
            tables.open(name="bailiwick-1", wire=False)
        with pytest.raises(LogBusy, match=message):
            log.append_now(decision(1))
        assert not log.healthy()
    finally:
        tables.server.configure("")
        tables.server.restart()
    until(log.healthy)
    assert log.append_now(decision(1)).index == 3
    log.close_now()


def test_a_role_that_commits_late_is_refused(tables: Tables) -> None:
    """synchronous_commit=off for the role alone is seen too."""
    tables.execute(f"ALTER ROLE replica IN DATABASE {tables.database} SET synchronous_commit = off")
    with pytest.raises(LogUnsafe, match="synchronous_commit is `off` for role `replica`"):
        tables.open()


def test_a_table_that_a_crash_empties_is_refused(tables: Tables) -> None:
    """An UNLOGGED table is no place for records."""
    tables.execute("ALTER TABLE bailiwick.settled SET UNLOGGED")
    with pytest.raises(LogUnsafe, match="`settled` is UNLOGGED"):
        tables.open()


def test_a_standby_is_refused(tables: Tables) -> None:
    """A server in recovery takes no records and is refused with a reason."""
    tables.server.stop("fast")
    mark = tables.server.data / "standby.signal"
    mark.touch()
    try:
        tables.server.start()
        with pytest.raises(LogRefused, match=r"read-only|standby"):
            tables.open(wire=False)
    finally:
        tables.server.stop("fast")
        mark.unlink()
        tables.server.start()


def test_a_database_without_our_tables(tables: Tables) -> None:
    """What to do is said when there are no tables, or tables of another version."""
    with pytest.raises(LogRefused, match="bailiwick audit sql"):
        opened(tables.server.address("replica", "postgres"))
    tables.execute("INSERT INTO bailiwick.version VALUES (99)")
    with pytest.raises(LogRefused, match="version 99"):
        tables.open()


def test_the_password_is_shown_nowhere() -> None:
    """An address with a password in it is refused without repeating it; one given by file stands in no `repr`."""
    for url in ("postgres://u:s3cret@host/db", "postgres://host/db?password=s3cret"):
        with pytest.raises(LogRefused, match="by file") as caught:
            Address.parse(url)
        assert "s3cret" not in str(caught.value)
    address = Address.parse("postgres://u@db.example/log", "s3cret")
    assert "s3cret" in address.conninfo
    assert "s3cret" not in repr(address)
    assert "sslmode=verify-full" in address.conninfo
    assert "sslmode" not in Address.parse("postgres://u@localhost/log").conninfo
    assert "sslmode=require" in Address.parse("postgres://u@db.example/log?sslmode=require").conninfo
