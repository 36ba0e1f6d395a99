"""What a log in PostgreSQL costs: durable appends in a shared order against a bare COPY loop in the same run.

Run from the root of the checkout: `python tests/bench/bench_audit_postgres.py`. Exits 1 when a target is missed.
A throw-away server is started on a unix socket, with fsync on. The bare loop hands bytes to a thread, which COPYs
whatever waits into a table and commits: no order, no counters, no hashes, no tiles. Rounds alternate, so that both meet
the same disk and the same neighbours; the best of each counts. Replicas are processes, as they are in a cluster.
"""

import asyncio
import contextlib
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

import psycopg

sys.path.insert(0, str(Path(__file__).parents[2]))

from audit.postgres.address import Address
from audit.postgres.log import PostgresLog
from audit.settings import LogSettings, Writer
from tests.audit.servers import Server, running
from tests.bench.bench_audit import APPENDS, IN_FLIGHT, NOON, ORIGIN, Figure, Pace, Signer, record

if TYPE_CHECKING:
    from threading import Barrier

ROUNDS = 3
TARGET = 20_000


class BareCopy:
    """Group commit by COPY and nothing else."""

    def __init__(self, server: Server) -> None:
        self._session = psycopg.connect(server.url("owner"))
        self._session.execute("CREATE TABLE IF NOT EXISTS bare (data bytea)")
        self._session.commit()
        self._queue: SimpleQueue[Any] = SimpleQueue()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    async def append(self, data: bytes) -> None:
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        self._queue.put((data, future, loop))
        await future

    def close(self) -> None:
        self._queue.put(None)
        self._thread.join()
        self._session.close()

    def _run(self) -> None:
        while True:
            batch = [self._queue.get()]
            with contextlib.suppress(Empty):
                while len(batch) < 256:
                    batch.append(self._queue.get_nowait())
            if batch[-1] is None:
                return
            with self._session.cursor() as cursor, cursor.copy("COPY bare (data) FROM STDIN (FORMAT BINARY)") as copy:
                copy.set_types(["bytea"])
                for data, _, _ in batch:
                    copy.write_row((data,))
            self._session.commit()
            batch[0][2].call_soon_threadsafe(_answer, [item[1] for item in batch])


def _answer(futures: "list[asyncio.Future[None]]") -> None:
    for future in futures:
        future.set_result(None)


async def _closed_loop(append: Callable[[int], Awaitable[object]]) -> Pace:
    """So many in flight, each producer waiting for its own record."""
    latencies: list[float] = []
    numbers = iter(range(APPENDS))

    async def produce() -> None:
        for number in numbers:
            begun = time.perf_counter()
            await append(number)
            latencies.append(time.perf_counter() - begun)

    begun = time.perf_counter()
    await asyncio.gather(*[produce() for _ in range(IN_FLIGHT)])
    seconds = time.perf_counter() - begun
    return Pace(APPENDS / seconds, sorted(latencies)[APPENDS * 99 // 100] * 1e3, float("nan"))


def replica(url: str, name: str, width: int, count: int, ready: "Barrier") -> tuple[float, float, list[float]]:
    """A replica in a process of its own: when it began and ended, and how long each append took."""
    sys.setswitchinterval(0.0005)
    log = PostgresLog.open(
        Address.parse(url),
        origin=ORIGIN,
        signer=Signer(),
        clock=lambda: NOON,
        writer=Writer(name, f"boot-{time.monotonic_ns()}", "prod-7", "eu-de"),
        settings=LogSettings(reserve_bytes=0),
        patience=30.0,
    )
    records = [record(number) for number in range(count)]
    latencies: list[float] = []
    numbers = iter(range(count))

    async def produce() -> None:
        for number in numbers:
            begun = time.perf_counter()
            await log.append(records[number])
            latencies.append(time.perf_counter() - begun)

    async def run() -> None:
        await asyncio.gather(*[produce() for _ in range(width)])

    ready.wait()
    begun = time.time()
    asyncio.run(run())
    ended = time.time()
    log.close_now()
    return begun, ended, latencies


def _replicas(server: Server, count: int) -> Pace:
    """Several replicas, which share what is in flight and the records."""
    with get_context("spawn").Manager() as manager, ProcessPoolExecutor(count, get_context("spawn")) as pool:
        ready = manager.Barrier(count)
        share = (IN_FLIGHT // count, APPENDS // count)
        running = [pool.submit(replica, server.url(), f"bench-{n}", *share, ready) for n in range(count)]
        found = [one.result() for one in running]
    seconds = max(ended for _, ended, _ in found) - min(begun for begun, _, _ in found)
    latencies = sorted(latency for _, _, some in found for latency in some)
    return Pace(len(latencies) / seconds, latencies[len(latencies) * 99 // 100] * 1e3, float("nan"))


def figures(server: Server) -> Iterator[Figure]:
    """Measure everything on this server."""
    records = [record(number) for number in range(APPENDS)]
    leaves = [one.body + bytes(140) for one in records]
    best: dict[str, Pace] = {}

    def took(name: str, pace: Pace) -> None:
        best[name] = max(best.get(name, pace), pace, key=lambda one: one.rate)

    for _ in range(ROUNDS):
        bare = BareCopy(server)
        took("bare", asyncio.run(_closed_loop(lambda n: bare.append(leaves[n]))))  # noqa: B023
        bare.close()
        took("one replica", _replicas(server, 1))
        took("two replicas in one order", _replicas(server, 2))
    yield Figure(f"bare COPY and commit, {IN_FLIGHT} in flight", best["bare"].rate, "/s")
    yield Figure("  p99", best["bare"].high, "ms")
    for name in ("one replica", "two replicas in one order"):
        pace = best[name]
        yield Figure(f"durable appends by {name}, {IN_FLIGHT} in flight", pace.rate, "/s", least=TARGET)
        yield Figure("  p99", pace.high, "ms")
        yield Figure("  share of the bare loop's rate", pace.rate / best["bare"].rate, "")


def main() -> int:
    """Print each figure; 1 when a target is missed."""
    missed = 0
    sys.setswitchinterval(0.0005)  # as the log's process has it
    with running() as server:
        for figure in figures(server):
            print(figure, flush=True)
            missed += not figure.is_met
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
