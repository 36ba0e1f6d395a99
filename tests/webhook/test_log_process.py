"""The log in a process of its own: what is acknowledged outlives every death, and a death is mended."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from audit import LogRefused, LogUnavailable
from audit.checks.verify import verify_log
from audit.reading import read_checkpoint, read_records
from audit.tlog import VerifierKey
from tests.audit.worlds import decision
from webhook.log.process import LogProcess
from webhook.log.state import open_keyring, open_log
from webhook.options import Options


def options(directory: Path) -> Options:
    """A state directory with a keyring, as `serve` leaves it before it opens the log."""
    made = Options(version="test", state=str(directory))
    open_keyring(made)
    return made


@asynccontextmanager
async def started(directory: Path) -> AsyncIterator[LogProcess]:
    log = await LogProcess.start(options(directory))
    try:
        yield log
    finally:
        await log.close()


def verified(directory: Path) -> int:
    """Records under the signed checkpoint, all of them checked."""
    keys = [VerifierKey.parse(line) for line in (directory / "log.vkeys").read_text().split()]
    assert verify_log(directory / "log", keys).ok
    return read_checkpoint(directory / "log").size


async def test_closed_in_good_order(tmp_path: Path) -> None:
    """When `close` returns, the process has ended and everything is signed, a stop record last."""
    async with started(tmp_path) as log:
        position = await log.append(decision(1))
        assert log.healthy()
        assert log.status().size >= 2
    records = list(read_records(tmp_path / "log"))
    assert records[-1].fields["schema"].startswith("bailiwick.stop/")
    assert verified(tmp_path) == len(records) > position.index
    with pytest.raises(ProcessLookupError):
        os.kill(log.pid, 0)


async def test_a_death_is_mended(tmp_path: Path) -> None:
    """Killed under load it is started again; what was acknowledged is there, what came meanwhile was refused."""
    acknowledged = {}
    async with started(tmp_path) as log:

        async def one(number: int) -> None:
            with suppress(LogUnavailable):
                acknowledged[number] = (await log.append(decision(number))).index

        before = [asyncio.create_task(one(number)) for number in range(200)]
        await asyncio.sleep(0.02)
        killed = log.pid
        os.kill(killed, signal.SIGKILL)
        await asyncio.gather(*before)
        while log.pid == killed or not log.healthy():
            await asyncio.sleep(0.02)
        await one(1000)
        assert 1000 in acknowledged
    bodies = {record.index: record.leaf for record in read_records(tmp_path / "log")}
    assert all(bodies[index].startswith(decision(number).body[:-1]) for number, index in acknowledged.items())
    assert verified(tmp_path) == len(bodies)


async def test_signals_are_for_the_webhook(tmp_path: Path) -> None:
    """SIGTERM and SIGINT to the whole group don't end the log before those who still append."""
    async with started(tmp_path) as log:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            os.kill(log.pid, number)
        await asyncio.sleep(0.1)
        assert (await log.append(decision(1))).index >= 2


async def test_a_webhook_that_dies(tmp_path: Path) -> None:
    """When the webhook is gone, its log's process closes the log and ends, and the next one takes over."""
    first = await LogProcess.start(options(tmp_path))
    await first.append(decision(1))
    first._keeping.cancel()
    first._remote.drop()  # what the kernel does for a process that is killed
    async with started(tmp_path) as second:
        await second.append(decision(2))
    await asyncio.to_thread(first._process.wait)
    assert verified(tmp_path) >= 4


async def test_no_opening(tmp_path: Path) -> None:
    """A log that can't be opened is refused in the words of the one who tried."""
    made = options(tmp_path)
    open_log(made, open_keyring(made)).close_now()
    (tmp_path / "log" / "checkpoint").write_bytes(b"not a note")
    with pytest.raises(LogRefused, match="`checkpoint` is damaged"):
        await LogProcess.start(made)
