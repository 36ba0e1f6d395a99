"""The labeller's parts put together over one cluster, and the thread that it runs in."""

import logging
import socket
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry

from policies.geography import Geography, Regions
from policies.rulebook import RulesInvalid
from policies.snapshot import Ref
from webhook.cluster.live import LiveCluster
from webhook.cluster.resources import Served
from webhook.labelling.candidate import Api, Candidate, LeaseName
from webhook.labelling.election import Election, Terms
from webhook.labelling.labeller import Labeller, Watched, steady
from webhook.labelling.observed import Observed
from webhook.labelling.work import Pace

if TYPE_CHECKING:
    from policies.facts.law import Law

logger = logging.getLogger("bailiwick.nodes")

_ENDING = 10.0  # seconds for a write under way and for letting go of the lease
_NODES = ("", "Node")


@dataclass(frozen=True, slots=True)
class Labelling:
    """How nodes are labelled."""

    lease: LeaseName
    terms: Terms = field(default_factory=Terms)
    identity: str = field(default_factory=lambda: f"{socket.gethostname()}_{uuid.uuid4()}")
    rate: float = 20.0  # writes a second in the long run: an API server has other things to do
    burst: int = 50  # and at once


def labeller_over(
    api: Api,
    cluster: LiveCluster,
    declared: Callable[[], Geography | None],
    registry: CollectorRegistry,
    how: Labelling,
) -> Labeller:
    """`api` must make each request once and within its timeout. `cluster` watches nodes, among others."""
    candidate = Candidate(api, how.lease, Election(how.identity, how.terms), steady)
    nodes = Watched(
        lambda: cluster.snapshot().objects.get(_NODES, {}),
        lambda: "nodes" not in cluster.missing(),
    )
    labeller = Labeller(
        api, nodes, declared, candidate, Observed(registry), Pace(how.rate, how.burst), how.terms.request
    )

    def tell(served: Served, changed: Sequence[Ref]) -> None:
        if (served.group, served.kind) == _NODES:
            labeller.changed(ref.name for ref in changed)

    cluster.on_change(tell)
    return labeller


@contextmanager
def running(labeller: Labeller) -> Iterator[None]:
    """In a thread of its own; the lease is let go of at the end."""
    thread = threading.Thread(target=labeller.run, name="label nodes", daemon=True)
    thread.start()
    try:
        yield
    finally:
        labeller.stop()
        thread.join(_ENDING)


class Followed:
    """The geography by the cluster's own ClusterProfile, as it changes. One that doesn't fit leaves the one before."""

    def __init__(self, cluster: LiveCluster, regions: Regions | None = None) -> None:
        """`cluster` watches ClusterProfiles; `regions` are the built-in ones if left out."""
        self._cluster = cluster
        self._regions = regions
        self._stale = threading.Event()
        self._geography: Geography | None = None
        self._stale.set()
        cluster.on_change(self._heard)

    def __call__(self) -> Geography | None:
        """None while nothing is known or declared."""
        if self._stale.is_set() and "clusterprofiles" not in self._cluster.missing():
            self._stale.clear()
            self._renew()
        return self._geography

    def _heard(self, served: Served, _: Sequence[Ref]) -> None:
        if served.kind == "ClusterProfile":
            self._stale.set()

    def _renew(self) -> None:
        from policies.facts.law import Law
        from policies.gathering import parsed, refuse
        from policies.loading import rulebook_of

        held = self._cluster.snapshot().objects
        found = [one for (_, kind), objects in held.items() if kind == "ClusterProfile" for one in objects.values()]
        try:
            loaded = parsed(found)
            refuse((loaded,))
            self._geography = geography_of(Law.of(rulebook_of(loaded.kinds), self._regions))
        except RulesInvalid as invalid:
            logger.error("a newer ClusterProfile is refused, the one before goes on: %s", invalid)  # noqa: TRY400


def geography_of(law: "Law") -> Geography | None:
    """None where no ClusterProfile declares anything."""
    return law.geography if law.geography.profile else None
