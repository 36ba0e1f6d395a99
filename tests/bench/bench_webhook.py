"""The webhook with its built-in packs against the same server answering a constant: throughput, CPU, latency.

`python tests/bench/bench_webhook.py [SECONDS]`. One worker, TLS 1.3 keep-alive, a pinned vLLM Deployment of 6.5 KB, a
durable log on this machine's disk. Runs alternate and the best round of each counts: others may be using the machine.
CPU time is the server's own, all threads. Exits 1 when a target is missed.
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

from load import Load, closed_loop, open_loop
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

    def cpu(self) -> float:
        """Seconds of CPU time so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def url(self, path: str) -> str:
        return f"https://localhost:{self.port}{path}?timeout=10s"

    def stop(self) -> None:
        self.process.send_signal(signal.SIGINT)
        self.process.wait(30)
        if self.process.stdout is not None:
            self.process.stdout.close()


@dataclass(slots=True)
class Figure:
    """The best round of one path."""

    name: str
    server: Served
    path: str
    rate: float = 0.0
    microseconds: float = float("inf")  # of CPU for one request

    def measure(self, body: bytes, seconds: float) -> None:
        before = self.server.cpu()
        load = closed_loop(self.server.url(self.path), self.server.ca, body, CONNECTIONS, seconds)
        spent = self.server.cpu() - before
        if load.failures:
            sys.exit(f"{self.name}: {load.failures} of {load.requests} requests failed")
        self.rate = max(self.rate, load.rate)
        self.microseconds = min(self.microseconds, spent / load.requests * 1e6)


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


def compare(webhook: Served, constant: Served, body: bytes, seconds: float) -> bool:
    figures = [
        Figure("constant, the webhook's own door", constant, "/constant"),
        Figure("constant, FastAPI's path operation", constant, "/fastapi"),
        Figure("recorded, everything but the rules", constant, "/recorded"),
        Figure("/validate/fail, packs and durable log", webhook, "/validate/fail"),
    ]
    for _ in range(ROUNDS):
        for figure in figures:
            figure.measure(body, seconds)
    baseline = figures[0]
    print(f"{'closed loop, ' + str(CONNECTIONS) + ' connections':<40}{'req/s':>9}{'share':>8}{'CPU us':>9}{'share':>8}")
    for found in figures:
        rate, cpu = found.rate / baseline.rate, baseline.microseconds / found.microseconds
        print(f"{found.name:<40}{found.rate:>9.0f}{rate:>8.0%}{found.microseconds:>9.0f}{cpu:>8.0%}")
    share = figures[-1].rate / baseline.rate
    return told(f"throughput, {share:.0%} of the constant's", f"at least {TARGET_SHARE:.0%}", share >= TARGET_SHARE)


def latency(webhook: Served, constant: Served, body: bytes, seconds: float) -> bool:
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
    body = review(NAMESPACE)
    with tempfile.TemporaryDirectory() as directory, ExitStack() as stack:
        state, plain = Path(directory) / "state", Path(directory) / "constant"
        plain.mkdir()
        constant = start(["tests/bench/constant_server.py", str(plain)], plain)
        stack.callback(constant.stop)
        webhook = start_webhook(state)
        stack.callback(webhook.stop)
        print(f"one durable write of 8 KiB takes this disk {commit_time(plain):.2f} ms")
        met = compare(webhook, constant, body, seconds)
        met = latency(webhook, constant, body, seconds) and met
    busy = os.getloadavg()[0]
    print(f"load of the machine at the end: {busy:.1f} on {os.cpu_count()} cores")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
