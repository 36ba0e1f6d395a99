"""A shared log as the world sees it: served, cosigned, mirrored; and what is found when its tables are changed."""

import json
from pathlib import Path

import pytest

from audit import LogRefused
from audit.errors import LogForked
from audit.mirror import Mirror
from audit.postgres.errors import Unreachable
from audit.postgres.published import PublishedTables
from audit.web.client import HttpClient
from audit.web.far_log import FarLog
from audit.web.reading import reading_app
from audit.web.running import served
from audit.witness.collecting import Collector
from tests.audit.backends import Tables
from tests.audit.test_mirror import run
from tests.audit.test_witness import World, policy_of
from tests.audit.worlds import ORIGIN, NoteKey, decision, until


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
