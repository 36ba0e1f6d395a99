"""What operators see of the labeller: counts by kind of change, failures, who leads, and what can't be placed."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge

from webhook.labelling.plan import REMOVED, REPLACED, WRITTEN


class Observed:
    """Counters on a registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._changes = Counter("bailiwick_node_labels", "labels changed", ["change"], registry=registry)
        self._failures = Counter(
            "bailiwick_node_label_failures", "changes refused or lost", ["status"], registry=registry
        )
        for kind in (WRITTEN, REPLACED, REMOVED):
            self._changes.labels(kind)  # a series that is there from the start can be alerted on

    def changed(self, kind: str) -> None:
        self._changes.labels(kind).inc()

    def failed(self, status: int) -> None:
        """`status` of HTTP, 0 without an answer."""
        self._failures.labels(str(status)).inc()

    def gauges(self, leading: Callable[[], float], waiting: Callable[[], float], unplaced: Callable[[], float]) -> None:
        for name, words, value in (
            ("leading", "1 while this replica labels nodes", leading),
            ("waiting", "nodes still to be looked at", waiting),
            ("unplaced", "nodes whose place is not believed; 0 on replicas that don't lead", unplaced),
        ):
            Gauge(f"bailiwick_node_labels_{name}", words, registry=self._registry).set_function(value)
