"""Load for the webhook: closed loop for throughput (wrk, or a client of our own), open loop for latency.

The open loop sends at fixed times whether or not answers have come, and counts from those times: a server that stalls
can't hide it by slowing its clients down.
"""

import asyncio
import http.client
import itertools
import shutil
import ssl
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

_LUA = """
local file = io.open("%s", "rb"); wrk.body = file:read("*a"); file:close()
wrk.method = "POST"; wrk.headers["Content-Type"] = "application/json"
local from, to = wrk.body:find("%s", 1, true)
if from then
  local head, tail, number = wrk.body:sub(1, from - 1), wrk.body:sub(to + 1), %d
  request = function()
    number = number + 1
    return wrk.format(nil, nil, nil, head .. string.format("%%08d", number) .. tail)
  end
end
done = function(summary, latency)
  local bad = summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.timeout
  io.write(string.format("RESULT %%d %%d %%f %%f %%d\\n", summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(99), bad))
end
"""


CHANGING = "@@@@@@@@"  # where a body has this, each request has a number of its own there


_RUNS = itertools.count()  # no run repeats another's numbers


@dataclass(frozen=True, slots=True)
class Load:
    """What came out of one run. Latencies in milliseconds."""

    requests: int
    seconds: float
    p50: float
    p99: float
    failures: int

    @property
    def rate(self) -> float:
        return self.requests / self.seconds


def closed_loop(url: str, ca: Path, body: bytes, connections: int, seconds: float) -> Load:
    """As many requests as the server answers, over keep-alive connections."""
    if shutil.which("wrk"):
        return _wrk(url, body, connections, seconds)
    return asyncio.run(_closed(url, ca, body, connections, seconds))


def open_loop(url: str, ca: Path, body: bytes, rate: float, seconds: float, connections: int = 64) -> Load:
    """So many requests a second, each at its time, over keep-alive connections that take turns."""
    latencies: list[list[float]] = [[] for _ in range(connections)]
    failures = [0] * connections
    begin = time.perf_counter() + 0.5

    def send(number: int) -> None:
        parts = urlsplit(url)
        client = http.client.HTTPSConnection(parts.netloc, context=ssl.create_default_context(cafile=ca), timeout=30)
        client.connect()
        due = begin + number / rate
        while due < begin + seconds:
            time.sleep(max(0.0, due - time.perf_counter()))
            client.request("POST", f"{parts.path}?{parts.query}", body, {"Content-Type": "application/json"})
            response = client.getresponse()
            response.read()
            latencies[number].append((time.perf_counter() - due) * 1e3)
            failures[number] += response.status != 200
            due += connections / rate
        client.close()

    threads = [threading.Thread(target=send, args=(number,)) for number in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return _load([latency for found in latencies for latency in found], seconds, sum(failures))


def _load(latencies: Sequence[float], seconds: float, failures: int) -> Load:
    cuts = statistics.quantiles(latencies, n=100)
    return Load(len(latencies), seconds, cuts[49], cuts[98], failures)


def _wrk(url: str, body: bytes, connections: int, seconds: float) -> Load:
    with tempfile.TemporaryDirectory() as directory:
        (Path(directory) / "body").write_bytes(body)
        script = Path(directory) / "post.lua"
        script.write_text(_LUA % (Path(directory) / "body", CHANGING, next(_RUNS) * 1_000_000))
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s", "-s", str(script), "--latency", url]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    line = next(line for line in said.splitlines() if line.startswith("RESULT"))
    requests, microseconds, p50, p99, failures = map(float, line.split()[1:])
    return Load(int(requests), microseconds / 1e6, p50 / 1e3, p99 / 1e3, int(failures))


class _Client(asyncio.Protocol):
    """Sends the same request again as soon as it is answered."""

    def __init__(self, request: bytes, until: float) -> None:
        self.request, self.until = request, until
        self.latencies: list[float] = []
        self.failures = 0
        self.done = asyncio.get_running_loop().create_future()
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._send()

    def data_received(self, data: bytes) -> None:
        self._rest += data
        head, found, body = self._rest.partition(b"\r\n\r\n")
        if not found or len(body) < int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]):
            return
        self._rest = b""
        now = time.perf_counter()
        self.latencies.append((now - self._sent) * 1e3)
        self.failures += not head.startswith(b"HTTP/1.1 200")
        if now < self.until:
            self._send()
        else:
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.done.set_result(None)

    def _send(self) -> None:
        self._sent = time.perf_counter()
        self.transport.write(self.request)


async def _closed(url: str, ca: Path, body: bytes, connections: int, seconds: float) -> Load:
    parts, context = urlsplit(url), ssl.create_default_context(cafile=ca)
    head = f"POST {parts.path}?{parts.query} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: application/json\r\n"
    request = head.encode() + b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
    until = time.perf_counter() + seconds
    loop, host, port = asyncio.get_running_loop(), parts.hostname or "", parts.port or 443
    clients = [
        (await loop.create_connection(lambda: _Client(request, until), host, port, ssl=context))[1]
        for _ in range(connections)
    ]
    await asyncio.gather(*(client.done for client in clients))
    found = [latency for client in clients for latency in client.latencies]
    return _load(found, seconds, sum(client.failures for client in clients))
