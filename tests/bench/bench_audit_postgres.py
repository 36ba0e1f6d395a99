"""What a log in PostgreSQL costs: durable appends in a shared order against a bare COPY loop in the same run.

Run from the root of the checkout: `python tests/bench/bench_audit_postgres.py`. Exits 1 when a target is missed.
A throw-away server is started on a unix socket, with fsync on. Replicas' logs are processes, asked over their sockets
by one event loop, as in a cluster. The bare end is a process on the same socket, asked by the same client, which COPYs
whatever waits into a table and commits: no order, no counters, no hashes, no tiles. Rounds alternate, so that both
meet the same disk and the same neighbours; the best of each counts, and the best ratio within one round.
"""

import asyncio
import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import psycopg

sys.path.insert(0, str(Path(__file__).parents[2]))

from audit.leaves.record import Record
from audit.postgres.address import Address
from audit.postgres.log import PostgresLog
from audit.process.remote import RemoteLog
from audit.process.serving import AT_ONCE, serve
from audit.process.wire import done_message, item_bytes, state_message
from audit.settings import LogSettings, LogStatus, Writer
from audit.switching import Keeping
from tests.audit.servers import Server, running
from tests.bench.bench_audit import NOON, ORIGIN, Figure, Signer, record
from tests.bench.bench_audit_appends import APPENDS, IN_FLIGHT, TURN, WRITTEN, Pace, waiting

ROUNDS = 5
TARGET = 20_000


def serve_bare(channel: socket.socket, url: str, size: int) -> None:
    """COPY and commit whatever waits, then answer. `size`: of each record on the wire."""
    channel.sendall(state_message(True, ORIGIN, LogStatus(0, 0, 0, 0.0, 0, 0, "")))
    done, more = 0, bytes(WRITTEN)
    with psycopg.connect(url) as session:
        while messages := waiting(channel, AT_ONCE * size):
            data = b"".join(messages)
            with session.cursor() as cursor, cursor.copy("COPY bare (data) FROM STDIN (FORMAT BINARY)") as copy:
                copy.set_types(["bytea"])
                for at in range(0, len(data), size):
                    copy.write_row((data[at : at + size] + more,))
            session.commit()
            channel.sendall(done_message(done, [bytes(32)] * (len(data) // size)))
            done += len(data) // size


def other_end(descriptor: int, url: str, name: str, size: int) -> None:
    """A process's work: one replica's log, or with a `size` the bare loop."""
    sys.setswitchinterval(TURN)
    with socket.socket(fileno=descriptor) as channel, contextlib.suppress(ConnectionError):
        if size:
            serve_bare(channel, url, size)
            return
        log = PostgresLog.open(
            Address.parse(url),
            Keeping(
                origin=ORIGIN,
                signer=Signer(),
                clock=lambda: NOON,
                writer=Writer(name, f"boot-{time.monotonic_ns()}", "prod-7", "eu-de"),
                settings=LogSettings(reserve_bytes=0),
            ),
            patience=30.0,
        )
        try:
            serve(log, channel)
        finally:
            log.close_now()


@contextlib.contextmanager
def ends(url: str, count: int, size: int = 0) -> Iterator[list[socket.socket]]:
    """Sockets of so many other processes."""
    channels, processes = [], []
    for number in range(count):
        ours, theirs = socket.socketpair()
        with theirs:
            arguments = [str(theirs.fileno()), url, f"bench-{number}", str(size)]
            processes.append(subprocess.Popen([sys.executable, __file__, *arguments], pass_fds=[theirs.fileno()]))
        channels.append(ours)
    yield channels
    for process in processes:
        process.wait()


async def _paced(channels: Sequence[socket.socket], records: Sequence[Record]) -> Pace:
    """So many in flight over all ends, each producer waiting for its own record."""
    logs = [await RemoteLog.over(channel) for channel in channels]
    latencies: list[float] = []
    numbers = iter(range(len(records)))

    async def produce(log: RemoteLog) -> None:
        for number in numbers:
            begun = time.perf_counter()
            await log.append(records[number])
            latencies.append(time.perf_counter() - begun)

    begun = time.perf_counter()
    await asyncio.gather(*[produce(logs[lane % len(logs)]) for lane in range(IN_FLIGHT)])
    seconds = time.perf_counter() - begun
    for log in logs:
        log.drop()
        await log.lost
    return Pace(len(records) / seconds, sorted(latencies)[len(records) * 99 // 100] * 1e3, float("nan"))


def figures(server: Server) -> Iterator[Figure]:
    """Measure everything on this server."""
    records = [record(number) for number in range(APPENDS)]
    (size,) = {sum(map(len, item_bytes(one, ()))) for one in records}
    server.execute("CREATE TABLE bare (data bytea)")
    best: dict[str, Pace] = {}
    shares: dict[str, float] = {}
    for _ in range(ROUNDS):
        bare = 0.0
        for name, url, count, bytes_each in (
            ("bare", server.url("owner"), 1, size),
            ("one replica", server.url(), 1, 0),
            ("two replicas in one order", server.url(), 2, 0),
        ):
            with ends(url, count, bytes_each) as channels:
                pace = asyncio.run(_paced(channels, records))
            bare = bare or pace.rate
            best[name] = max(best.get(name, pace), pace, key=lambda one: one.rate)
            shares[name] = max(shares.get(name, 0.0), pace.rate / bare)
    yield Figure(f"bare COPY and commit over the socket, {IN_FLIGHT} in flight", best["bare"].rate, "/s")
    yield Figure("  p99", best["bare"].high, "ms")
    for name in ("one replica", "two replicas in one order"):
        yield Figure(f"durable appends by {name}, {IN_FLIGHT} in flight", best[name].rate, "/s", least=TARGET)
        yield Figure("  p99", best[name].high, "ms")
        yield Figure("  best share of the bare loop's rate in a round", shares[name], "", least=0.8)


def main() -> int:
    """Print each figure; 1 when a target is missed."""
    if len(sys.argv) > 1:
        other_end(int(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4]))
        return 0
    missed = 0
    sys.setswitchinterval(TURN)
    with running() as server:
        for figure in figures(server):
            print(figure, flush=True)
            missed += not figure.is_met
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
