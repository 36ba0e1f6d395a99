"""Commits to a shared log whose answers are lost, that are refused, that wait: each record is there once, or not."""

import asyncio
import random
import threading

import pytest

from audit import LogBusy, LogFull, LogLocked, LogUnavailable
from tests.audit.backends import Tables
from tests.audit.replicas import Ledger, check, count_of, produce
from tests.audit.worlds import decision, sealed, until


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
