"""Health and metrics of the plugin over plain HTTP, for a kubelet and for Prometheus.

`/livez`: the process answers. `/readyz`: it would encrypt now; otherwise 503 and the reason's word. `/metrics`: counts,
times and the standing. Nothing here holds a secret, and no label comes from a request.
"""

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from keymgmt.errors import KeyManagementError
from keymgmt.kms.booked import UseLog
from keymgmt.kms.reasons import Reason
from keymgmt.kms.usage import KeyUse, Uses
from keymgmt.kms.watch import Watch

BUCKETS = (0.0001, 0.00025, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 3.0)


class ProbesRefused(KeyManagementError):
    """The address for probes cannot be had. Use another one, or stop who has it."""


class Metrics:
    """Counts every use before it goes on to where uses are recorded."""

    def __init__(self, watch: Watch, uses: Uses, log: UseLog | None = None) -> None:
        self._uses = uses
        self.registry = CollectorRegistry()
        self._operations = Counter(
            "bailiwick_kms_operations",
            "Encrypt and Decrypt calls by outcome.",
            ["operation", "outcome"],
            registry=self.registry,
        )
        self._seconds = Histogram(
            "bailiwick_kms_operation_seconds",
            "Time in the plugin, the key service included.",
            ["operation"],
            buckets=BUCKETS,
            registry=self.registry,
        )
        self._counted: dict[tuple[str, str], tuple[Counter, Histogram]] = {}
        self.registry.register(_Standing(watch))
        if log is not None:
            self.registry.register(_Booked(log))

    def record(self, use: KeyUse) -> None:
        """Count it and pass it on. Raises UseUnrecorded."""
        counted = self._counted.get((use.operation, use.outcome))
        if counted is None:  # looking labels up takes longer than counting
            found = self._operations.labels(use.operation, use.outcome), self._seconds.labels(use.operation)
            counted = self._counted[use.operation, use.outcome] = found
        counted[0].inc()
        counted[1].observe(use.seconds)
        self._uses.record(use)


class _Booked(Collector):
    """How the plugin's own log stands."""

    def __init__(self, log: UseLog) -> None:
        self._log = log

    def collect(self) -> Iterator[GaugeMetricFamily]:
        yield GaugeMetricFamily("bailiwick_kms_uses_waiting", "Pages of uses not in the log yet.", self._log.waiting)
        trouble = float(bool(self._log.trouble))
        yield GaugeMetricFamily("bailiwick_kms_log_trouble", "1 while the log takes no uses.", trouble)


class _Standing(Collector):
    """The standing as it is when somebody asks."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    def collect(self) -> Iterator[GaugeMetricFamily]:
        standing = self._watch.standing
        healthy = GaugeMetricFamily("bailiwick_kms_status", "1 for how things stand.", labels=["reason"])
        for reason in Reason:
            healthy.add_metric([reason.value], float(reason is standing.reason))
        yield healthy
        age = self._watch.clock() - standing.seen_at
        yield GaugeMetricFamily("bailiwick_kms_keyring_age_seconds", "Since the last good look at the keyring.", age)
        keys = GaugeMetricFamily(
            "bailiwick_kms_key",
            "1 for the version written with; the hash is the one in kube-apiserver's metrics.",
            labels=["key_id", "key_id_hash", "version", "state"],
        )
        for key_id, key in standing.keys.items():
            if key.purpose == self._watch.bound.purpose:
                hashed = "sha256:" + hashlib.sha256(key_id.encode()).hexdigest()
                served = standing.key is not None and key == standing.key
                keys.add_metric([key_id, hashed, str(key.version), key.state.value], float(served))
        yield keys


class Probes:
    """An HTTP server in a thread."""

    def __init__(self, address: tuple[str, int], watch: Watch, metrics: Metrics) -> None:
        try:
            self._server = ThreadingHTTPServer(address, _handler(watch, metrics))
        except OSError as error:
            raise ProbesRefused(f"cannot listen at `{address[0]}:{address[1]}`: {error.strerror}") from error
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, name="kms-probes", daemon=True)

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._server.server_address[1])

    def start(self) -> None:
        """Answer from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Answer no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _handler(watch: Watch, metrics: Metrics) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 10
        server_version, sys_version = "bailiwick", ""

        def do_GET(self) -> None:
            if self.path == "/livez":
                self._answer(200, "text/plain", b"ok\n")
            elif self.path == "/readyz":
                reason = watch.standing.reason
                self._answer(200 if reason is Reason.OK else 503, "text/plain", f"{reason.value}\n".encode())
            elif self.path == "/metrics":
                self._answer(200, "text/plain; version=0.0.4; charset=utf-8", generate_latest(metrics.registry))
            else:
                self._answer(404, "text/plain", b"/livez, /readyz or /metrics\n")

        def _answer(self, status: int, kind: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # the base class's name
            """Probes come every few seconds; nobody reads about them."""

    return Handler
