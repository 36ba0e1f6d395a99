"""The log at the other end of a socket keeps every promise of the log, and says so when that end is gone."""

import asyncio
import errno
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit import LogBusy, LogClosed, LogFull, LogPoisoned, LogRefused, Position, Record, RecordInvalid, SealedPart
from audit.errors import LogGone, WireBroken
from audit.files.log import FileLog
from audit.leaves.record import Draft, Unsealed, opened_fields
from audit.leaves.shapes import time_text
from audit.process.remote import WAITING, RemoteLog
from audit.process.serving import serve
from audit.process.wire import (
    LENGTH,
    batch_message,
    done_message,
    failed_message,
    item_bytes,
    read_answer,
    read_batch,
    state_message,
)
from audit.reading import read_records, sealed_parts
from tests.audit.disks import Fault, SimulatedDisk
from tests.audit.wired import served, wired
from tests.audit.worlds import ORIGIN, decision, fields, open_log

HOME = Path("/log")


@asynccontextmanager
async def connected(disk: SimulatedDisk, **settings: object) -> AsyncIterator[tuple[RemoteLog, FileLog]]:
    log = open_log(HOME, files=disk, **settings)  # type: ignore[arg-type]
    try:
        async with wired(log) as remote:
            yield remote, log
    finally:
        disk.fault = None
        log.close_now()


async def test_acknowledged_is_durable() -> None:
    """What is acknowledged over the socket lies where it was told, in the order of asking, parts and all."""
    disk = SimulatedDisk()
    async with connected(disk) as (remote, log):
        records = [decision(number) for number in range(300)]
        sealed = SealedPart("key-1", b"sealed" * 100)
        positions = await asyncio.gather(*(remote.append(record, (sealed,)) for record in records))
        found = {entry.index: entry for entry in read_records(HOME, files=disk)}
        for record, position in zip(records, positions, strict=True):
            assert position.origin == ORIGIN
            assert found[position.index].leaf.startswith(record.body[:-1])
            assert found[position.index].hash == position.leaf_hash
        assert [position.index for position in positions] == sorted(position.index for position in positions)
        assert log.status().size == 2 + len(records)  # genesis, start
    assert {data for _, data in sealed_parts(HOME, disk)} == {sealed.ciphertext}


async def test_a_full_disk_is_told_and_passes() -> None:
    """A full disk refuses with LogFull, loses nothing and numbers nothing; when there is space again, appends go on."""
    disk = SimulatedDisk()
    async with connected(disk) as (remote, _):
        before = await remote.append(decision(1))
        disk.fault = Fault(1, errno.ENOSPC, only="write", forever=True)
        with pytest.raises(LogFull):
            await remote.append(decision(2))
        disk.fault = None
        after = await remote.append(decision(3))
        assert after.index == before.index + 1


async def test_a_failed_sync_ends_all() -> None:
    """After a failed sync nothing is acknowledged any more, and the log says that it is unwell."""
    disk = SimulatedDisk()
    async with connected(disk) as (remote, _):
        disk.fault = Fault(1, forever=True, only="sync_data")
        for _ in range(2):
            with pytest.raises(LogPoisoned):
                await remote.append(decision(1))


async def test_the_other_end_goes() -> None:
    """When the other end is gone, whoever waits and whoever comes gets LogGone, and the log isn't healthy."""
    log = open_log(HOME, files=SimulatedDisk())
    ours, theirs = socket.socketpair()
    theirs.sendall(_first_state(log))
    remote = await RemoteLog.over(ours)
    assert remote.healthy()
    waiting = asyncio.create_task(remote.append(decision(1)))
    await asyncio.sleep(0.01)
    theirs.close()
    with pytest.raises(LogGone):
        await waiting
    with pytest.raises(LogGone):
        await remote.append(decision(2))
    assert not remote.healthy()
    log.close_now()


def test_whoever_waited_goes_while_the_log_is_looked_after() -> None:
    """The end of whoever waits is the end of serving and no fault, also where it comes just before they are told."""
    log = open_log(HOME, files=SimulatedDisk())
    ours, theirs = socket.socketpair()
    serve(log, theirs, ours.close)
    assert log.append_now(decision(1)).index > 0
    log.close_now()
    theirs.close()


async def test_no_opening() -> None:
    """What kept the other process from opening the log is raised here, in the same words."""
    ours, theirs = socket.socketpair()
    theirs.sendall(failed_message(LogRefused("the directory is a file: name another")))
    with pytest.raises(LogRefused, match="the directory is a file: name another"):
        await RemoteLog.over(ours)
    theirs.close()


async def test_the_queue_is_bounded() -> None:
    """One append more than may wait is LogBusy at once."""
    log = open_log(HOME, files=SimulatedDisk())
    ours, theirs = socket.socketpair()
    theirs.sendall(_first_state(log))
    remote = await RemoteLog.over(ours)
    waiting = [asyncio.create_task(remote.append(decision(1))) for _ in range(WAITING)]
    await asyncio.sleep(0)
    with pytest.raises(LogBusy):
        await remote.append(decision(2))
    theirs.close()
    ended = await asyncio.gather(*waiting, return_exceptions=True)
    assert {type(found) for found in ended} == {LogGone}
    log.close_now()


async def test_too_many_parts_harm_nobody() -> None:
    """A record with too many parts is refused to its own caller; those beside it are appended."""
    async with connected(SimulatedDisk()) as (remote, _):
        bad = remote.append(decision(1), [SealedPart("k", b"")] * 9)
        ended = await asyncio.gather(bad, remote.append(decision(2)), return_exceptions=True)
        assert isinstance(ended[0], RecordInvalid)
        assert not isinstance(ended[1], BaseException)


async def test_a_caller_that_leaves() -> None:
    """A caller that stops waiting doesn't shift the others' answers."""
    async with connected(SimulatedDisk()) as (remote, _):
        leaving = asyncio.create_task(remote.append(decision(1)))
        staying = asyncio.create_task(remote.append(decision(2)))
        await asyncio.sleep(0)
        leaving.cancel()
        assert (await staying).index == 3  # after genesis, start, and the one that nobody waited for


async def test_close_waits() -> None:
    """Close lets what waits become durable, refuses what comes later, and returns when the other end has let go."""
    disk = SimulatedDisk()
    log = open_log(HOME, files=disk)
    with served(log) as channel:
        remote = await RemoteLog.over(channel)
        waiting = [asyncio.create_task(remote.append(decision(number))) for number in range(50)]
        await asyncio.sleep(0)
        closing = asyncio.create_task(remote.close())
        assert len({(await one).index for one in waiting}) == 50
        await asyncio.sleep(0.05)
        with pytest.raises(LogClosed):
            await remote.append(decision(0))
        remote.drop()
        await closing
    log.close_now()


@pytest.mark.parametrize(
    "said",
    [b"x", b"d" + bytes(3), done_message(0, [bytes(32)] * 3)[LENGTH.size :], b"f{}", b"snull"],
    ids=["unknown", "short", "too-many", "no-fields", "no-state"],
)
async def test_nonsense(said: bytes) -> None:
    """An end that speaks nonsense is cut off, and everybody who waits is told."""
    log = open_log(HOME, files=SimulatedDisk())
    ours, theirs = socket.socketpair()
    theirs.sendall(_first_state(log))
    remote = await RemoteLog.over(ours)
    waiting = asyncio.create_task(remote.append(decision(1)))
    await asyncio.sleep(0.01)
    theirs.sendall(LENGTH.pack(len(said)) + said)
    with pytest.raises(WireBroken):
        await waiting
    await remote.lost
    theirs.close()
    log.close_now()


async def test_drafts_become_records() -> None:
    """What is no record is refused to its own caller, with the reason; the drafts beside it become records."""
    disk = SimulatedDisk()
    seal = _Seal()
    log = open_log(HOME, files=disk, seal=seal)
    with served(log) as channel:
        remote = await RemoteLog.over(channel)
        good = [_draft(number) for number in range(3)]
        bad = [_draft(1, verdict="perhaps"), Draft("nonsense", b"{}"), Draft("decision", b"[")]
        drafts = [good[0], bad[0], good[1], bad[1], bad[2], good[2]]
        part = Unsealed(b'{"a":1,"schema":"bailiwick.sealed/v2"}', "clinic")
        ended = await asyncio.gather(*(remote.append(draft, (part,)) for draft in drafts), return_exceptions=True)
        assert [isinstance(one, RecordInvalid) for one in ended] == [draft in bad for draft in drafts]
        found = {entry.index: entry.leaf for entry in read_records(HOME, files=disk)}
        for number, position in enumerate(one for one in ended if isinstance(one, Position)):
            assert found[position.index].startswith(decision(number).body[:-1])
        remote.drop()
        await remote.lost
    log.close_now()
    assert {opened_fields(data)["a"] for _, data in sealed_parts(HOME, disk)} == {1}
    assert seal.tenants == ["clinic"] * 3


def _draft(number: int, **more: object) -> Draft:
    given = fields(number, **more)
    moment = given["time"]
    assert isinstance(moment, datetime)
    return Draft("decision", orjson.dumps({**given, "time": time_text(moment)}))


class _Seal:
    """Seals by not doing so."""

    def __init__(self) -> None:
        self.tenants: list[str] = []

    def __call__(self, plain: bytes, tenant: str) -> SealedPart:
        self.tenants.append(tenant)
        return SealedPart("", plain)


_text = st.text(max_size=40)
_none = st.just(())  # what must be durable before doesn't travel
_records = st.builds(Record, _text, _text, st.binary(max_size=200), _none) | st.builds(
    Draft, _text, st.binary(max_size=200), _none
)
_keys = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40)
_parts = st.lists(
    st.builds(SealedPart, _keys, st.binary(max_size=100)) | st.builds(Unsealed, st.binary(max_size=99), _text)
)
_items = st.lists(st.tuples(_records, _parts), min_size=1, max_size=5)


@given(_items)
def test_batches_travel(items: list[tuple[Record | Draft, list[SealedPart | Unsealed]]]) -> None:
    """What is read of a batch is what was put into it."""
    message = batch_message([piece for record, parts in items for piece in item_bytes(record, parts)])
    assert [(record, list(parts)) for record, parts in read_batch(message[LENGTH.size :])] == items


@given(st.binary(max_size=300))
def test_broken_bytes(data: bytes) -> None:
    """Any bytes are a message, or WireBroken."""
    for read in (read_batch, read_answer):
        with suppress(WireBroken):
            read(data)


def _first_state(log: FileLog) -> bytes:
    return state_message(log.healthy(), log.origin, log.status())
