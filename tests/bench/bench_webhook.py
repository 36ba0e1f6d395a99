"""The webhook with its built-in packs against the same server answering a constant: throughput, CPU, latency.

`python tests/bench/bench_webhook.py [SECONDS]`. One worker, TLS 1.3 keep-alive, a pinned vLLM Deployment of 6.5 KB, a
durable log on this machine's disk, against FastAPI with a raw body under uvicorn. Runs alternate and the best round of
each counts: others may be using the machine. CPU time is the server's own, all threads, and beside it that of the log's
process. Exits 1 when a target is missed.
"""

import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from load import CHANGING, Load, closed_loop, open_loop
from vllm_review import review

ROOT = Path(__file__).resolve().parents[2]
QUICKSTART = ROOT / "examples" / "quickstart"
NAMESPACE = "clinic"  # of the quickstart's cluster: a governed one
ROUNDS = 3
CONNECTIONS = 64  # a group commit takes the disk's time; fewer would measure the disk
RATE = 500.0  # requests a second in the open loop
TARGET_SHARE = 0.45  # of the constant's throughput
TARGET_P99 = 5.0  # milliseconds in the open loop


@dataclass(frozen=True, slots=True)
class Served:
    """A server process and where its doors are."""

    process: "subprocess.Popen[bytes]"
    port: int
    ca: Path

    def cpu(self) -> tuple[float, float]:
        """Seconds of CPU time so far: the server's own, and those of the processes that it started."""
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return _spent(str(pid)), sum(map(_spent, children))

    def url(self, path: str) -> str:
        return f"https://localhost:{self.port}{path}?timeout=10s"

    def stop(self) -> None:
        self.process.send_signal(signal.SIGINT)
        self.process.wait(30)
        if self.process.stdout is not None:
            self.process.stdout.close()


def _spent(pid: str) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@dataclass(slots=True)
class Figure:
    """The best round of one path."""

    name: str
    server: Served
    path: str
    body: bytes
    rate: float = 0.0
    microseconds: float = float("inf")  # of CPU for one request
    log_microseconds: float = 0.0  # of CPU of the log's process

    def measure(self, seconds: float) -> None:
        before = self.server.cpu()
        load = closed_loop(self.server.url(self.path), self.server.ca, self.body, CONNECTIONS, seconds)
        own, log = (after - earlier for after, earlier in zip(self.server.cpu(), before, strict=True))
        if load.failures:
            sys.exit(f"{self.name}: {load.failures} of {load.requests} requests failed")
        self.rate = max(self.rate, load.rate)
        if own / load.requests * 1e6 < self.microseconds:
            self.microseconds, self.log_microseconds = own / load.requests * 1e6, log / load.requests * 1e6


def start(command: list[str], directory: Path, port: int | None = None) -> Served:
    """Start a server; without a port, it prints the one it took."""
    process = subprocess.Popen(
        [sys.executable, *command],
        cwd=ROOT,
        stdout=subprocess.PIPE if port is None else None,
        stderr=subprocess.DEVNULL,
    )
    if port is None:
        assert process.stdout is not None
        port = int(process.stdout.readline())
    return Served(process, port, directory / "ca.crt")


def start_webhook(state: Path) -> Served:
    """The product itself, as `bailiwick serve` runs it."""
    port = free_port()
    rules, cluster = QUICKSTART / "rules", QUICKSTART / "cluster"
    known = ["--rules", str(rules), "--snapshot", str(cluster), "--state", str(state), "--linger", "0"]
    command = ["-m", "bailiwick", "serve", "--host", "127.0.0.1", "--port", str(port), *known]
    served = start(command, state / "tls", port)
    until = time.monotonic() + 60
    while not is_ready(served):
        if time.monotonic() > until or served.process.poll() is not None:
            sys.exit("the webhook did not become ready")
        time.sleep(0.1)
    return served


def start_fastapi(directory: Path) -> Served:
    """The baseline, with the constant server's certificate."""
    port = free_port()
    served = start(["tests/bench/fastapi_server.py", str(directory), str(port)], directory, port)
    time.sleep(2)
    return served


def is_ready(served: Served) -> bool:
    import http.client
    import ssl

    if not served.ca.exists():
        return False
    try:
        context = ssl.create_default_context(cafile=served.ca)
        client = http.client.HTTPSConnection("localhost", served.port, context=context, timeout=5)
        client.request("GET", "/readyz")
        return client.getresponse().status == 200
    except OSError:
        return False


def free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def compare(webhook: Served, constant: Served, ordinary: Served, seconds: float) -> bool:
    same, new = review(NAMESPACE), review(NAMESPACE, CHANGING)
    figures = [
        Figure("constant, FastAPI under uvicorn", ordinary, "/constant", same),
        Figure("constant, FastAPI in the webhook's server", constant, "/fastapi", same),
        Figure("constant, the webhook's own door", constant, "/constant", same),
        Figure("recorded, everything but the rules", constant, "/recorded", same),
        Figure("/validate/fail, the same object again", webhook, "/validate/fail", same),
        Figure("/validate/fail, a new template each time", webhook, "/validate/fail", new),
    ]
    for _ in range(ROUNDS):
        for figure in figures:
            figure.measure(seconds)
    baseline = figures[0]
    print(
        f"{'closed loop, ' + str(CONNECTIONS) + ' connections':<42}{'req/s':>8}{'share':>7}{'CPU us':>8}{'log us':>8}"
    )
    for found in figures:
        share = found.rate / baseline.rate
        print(
            f"{found.name:<42}{found.rate:>8.0f}{share:>7.0%}{found.microseconds:>8.0f}{found.log_microseconds:>8.0f}"
        )
    share = figures[-2].rate / baseline.rate
    return told(f"throughput, {share:.0%} of FastAPI's constant", f"at least {TARGET_SHARE:.0%}", share >= TARGET_SHARE)


def latency(webhook: Served, constant: Served, seconds: float) -> bool:
    body = review(NAMESPACE)
    still: Load = open_loop(constant.url("/constant"), constant.ca, body, RATE, seconds)
    recorded: Load = open_loop(constant.url("/recorded"), constant.ca, body, RATE, seconds)
    best = min(
        (open_loop(webhook.url("/validate/fail"), webhook.ca, body, RATE, seconds) for _ in range(ROUNDS)),
        key=lambda load: load.p99,
    )
    print(f"\n{f'open loop, {RATE:.0f} requests/s':<40}{'p50 ms':>9}{'p99 ms':>9}")
    print(f"{'constant':<40}{still.p50:>9.2f}{still.p99:>9.2f}")
    print(f"{'recorded, everything but the rules':<40}{recorded.p50:>9.2f}{recorded.p99:>9.2f}")
    print(f"{'/validate/fail, packs and durable log':<40}{best.p50:>9.2f}{best.p99:>9.2f}")
    return told(f"p99 {best.p99:.2f} ms", f"under {TARGET_P99:g} ms", best.p99 < TARGET_P99)


def commit_time(directory: Path) -> float:
    """Milliseconds of one small durable write, the median: what no answer can be quicker than."""
    times = []
    with (directory / "probe").open("wb", buffering=0) as file:
        for _ in range(100):
            file.write(b"x" * 8192)
            started = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append((time.perf_counter() - started) * 1e3)
    return statistics.median(times)


def told(what: str, target: str, met: bool) -> bool:
    print(f"  {what}: target {target}: {'ok' if met else 'MISSED'}")
    return met


def main() -> int:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 5.0
    with tempfile.TemporaryDirectory() as directory, ExitStack() as stack:
        state, plain = Path(directory) / "state", Path(directory) / "constant"
        plain.mkdir()
        constant = start(["tests/bench/constant_server.py", str(plain)], plain)
        stack.callback(constant.stop)
        ordinary = start_fastapi(plain)
        stack.callback(ordinary.stop)
        webhook = start_webhook(state)
        stack.callback(webhook.stop)
        print(f"one durable write of 8 KiB takes this disk {commit_time(plain):.2f} ms")
        met = compare(webhook, constant, ordinary, seconds)
        met = latency(webhook, constant, seconds) and met
    busy = os.getloadavg()[0]
    print(f"load of the machine at the end: {busy:.1f} on {os.cpu_count()} cores")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
