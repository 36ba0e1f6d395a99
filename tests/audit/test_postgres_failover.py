"""Servers that crash, hang, fall behind or come back older: what was acknowledged stays, and is built upon alone."""

import asyncio
import os
import shutil
import signal
import time
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from audit import LogBusy, LogPoisoned, LogUnavailable
from audit.postgres.address import Address
from tests.audit.backends import Tables
from tests.audit.replicas import Ledger, check, count_of, opened, produce
from tests.audit.servers import Server
from tests.audit.worlds import WRITER, decision, until


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
        logs = [opened(Address.parse(hosts), writer=replace(WRITER, name=f"b-{n}"), patience=10.0) for n in range(2)]
        ledgers: list[Ledger] = [{}, {}]
        refused: set[str] = set()
        spans = (range(1500), range(1500, 3000))
        load = [
            asyncio.ensure_future(produce(log, span, ledger, refused))
            for log, span, ledger in zip(logs, spans, ledgers, strict=True)
        ]
        while len(ledgers[0]) < 100:
            await asyncio.sleep(0.01)
        await asyncio.to_thread(primary.kill)
        await asyncio.to_thread(standby.promote)
        before = [len(ledger) for ledger in ledgers]
        await asyncio.gather(*load)
        for log in logs:
            await asyncio.to_thread(log.close_now)
        tables.server = standby
        check(tables, ledgers[0] | ledgers[1], refused)
        assert all(len(ledger) > then for ledger, then in zip(ledgers, before, strict=True))  # both have gone on
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
