"""What the audit trail costs: durable appends against a bare group-commit loop in the same run, verification, records.

Run from the root of the checkout: `python tests/bench/bench_audit.py`. Exits 1 when a figure misses its target. The
bare loop hands bytes to a thread, which joins, writes and syncs whatever waits: the least that durability can cost.
Rounds alternate, so that both meet the same disk and the same neighbours; the best of each counts.
"""

import asyncio
import contextlib
import os
import sys
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from audit.checks.verify import verify_log
from audit.exports.html import Sections, report_of_log
from audit.files.log import FileLog, LogSettings, Writer
from audit.leaves.record import Record, SealedPart, decision_record
from audit.leaves.tags import Tagger, salted
from audit.tlog import VerifierKey

IN_FLIGHT = 64
ROUNDS = 5
APPENDS = 20_000
ORIGIN = "audit.example.org/bench"
NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Figure:
    """One measurement; `least` and `most` are its targets."""

    name: str
    value: float
    unit: str
    least: float | None = None
    most: float | None = None

    @property
    def is_met(self) -> bool:
        return (self.least is None or self.value >= self.least) and (self.most is None or self.value <= self.most)

    def __str__(self) -> str:
        bound = self.least if self.least is not None else self.most
        word = "at least" if self.least is not None else "at most"
        target = f"target {word} {bound:,.6g}  {'ok' if self.is_met else 'MISSED'}" if bound is not None else ""
        return f"{self.name:<58}{self.value:>12,.2f} {self.unit:<10}{target}"


class Signer:
    """An Ed25519 key in memory."""

    name = ORIGIN

    def __init__(self) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(bytes(32))
        self.public_key = self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    def sign(self, message: bytes) -> bytes:
        return self._key.sign(message)


class TagKey:
    """A keyed hash in memory."""

    key_id = "tags-1"

    def __call__(self, value: bytes) -> bytes:
        import hmac

        return hmac.digest(bytes(32), value, "sha256")


class BareLoop:
    """Group commit and nothing else. With `two`, a second file is written and synced first, as sealed parts are."""

    def __init__(self, directory: Path, *, two: bool) -> None:
        self._files = [os.open(directory / name, os.O_RDWR | os.O_CREAT) for name in ("first", "second")[: 1 + two]]
        self._queue: SimpleQueue[Any] = SimpleQueue()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    async def append(self, data: bytes, second: bytes = b"") -> None:
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        self._queue.put((data, second, future, loop))
        await future

    def close(self) -> None:
        self._queue.put(None)
        self._thread.join()
        for file in self._files:
            os.close(file)

    def _run(self) -> None:
        offsets = [0, 0]
        while True:
            batch = [self._queue.get()]
            with contextlib.suppress(Empty):
                while len(batch) < 256:
                    batch.append(self._queue.get_nowait())
            if batch[-1] is None:
                return
            for which in reversed(range(len(self._files))):
                data = b"".join([item[which] for item in batch])
                os.pwrite(self._files[which], data, offsets[which])
                os.fdatasync(self._files[which])
                offsets[which] += len(data)
            batch[0][3].call_soon_threadsafe(_answer, [item[2] for item in batch])


def _answer(futures: list["asyncio.Future[None]"]) -> None:
    for future in futures:
        future.set_result(None)


@dataclass(frozen=True, slots=True)
class Pace:
    """Appends per second, the 99th percentile in milliseconds, CPU microseconds of all threads for one."""

    rate: float
    high: float
    cpu: float


async def _closed_loop(append: Callable[[int], Awaitable[object]]) -> Pace:
    """So many in flight, each producer waiting for its own record."""
    latencies: list[float] = []
    numbers = iter(range(APPENDS))

    async def produce() -> None:
        for number in numbers:
            begun = time.perf_counter()
            await append(number)
            latencies.append(time.perf_counter() - begun)

    begun, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*[produce() for _ in range(IN_FLIGHT)])
    seconds, cpu = time.perf_counter() - begun, time.process_time() - cpu
    return Pace(APPENDS / seconds, sorted(latencies)[APPENDS * 99 // 100] * 1e3, cpu / APPENDS * 1e6)


def record(number: int) -> Record:
    """A decision of usual size, about a kilobyte."""
    return decision_record(_fields(number, Tagger(TagKey())))


def _fields(number: int, tagger: Tagger) -> dict[str, object]:
    digest, salt = bytes(32), bytes(16)
    namespace = f"team-{number % 50}"
    return {
        "id": f"0b6c{number:08x}-0000-4000-8000-000000000000",
        "uid": f"9d2e{number:08x}-0000-4000-8000-000000000000",
        "time": NOON,
        "cluster": "prod-7",
        "region": "eu-de",
        "engine": "0.1.0",
        "namespace": namespace,
        "gvk": "apps/v1/Deployment",
        "operation": "CREATE",
        "phase": "validate-fail",
        "data_class": "restricted",
        "jurisdiction": "eu",
        "places": ["aws.eu-central-1"],
        "isolation": "exclusive",
        "images": ["registry.example/vllm@sha256:" + "a" * 64],
        "policies": ["placement", "gpu-isolation"],
        "verdict": "allowed",
        "latency_us": 240,
        "digests": {name: salted(salt, digest) for name in ("policies", "data", "snapshot", "request")},
        "tags": tagger.of(
            tenant=namespace,
            user="system:serviceaccount:kube-system:deployment-controller",
            groups=["system:serviceaccounts", "system:authenticated"],
            address="10.0.0.1",
            name=f"web-{number}",
            object_digest=digest,
        ),
    }


def _log(directory: Path) -> FileLog:
    writer = Writer("bench-0", "boot", "prod-7", "eu-de")
    settings = LogSettings(reserve_bytes=0)
    return FileLog.open(directory, origin=ORIGIN, signer=Signer(), clock=lambda: NOON, writer=writer, settings=settings)


def _paces(directory: Path, *, sealed: bool) -> tuple[Pace, Pace]:
    """The best bare round and the best of the log."""
    records = [record(number) for number in range(APPENDS)]
    part = [SealedPart("key", os.urandom(1500))] if sealed else []
    leaves = [one.body + bytes(140) for one in records]
    bare_best = log_best = Pace(0, float("inf"), float("inf"))
    for number in range(ROUNDS):
        bare = BareLoop(directory / _made(directory, f"bare-{sealed}-{number}"), two=sealed)
        pace = asyncio.run(_closed_loop(lambda n, to=bare: to.append(leaves[n], part[0].ciphertext if part else b"")))  # type: ignore[misc]
        bare.close()
        bare_best = max(bare_best, pace, key=lambda pace: pace.rate)
        log = _log(directory / f"log-{sealed}-{number}")
        pace = asyncio.run(_closed_loop(lambda n, to=log: to.append(records[n], part)))  # type: ignore[misc]
        log.close_now()
        log_best = max(log_best, pace, key=lambda pace: pace.rate)
    return bare_best, log_best


def _made(directory: Path, name: str) -> str:
    (directory / name).mkdir()
    return name


def _loop_thread(directory: Path) -> float:
    """CPU microseconds of the event loop's thread for one append, one after the other's answer."""
    log = _log(directory / "loop")
    records = [record(number) for number in range(4_000)]

    async def run() -> float:
        begun = time.thread_time()
        for at in range(0, len(records), IN_FLIGHT):
            await asyncio.gather(*[log.append(one) for one in records[at : at + IN_FLIGHT]])
        return (time.thread_time() - begun) / len(records) * 1e6

    try:
        return min(asyncio.run(run()) for _ in range(3))
    finally:
        log.close_now()


def _building() -> float:
    """CPU microseconds to build a record, tags and salted digests included; identities repeat, names don't."""
    tagger, best = Tagger(TagKey()), float("inf")
    for _ in range(ROUNDS):
        begun = time.process_time()
        for number in range(5_000):
            decision_record(_fields(number, tagger))
        best = min(best, time.process_time() - begun)
    return best / 5_000 * 1e6


def _verifying(directory: Path) -> tuple[float, float]:
    """Records verified per second and core, and leaf hashes alone, in turns: the machine's own measure."""
    import hashlib

    key, data = VerifierKey.ed25519(ORIGIN, Signer().public_key), bytes(1200)
    verified = hashed = float("inf")
    for _ in range(ROUNDS):
        begun = time.process_time()
        report = verify_log(directory, [key])
        between = time.process_time()
        for _ in range(report.records):
            hashlib.sha256(b"\x00" + data).digest()
        assert report.ok
        verified, hashed = min(verified, between - begun), min(hashed, time.process_time() - between)
    return report.records / verified, report.records / hashed


def _verifying_shared(directory: Path, jobs: int) -> float:
    """How many times sooner so many processes are done, by the clock; their start is in it."""
    key = VerifierKey.ed25519(ORIGIN, Signer().public_key)
    _filled(directory, 400_000)
    alone = shared = float("inf")
    for _ in range(2):
        begun = time.perf_counter()
        assert verify_log(directory, [key]).ok
        between = time.perf_counter()
        assert verify_log(directory, [key], jobs=jobs).ok
        alone, shared = min(alone, between - begun), min(shared, time.perf_counter() - between)
    return alone / shared


def _report(directory: Path) -> tuple[float, float]:
    """Seconds and megabytes of a report for a hundred thousand records."""
    _filled(directory / "report", 100_000)
    begun = time.process_time()
    made = report_of_log(directory / "report", Sections(NOON, [VerifierKey.ed25519(ORIGIN, Signer().public_key)]))
    return time.process_time() - begun, len(made.encode()) / 1e6


def _filled(directory: Path, count: int) -> None:
    """A closed log of so many records."""
    log = _log(directory)

    async def fill() -> None:
        for at in range(0, count, 2_000):
            await asyncio.gather(*[log.append(record(number)) for number in range(at, at + 2_000)])

    asyncio.run(fill())
    log.close_now()


def figures(directory: Path) -> Iterator[Figure]:
    """Measure everything in `directory`, whose disk counts."""
    yield Figure("a record built, with tags and salted digests", _building(), "us")
    yield Figure("an append, on the event loop's thread", _loop_thread(directory), "us")
    for sealed, what in ((False, "records"), (True, "records with a sealed part")):
        bare, log = _paces(directory, sealed=sealed)
        yield Figure(f"bare group commit, {IN_FLIGHT} in flight", bare.rate, "/s")
        yield Figure("  p99", bare.high, "ms")
        yield Figure("  CPU for one, all threads", bare.cpu, "us")
        yield Figure(f"durable appends of {what}, {IN_FLIGHT} in flight", log.rate, "/s")
        yield Figure("  p99", log.high, "ms")
        yield Figure("  CPU for one, all threads, publishing included", log.cpu, "us")
        yield Figure("  share of the bare loop's rate", log.rate / bare.rate, "", least=0.8)
    verified, hashed = _verifying(directory / "log-False-0")
    yield Figure("leaf hashes alone", hashed, "/s a core")
    yield Figure("verified", verified, "/s a core", least=200_000)
    yield Figure("  share of the hashes' rate", verified / hashed, "")
    verified, _ = _verifying(directory / "log-True-0")
    yield Figure("verified, records with a sealed part of 1.5 kB", verified, "/s a core")
    yield Figure("verified by two processes, times as soon as by one", _verifying_shared(directory / "long", 2), "")
    seconds, megabytes = _report(directory)
    yield Figure("HTML report of 100,000 decisions", seconds, "s", most=20)
    yield Figure("  size", megabytes, "MB", most=15)


def main() -> int:
    """Print each figure as it is measured; 1 when a target is missed."""
    missed = 0
    sys.setswitchinterval(
        0.0005
    )  # as a process with an event loop and a log should: else each waits 5 ms for the other
    with tempfile.TemporaryDirectory(
        prefix="bench-audit-", dir=os.environ.get("BAILIWICK_BENCH_DIRECTORY")
    ) as directory:
        for figure in figures(Path(directory)):
            print(figure, flush=True)
            missed += not figure.is_met
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
