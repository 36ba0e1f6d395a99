"""An API server of nodes and leases, in memory, on a clock of its own. It can refuse, be slow, and lose answers."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from webhook.cluster.apiserver import ClusterUnavailable

Json = dict[str, Any]


@dataclass
class Clock:
    """Seconds that pass when somebody says so."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass(frozen=True, slots=True)
class Write:
    """A change of a node, as far as the API server knows."""

    by: str
    node: str
    begun: float
    given_up: float  # when its sender would have stopped waiting
    labels: Json


@dataclass
class FakeApi:
    """What is stored, and all that was written. `now` is the true time."""

    clock: Clock
    nodes: dict[str, Json] = field(default_factory=dict)
    leases: dict[str, Json] = field(default_factory=dict)
    writes: list[Write] = field(default_factory=list)
    taken: list[tuple[str, float]] = field(
        default_factory=list
    )  # who got the lease from another, and when it was asked
    released: list[tuple[str, float]] = field(default_factory=list)  # who let it go, and when
    version: int = 0

    def put_node(self, name: str, **changes: Any) -> None:
        """As an administrator would; `labels` replaces all of them."""
        born = f"{int(self.clock()):09d}"  # what matters is that it sorts, and that a second is its grain
        metadata = {"name": name, "uid": f"uid-{self.version}", "creationTimestamp": born}
        found = copy.deepcopy(self.nodes.get(name) or {"metadata": metadata, "spec": {}})
        if "labels" in changes:
            found["metadata"]["labels"] = dict(changes["labels"])
        found["spec"] |= changes.get("spec", {})
        self.nodes[name] = self._stamped(found)

    def delete_node(self, name: str) -> None:
        self.nodes.pop(name, None)

    def client(self, name: str) -> FakeClient:
        return FakeClient(self, name)

    def patch_node(self, by: str, name: str, patch: Json, begun: float, given_up: float) -> Json:
        node = self.nodes.get(name)
        if node is None:
            raise ClusterUnavailable("no such node", 404)
        metadata = patch["metadata"]
        for key in ("uid", "resourceVersion"):
            if metadata[key] != node["metadata"][key]:
                raise ClusterUnavailable(f"another {key}", 409)
        labels = {**node["metadata"].get("labels", {}), **metadata["labels"]}
        self.writes.append(Write(by, name, begun, given_up, metadata["labels"]))
        fresh = copy.deepcopy(node)
        fresh["metadata"]["labels"] = {key: value for key, value in labels.items() if value is not None}
        self.nodes[name] = self._stamped(fresh)
        return copy.deepcopy(self.nodes[name])

    def put_lease(self, path: str, lease: Json, asked: float, *, fresh: bool) -> Json:
        before = self.leases.get(path)
        if fresh and before is not None:
            raise ClusterUnavailable("it exists", 409)
        if not fresh and (
            before is None or before["metadata"]["resourceVersion"] != lease["metadata"]["resourceVersion"]
        ):
            raise ClusterUnavailable("changed meanwhile", 409 if before else 404)
        holder = lease["spec"]["holderIdentity"]
        held = ((before or {}).get("spec") or {}).get("holderIdentity") or ""
        if holder != held:
            (self.taken if holder else self.released).append((holder or held, asked))
        self.leases[path] = self._stamped(copy.deepcopy(lease))
        return copy.deepcopy(self.leases[path])

    def _stamped(self, found: Json) -> Json:
        self.version += 1
        found["metadata"]["resourceVersion"] = str(self.version)
        return found


@dataclass
class FakeClient:
    """One replica's way to the API server. What is set here happens to its next requests."""

    api: FakeApi
    name: str
    cut_off: bool = False
    slow: float = 0.0  # seconds that a request takes; more than its timeout: it fails, after the timeout
    answers_lost: bool = False  # what is asked is done, and nobody hears of it
    refuse: Mapping[str, int] = field(default_factory=dict)  # method -> HTTP status
    requests: int = 0

    def get(self, path: str, query: None = None, timeout: float = 10.0) -> Json:
        def read() -> Json:
            if path not in self.api.leases:
                raise ClusterUnavailable("no such lease", 404)
            return copy.deepcopy(self.api.leases[path])

        return self._asked("GET", timeout, read)

    def post(self, path: str, body: Json, timeout: float = 10.0) -> Json:
        begun = self.api.clock()
        name = f"{path}/{body['metadata']['name']}"
        return self._asked("POST", timeout, lambda: self.api.put_lease(name, body, begun, fresh=True))

    def put(self, path: str, body: Json, timeout: float = 10.0) -> Json:
        begun = self.api.clock()
        return self._asked("PUT", timeout, lambda: self.api.put_lease(path, body, begun, fresh=False))

    def patch(self, path: str, body: Json, query: Mapping[str, str] | None = None, timeout: float = 10.0) -> Json:
        begun, name = self.api.clock(), path.rpartition("/")[2]
        ends = begun + timeout
        return self._asked("PATCH", timeout, lambda: self.api.patch_node(self.name, name, body, begun, ends))

    def _asked(self, method: str, timeout: float, done: Any) -> Json:
        self.requests += 1
        if self.cut_off:
            raise ClusterUnavailable("no route")
        if self.slow > timeout:
            self.api.clock.now += timeout
            raise ClusterUnavailable("timed out")
        self.api.clock.now += self.slow
        if status := self.refuse.get(method):
            raise ClusterUnavailable("refused", status)
        answer: Json = done()
        if self.answers_lost:
            raise ClusterUnavailable("the answer was lost")
        return answer
