"""The loop: looks at nodes that changed, and writes or takes back their place label, while this replica leads.

Guarantees: nothing is written by who doesn't lead; a request begins only while the lease is held and is given up before
it ends; a change is made to the very version of the node that was judged. A node is looked at when it changed, when
what is declared changed, or when this replica came to lead: the cost follows what changes. Without a ClusterProfile
nothing is written and nothing is taken back: then nobody has said anything, and no pod is placed by any label either.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from policies.geography import Geography, UnknownPlace
from policies.json import JsonObject
from webhook.cluster.apiserver import ClusterUnavailable
from webhook.labelling.candidate import Api, Candidate
from webhook.labelling.claims import Claims
from webhook.labelling.observed import Observed
from webhook.labelling.plan import Change, judge
from webhook.labelling.work import Pace, Work

logger = logging.getLogger("bailiwick.nodes")

MANAGER = {"fieldManager": "bailiwick-labeller"}
_IDLE = 0.5  # seconds between looks at what is declared
_AT_ONCE = 500  # nodes looked at between two looks at the lease


class Nodes(Protocol):
    """The nodes as last heard of."""

    def heard(self) -> bool:
        """Were they listed yet?"""
        ...

    def names(self) -> Sequence[str]: ...

    def node(self, name: str) -> JsonObject | None: ...


@dataclass(frozen=True, slots=True)
class Watched:
    """`Nodes` in the objects of a live snapshot, by namespace and name."""

    objects: Callable[[], Mapping[tuple[str, str], JsonObject]]
    listed: Callable[[], bool]

    def heard(self) -> bool:
        return self.listed()

    def names(self) -> Sequence[str]:
        return [name for _, name in self.objects()]

    def node(self, name: str) -> JsonObject | None:
        return self.objects().get(("", name))


def steady() -> float:
    """Seconds, also while the machine sleeps: a lease does not sleep."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class Labeller:
    """One replica. `run` in a thread of its own, `changed` from any."""

    def __init__(
        self,
        api: Api,
        nodes: Nodes,
        declared: Callable[[], Geography | None],
        candidate: Candidate,
        observed: Observed,
        pace: Pace,
        timeout: float,
        clock: Callable[[], float] = steady,
    ) -> None:
        """`declared`: what is believed by; None while that isn't known. `timeout`: seconds for one write."""
        self._api = api
        self._nodes = nodes
        self._declared = declared
        self._candidate = candidate
        self._observed = observed
        self._pace = pace
        self._timeout = timeout
        self._clock = clock
        self._inbox: deque[str] = deque()
        self._work = Work()
        self._claims = Claims()
        self._geography: Geography | None = None  # what all nodes were looked at by; None when they were not
        self._unplaced: set[str] = set()
        self._wake = threading.Event()
        self._stopped = threading.Event()
        observed.gauges(lambda: float(candidate.leading()), lambda: self.waiting, lambda: len(self._unplaced))

    def leading(self) -> bool:
        return self._candidate.leading()

    @property
    def holder(self) -> str:
        """Who leads, as last seen; empty where nobody does."""
        return self._candidate.holder

    @property
    def trouble(self) -> str:
        """Why the lease could not be looked at; empty when it could."""
        return self._candidate.trouble

    @property
    def waiting(self) -> int:
        """Nodes still to be looked at, or to be changed."""
        return len(self._work)

    def settled(self) -> bool:
        """Were all nodes looked at, and are all as they should be?"""
        return self._geography is not None and not self._inbox and not self.waiting

    def changed(self, names: Iterable[str]) -> None:
        """These nodes came, went or changed."""
        self._inbox.extend(names)
        self._wake.set()

    def hindrance(self) -> str | None:
        """Why this replica could not label nodes if it led; None when it could."""
        if not self._nodes.heard():
            return "the nodes are not listed yet"
        return "no ClusterProfile says where nodes may be" if self._declared() is None else None

    def run(self) -> None:
        """Until `stop`; lets go of the lease then."""
        while not self._stopped.is_set():
            try:
                pause = self.turn()
            except Exception:
                logger.exception("labelling nodes failed; going on in a second")
                pause = 1.0
            self._wake.wait(max(0.0, pause))
            self._wake.clear()
        self._candidate.release()

    def stop(self) -> None:
        self._stopped.set()
        self._wake.set()

    def turn(self) -> float:
        """Do what is due, one write at most. Returns the seconds until something may be due again."""
        self._candidate.step()
        if not self._candidate.leading():
            self._rest()
            return self._candidate.due - self._clock()
        geography = self._declared() if self._nodes.heard() else None
        if geography is None:
            self._rest()
            return _IDLE
        self._gather(geography)
        return self._advance(geography)

    def _rest(self) -> None:
        """Whoever comes to lead looks at all nodes, so nothing has to be remembered till then."""
        self._geography = None
        self._inbox.clear()
        self._work.clear()
        self._unplaced.clear()

    def _gather(self, geography: Geography) -> None:
        if not _alike(geography, self._geography):
            names = self._nodes.names()
            self._claims = Claims.of(node for node in map(self._nodes.node, names) if node is not None)
            self._work.add(names)
        self._geography = geography
        while self._inbox:
            self._work.add((self._inbox.popleft(),))

    def _advance(self, geography: Geography) -> float:
        """Look at nodes until one needs a write; then write it, if the pace allows."""
        for _ in range(_AT_ONCE):
            now = self._clock()
            free = self._pace.free_at(now)
            if free > now and self._work.due(now) <= now:
                return min(free, self._candidate.due) - now
            name = self._work.take(now)
            if name is None:
                return min(self._work.due(now), self._candidate.due, now + _IDLE) - now
            change = self._judged(name, geography)
            if change is not None:
                self._write(change)
                return 0.0
        return 0.0

    def _judged(self, name: str, geography: Geography) -> Change | None:
        node = self._nodes.node(name)
        self._work.add(self._claims.note(name, node))
        self._unplaced.discard(name)
        if node is None:
            self._work.done(name)
            return None
        found = judge(node, geography, self._claims)
        if isinstance(found.believed, UnknownPlace):
            self._unplaced.add(name)
        if found.change is None:
            self._work.done(name)
        return found.change

    def _write(self, change: Change) -> None:
        """Only ever called between a look at the lease and the next."""
        self._pace.spend(self._clock())
        if not self._candidate.leading():
            return
        try:
            self._api.patch(f"/api/v1/nodes/{change.node}", change.patch(), MANAGER, self._timeout)
        except ClusterUnavailable as error:
            self._refused(change, error)
            return
        self._work.done(change.node)
        self._observed.changed(change.kind)
        logger.info("%s", change)

    def _refused(self, change: Change, error: ClusterUnavailable) -> None:
        if error.status == 404:
            self._work.done(change.node)
            return
        self._observed.failed(error.status)
        pause = self._work.failed(change.node, self._clock())
        if error.status != 409:  # a conflict is news that is on its way
            logger.warning(
                "node `%s`: its label could not be changed, trying again in %.1f s: %s", change.node, pause, error
            )


def _alike(one: Geography, other: Geography | None) -> bool:
    """Is the same declared by both? Other rules may have changed between them."""
    return other is one or (
        other is not None and one.profile == other.profile and one.regions.digest == other.regions.digest
    )
