"""The shared log against a real server: rights, durability, lost answers, crashes, failovers, several replicas."""

import asyncio
import json
import os
import random
import shutil
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from audit import LogBusy, LogFull, LogLocked, LogPoisoned, LogRefused, LogUnavailable, Position
from audit.checks.verify import verify_log
from audit.errors import HeadMoved, LogForked, LogUnsafe
from audit.key_changes import SIGNING, KeyringBehind, KeyringForeign, KeysInUse
from audit.mirror import Mirror
from audit.postgres.address import Address
from audit.postgres.errors import Unreachable
from audit.postgres.log import PostgresLog
from audit.postgres.published import PublishedTables
from audit.postgres.publisher import SharedPublisher
from audit.postgres.safety import APPEND_ONLY
from audit.reading import read_records
from audit.switching import Keeping
from audit.tlog import parse_note
from audit.web.client import HttpClient
from audit.web.far_log import FarLog
from audit.web.reading import reading_app
from audit.web.running import served
from audit.witness.collecting import Collector
from tests.audit.backends import Tables
from tests.audit.servers import Server
from tests.audit.test_mirror import run
from tests.audit.test_witness import World, policy_of
from tests.audit.wired import wired
from tests.audit.worlds import ORIGIN, SMALL, WRITER, Clock, NoteKey, decision, sealed, until

Ledger = dict[str, Position]


def count_of(tables: Tables, decision_id: str) -> int:
    """How often a decision is in the log."""
    return sum(record.fields.get("id") == decision_id for record in tables.records())


def check(tables: Tables, ledger: Ledger, refused: set[str]) -> None:
    """Every acknowledged record is where it was said to be, once; a refused one is there at most once; all verifies."""
    report = tables.report()
    assert [str(problem) for problem in report.problems] == []
    places: dict[str, list[int]] = {}
    hashes = {}
    for record in tables.records():
        if "id" in record.fields:
            places.setdefault(record.fields["id"], []).append(record.index)
            hashes[record.index] = record.hash
    for name, position in ledger.items():
        assert places[name] == [position.index], name
        assert hashes[position.index] == position.leaf_hash
    assert all(len(found) == 1 for found in places.values())
    assert places.keys() - ledger.keys() <= refused


async def produce(log: PostgresLog, names: range, ledger: Ledger, refused: set[str], width: int = 16) -> None:
    """Append these decisions, so many at a time; each is tried once."""
    numbers = iter(names)
    async with wired(log) as remote:

        async def one() -> None:
            for number in numbers:
                try:
                    ledger[f"decision-{number}"] = await remote.append(decision(number), sealed(number))
                except LogUnavailable:
                    refused.add(f"decision-{number}")
                    await asyncio.sleep(0.2)

        await asyncio.gather(*[one() for _ in range(width)])


# — rights —


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
        _opened(tables.server.address("owner", tables.database))


def _opened(address: Address, patience: float = 1.0, **changes: Any) -> PostgresLog:
    options = {"origin": ORIGIN, "signer": NoteKey(), "clock": Clock(), "writer": WRITER, "settings": SMALL}
    return PostgresLog.open(address, Keeping(**(options | changes)), patience=patience)


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


# — durability —


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
        _opened(tables.server.address("replica", "postgres"))
    tables.execute("INSERT INTO bailiwick.version VALUES (99)")
    with pytest.raises(LogRefused, match="version 99"):
        tables.open()


def test_another_key_is_refused_until_the_owner_adds_it(tables: Tables) -> None:
    """A replica with another signing key than the log's can't join, but after a rotation that the owner recorded."""
    tables.open().close_now()
    other = NoteKey(seed=b"\x31" * 32)
    with pytest.raises(LogRefused, match="give all replicas one keyring"):
        tables.open(signer=other, boot="boot-2")
    tables.execute(f"INSERT INTO bailiwick.log_key SELECT log, '{other.verifier()}' FROM bailiwick.log")
    tables.open(signer=other, boot="boot-2").close_now()


def _used(key: NoteKey, *before: NoteKey) -> KeysInUse:
    used = {SIGNING: str(key.verifier()), "audit-tags": f"tags-{key.seed[0]}"}
    return KeysInUse(used, frozenset(str(one.verifier()) for one in before))


def test_replicas_go_over_to_a_key_together(tables: Tables) -> None:
    """Of replicas that announce a rotated key at once one writes the record; who has the old one signs no later size.

    Signing goes over to a replica that has the key, and comes back to the other once it has it too.
    """
    old, new = NoteKey(), NoteKey(seed=b"\x32" * 32)
    signers = [NoteKey(), NoteKey(), NoteKey()]
    logs = [tables.open(name=f"bailiwick-{at}", signer=signer) for at, signer in enumerate(signers)]
    for log in logs:
        log.announce(_used(old))
        log.append_now(decision(1))
    until(lambda: logs[0].status().signed >= 6)  # the first publishes
    threads = [threading.Thread(target=log.announce, args=[_used(new, old)]) for log in logs[1:]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for signer in signers[1:]:
        signer.seed = new.seed
    size = logs[0].append_now(decision(2)).index + 1
    until(lambda: logs[1].status().signed >= size, seconds=10)
    signers[0].seed = new.seed
    logs[0].announce(_used(new, old))
    logs[2].close_now()
    logs[1].close_now()
    size = logs[0].append_now(decision(3)).index + 1
    until(lambda: logs[0].status().signed >= size, seconds=10)
    logs[0].close_now()
    keys = [old.verifier(), new.verifier()]
    copy = Mirror(tables.published(), tables.folder / "both", keys)
    copy.open()
    copy.round()
    copy.close()
    told = [r for r in read_records(tables.folder / "both") if "key-rotation" in r.fields["schema"]]
    assert [(r.fields["purpose"], r.fields["new_key"]) for r in told] == sorted(_used(new).used.items())
    rows = tables.execute("SELECT size, note FROM bailiwick.note ORDER BY size")
    signed = {size: parse_note(bytes(note)).verified_by(keys) for size, note in rows}  # type: ignore[call-overload]
    at = next(r.index for r in told if r.fields["purpose"] == SIGNING)
    assert all(found == ((keys[1],) if size > at else (keys[0],)) for size, found in signed.items()), (at, signed)
    assert verify_log(tables.folder / "both", keys).ok


def test_a_keyring_that_is_behind_or_anothers(tables: Tables) -> None:
    """A replica whose keys were replaced already appends and signs nothing; another keyring's keys are refused."""
    old, new, other = NoteKey(), NoteKey(seed=b"\x33" * 32), NoteKey(seed=b"\x34" * 32)
    first = tables.open(name="bailiwick-1", signer=NoteKey(), keys=_used(old))
    first.announce(_used(new, old))
    with pytest.raises(KeyringBehind, match="newer"):
        first.announce(_used(old))
    with pytest.raises(KeyringForeign, match="one keyring"):
        first.announce(_used(other))
    first.append_now(decision(1))
    assert first.healthy()
    first.close_now()
    behind = tables.open(name="bailiwick-2", signer=NoteKey(), keys=_used(old))
    behind.append_now(decision(2))
    until(lambda: "another key signs" in behind.status().trouble)
    behind.close_now()
    with pytest.raises(LogRefused, match="one keyring"):
        tables.open(name="bailiwick-3", signer=other, keys=_used(other))
    last = tables.open(name="bailiwick-4", signer=new, keys=_used(new, old))
    until(lambda: last.status().signed == last.status().size)
    last.close_now()


def test_a_key_rotated_while_nobody_ran(tables: Tables) -> None:
    """Replicas that start with a rotated keyring write the record of it before anything is signed by it, once."""
    old, new = NoteKey(), NoteKey(seed=b"\x35" * 32)
    tables.open(keys=_used(old)).close_now()
    for boot in ("boot-2", "boot-3"):
        log = tables.open(boot=boot, signer=new, keys=_used(new, old))
        until(lambda log=log: log.status().signed == log.status().size)  # type: ignore[misc]
        log.close_now()
    rows = tables.execute("SELECT count(*) FROM bailiwick.key_used WHERE at > 0 AND purpose = 'audit-checkpoint'")
    assert rows == [(1,)]
    bodies = b"".join(bytes(body) for (body,) in tables.execute("SELECT body FROM bailiwick.batch"))  # type: ignore[call-overload]
    assert bodies.count(b'"schema":"bailiwick.key-rotation/') == 2  # one of each purpose


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


# — lost acknowledgements —


@pytest.mark.parametrize("answers", ["swallow", "cut"])
def test_a_lost_answer_is_no_second_record(tables: Tables, answers: str) -> None:
    """A connection that breaks before or after the commit: the caller gets its place, and the record is there once."""
    log = tables.open(patience=5.0)
    for number in range(4):
        tables.wire.swallowed.clear()
        if answers == "swallow":
            tables.wire.swallow_after = b'"decision-%d"' % number
        else:
            tables.wire.cut_before = b'"decision-%d"' % number
        position = log.append_now(decision(number), sealed(number))
        assert tables.wire.swallowed.is_set()
        assert position.index == 2 + number
    log.close_now()
    for number in range(4):
        assert count_of(tables, f"decision-{number}") == 1
    settled = tables.execute("SELECT count(*) FROM bailiwick.settled")
    assert settled == [(4 if answers == "swallow" else 0,)]
    assert tables.report().ok


def test_who_was_refused_may_be_in_the_log_once(tables: Tables) -> None:
    """When the answer is lost and nobody can be asked in time, the caller is refused and the record is there once."""
    log = tables.open(patience=0.3)
    tables.wire.swallow_after = b'"decision-0"'
    tables.wire.refuse = True
    with pytest.raises(LogBusy, match="can't be reached"):
        log.append_now(decision(0))
    assert not log.healthy()
    with pytest.raises(LogBusy):  # at once now
        log.append_now(decision(1))
    tables.wire.refuse = False
    until(log.healthy)
    assert log.append_now(decision(2)).index == 3
    log.close_now()
    assert [count_of(tables, f"decision-{number}") for number in range(3)] == [1, 0, 1]
    assert tables.report().ok


async def test_connections_that_break_at_any_moment(tables: Tables) -> None:
    """Under load, with the wire cut again and again, whatever was acknowledged is there once."""
    chance = random.Random(5)
    log = tables.open(patience=5.0)
    ledger: Ledger = {}
    refused: set[str] = set()
    ended = threading.Event()

    def cutter() -> None:
        while not ended.wait(chance.uniform(0.005, 0.08)):
            tables.wire.cut()

    thread = threading.Thread(target=cutter)
    thread.start()
    await produce(log, range(700), ledger, refused)
    ended.set()
    thread.join()
    await asyncio.to_thread(log.close_now)
    check(tables, ledger, refused)
    assert len(ledger) > 500


# — crashes and failovers —


@pytest.mark.parametrize("how", ["immediate", "kill"])
async def test_a_server_that_crashes_under_load(tables: Tables, how: str) -> None:
    """A crash of the server in the midst of appends loses no acknowledged record and doubles none."""
    log = tables.open(patience=8.0, wire=False)
    ledger: Ledger = {}
    refused: set[str] = set()
    load = asyncio.ensure_future(produce(log, range(3000), ledger, refused))
    for at in (150, 900):
        while len(ledger) < at and not load.done():
            await asyncio.sleep(0.01)
        if how == "kill":
            await asyncio.to_thread(tables.server.kill)
            await asyncio.to_thread(tables.server.start)
        else:
            await asyncio.to_thread(tables.server.restart)
    await load
    await asyncio.to_thread(log.close_now)
    check(tables, ledger, refused)
    assert len(ledger) > 500


async def test_a_failover_to_a_synchronous_standby(tables: Tables) -> None:
    """The primary is killed and its synchronous standby promoted: what was acknowledged is all there, once."""
    primary, standby = tables.server, Server()
    try:
        standby.follow(primary)
        standby.start()
        primary.execute("ALTER SYSTEM SET synchronous_standby_names = 'standby'", database="postgres")
        primary.execute("SELECT pg_reload_conf()", database="postgres")
        until(lambda: primary.execute("SELECT sync_state FROM pg_stat_replication") == [("sync",)])
        hosts = f"postgresql://replica@/{tables.database}?host={primary.home},{standby.home}&port=5432"
        logs = [_opened(Address.parse(hosts), writer=replace(WRITER, name=f"b-{n}"), patience=10.0) for n in range(2)]
        ledgers: list[Ledger] = [{}, {}]
        refused: set[str] = set()
        spans = (range(600), range(600, 1200))
        load = [
            asyncio.ensure_future(produce(log, span, ledger, refused))
            for log, span, ledger in zip(logs, spans, ledgers, strict=True)
        ]
        while len(ledgers[0]) < 100:
            await asyncio.sleep(0.01)
        await asyncio.to_thread(primary.kill)
        await asyncio.to_thread(standby.promote)
        await asyncio.gather(*load)
        for log in logs:
            await asyncio.to_thread(log.close_now)
        tables.server = standby
        check(tables, ledgers[0] | ledgers[1], refused)
        assert len(ledgers[0]) + len(ledgers[1]) > 800
    finally:
        tables.server = primary
        standby.remove()
        primary.configure("")
        primary.start()


def test_a_standby_that_does_not_answer(tables: Tables) -> None:
    """While the synchronous standby is gone nothing is acknowledged or signed; once it is back, all is there once."""
    log = tables.open(patience=0.5)
    log.append_now(decision(0))
    until(lambda: log.status().signed == 3)
    try:
        tables.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
        tables.execute("SELECT pg_reload_conf()")
        until(lambda: tables.execute("SHOW synchronous_standby_names") == [("nobody",)])
        with pytest.raises(LogBusy):
            log.append_now(decision(1))
        assert not log.healthy()
        with pytest.raises(LogUnavailable):
            log.append_now(decision(2))
        time.sleep(1)
        assert log.status().signed == 3
    finally:
        tables.execute("ALTER SYSTEM RESET synchronous_standby_names")
        tables.execute("SELECT pg_reload_conf()")
    until(log.healthy)
    position = log.append_now(decision(3))
    log.close_now()
    assert [count_of(tables, f"decision-{number}") for number in range(4)] == [1, 1, 0, 1]
    assert position.index == 4
    assert tables.report().ok


def test_a_server_that_hangs(tables: Tables) -> None:
    """A server whose processes are stopped is cut off: the caller is refused, and when it goes on so does the log."""
    log = tables.open(patience=0.5, wire=False)
    log.append_now(decision(0))
    pids = [int(str(pid)) for (pid,) in tables.execute("SELECT pid FROM pg_stat_activity WHERE usename = 'replica'")]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(LogBusy):
            log.append_now(decision(1))
        assert not log.healthy()
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
    until(log.healthy, 20)
    log.append_now(decision(2))
    log.close_now()
    assert [count_of(tables, f"decision-{number}") for number in (0, 2)] == [1, 1]
    assert count_of(tables, "decision-1") <= 1
    assert tables.report().ok


def test_a_server_that_lost_what_it_acknowledged(tables: Tables) -> None:
    """A standby that lagged behind, or a restored copy: the replica writes no second history upon it."""
    log = tables.open(wire=False)
    log.append_now(decision(0))
    until(lambda: log.status().signed == 3)
    server = tables.server
    old, new = server.home / "old", server.home / "new"
    server.stop("fast")
    shutil.copytree(server.data, old, copy_function=_copied)
    _own(old, server.data)
    server.start()
    until(log.healthy)
    log.append_now(decision(1))
    until(lambda: log.status().signed == 4)
    server.stop("fast")
    server.data.rename(new)
    old.rename(server.data)
    server.start()
    try:
        until(lambda: not log.healthy())
        with pytest.raises(LogUnavailable):
            log.append_now(decision(2))
        until(lambda: "the newer server back" in log.status().trouble)
        with pytest.raises(LogPoisoned):
            log.append_now(decision(2))
        log.close_now()
        with psycopg.connect(server.url("owner", tables.database)) as session:
            assert session.execute("SELECT max(first + count) FROM bailiwick.batch").fetchone() == (3,)
    finally:
        server.stop("fast")
        shutil.rmtree(server.data)
        new.rename(server.data)
        server.start()
    again = tables.open(boot="boot-2", wire=False)
    assert again.append_now(decision(2)).index == 5
    again.close_now()
    assert tables.report().ok


def _copied(source: str, target: str) -> None:
    shutil.copy2(source, target)
    _own(Path(target), Path(source))


def _own(target: Path, like: Path) -> None:
    for place in (target, *(path for path in target.rglob("*") if path.is_dir())) if target.is_dir() else (target,):
        os.chown(place, like.stat().st_uid, like.stat().st_gid)
        if place.is_dir():
            place.chmod(0o700)


def test_a_mirror_sees_a_database_that_was_rewritten(tables: Tables) -> None:
    """Whoever owns the database and writes published history anew is found by a mirror, and by the next start."""
    log = tables.open()
    for number in range(5):
        log.append_now(decision(number))
    log.close_now()
    assert tables.report().ok
    other = Tables(tables.server, tables.database + "_b", tables.folder)
    fork = other.open(boot="fork")
    for number in range(9):
        fork.append_now(decision(number))
    fork.close_now()
    copy = Mirror(other.published(), tables.folder / "copy", [NoteKey().verifier()])
    copy.open()
    with pytest.raises(LogForked):
        copy.round()
    copy.close()
    other.close()
    tables.execute("UPDATE bailiwick.batch SET body = overlay(body PLACING 'X'::bytea FROM 100) WHERE first = 3")
    fresh = Mirror(tables.published(), tables.folder / "fresh", [NoteKey().verifier()])
    fresh.open()
    with pytest.raises(Exception, match="record 3 in the database doesn't match"):
        fresh.round()
    fresh.close()


def test_a_record_changed_before_it_is_published_stops_the_log(tables: Tables) -> None:
    """What the publisher reads is hashed anew: a record that was changed in the tables is never vouched for."""
    log = tables.open(publish_seconds=0.5)
    log.append_now(decision(0))
    tables.execute("UPDATE bailiwick.batch SET body = overlay(body PLACING 'X'::bytea FROM 100) WHERE first = 2")
    until(lambda: not log.healthy())
    assert "it was changed" in log.status().trouble
    log.close_now()


# — several replicas —


async def test_two_replicas_share_one_order(tables: Tables) -> None:
    """Records of three replicas at once lie in one order without gaps; every writer's and tenant's counters too."""
    logs = [tables.open(name=f"bailiwick-{number}", boot=f"boot-{number}", patience=10.0) for number in range(3)]
    ledgers: list[Ledger] = [{}, {}, {}]
    refused: set[str] = set()
    spans = [range(0, 400), range(400, 800), range(800, 1200)]
    await asyncio.gather(
        *[produce(log, span, ledger, refused) for log, span, ledger in zip(logs, spans, ledgers, strict=True)]
    )
    assert refused == set()
    for log in logs:
        log.close_now()
    check(tables, ledgers[0] | ledgers[1] | ledgers[2], refused)
    report = tables.report()
    assert report.writers == {f"bailiwick-{number}": 402 + (number == 0) for number in range(3)}
    assert (report.records, report.tenants, report.unsigned) == (1207, 3, 0)
    places = sorted(position.index for ledger in ledgers for position in ledger.values())
    assert len(set(places)) == 1200


def test_two_that_begin_a_log_at_once(tables: Tables) -> None:
    """However many replicas open a new log at once, it has one genesis, and it comes first."""
    opened: list[PostgresLog] = []
    threads = [
        threading.Thread(target=lambda n=n: opened.append(tables.open(name=f"b-{n}", patience=10.0)))  # type: ignore[misc]
        for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(opened) == 4
    for log in opened:
        log.close_now()
    schemas = [record.fields["schema"].split(".")[1].split("/")[0] for record in tables.records()]
    assert schemas[0] == "genesis"
    assert schemas.count("genesis") == 1
    assert schemas.count("start") == schemas.count("stop") == 4


def test_one_publishes_and_another_takes_over(tables: Tables) -> None:
    """The first replica publishes for both; when it ends, the other does, and every head follows the one before."""
    first = tables.open(name="b-0")
    until(lambda: first.status().signed == 2)
    second = tables.open(name="b-1")
    for number in range(300):
        second.append_now(decision(number))
    until(lambda: second.status().signed == second.status().size == 303)
    assert first.status().published == 303
    first.close_now()
    for number in range(300):
        second.append_now(decision(number))
    until(lambda: second.status().signed == 604)
    second.close_now()
    rows = tables.execute("SELECT previous, size FROM bailiwick.head ORDER BY size")
    assert [row[0] for row in rows] == [0, *(row[1] for row in rows[:-1])]
    assert tables.report().ok


def test_two_that_both_believe_to_publish(tables: Tables) -> None:
    """Without the lock between them, the head still has one successor: the second is told to look again."""
    log = tables.open(publish_seconds=600.0)
    for number in range(20):
        log.append_now(decision(number))
    address = tables.server.address("replica", tables.database)
    with address.connect("one", write=True) as one, address.connect("two", write=True) as two:
        publishers = [SharedPublisher(1, ORIGIN, NoteKey()) for _ in range(2)]
        for publisher, session in zip(publishers, (one, two), strict=True):
            publisher.look(session)
        publishers[0].publish(one)
        with pytest.raises(HeadMoved):
            publishers[1].publish(two)
        publishers[1].look(two)
        assert not publishers[1].publish(two)
        for publisher, session in zip(publishers, (one, two), strict=True):
            publisher.sign(session)
    log.close_now()
    assert tables.report().ok


def test_a_replica_that_freezes_in_its_turn_is_ended(tables: Tables) -> None:
    """Who stops in the middle of a turn loses it after two seconds, and the others go on."""
    log = tables.open(name="b-0", patience=8.0)
    frozen = tables.server.address("replica", tables.database).connect("frozen", write=True)
    frozen.execute("BEGIN")
    frozen.execute("SELECT * FROM bailiwick.turn(1, 0)")
    assert log.append_now(decision(0)).index == 2
    with pytest.raises(psycopg.errors.IdleInTransactionSessionTimeout):
        frozen.execute("SELECT 1")
    frozen.close()
    log.close_now()


def test_a_publisher_that_freezes_loses_its_office(tables: Tables) -> None:
    """Who holds the publisher's lock and falls silent is ended by the server, and another publishes."""
    log = tables.open(name="b-0")
    until(lambda: log.status().signed == 2)
    log.close_now()
    frozen = tables.server.address("replica", tables.database).connect("frozen", write=True, idle=1.0)
    assert SharedPublisher(1, ORIGIN, NoteKey()).is_ours(frozen)
    log = tables.open(name="b-1")
    until(lambda: log.status().signed == log.status().size == 4)
    log.close_now()
    frozen.close()


def test_a_server_that_hangs_is_given_up(tables: Tables) -> None:
    """While a turn can't be had the caller is refused within its patience; when it can, records are taken again."""
    log = tables.open(patience=0.3)
    with tables.held(), pytest.raises(LogUnavailable):
        log.append_now(decision(0))
    until(log.healthy)
    assert log.append_now(decision(1)).index == 2
    log.close_now()


def test_a_name_is_kept_over_a_broken_connection(tables: Tables) -> None:
    """A replica that lost its connection takes its own name again; another process can't take it meanwhile."""
    log = tables.open(patience=5.0)
    log.append_now(decision(0))
    tables.wire.cut()
    assert log.append_now(decision(1)).index == 3
    with pytest.raises(LogLocked):
        tables.open(boot="boot-2")
    log.close_now()


def test_a_full_disk_refuses_and_recovers(tables: Tables) -> None:
    """When the server has no room the append is refused, leaves no number used, and later ones are taken again."""
    log = tables.open()
    tables.execute(
        "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'no space left' USING ERRCODE = 'disk_full'; END $$"
    )
    tables.execute("CREATE TRIGGER full_disk BEFORE INSERT ON bailiwick.batch EXECUTE FUNCTION full_disk()")
    for number in range(3):
        with pytest.raises(LogFull, match="no space left"):
            log.append_now(decision(number))
    tables.execute("DROP TRIGGER full_disk ON bailiwick.batch")
    assert log.append_now(decision(3)).index == 2
    log.close_now()
    assert tables.report().ok


def test_counters_are_taken_up_from_a_snapshot(tables: Tables) -> None:
    """A start reads the batches after the newest snapshot only, and goes on with the right numbers."""
    log = tables.open()
    log._turns.snapshot_every = 50
    for number in range(120):
        log.append_now(decision(number))
    log.close_now()
    assert len(tables.execute("SELECT size FROM bailiwick.counters")) == 2
    again = tables.open(boot="boot-2")
    for number in range(10):
        again.append_now(decision(number))
    again.close_now()
    report = tables.report()
    assert (report.ok, report.records) == (True, 135)


# — shown to the world —


def test_served_witnessed_and_mirrored_from_tables(tables: Tables, tmp_path: Path) -> None:
    """A log in tables is served in the layout of tlog-tiles, cosigned, and copied as one on files is."""
    log = tables.open()
    for number in range(600):
        log.append_now(decision(number))
    log.close_now()
    rules = World().open()
    policy = policy_of(("X1", "http://w"))
    shown = tables.published()
    assert Collector(shown, policy, lambda _w, body: rules.add_checkpoint(body)).collect()
    with served(reading_app(shown)) as port, HttpClient(f"http://127.0.0.1:{port}") as client:
        for path in ("tile/0/000", "tile/0/001", "tile/0/002.p/91", "tile/1/000.p/2", "tile/entries/002.p/91"):
            assert client.get(path).status == 200, path
        for path in ("tile/0/002.p/92", "tile/0/002", "tile/1/000", "tile/2/000", "tile/entries/003"):
            assert client.get(path).status == 404, path
        copy = Mirror(FarLog(client), tmp_path / "far", [NoteKey().verifier()])
        copy.open()
        copied = copy.round()
        assert (copied.size, copied.witnessed) == (603, 603)
        copy.close()
    shown.close()


def test_the_commands_over_a_database(tables: Tables, tmp_path: Path) -> None:
    """`audit mirror postgres://...` copies a shared log, and `audit sql` prints what made its tables."""
    log = tables.open()
    log.append_now(decision(0))
    log.close_now()
    url, key = tables.server.url("replica", tables.database), str(NoteKey().verifier())
    done = run("mirror", url, str(tmp_path / "copy"), "--key", key, "--once", "-o", "json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"records": 4, "new": 4, "witnessed": 0}
    assert run("verify", str(tmp_path / "copy"), "--key", key).returncode == 0
    done = run("mirror", "postgres://u:s3cret@host/db", str(tmp_path / "copy"), "--key", key, "--once")
    assert (done.returncode, "by file" in done.stderr, "s3cret" in done.stderr) == (2, True, False)
    done = run("mirror", tables.server.url("replica", "nowhere"), str(tmp_path / "copy"), "--key", key, "--once")
    assert (done.returncode, "hint: " in done.stderr) == (2, True)
    assert "CREATE TABLE bailiwick.batch" in run("sql").stdout


def test_which_log_is_meant(tables: Tables) -> None:
    """Where a database holds several logs one has to be named; nobody there is said with the address."""
    tables.open().close_now()
    with pytest.raises(LogRefused, match=f"`{ORIGIN}`"):
        PublishedTables.open(tables.server.url("replica", tables.database), "another.example")
    with pytest.raises(Unreachable, match="nowhere"):
        PublishedTables.open(tables.server.url("replica", "nowhere"))
