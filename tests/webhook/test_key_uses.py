"""Books of key uses become records of the log: each line counted once, through crashes, refusals and shards."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from audit.checks.chain_check import verify_chain
from audit.errors import LogBusy
from audit.files.committer import Committed, Item, Late
from audit.files.sharded_log import ShardedLog
from audit.sealed.inputs import Origin
from audit.tlog import VerifierKey
from audit.whole import whole_log
from keymgmt.uses.book import UseBook, waiting
from tests.keymgmt.test_use_book import USE
from webhook.log.key_uses import Bookkeeper, kept
from webhook.log.process import LogProcess
from webhook.log.state import open_keyring, open_log, uses_folder
from webhook.log.telling import Telling
from webhook.options import Options

ORIGIN = Origin("prod", "local", "test")


def leaves(state: Path) -> list[dict[str, Any]]:
    """The `key-use` records of a state directory's log."""
    found = [dict(record.fields) for _, record in whole_log(state / "log")]
    return [fields for fields in found if fields["schema"].startswith("bailiwick.key-use/")]


def counted(state: Path, task: str) -> int:
    """Uses counted for a task."""
    return sum(leaf["count"] for leaf in leaves(state) if leaf.get("task") == task)


def holds(state: Path) -> bool:
    """Whether the log verifies, all of it."""
    keys = [VerifierKey.parse(line) for line in (state / "log.vkeys").read_text().split()]
    return verify_chain(state / "log", keys).ok


@contextmanager
def opened(state: Path, uses: UseBook | None = None) -> Iterator[tuple[Options, ShardedLog]]:
    options = Options(version="test", state=str(state))
    log = open_log(options, open_keyring(options, uses))
    try:
        yield options, log
    finally:
        log.close_now()


def written(folder: Path, *ids: str) -> None:
    """A finished page with these uses."""
    book = UseBook(folder, "test")
    for one in ids:
        book.record(replace(USE, request_id=one, task=""))
    book.close()


def test_what_a_page_says_is_in_the_log(tmp_path: Path) -> None:
    """A record says key, version, operation, task, outcome, count, times and the key service's ids; the page goes."""
    with opened(tmp_path) as (options, log):
        keeper = Bookkeeper(log, ORIGIN, [uses_folder(options)], directory=tmp_path / "log")
        keeper.take_up()  # the making of the keyring
        written(uses_folder(options), "r1", "r2")
        assert (keeper.take_up(), keeper.left(), keeper.take_up()) == (1, 0, 0)
    (leaf,) = [leaf for leaf in leaves(tmp_path) if leaf.get("task") == "test"]
    expected = {
        "key_operation": "sign",
        "outcome": "ok",
        "count": 2,
        "asked": 2,
        "begun": "2026-11-21T08:00:00.000000Z",
        "ended": "2026-11-21T08:00:00.250000Z",
        "key": "bwk1.x",
        "key_version": 1,
        "key_region": "eu-de",
        "purpose": "p",
        "lineage": "l",
        "service_key": "checkpoint",
        "request_ids": ["r1", "r2"],
    }
    assert expected.items() <= leaf.items()
    assert holds(tmp_path)


class Failing:
    """A log that takes a batch and then says that it didn't, or that the process ends there."""

    def __init__(self, log: ShardedLog, error: Exception, *, after: bool) -> None:
        self._log = log
        self._error = error
        self._after = after
        self.origin, self.healthy, self.status, self.made = log.origin, log.healthy, log.status, log.made

    def append_batch(self, items: Sequence[Item], late: Late) -> Committed:
        if self._after:
            self._log.append_batch(items, late)
        raise self._error


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("rotate", [False, True])
def test_a_crash_counts_nothing_twice(tmp_path: Path, after: bool, rotate: bool) -> None:
    """Ended right before or right after its records are durable, the next run finds them, in a new shard too."""
    with opened(tmp_path) as (options, log):
        folder = uses_folder(options)
        Bookkeeper(log, ORIGIN, [folder], directory=tmp_path / "log").take_up()
        written(folder, "r1", "r2")
        with pytest.raises(KeyboardInterrupt):
            broken = Failing(log, KeyboardInterrupt(), after=after)
            Bookkeeper(broken, ORIGIN, [folder], directory=tmp_path / "log").take_up()  # type: ignore[arg-type]
        assert len(waiting(folder)) == 1
        if rotate:
            log.rotate()
    with opened(tmp_path) as (options, log):
        keeper = Bookkeeper(log, ORIGIN, [folder], directory=tmp_path / "log")
        assert (keeper.take_up(), keeper.left()) == (int(not after), 0)
    assert counted(tmp_path, "test") == 2
    assert holds(tmp_path)


def test_a_log_that_takes_no_records_loses_no_use(tmp_path: Path) -> None:
    """While appends are refused pages stay, it is said why, and later all are taken up."""
    with opened(tmp_path) as (options, log):
        folder = uses_folder(options)
        Bookkeeper(log, ORIGIN, [folder], directory=tmp_path / "log").take_up()
        written(folder, "r1")
        written(folder, "r2")
        refusing = Failing(log, LogBusy("no space"), after=False)
        keeper = Bookkeeper(refusing, ORIGIN, [folder], directory=tmp_path / "log")  # type: ignore[arg-type]
        assert keeper.take_up() == 0
        assert "no space" in keeper.trouble
        assert Telling(log, keeper.account).status().warning == keeper.trouble
        assert Bookkeeper(log, ORIGIN, [folder], directory=tmp_path / "log").take_up() == 2
    assert counted(tmp_path, "test") == 2


def test_what_nobody_can_read_is_counted_too(tmp_path: Path) -> None:
    """Lines that are no uses, and uses that make no record, are counted as unreadable."""
    folder = tmp_path / "book"
    written(folder, "r1")
    (page,) = waiting(folder)
    huge = json.loads(page.read_bytes()) | {"version": 1 << 60}
    page.write_bytes(page.read_bytes() + b"rubbish\n" + json.dumps(huge).encode() + b"\n")
    with opened(tmp_path / "state") as (_, log):
        assert Bookkeeper(log, ORIGIN, [folder], directory=tmp_path / "state" / "log").take_up() == 3
    bad = [leaf["count"] for leaf in leaves(tmp_path / "state") if leaf["key_operation"] == "unreadable"]
    assert (bad, counted(tmp_path / "state", "test")) == ([1, 1], 1)


def test_counting_its_own_signatures_comes_to_an_end(tmp_path: Path) -> None:
    """A log that counts what signs it grows by its own counts once an interval, never by their signatures alone."""
    book = UseBook(tmp_path / "own", "checkpoint")
    with opened(tmp_path / "state", book) as (_, log):
        keeper = Bookkeeper(log, ORIGIN, [book.folder], directory=tmp_path / "state" / "log")
        sizes = []
        for _ in range(3):
            until_signed(log)
            book.turn()
            keeper.take_up()
            sizes.append(log.status().size)
    book.close()
    assert [after - before for before, after in itertools.pairwise(sizes)] == [1, 1]


def until_signed(log: ShardedLog) -> None:
    """Wait until everything in it is under a signed checkpoint."""
    end = time.monotonic() + 20
    while log.status().signed < log.status().size:
        assert time.monotonic() < end
        time.sleep(0.01)


async def test_the_log_s_process_counts_every_signature(tmp_path: Path) -> None:
    """Over several runs, one of them killed, as many signatures are counted or still in the book as were written down.

    What a run signs last, under its stop record, the next run counts.
    """
    options = Options(version="test", state=str(tmp_path))
    open_keyring(options)
    log = await LogProcess.start(options)
    await asyncio.sleep(1.5)
    os.kill(log.pid, signal.SIGKILL)
    await asyncio.sleep(1.0)
    while not log.healthy():
        await asyncio.sleep(0.05)
    await log.close()
    left = sum(page.read_bytes().count(b'"operation":"sign"') for page in waiting(uses_folder(options)))
    assert left >= 1  # the last checkpoint's
    before = counted(tmp_path, "checkpoint")
    assert before >= 1
    log = await LogProcess.start(options)
    await log.close()
    assert counted(tmp_path, "checkpoint") >= before + left
    made = [leaf for leaf in leaves(tmp_path) if leaf["key_operation"] == "create" and leaf["outcome"] == "ok"]
    assert {leaf["purpose"] for leaf in made} == {"audit-checkpoint", "audit-archive", "audit-tags"}
    assert {leaf["task"] for leaf in made} == {"first start"}
    assert len({leaf["source"] for leaf in leaves(tmp_path)}) == len(leaves(tmp_path))
    assert holds(tmp_path)


def test_pages_are_taken_up_in_every_interval(tmp_path: Path) -> None:
    """Finished pages do not wait for the end."""
    with opened(tmp_path) as (options, log):
        folder = uses_folder(options)
        with kept(Bookkeeper(log, ORIGIN, [folder], directory=tmp_path / "log"), [], interval=0.05):
            written(folder, "r1")
            end = time.monotonic() + 20
            while waiting(folder):
                assert time.monotonic() < end
                time.sleep(0.01)
    assert counted(tmp_path, "test") == 1
