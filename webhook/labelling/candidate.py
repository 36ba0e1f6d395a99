"""One replica's part in the election: reads and writes the Lease. Whatever keeps an answer from coming is a failure."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from policies.json import Json
from webhook.cluster.apiserver import ClusterUnavailable
from webhook.labelling.election import NEVER, Election

logger = logging.getLogger("bailiwick.nodes")


class Api(Protocol):
    """What the labeller asks of the API server; `cluster.apiserver.ApiServer` is such. All raise ClusterUnavailable."""

    def get(self, path: str, query: None = None, timeout: float = 10.0) -> Json: ...

    def post(self, path: str, body: Json, timeout: float = 10.0) -> Json: ...

    def put(self, path: str, body: Json, timeout: float = 10.0) -> Json: ...

    def patch(self, path: str, body: Json, query: dict[str, str] | None = None, timeout: float = 10.0) -> Json: ...


@dataclass(frozen=True, slots=True)
class LeaseName:
    namespace: str
    name: str

    @property
    def collection(self) -> str:
        return f"/apis/coordination.k8s.io/v1/namespaces/{self.namespace}/leases"

    @property
    def path(self) -> str:
        return f"{self.collection}/{self.name}"


def parse_lease(text: str) -> LeaseName:
    """From `<namespace>/<name>`. Raises ValueError."""
    namespace, slash, name = text.partition("/")
    if not (namespace and slash and name) or "/" in name:
        raise ValueError(f"`{text}` is no lease: write `<namespace>/<name>`")
    return LeaseName(namespace, name)


class Candidate:
    """Keeps or wants the Lease. Call `step` often; it asks the API server once in a while."""

    def __init__(
        self,
        api: Api,
        lease: LeaseName,
        election: Election,
        clock: Callable[[], float],
        wall: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._api = api
        self._lease = lease
        self._election = election
        self._clock = clock
        self._wall = wall
        self._due = NEVER
        self._told = ""
        self.trouble = ""  # why the last look at the lease failed; empty when it didn't

    @property
    def due(self) -> float:
        """When `step` does something next."""
        return self._due

    @property
    def holder(self) -> str:
        return self._election.holder

    def leading(self) -> bool:
        return self._election.leading(self._clock())

    def step(self) -> None:
        """Renew the lease, or look whether it has become free. Never raises for what the API server does."""
        if self._clock() < self._due:
            return
        self._due = self._clock() + self._election.terms.retry
        try:
            self._attempt()
            self.trouble = ""
        except ClusterUnavailable as error:
            self._election.failed(conflict=error.status == 409)
            if error.status != 409 and str(error) != self.trouble:
                self.trouble = str(error)
                logger.warning("the lease `%s`: %s; trying on", self._lease.name, error)
        self._tell()

    def release(self) -> None:
        """Let another take over at once."""
        free = self._election.release(self._clock())
        if free is None:
            return
        try:
            self._api.put(self._lease.path, free, timeout=self._election.terms.request)
        except ClusterUnavailable as error:
            logger.warning("the lease `%s` ends by itself: %s", self._lease.name, error)
        self._tell()

    def _attempt(self) -> None:
        election, timeout = self._election, self._election.terms.request
        if election.must_look(self._clock()):
            seen = self._read(timeout)
            election.saw(seen, self._clock())
        claim = election.claim(self._clock(), self._wall())
        if claim is None:
            return
        sent = self._clock()
        if claim["metadata"].get("resourceVersion"):
            stored = self._api.put(self._lease.path, claim, timeout=timeout)
        else:
            claim["metadata"] = {"name": self._lease.name, "namespace": self._lease.namespace}
            stored = self._api.post(self._lease.collection, claim, timeout=timeout)
        election.won(stored, sent)

    def _read(self, timeout: float) -> Json | None:
        try:
            return self._api.get(self._lease.path, timeout=timeout)
        except ClusterUnavailable as error:
            if error.status == 404:
                return None
            raise

    def _tell(self) -> None:
        """Who leads, whenever that is another than the last time."""
        leader = self.holder if self.leading() or self.holder != self._election.identity else ""
        if leader != self._told:
            self._told = leader
            logger.info("%s labels the nodes", leader or "nobody")
