"""What every log promises, wherever it lies: what an acknowledgement means, and how one is refused."""

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from audit import LogBusy, LogClosed, LogLocked, LogUnavailable, Position, RecordInvalid, SealedPart, event_record
from audit.files.segments import archive_hash
from audit.tlog import leaf_hash
from tests.audit.backends import AnyLog, Backend
from tests.audit.wired import wired
from tests.audit.worlds import NOON, ORIGIN, NoteKey, decision, sealed, until


@pytest.fixture
def log(backend: Backend) -> Iterator[AnyLog]:
    """An open log."""
    opened = backend.open()
    yield opened
    opened.close_now()


async def test_positions_are_the_commit_order(log: AnyLog, backend: Backend) -> None:
    """Two hundred concurrent appends get the two hundred next places, each its own, and lie there."""
    records = [decision(number) for number in range(200)]
    async with wired(log) as remote:
        positions = await asyncio.gather(*[remote.append(record, sealed(n)) for n, record in enumerate(records)])
    assert sorted(position.index for position in positions) == list(range(2, 202))  # after genesis and start
    assert {position.origin for position in positions} == {ORIGIN}
    log.close_now()
    logged = {record.index: record for record in backend.records()}
    for number, position in enumerate(positions):
        there = logged[position.index]
        assert there.hash == position.leaf_hash == leaf_hash(there.leaf)
        assert there.fields["id"] == f"decision-{number}"


async def test_no_answer_before_it_is_durable(log: AnyLog, backend: Backend) -> None:
    """While a record can't become durable nobody is answered; once somebody is, a crash doesn't take it back."""
    async with wired(log) as remote:
        with backend.held():
            waiting = asyncio.ensure_future(remote.append(decision(1), sealed(1)))
            done, _ = await asyncio.wait([waiting], timeout=0.2)
            assert not done
        position = await waiting
    assert await asyncio.to_thread(backend.is_durable, position.leaf_hash)


async def test_a_full_queue_refuses(log: AnyLog, backend: Backend) -> None:
    """One append more than may wait is busy, at once; those that wait are served; later ones are taken again."""
    async with wired(log, waiting=8) as remote:
        with backend.held():
            waiting = [asyncio.ensure_future(remote.append(decision(number))) for number in range(8)]
            await asyncio.sleep(0)
            assert remote.status().waiting == 8
            with pytest.raises(LogBusy, match="try again"):
                await remote.append(decision(9))
            assert remote.status().refused == 1
        served = await asyncio.gather(*waiting)
        assert [position.index for position in served] == list(range(2, 10))
        assert (await remote.append(decision(9))).index == 10


async def test_who_comes_late_goes_along(log: AnyLog, backend: Backend) -> None:
    """What is asked for while a batch waits for the disk or for others is durable soon after, each once, in order."""
    async with wired(log) as remote:
        with backend.held():
            first = asyncio.ensure_future(remote.append(decision(0)))
            await asyncio.sleep(0.1)
            later = [asyncio.ensure_future(remote.append(decision(number))) for number in range(1, 300)]
            await asyncio.sleep(0.1)
        assert [position.index for position in await asyncio.gather(first, *later)] == list(range(2, 302))
    log.close_now()
    assert [record.fields["id"] for record in backend.records()[2:-1]] == [f"decision-{n}" for n in range(300)]


async def test_closing(backend: Backend) -> None:
    """What was accepted before the close is durable; what comes after is refused; closing twice is harmless."""
    log = backend.open()
    async with wired(log) as remote:
        positions = await asyncio.gather(*[remote.append(decision(number)) for number in range(50)])
    log.close_now()
    assert len({position.index for position in positions}) == 50
    with pytest.raises(LogClosed):
        log.append_now(decision(0))
    log.close_now()
    assert not log.healthy()
    status = log.status()
    assert status.size == status.published == status.signed == 53
    assert backend.records()[-1].fields["schema"].startswith("bailiwick.stop/")


def test_nobody_waits_for_ever_when_it_closes(backend: Backend) -> None:
    """Threads that append while the log closes all get an answer: a place, or a refusal."""
    log = backend.open()
    answers: list[Position | LogUnavailable] = []

    def run() -> None:
        while True:
            try:
                answers.append(log.append_now(decision(0)))
            except LogUnavailable as error:
                answers.append(error)
                return

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    until(lambda: len(answers) > 20)
    log.close_now()
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()
    places = {answer.index for answer in answers if isinstance(answer, Position)}
    assert places == set(range(2, 2 + len(places)))
    assert sum(isinstance(answer, LogClosed) for answer in answers) == 8


async def test_who_stops_waiting_does_not_undo(log: AnyLog, backend: Backend) -> None:
    """A caller that is cancelled leaves its record in the log, and nobody else is disturbed."""
    async with wired(log) as remote:
        with backend.held():
            gone = asyncio.ensure_future(remote.append(decision(0)))
            stays = asyncio.ensure_future(remote.append(decision(1)))
            await asyncio.sleep(0.05)
            gone.cancel()
        assert (await stays).index == 3
        with pytest.raises(asyncio.CancelledError):
            await gone
    log.close_now()
    assert [r.fields.get("id") for r in backend.records()[2:4]] == ["decision-0", "decision-1"]


def test_several_threads(log: AnyLog) -> None:
    """One log serves several threads, in one order."""
    places: list[int] = []

    def run() -> None:
        places.extend([log.append_now(decision(number)).index for number in range(20)])

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    places += [log.append_now(decision(number)).index for number in range(20)]
    for thread in threads:
        thread.join(10)
    assert sorted(places) == list(range(2, 82))


def test_a_log_tells_its_own_story(backend: Backend) -> None:
    """Genesis once, then start and stop for each run with what was found; a run that didn't end well is named."""
    backend.open().close_now()
    second = backend.open(boot="boot-2")
    second.append_now(event_record("policy-load", {"time": NOON, "cluster": "c", "region": "r", "outcome": "loaded"}))
    backend.cut_off()
    second.close_now()
    backend.recover()
    backend.open(boot="boot-3").close_now()
    records = backend.records()
    story = [
        (r.fields["schema"].split(".")[1].split("/")[0], r.fields["written"]["boot"], r.fields.get("clean"))
        for r in records
    ]
    assert story == [
        ("genesis", "boot-1", None),
        ("start", "boot-1", True),
        ("stop", "boot-1", None),
        ("start", "boot-2", True),
        ("policy-load", "boot-2", None),
        ("start", "boot-3", False),
        ("stop", "boot-3", None),
    ]
    assert [r.fields["written"]["seq"] for r in records] == list(range(1, 8))
    assert records[0].fields["log_key"] == str(NoteKey().verifier())
    assert records[0].fields["origin"] == ORIGIN
    assert backend.report().ok


def test_one_writer_of_a_name_at_a_time(backend: Backend) -> None:
    """A second writer under the same name is refused while the first runs, and not after it."""
    log = backend.open()
    with pytest.raises(LogLocked, match="another process"):
        backend.open(boot="boot-2")
    log.append_now(decision(0))
    log.close_now()
    backend.open(boot="boot-2").close_now()


def test_heartbeats(backend: Backend) -> None:
    """A log that nobody writes says from time to time that it is alive."""
    log = backend.open(heartbeat_seconds=0.01)
    until(lambda: log.status().size >= 4)
    log.close_now()
    assert any(r.fields["schema"].startswith("bailiwick.heartbeat/") for r in backend.records())


def test_a_signer_that_is_down_delays_only_the_signature(backend: Backend) -> None:
    """While nothing can be signed, records are acknowledged and published; the signature is made up for later."""
    signer = NoteKey(down=True)
    log = backend.open(signer=signer)
    log.append_now(decision(0))
    until(lambda: "sealed" in log.status().trouble and log.status().published == 3)
    status = log.status()
    assert (status.signed, log.healthy()) == (0, True)
    until(lambda: log.status().unsigned_seconds > 0.01)
    signer.down = False
    until(lambda: log.status().signed == 3 and log.status().unsigned_seconds == 0)
    assert log.status().trouble == ""
    assert len(signer.signed) == 1
    log.close_now()
    assert backend.report().ok


class Bad:
    """An envelope that isn't one."""

    def __init__(self, key_id: object, data: object) -> None:
        self.key_id = key_id
        self._data = data

    def to_bytes(self) -> Any:
        if isinstance(self._data, Exception):
            raise self._data
        return self._data


async def test_a_bad_envelope_harms_only_its_sender(log: AnyLog) -> None:
    """What is no envelope is refused before it reaches the writer; the log goes on."""
    bad = [Bad(b"id", b"x"), Bad("k" * 129, b"x"), Bad("k\n", b"x"), Bad("k", "text"), Bad("k", ValueError("broken"))]
    async with wired(log) as remote:
        for envelope in bad:
            with pytest.raises((RecordInvalid, ValueError)):
                await remote.append(decision(0), [envelope])
        with pytest.raises(RecordInvalid, match="at most 8"):
            log.append_now(decision(0), [SealedPart("k", b"x")] * 9)
        assert (await remote.append(decision(0))).index == 2


def test_sealed_parts_and_proofs(backend: Backend) -> None:
    """Sealed parts are found by their hash, and every record has a proof under the checkpoint."""
    log = backend.open()
    positions = [log.append_now(decision(number), sealed(number)) for number in range(300)]
    log.close_now()
    key = NoteKey().verifier()
    for number in (0, 253, 254, 299):
        part = sealed(number)[0].to_bytes()
        assert backend.sealed(archive_hash(part)) == part
        proof = backend.proof(positions[number].index)
        assert proof.verify(positions[number].leaf_hash, [key], ORIGIN).size == 303
    assert backend.sealed(b"\x00" * 32) is None
    named = sealed(0)[0]
    assert orjson.loads(backend.records()[2].leaf)["written"]["sealed"] == [
        {"key": named.key_id, "sha256": archive_hash(named.ciphertext).hex(), "size": len(named.ciphertext)}
    ]
    report = backend.report()
    assert (report.ok, report.records, report.tenants) == (True, 303, 3)
