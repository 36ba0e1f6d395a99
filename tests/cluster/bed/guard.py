"""A cluster that our webhook guards: definitions and rules applied, the process started, its registration in force."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from audit.reading import read_records
from policies.packs import builtin
from policies.rulebook import Rulebook
from tests.cluster.bed.cluster import Cluster, Json
from tests.cluster.bed.webhooks import register
from webhook.cluster.registration import Endpoint, configurations, guarded
from webhook.cluster.resources import RULES
from webhook.demo.process import Process

CRDS = Path(__file__).parents[3] / "charts" / "bailiwick" / "crds"
GROUP = "/apis/bailiwick.dev/v1alpha1"
_PLURALS = {served.kind: served.plural for served in RULES}


@dataclass
class Guard:
    """A cluster that is guarded by a webhook process."""

    cluster: Cluster
    process: Process
    state: Path

    def create(self, namespace: str, found: Json, **query: str) -> Any:
        plural = {"Pod": "/api/v1", "Deployment": "/apis/apps/v1", "Secret": "/api/v1"}[found["kind"]]
        path = f"{plural}/namespaces/{namespace}/{found['kind'].lower()}s"
        return self.cluster.request("POST", path, found, params=query)

    def records(self) -> list[Any]:
        return [found.fields for found in read_records(self.state / "log")]


def written(kind: str, name: str, spec: Json) -> Json:
    """One of our own kinds."""
    return {"apiVersion": "bailiwick.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}


@contextmanager
def guarded_cluster(
    cluster: Cluster, host: str, state: Path, rules: Sequence[Json], arguments: Sequence[str] = ()
) -> Iterator[Guard]:
    """Guard the cluster by the built-in packs and these rules for the length of a `with` block.

    `host` is this machine's address as the API server sees it; `state` is the webhook's folder, which stays;
    `arguments` are added to its command line.
    """
    cluster.kubectl("apply", "-f", str(CRDS))
    for kind in {rule["kind"] for rule in rules}:
        cluster.wait_for(f"`{kind}` to be served", partial(_is_served, cluster, kind))
    for rule in rules:
        cluster.request("POST", f"{GROUP}/{_PLURALS[rule['kind']]}", rule).ok()
    given = ["--kubeconfig", str(cluster.kubeconfig), "--name", host, "--linger", "0", *arguments]
    process = Process(state, given)
    try:
        process.ready()
        endpoint = Endpoint(process.ca.read_bytes(), url=f"https://{host}:{process.port}")
        with register(cluster, configurations(guarded([*_builtin(), *_policies(rules)]), endpoint)):
            yield Guard(cluster, process, state)
    finally:
        process.stop()
        for rule in rules:
            cluster.request("DELETE", f"{GROUP}/{_PLURALS[rule['kind']]}/{rule['metadata']['name']}")


def _is_served(cluster: Cluster, kind: str) -> bool:
    return cluster.request("GET", f"{GROUP}/{_PLURALS[kind]}").status == 200


def _builtin() -> list[Json]:
    return [{"spec": spec} for _, spec in Rulebook.of(builtin()).specs("SovereigntyPolicy")]


def _policies(rules: Sequence[Json]) -> list[Json]:
    return [rule for rule in rules if rule["kind"] == "SovereigntyPolicy"]
