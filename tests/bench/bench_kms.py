"""What the KMS plugin's answers cost, without any key service, beside a gRPC server that does nothing.

Three processes: the plugin (`bailiwick keys kms` on a file keyring, as it is deployed), a gRPC server in Python with as
many threads that answers with constant bytes of the same sizes, and grpc-go asking as kube-apiserver asks, over unix
sockets. Rounds alternate between the two servers, and each figure is the best of its rounds: the others were disturbed.

- one caller after the other: how long does a whole answer to Status take;
- 100 callers, together 400 calls a second (an API server makes a handful a minute): how much longer than nothing's
  answer does a whole answer take, at the 99th percentile;
- 100 in flight without a pause, as fast as they are answered: how many answers a second, how long does a whole answer
  take, and what is the plugin's own time in it. A whole answer is then mostly waiting for the 99 others, in gRPC:
  what does nothing shows how much, and no server in Python gets that below 2 ms.

Run from the root of the checkout: `python tests/bench/bench_kms.py`. Exits 1 when a figure misses its target. With
`BAILIWICK_BENCH_LOG=1` the plugin keeps a log of its own.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from keymgmt.file.keyring import FileKeyring  # noqa: E402
from keymgmt.file.unlock import KeyFile  # noqa: E402
from keymgmt.keys import Algorithm  # noqa: E402
from tests.cluster.bed import build  # noqa: E402

ROUNDS = int(os.environ.get("BAILIWICK_BENCH_ROUNDS", "8"))
LOG = bool(os.environ.get("BAILIWICK_BENCH_LOG"))  # with a signed log of every use
STATUS, ANSWER = 0.5, 2.0  # milliseconds: the targets
SETTINGS = """
apiVersion: bailiwick.dev/v1alpha1
kind: KmsPlugin
region: eu-de
cluster: bench
socket: {{path: {folder}/run/kms.sock}}
state: {folder}/state
probes: 127.0.0.1:{port}
keyring: {{file: {{directory: {folder}/keys, keyFile: {folder}/kek}}}}
"""


def constant(path: Path) -> None:
    """Serve the same interface with answers that never change, of the plugin's sizes."""
    from concurrent.futures import ThreadPoolExecutor

    import grpc

    from keymgmt.kms.api_pb2 import DecryptResponse, EncryptResponse, StatusResponse
    from keymgmt.kms.server import ANSWERING

    notes = {f"{name}.keys.bailiwick.dev": b"eu-de" for name in ("format", "region", "jurisdiction", "version")}
    answers = {
        "Status": StatusResponse(version="v2", healthz="ok", key_id="k" * 27),
        "Encrypt": EncryptResponse(ciphertext=bytes(171), key_id="k" * 27, annotations=notes),
        "Decrypt": DecryptResponse(plaintext=bytes(32)),
    }

    def handler(answer: bytes) -> Any:
        return grpc.unary_unary_rpc_method_handler(lambda _asked, _context: answer)

    methods = {name: handler(answer.SerializeToString()) for name, answer in answers.items()}
    server = grpc.server(ThreadPoolExecutor(ANSWERING))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("v2.KeyManagementService", methods),))
    server.add_insecure_port(f"unix:{path}")
    server.start()
    server.wait_for_termination()


@contextmanager
def running(command: list[str], path: Path) -> Iterator[None]:
    """A process that answers at a socket."""
    process = subprocess.Popen([sys.executable, *command], cwd=ROOT, stderr=subprocess.DEVNULL)
    try:
        while not path.exists():
            if process.poll() is not None:
                raise SystemExit(f"{command} has ended")
            time.sleep(0.05)
        time.sleep(1)
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


class Sides:
    """The plugin and the constant server, asked in turn."""

    def __init__(self, client: Path, plugin: Path, baseline: Path) -> None:
        self._client, self._sockets = client, {"plugin": plugin, "constant": baseline}

    def best(self, op: str, **flags: float) -> dict[str, dict[str, float]]:
        """For each side the least of every figure over all rounds."""
        words = [word for name, value in flags.items() for word in (f"-{name}", str(value))]
        found: dict[str, dict[str, float]] = {side: {} for side in self._sockets}
        for _ in range(ROUNDS):
            for side, path in self._sockets.items():
                shown = subprocess.run(
                    [self._client, "-load", op, *words, path], capture_output=True, text=True, check=True
                )
                figures = json.loads(shown.stdout)
                if figures["failed"]:
                    raise SystemExit(f"{side}: {figures['failed']} calls of {op} failed")
                for name, value in figures.items():
                    found[side][name] = min(value, found[side].get(name, float("inf")))
        return found


def inside(port: int) -> dict[str, float]:
    """The p99 of the plugin's own time by operation, in milliseconds: the bucket that holds it."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as reply:
        text = reply.read().decode()
    found: dict[str, float] = {}
    for op in ("encrypt", "decrypt"):
        pattern = rf'bailiwick_kms_operation_seconds_bucket{{le="([^"]+)",operation="{op}"}} (\S+)'
        buckets = [(float(edge), float(count)) for edge, count in re.findall(pattern, text)]
        total = buckets[-1][1]
        found[op] = 1e3 * next(edge for edge, count in buckets if count >= 0.99 * total)
    return found


def main() -> int:
    """Print every figure; 1 when one misses its target."""
    try:
        client = build.build("kms-client") / "kms-client"
    except build.GoMissing as error:
        print(f"skipped: {error}")
        return 0
    missed = 0

    def tell(name: str, value: float, target: float, beside: str = "") -> None:
        nonlocal missed
        missed += value > target
        verdict = "ok" if value <= target else "MISSED"
        print(f"{name:<58}{value:6.2f} ms  target {target:3.1f}  {verdict:<7}{beside}", flush=True)

    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        unlock = KeyFile.create(folder / "kek")
        purposes = {"etcd": Algorithm.X25519}
        FileKeyring.create(folder / "keys", "eu-de", unlock=unlock, now=datetime.now(UTC), purposes=purposes)
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        (folder / "kms.yaml").write_text(SETTINGS.format(folder=folder, port=port))
        plugin, baseline = folder / "run" / "kms.sock", folder / "constant.sock"
        command = ["-m", "bailiwick", "keys", "kms", "--config", str(folder / "kms.yaml")]
        command += ["--log", str(folder / "log")] if LOG else []
        own = [str(Path(__file__)), "--constant", str(baseline)]
        with running(command, plugin), running(own, baseline):
            sides = Sides(client, plugin, baseline)
            found = sides.best("status", callers=1, calls=2000)
            ours, theirs = found["plugin"]["p50"], found["constant"]["p50"]
            tell("Status, one caller, whole answer, p50", ours, STATUS, beside=f"nothing's {theirs:.2f}")
            for op in ("encrypt", "decrypt"):
                found = sides.best(op, callers=100, calls=1000, rate=400)
                ours, theirs = found["plugin"]["p99"], found["constant"]["p99"]
                told = f"whole answer {ours:.2f}, nothing's {theirs:.2f}"
                tell(f"{op.capitalize()}, 100 callers, 400/s, p99 over nothing's", max(ours - theirs, 0), ANSWER, told)
            for op in ("status", "encrypt", "decrypt"):
                found = sides.best(op, callers=100, calls=5000)
                both = found["plugin"], found["constant"]
                rates = [5000 / side["seconds"] for side in both]
                p50s, p99s = ([side[name] for side in both] for name in ("p50", "p99"))
                print(
                    f"{op.capitalize()}, 100 in flight: {rates[0]:,.0f}/s, nothing {rates[1]:,.0f}/s, ratio "
                    f"{rates[0] / rates[1]:.2f}; whole answer p50 {p50s[0]:.1f} ms, p99 {p99s[0]:.1f} ms, "
                    f"nothing's {p50s[1]:.1f} and {p99s[1]:.1f}, ratio of p99 {p99s[0] / p99s[1]:.2f}"
                )
            for op, value in inside(port).items():
                tell(f"{op.capitalize()}, 100 in flight, the plugin's own time, p99", value, ANSWER)
    return int(missed > 0)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--constant"]:
        constant(Path(sys.argv[2]))
    sys.exit(main())
