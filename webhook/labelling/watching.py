"""The labeller as a program of its own: until it is told to stop, or until all is as it should be."""

import logging
import signal
import sys
import threading
import time
from collections.abc import Sequence

from prometheus_client import CollectorRegistry, start_http_server

from policies.gathering import read_regions
from webhook.cluster.apiserver import ApiServer
from webhook.cluster.declared import declared
from webhook.cluster.live import LiveCluster
from webhook.cluster.resources import FACTS, RULES
from webhook.labelling.assembling import Followed, Labelling, geography_of, labeller_over, running
from webhook.labelling.labeller import Labeller

logger = logging.getLogger("bailiwick.nodes")

_NODE = next(served for served in FACTS if served.kind == "Node")
_PROFILE = next(served for served in RULES if served.kind == "ClusterProfile")
_SILENCE = 5.0  # seconds without a label that could be changed: then what is left is left


class NotOurTurn(Exception):
    """Another replica holds the lease, or nobody can have it; nothing was written by us."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.hint = "leave it to that replica, or stop it first; `bailiwick nodes label` shows what is to be changed"


def watch(
    api: ApiServer, rules: Sequence[str], how: Labelling, metrics_port: int | None, regions: str | None = None
) -> None:
    """Label nodes until SIGTERM or SIGINT. Raises RulesInvalid for files that can't be read."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    registry = CollectorRegistry()
    cluster, labeller = _parts(api, rules, regions, how, registry)
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    if metrics_port is not None:
        start_http_server(metrics_port, registry=registry)
    cluster.start()
    logger.info("%s takes part in labelling nodes", how.identity)
    with running(labeller):
        stopped.wait()
    cluster.stop()


def label_once(api: ApiServer, rules: Sequence[str], how: Labelling, regions: str | None = None) -> int:
    """Change what has to be changed now; how many could not be. Raises NotOurTurn, RulesInvalid."""
    cluster, labeller = _parts(api, rules, regions, how, CollectorRegistry())
    cluster.start()
    try:
        _wait_for_turn(labeller, how)
        return _until_settled(labeller)
    finally:
        labeller.stop()
        labeller.run()  # stopped already: lets go of the lease
        cluster.stop()


def _parts(
    api: ApiServer, rules: Sequence[str], regions: str | None, how: Labelling, registry: CollectorRegistry
) -> tuple[LiveCluster, Labeller]:
    if rules:
        held = geography_of(declared(rules, regions=regions))
        cluster = LiveCluster(api, (_NODE,))
        return cluster, labeller_over(api, cluster, lambda: held, registry, how)
    cluster = LiveCluster(api, (_NODE, _PROFILE))
    return cluster, labeller_over(
        api, cluster, Followed(cluster, None if regions is None else read_regions(regions)), registry, how
    )


def _wait_for_turn(labeller: Labeller, how: Labelling) -> None:
    """A replica that is gone is waited for as long as its lease."""
    began, told = time.monotonic(), False
    while not labeller.leading():
        if time.monotonic() > began + how.terms.lease + how.terms.retry:
            name = f"`{how.lease.namespace}/{how.lease.name}`"
            raise NotOurTurn(
                f"the lease {name} can't be had: {labeller.trouble}"
                if labeller.trouble
                else f"`{labeller.holder}` holds the lease {name} and labels the nodes"
            )
        if not told and time.monotonic() > began + 1:
            told = True
            sys.stderr.write(f"waiting for the lease of `{labeller.holder}`\n")
        time.sleep(min(0.1, max(0.0, labeller.turn())))


def _until_settled(labeller: Labeller) -> int:
    since, left = time.monotonic(), -1
    while not labeller.settled() and time.monotonic() < since + _SILENCE:
        pause = labeller.turn()
        if labeller.waiting != left:
            since, left = time.monotonic(), labeller.waiting
        time.sleep(min(0.1, max(0.0, pause)))
    return labeller.waiting
