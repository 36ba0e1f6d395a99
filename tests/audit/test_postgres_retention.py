"""A shared log's shards and removals: what only a database with several logins and replicas can do."""

import asyncio
import threading
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from audit.checks.chain_check import verify_chain
from audit.errors import LogRefused, PruneRefused
from audit.files.shards import ShardSettings
from audit.postgres.errors import Unreachable
from audit.postgres.published import PublishedTables
from audit.postgres.sharded_log import SharedShards
from audit.postgres.whole import WholeTables
from audit.sealed.erasure import Eraser
from audit.sealed.erasure_plan import ErasureRefused
from audit.switching import Keeping
from audit.tlog import Checkpoint, parse_note
from audit.verbs.sql import tables_since
from tests.audit.backends import Tables
from tests.audit.keeping import WHOSE, KeptTables, approved, later
from tests.audit.lives import KEY
from tests.audit.servers import Server
from tests.audit.test_mirror import run
from tests.audit.test_retention_contract import TEAM_1, filled
from tests.audit.wired import wired
from tests.audit.worlds import ORIGIN, WRITER, NoteKey, decision, sealed, until


@pytest.fixture
def kept(tables: Tables, tmp_path: Path) -> KeptTables:
    return KeptTables(tables, tmp_path)


# — who may do what —


def test_each_login_can_do_one_thing(kept: KeptTables) -> None:
    """A reader sees no sealed part, the eraser takes only what a record declares, the pruner only what is buried."""
    log = filled(kept, 2, 3)
    log.close_now()
    forbidden = {
        "reader": ["SELECT * FROM bailiwick.part", "INSERT INTO bailiwick.log (origin, vkey) VALUES ('x', 'y')"],
        "eraser": [
            "DELETE FROM bailiwick.batch",
            "SELECT data FROM bailiwick.part",
            "SELECT * FROM bailiwick.batch",
            "UPDATE bailiwick.part SET data = ''",
            "INSERT INTO bailiwick.declared SELECT log, 0, sha256 FROM bailiwick.part",
        ],
        "pruner": [
            "SELECT body FROM bailiwick.batch",
            "DELETE FROM bailiwick.note",
            "DELETE FROM bailiwick.tile",
            "INSERT INTO bailiwick.buried SELECT log, '', '', '' FROM bailiwick.log",
            "TRUNCATE bailiwick.batch",
        ],
    }
    for role, statements in forbidden.items():
        for statement in statements:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                kept.tables.execute(statement, user=role)
    for role, table, told in (
        ("eraser", "part", "no record declares part"),
        ("pruner", "part", "no record declares part"),
        ("pruner", "batch", "no signed record says"),
        ("owner", "batch", "no signed record says"),
    ):
        with pytest.raises(psycopg.DatabaseError, match=told):
            kept.tables.execute(f"DELETE FROM bailiwick.{table} WHERE log = 1", user=role)
    reader = PublishedTables.open(kept.tables.server.url("reader", kept.tables.database))
    assert Checkpoint.parse(parse_note(reader.note()).text).size == 6
    reader.close()


def test_writers_remove_nothing(kept: KeptTables) -> None:
    """Without a login that may, erasing and pruning are refused, and say which is needed."""
    log = filled(kept, 2, 3)
    later(kept)
    eraser = Eraser(log, WholeTables(kept.address, ORIGIN), WHOSE, kept.time)
    with pytest.raises(ErasureRefused, match="writers of a shared log erase nothing") as refused:
        eraser.erase(kept.action(TEAM_1), lambda _: approved())
    assert "bailiwick_eraser" in refused.value.hint
    with pytest.raises(PruneRefused, match="bailiwick_pruner"):
        replace(kept.pruning(log), remover=None).prune(0, older_than=0, basis="x")
    log.close_now()
    assert len(kept.schemas(0)) == 6


def test_what_was_erased_is_in_no_file(kept: KeptTables) -> None:
    """After the owner's VACUUM FULL, no file of the table holds an erased byte; those of others are there."""
    log = filled(kept, 1)
    gone, stays = kept.part(kept.parts()["decision-1"]), kept.part(kept.parts()["decision-2"])
    assert gone is not None
    assert stays is not None
    kept.eraser(log).erase(kept.action(TEAM_1), lambda _: approved())
    log.close_now()
    kept.tables.execute("VACUUM FULL bailiwick.part")
    kept.tables.execute("CHECKPOINT")
    ((oid,),) = kept.tables.execute("SELECT oid FROM pg_database WHERE datname = current_database()")
    files = [path.read_bytes() for path in (kept.tables.server.data / "base" / str(oid)).iterdir() if path.is_file()]
    assert not any(gone in data for data in files)
    assert any(stays in data for data in files)


def test_a_burial_that_proves_nothing(kept: KeptTables) -> None:
    """A writer that buries a shard by itself, without the signed record, gets nothing removed."""
    log = filled(kept, 2, 3)
    later(kept)
    kept.tables.execute("INSERT INTO bailiwick.buried VALUES (1, '', 'nonsense', '')", user="replica")
    with pytest.raises(Exception, match="tlog-proof"):
        kept.prune(log, 0)
    log.close_now()
    assert kept.tables.execute("SELECT sum(count) FROM bailiwick.batch WHERE log = 1") == [(6,)]


# — several replicas —


async def test_all_replicas_go_on_in_the_same_shard(kept: KeptTables) -> None:
    """While three replicas append, one ends shard after shard: nobody is refused, nothing is lost or there twice."""
    logs = [kept.opened(f"bailiwick-{number}") for number in range(3)]
    ledger: dict[str, tuple[int, bytes]] = {}

    async def produce(log: SharedShards, begin: int) -> None:
        async with wired(log) as remote:

            async def one(start: int) -> None:
                for number in range(start, start + 40):
                    position = await remote.append(decision(number), sealed(number))
                    ledger[f"decision-{number}"] = (position.index, position.leaf_hash)

            await asyncio.gather(*[one(begin + 40 * lane) for lane in range(6)])

    async def rotate() -> None:
        """Until there are four: a replica that comes late to an end only goes on."""
        for number in range(60):
            await asyncio.sleep(0.1)
            await asyncio.to_thread(logs[number % 3].rotate)
            if logs[number % 3].origin == f"{ORIGIN}/3":
                return

    await asyncio.gather(rotate(), *[produce(log, 1000 * number) for number, log in enumerate(logs)])
    for log in logs:
        await asyncio.to_thread(log.close_now)
    assert kept.found() == []
    there: dict[str, list[tuple[int, bytes]]] = {}
    for _, record in kept.records():
        if "id" in record.fields:
            there.setdefault(record.fields["id"], []).append((record.index, record.hash))
    assert there == {name: [place] for name, place in ledger.items()}
    assert len(ledger) == 720
    assert len(kept.verify().shards) >= 4


def test_two_that_end_a_shard_at_once(kept: KeptTables) -> None:
    """Two replicas that end the same shard go on in one next shard, whose first record is there once."""
    logs = [kept.opened("a"), kept.opened("b")]
    threads = [threading.Thread(target=log.rotate) for log in logs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    origins = {log.append_now(decision(number)).origin for number, log in enumerate(logs)}
    assert len(origins) == 1
    for log in logs:
        log.close_now()
    assert kept.found() == []
    assert [kept.schemas(number).count("genesis") for number in range(len(kept.verify().shards))] == [1, 1]


def test_who_was_away_goes_on_in_the_right_shard(kept: KeptTables) -> None:
    """A replica that slept while others went on and pruned finds the shard that is written, and so does a new one."""
    sleeper, other = kept.opened("sleeper"), kept.opened("other")
    for _ in range(2):
        other.append_now(decision(1), sealed(1))
        other.rotate()
    later(kept)
    kept.prune(other, 0)
    kept.prune(other, 1)
    assert sleeper.append_now(decision(2)).origin == f"{ORIGIN}/2"
    assert sleeper.origin == f"{ORIGIN}/2"
    new = kept.opened("new")
    assert new.append_now(decision(3)).origin == f"{ORIGIN}/2"
    for log in (sleeper, other, new):
        log.close_now()
    assert kept.found() == []


@pytest.mark.parametrize("how", ["swallow", "cut"])
def test_the_end_of_a_shard_whose_answer_is_lost(kept: KeptTables, how: str) -> None:
    """A connection that breaks around the commit that ends a shard: it has ended once, or not, and all goes on."""
    wire = kept.tables.wire
    log = kept.opened(address=kept.tables.server.address("replica", kept.tables.database, wire.home))
    log.append_now(decision(0))
    if how == "swallow":
        wire.swallow_after = b'"reason":"the next shard goes on"'
    else:
        wire.cut_before = b'"reason":"the next shard goes on"'
    log.rotate()
    assert wire.swallowed.is_set()
    assert log.append_now(decision(1)).origin == f"{ORIGIN}/1"
    log.close_now()
    assert kept.found() == []
    assert kept.schemas(0).count("stop") == 1


# — crashes —


def test_a_server_that_crashes_while_it_removes(kept: KeptTables) -> None:
    """A pruning that a crash of the server stops is gone on from when it is asked for again."""
    log = filled(kept, 2)
    later(kept)
    kept.tables.execute("ALTER TABLE bailiwick.part DISABLE TRIGGER may_go")
    kept.tables.execute(
        "CREATE FUNCTION stop() RETURNS trigger AS 'BEGIN RAISE EXCEPTION ''no''; END' LANGUAGE plpgsql"
    )
    kept.tables.execute("CREATE TRIGGER stops BEFORE DELETE ON bailiwick.part EXECUTE FUNCTION stop()")
    with pytest.raises(Unreachable, match="no"):
        kept.prune(log, 0)
    kept.tables.server.restart()
    kept.tables.execute("DROP TRIGGER stops ON bailiwick.part")
    kept.tables.execute("ALTER TABLE bailiwick.part ENABLE TRIGGER may_go")
    assert kept.tables.execute("SELECT count(*) FROM bailiwick.part WHERE log = 1") == [(6,)]
    until(log.healthy)
    with pytest.raises(PruneRefused, match="is pruned already"):
        kept.prune(log, 0)
    assert kept.tables.execute("SELECT count(*) FROM bailiwick.part WHERE log = 1") == [(0,)]
    log.close_now()
    assert kept.found() == []


# — copies, upgrades —


def test_a_copy_follows_shard_after_shard(kept: KeptTables) -> None:
    """A mirror that is brought up to date now and then has every shard, by the command too."""
    log = kept.open()
    for number in range(3):
        log.append_now(decision(number), sealed(number))
        until(lambda: log.status().signed == log.status().size)
        assert kept.found() == []
        log.rotate()
        assert kept.found() == []
    log.close_now()
    url = kept.tables.server.url("reader", kept.tables.database)
    target = kept.copies / "by-command"
    done = run("mirror", url, str(target), "--key", str(KEY), "--once")
    assert done.returncode == 0, done.stderr
    assert "holds: 15 records" in done.stdout
    report = verify_chain(target, [KEY])
    assert report.ok
    assert len(report.shards) == 4


@pytest.mark.parametrize("have", [1, 2])
def test_tables_of_the_version_before(server: Server, have: int) -> None:
    """Tables of older versions are refused with the command that brings them up to date; with it the log goes on."""
    first = tables_since(0).removesuffix(tables_since(have)).rstrip()
    server.execute("CREATE DATABASE older", database="postgres")
    try:
        with psycopg.connect(server.url("owner", "older")) as session:
            session.execute(first)  # type: ignore[call-overload]
        with pytest.raises(LogRefused, match=f"audit sql --from {have}"):
            _opened(server)
        with psycopg.connect(server.url("owner", "older")) as session:
            session.execute(tables_since(have))  # type: ignore[call-overload]
        log = _opened(server)
        log.rotate()
        log.close_now()
    finally:
        server.execute("DROP DATABASE older WITH (FORCE)", database="postgres")


def _opened(server: Server) -> SharedShards:
    address = server.address("replica", "older")
    return SharedShards.open(
        address,
        Keeping(
            origin=ORIGIN, signer=NoteKey(), clock=lambda: datetime.now(UTC), writer=WRITER, shards=ShardSettings()
        ),
    )
