"""What operators see: counters, a latency histogram, and gauges that are asked when somebody looks.

The hot path touches two children that are looked up once and kept; nothing here does I/O.
"""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from policies.decision import Verdict
from policies.request import Phase

# seconds; fine where a decision lives, coarse where only a fault does
_BUCKETS = (0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """One registry of its own, so that two webhooks in a process don't meet."""

    content_type = CONTENT_TYPE_PLAIN_0_0_4

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = self._counter("requests", "reviews ruled on", "door", "verdict")
        self._refused = self._counter("refused", "HTTP requests that were no reviews", "door", "reason")
        self._open = self._counter("failed_open", "reviews let pass because of a fault", "reason")
        self._log_errors = self._counter("log_errors", "records that did not become durable", "error")
        self._reloads = self._counter("certificate_reloads", "looks at changed certificate files", "outcome")
        self._cut = self._counter("connections_cut", "connections ended by the server", "reason")
        self._seconds = Histogram(
            "bailiwick_webhook_request_seconds",
            "from the end of a request's headers to its answer",
            ["door"],
            buckets=_BUCKETS,
            registry=self.registry,
        )
        # looked up once: a label look-up costs more than the increment
        self._ruled_by = {(p, v): self._requests.labels(p.value, v.value) for p in Phase for v in Verdict}
        self._seconds_by = {phase: self._seconds.labels(phase.value) for phase in Phase}
        self._expiry = Gauge(
            "bailiwick_webhook_certificate_expiry_seconds",
            "Unix time at which the served certificate expires",
            registry=self.registry,
        )

    def ruled(self, phase: Phase, verdict: Verdict, seconds: float) -> None:
        """One review has been answered."""
        self._ruled_by[phase, verdict].inc()
        self._seconds_by[phase].observe(seconds)

    def refused(self, phase: Phase, reason: str) -> None:
        """One HTTP request has been answered with a status other than 200."""
        self._refused.labels(phase.value, reason).inc()

    def failed_open(self, code: str) -> None:
        """Something was let pass because of a fault, as its policies say."""
        self._open.labels(code).inc()

    def log_failed(self, cause: Exception) -> None:
        """A record did not become durable."""
        self._log_errors.labels(type(cause).__name__).inc()

    def certificate_loaded(self, expires: float) -> None:
        """A certificate is in force; `expires` in Unix seconds."""
        self._reloads.labels("loaded").inc()
        self._expiry.set(expires)

    def certificate_refused(self) -> None:
        """Changed files can't be used; what was in force stays."""
        self._reloads.labels("refused").inc()

    def connection_cut(self, reason: str) -> None:
        """A connection was ended for what it did or did not do."""
        self._cut.labels(reason).inc()

    def gauge(self, name: str, help: str, value: Callable[[], float]) -> None:
        """A number that is asked when somebody looks, such as `policies_loaded`, `snapshot_age_seconds`."""
        Gauge(f"bailiwick_webhook_{name}", help, registry=self.registry).set_function(value)

    def exposition(self) -> bytes:
        """The text that Prometheus reads."""
        return generate_latest(self.registry)

    def _counter(self, name: str, help: str, *labels: str) -> Counter:
        return Counter(f"bailiwick_webhook_{name}", help, labels, registry=self.registry)
