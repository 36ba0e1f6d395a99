"""What the webhook sees of the cluster: live from watches, or still from manifests. One port for both."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from policies.decision import Needs
from policies.ports import Resolver
from policies.snapshot import Answer, MemorySnapshot, Snapshot, Unknown
from webhook.cluster.apiserver import ApiServer
from webhook.cluster.live import ClusterResolver, LiveCluster
from webhook.cluster.resources import FACTS, RULES

STALE = 600.0  # seconds without a word from the API server; then what is held is no longer believed


class Asked(Protocol):
    """Which cluster to look at; `webhook.options.Options` is such."""

    @property
    def snapshot(self) -> Sequence[str]: ...

    @property
    def kubeconfig(self) -> str | None: ...

    @property
    def in_cluster(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class View:
    """A snapshot source with its resolver. `rules` follows our own kinds in the cluster, where there is one.

    `facts` follows what decisions look up there, and `api` speaks to it.
    """

    snapshot: Callable[[], Snapshot]
    resolver: Resolver
    age: Callable[[], float]  # seconds
    hindrance: Callable[[], str | None]
    stop: Callable[[], None]
    rules: LiveCluster | None = None
    facts: LiveCluster | None = None
    api: ApiServer | None = None


class NobodyToAsk:
    """The resolver of a still view: what isn't held is not known."""

    def __init__(self, snapshot: MemorySnapshot) -> None:
        self._snapshot = snapshot

    async def resolve(self, needs: Needs, deadline: float) -> Snapshot:  # noqa: ARG002  # nothing takes time
        answers = {question: Answer(Unknown(str(question))) for question in needs.questions}
        return replace(self._snapshot, answers={**self._snapshot.answers, **answers})


def view_for(asked: Asked) -> View:
    """Live when a cluster is named, else still. Raises ClusterUnavailable."""
    if asked.kubeconfig is not None or asked.in_cluster:
        return _live(ApiServer.connect(asked.kubeconfig))
    return still(asked.snapshot)


def still(paths: Sequence[str]) -> View:
    """The objects of manifests, and nobody to ask for more."""
    from policies.gathering import objects_of

    held = MemorySnapshot.of(objects_of(paths)).written_down()
    return View(lambda: held, NobodyToAsk(held), lambda: 0.0, lambda: None, lambda: None)


def _live(api: ApiServer) -> View:
    facts, rules = LiveCluster(api, FACTS), LiveCluster(api, RULES)
    facts.start()
    rules.start()

    def hindrance() -> str | None:
        if missing := (*facts.missing(), *rules.missing()):
            return f"not listed yet: {', '.join(missing)}"
        return f"nothing heard for {facts.age():.0f} s" if facts.age() > STALE else None

    def stop() -> None:
        facts.stop()
        rules.stop()

    return View(facts.snapshot, ClusterResolver(api, facts.snapshot), facts.age, hindrance, stop, rules, facts, api)
