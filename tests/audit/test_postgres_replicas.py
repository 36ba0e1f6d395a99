"""Several replicas of one log: one order, one beginning, one that publishes, none that holds up the others."""

import asyncio
import threading

import psycopg
import pytest

from audit.errors import HeadMoved
from audit.postgres.log import PostgresLog
from audit.postgres.publisher import SharedPublisher
from tests.audit.backends import Tables
from tests.audit.replicas import Ledger, check, produce
from tests.audit.worlds import ORIGIN, NoteKey, decision, until


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
