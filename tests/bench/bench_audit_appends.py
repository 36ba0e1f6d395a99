"""What a durable append costs where it happens: in the log's own process, asked over its socket by an event loop.

Run from the root of the checkout: `python tests/bench/bench_audit_appends.py`. Exits 1 when a target is missed. The
bare end is a process on the same socket, asked by the same client, which answers in the same way and does nothing but
write what came, as many bytes as the log writes, and sync it; twice, to two files, where there are sealed parts: the
least that durability can cost there. Another one does what any such log must do besides, as plainly as this interpreter
can: find each record in what came, number it, chain it to its tenant's last, hash it, frame it, and check the whole.
Rounds alternate, so that all meet the same disk and the same neighbours; the best of each counts. Then what the ends do
with a batch, without socket and event loop; and group commit within one process.
"""

import asyncio
import contextlib
import os
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from binascii import hexlify
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any
from zlib import crc32

sys.path.insert(0, str(Path(__file__).parents[2]))

from audit.files.log import FileLog
from audit.leaves.record import Record, SealedPart
from audit.process.remote import RemoteLog
from audit.process.serving import AT_ONCE, serve
from audit.process.wire import LENGTH, done_message, item_bytes, state_message
from audit.settings import LogSettings, LogStatus, Writer
from tests.bench.bench_audit import NOON, ORIGIN, Figure, Signer, record

IN_FLIGHT = 64
ROUNDS = 5
APPENDS = 20_000
OVER_SOCKET = 50_000  # long enough for several publications beside
PART = 1500  # bytes
WRITTEN = 170  # bytes that a log adds to a record: counters, chain, frame
TURN = 0.0005  # seconds, as the log's process has it


@dataclass(frozen=True, slots=True)
class Pace:
    """Appends per second, the 99th percentile in ms, CPU microseconds for one: here, there, and to publish."""

    rate: float
    high: float
    cpu: float
    there: float = 0.0
    publishing: float = 0.0


def opened(directory: Path) -> FileLog:
    """A log as the benchmark has it."""
    writer = Writer("bench-0", "boot", "prod-7", "eu-de")
    settings = LogSettings(reserve_bytes=0, apart=True)
    return FileLog.open(directory, origin=ORIGIN, signer=Signer(), clock=lambda: NOON, writer=writer, settings=settings)


# — the other end, in a process of its own —


BARE, LEAST, LOG = "bare", "least", "log"
HEAD = struct.Struct(">?HHIH")  # of a record on the wire: a draft?; sizes of schema, tenant and body; number of parts


def serve_bare(channel: socket.socket, disk: "BareDisk", size: int) -> None:
    """Write and sync whatever waits, then answer. `size`: of each record on the wire, with its part."""
    channel.sendall(state_message(True, ORIGIN, LogStatus(0, 0, 0, 0.0, 0, 0, "")))
    done = 0
    while messages := waiting(channel, AT_ONCE * size):
        data = b"".join(messages)
        count = len(data) // size
        disk.write(data, count)
        channel.sendall(done_message(done, [bytes(32)] * count))
        done += count


def serve_least(channel: socket.socket, disk: "BareDisk", size: int) -> None:
    """As `serve_bare`, with nothing but what makes a record evidence."""
    channel.sendall(state_message(True, ORIGIN, LogStatus(0, 0, 0, 0.0, 0, 0, "")))
    done, last = 0, dict[bytes, tuple[int, bytes]]()
    while messages := waiting(channel, AT_ONCE * size):
        data, at, frames, digests = b"".join(messages), 0, [], []
        while at < len(data):
            _, schema, tenant, body, _ = HEAD.unpack_from(data, at)
            begin = at + HEAD.size + schema
            end = begin + tenant + body
            owner, at = data[begin : begin + tenant], end
            seq, before = last.get(owner, (0, b""))
            more = seq + 1, done + len(digests), hexlify(before)
            leaf = data[begin + tenant : end - 1] + b',"written":{"tenant":%d,"seq":%d,"prev":"%b"}}' % more
            digest = sha256(b"\x00" + leaf).digest()
            last[owner] = seq + 1, digest
            frames += (LENGTH.pack(len(leaf)), digest, leaf)
            digests.append(digest)
        written = b"".join(frames)
        disk.append(LENGTH.pack(crc32(written)) + written)
        channel.sendall(done_message(done, digests))
        done += len(digests)


class BareDisk:
    """A file that is appended to and synced; with `parts`, another one before it."""

    def __init__(self, directory: Path, *, parts: bool) -> None:
        directory.mkdir()
        self._files = [os.open(directory / name, os.O_RDWR | os.O_CREAT) for name in ("first", "second")]
        self._offsets = [0, 0]
        self._parts = parts

    def write(self, data: bytes, count: int) -> None:
        """What came for so many records."""
        if self._parts:
            self.append(data[: count * PART], 1)
            data = data[count * PART :]
        self.append(data + bytes(count * WRITTEN))

    def append(self, data: bytes, which: int = 0) -> None:
        """These bytes to one of the files."""
        os.pwrite(self._files[which], data, self._offsets[which])
        os.fdatasync(self._files[which])
        self._offsets[which] += len(data)


def waiting(channel: socket.socket, most: int) -> list[bytes]:
    """Every message that is there; none when the other end is gone."""
    messages: list[bytes] = []
    while not messages or (sum(map(len, messages)) < most and _readable(channel)):
        head = channel.recv(LENGTH.size, socket.MSG_WAITALL)
        if not head:
            return []
        messages.append(channel.recv(LENGTH.unpack(head)[0], socket.MSG_WAITALL))
    return messages


def _readable(channel: socket.socket) -> bool:
    with contextlib.suppress(BlockingIOError):
        return bool(channel.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
    return False


def other_end(descriptor: int, directory: Path, kind: str, size: int, parts: int) -> None:
    """A process's work."""
    sys.setswitchinterval(TURN)
    log = opened(directory) if kind == LOG else None
    disk = None if log else BareDisk(directory, parts=bool(parts))
    begun = time.process_time()
    with socket.socket(fileno=descriptor) as channel, contextlib.suppress(ConnectionError):
        if log is not None:
            serve(log, channel)
        if disk is not None:
            (serve_bare if kind == BARE else serve_least)(channel, disk, size)
    if log is not None:
        log.close_now()  # what is left to publish counts
    children = os.times()
    print(time.process_time() - begun, children.children_user + children.children_system)


# — this end —


@contextlib.contextmanager
def end(directory: Path, kind: str, size: int, *, parts: bool, cpu: list[float]) -> Iterator[socket.socket]:
    """Another process's socket; `cpu` gets the seconds that it worked, and those that its own process published."""
    ours, theirs = socket.socketpair()
    with theirs:
        arguments = [str(theirs.fileno()), str(directory), kind, str(size), str(int(parts))]
        command = [sys.executable, __file__, *arguments]
        process = subprocess.Popen(command, pass_fds=[theirs.fileno()], stdout=subprocess.PIPE)
    yield ours
    cpu += map(float, process.communicate()[0].split())


async def _over_socket(channel: socket.socket, records: Sequence[Record], parts: Sequence[SealedPart]) -> Pace:
    remote = await RemoteLog.over(channel)
    try:
        return await _closed_loop(lambda number: remote.append(records[number], parts), len(records))
    finally:
        remote.drop()
        await remote.lost


async def _closed_loop(append: Callable[[int], Awaitable[object]], count: int) -> Pace:
    """So many in flight, each producer waiting for its own record."""
    latencies: list[float] = []
    numbers = iter(range(count))

    async def produce() -> None:
        for number in numbers:
            begun = time.perf_counter()
            await append(number)
            latencies.append(time.perf_counter() - begun)

    begun, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*[produce() for _ in range(IN_FLIGHT)])
    seconds, cpu = time.perf_counter() - begun, time.process_time() - cpu
    return Pace(count / seconds, sorted(latencies)[count * 99 // 100] * 1e3, cpu / count * 1e6)


def _sockets(
    directory: Path, records: Sequence[Record], parts: Sequence[SealedPart]
) -> tuple[dict[str, Pace], dict[str, float]]:
    """The best of each end, and the median over the rounds of what the log reached of it."""
    sizes = {sum(map(len, item_bytes(one, parts))) for one in records}
    assert len(sizes) == 1, "records of one size, so that the bare end counts without looking"
    best = {kind: Pace(0, *[float("inf")] * 4) for kind in ((BARE, LOG) if parts else (BARE, LEAST, LOG))}
    shares: dict[str, list[float]] = {kind: [] for kind in best}
    for number in range(ROUNDS):
        rates = {}
        for kind, so_far in best.items():
            cpu: list[float] = []
            place = directory / f"{number}-{kind}-{len(parts)}"
            with end(place, kind, *sizes, parts=bool(parts), cpu=cpu) as channel:
                pace = asyncio.run(_over_socket(channel, records, parts))
            rates[kind] = pace.rate
            there, publishing = (seconds / len(records) * 1e6 for seconds in cpu)
            best[kind] = replace(
                max(so_far, pace, key=lambda one: one.rate),
                there=min(so_far.there, there),
                publishing=min(so_far.publishing, publishing),
            )
        for kind, rate in rates.items():
            shares[kind].append(rates[LOG] / rate)
    return best, {kind: sorted(found)[ROUNDS // 2] for kind, found in shares.items()}


def _batches(directory: Path, records: Sequence[Record], parts: Sequence[SealedPart]) -> tuple[float, float]:
    """Records per second of both ends by themselves, in batches as large as what is in flight."""
    named = [(part.key_id, part.ciphertext) for part in parts]
    items = [(one, named) for one in records]
    data = [b"".join([part.ciphertext for part in parts]) + one.body for one in records]
    best = [0.0, 0.0]
    for number in range(ROUNDS):
        disk = BareDisk(directory / f"batch-{number}-{len(parts)}", parts=bool(parts))
        begun = time.perf_counter()
        for at in range(0, APPENDS, IN_FLIGHT):
            disk.write(b"".join(data[at : at + IN_FLIGHT]), len(data[at : at + IN_FLIGHT]))
        best[0] = max(best[0], APPENDS / (time.perf_counter() - begun))
        log = opened(directory / f"batches-{number}-{len(parts)}")
        begun = time.perf_counter()
        for at in range(0, APPENDS, IN_FLIGHT):
            log.append_batch(items[at : at + IN_FLIGHT])
        best[1] = max(best[1], APPENDS / (time.perf_counter() - begun))
        log.close_now()
    return best[0], best[1]


class OneProcess:
    """Group commit by a thread beside the event loop: no socket, no other interpreter, and no log."""

    def __init__(self, disk: BareDisk) -> None:
        self._disk = disk
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

    def _run(self) -> None:
        while True:
            batch = [self._queue.get()]
            with contextlib.suppress(Empty):
                while len(batch) < AT_ONCE:
                    batch.append(self._queue.get_nowait())
            if batch[-1] is None:
                return
            self._disk.write(b"".join([item[0] for item in batch]), len(batch))
            batch[0][2].call_soon_threadsafe(_answer, [item[1] for item in batch])


def _answer(futures: "list[asyncio.Future[None]]") -> None:
    for future in futures:
        future.set_result(None)


def _one_process(directory: Path, records: Sequence[Record]) -> Pace:
    best = Pace(0, 0, 0)
    for number in range(ROUNDS):
        bare = OneProcess(BareDisk(directory / f"one-{number}", parts=False))
        pace = asyncio.run(_closed_loop(lambda n: bare.append(records[n].body), APPENDS))  # noqa: B023
        best = max(best, pace, key=lambda one: one.rate)
        bare.close()
    return best


def _ends_figures(best: Mapping[str, Pace]) -> Iterator[Figure]:
    names = {BARE: "bare group commit", LEAST: "least that a log must do, and group commit"}
    for kind, name in names.items():
        if kind in best:
            yield Figure(f"`{kind}`: {name}, over the socket", best[kind].rate, "/s")
            yield Figure("  p99", best[kind].high, "ms")
            yield Figure("  CPU for one, in the other process", best[kind].there, "us")


def figures(directory: Path) -> Iterator[Figure]:
    """Measure everything in `directory`, whose disk counts."""
    records = [record(number) for number in range(OVER_SOCKET)]
    for parts, what in (((), "records"), ((SealedPart("key", os.urandom(PART)),), "records with a sealed part")):
        best, shares = _sockets(directory, records, parts)
        log = best[LOG]
        yield from _ends_figures(best)
        yield Figure(f"durable appends of {what}, {IN_FLIGHT} in flight", log.rate, "/s")
        yield Figure("  p99", log.high, "ms")
        yield Figure("  CPU for one, on the caller's side", log.cpu, "us")
        yield Figure("  CPU for one, in the log's process", log.there, "us")
        yield Figure("  CPU for one, in the publisher's process, its start included", log.publishing, "us")
        for kind, least in ((BARE, None if parts else 0.8), (LEAST, None)):
            if kind in best:
                yield Figure(f"  share of the rate of `{kind}`", log.rate / best[kind].rate, "", least=least)
                yield Figure("  the same, the median of the rounds", shares[kind], "")
        bare_rate, log_rate = _batches(directory, records, parts)
        yield Figure(f"bare writes of {IN_FLIGHT} and a sync, nobody asking", bare_rate, "/s")
        yield Figure(f"the log's own batches of {IN_FLIGHT} {what}", log_rate, "/s")
        yield Figure("  share of the bare writes' rate", log_rate / bare_rate, "")
    one = _one_process(directory, records)
    yield Figure("bare group commit by a thread of the same process", one.rate, "/s")


def main() -> int:
    """Print each figure as it is measured; 1 when a target is missed."""
    if len(sys.argv) > 1:
        other_end(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
        return 0
    missed = 0
    sys.setswitchinterval(TURN)
    with tempfile.TemporaryDirectory(
        prefix="bench-audit-", dir=os.environ.get("BAILIWICK_BENCH_DIRECTORY")
    ) as directory:
        for figure in figures(Path(directory)):
            print(figure, flush=True)
            missed += not figure.is_met
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
