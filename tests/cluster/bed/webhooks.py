"""Put webhook registrations into an API server, know when they are in force, and take them away again.

An API server acts on a registration some time after it has stored it. So each configuration is given one more entry, a
marker that calls nobody and fails closed for one labelled Lease; once a dry run of that Lease fails, the API server
works by this configuration, because it takes up a configuration as a whole.
"""

from __future__ import annotations

import base64
import copy
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from tests.cluster.bed.cluster import WAIT, Cluster, Json

GROUP = "admissionregistration.k8s.io"
RESOURCES = {
    "ValidatingWebhookConfiguration": "validatingwebhookconfigurations",
    "MutatingWebhookConfiguration": "mutatingwebhookconfigurations",
}
MARKER = "bed.invalid/marker"  # the label that only the probe's Lease carries


@contextmanager
def register(cluster: Cluster, configs: Sequence[Json], *, seconds: float = WAIT) -> Iterator[None]:
    """Register webhook configurations for the length of a `with` block.

    Inside the block all of them are in force, after it none is. `configs` are ValidatingWebhookConfiguration and
    MutatingWebhookConfiguration objects and are not changed. Leases should be none of their business: a webhook that
    refuses Leases may hide the marker, and then this raises BedError after `seconds`.
    """
    registered: list[tuple[str, str]] = []
    try:
        for config in configs:
            token = secrets.token_hex(8)
            path = _store(cluster, config, token)
            registered.append((path, token))
        for path, token in registered:
            cluster.wait_for(f"`{path}` to be in force", partial(_in_force, cluster, token), seconds=seconds)
        yield
    finally:
        for path, _ in registered:
            cluster.request("DELETE", path)
        for path, token in registered:
            cluster.wait_for(f"`{path}` to be gone", partial(_out_of_force, cluster, token), seconds=seconds)


def configuration(
    kind: str,
    name: str,
    *,
    url: str,
    ca_bundle: Path,
    rules: Sequence[Json],
    settings: Mapping[str, object] | None = None,
) -> Json:
    """A configuration with one webhook at a URL; `settings` are added to it or replace what is chosen here."""
    hook: Json = {
        "name": f"{name}.bed.invalid",
        "clientConfig": {"url": url, "caBundle": base64.b64encode(ca_bundle.read_bytes()).decode()},
        "rules": list(rules),
        "failurePolicy": "Fail",
        "sideEffects": "NoneOnDryRun",
        "admissionReviewVersions": ["v1"],
        "timeoutSeconds": 10,
        **(settings or {}),
    }
    return {"apiVersion": f"{GROUP}/v1", "kind": kind, "metadata": {"name": name}, "webhooks": [hook]}


def rule(group: str, resources: Sequence[str], operations: Sequence[str] = ("*",), *, version: str = "v1") -> Json:
    """One rule of a webhook."""
    return {
        "apiGroups": [group],
        "apiVersions": [version],
        "resources": list(resources),
        "operations": list(operations),
        "scope": "*",
    }


def _store(cluster: Cluster, config: Json, token: str) -> str:
    """Create the configuration with its marker; return its path."""
    collection = f"/apis/{GROUP}/v1/{RESOURCES[config['kind']]}"
    marked = copy.deepcopy(config)
    # first, because mutating webhooks are asked one after the other and the marker shall be the one that fails
    marked["webhooks"] = [_marker(token), *marked.get("webhooks", [])]
    cluster.request("POST", collection, marked).ok()
    return f"{collection}/{config['metadata']['name']}"


def _marker(token: str) -> Json:
    return {
        "name": f"{token}.marker.bed.invalid",
        "clientConfig": {"url": "https://127.0.0.1:1/"},  # nobody listens there
        "rules": [rule("coordination.k8s.io", ["leases"], ["CREATE"])],
        "objectSelector": {"matchLabels": {MARKER: token}},
        "failurePolicy": "Fail",
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "timeoutSeconds": 1,
    }


def _in_force(cluster: Cluster, token: str) -> bool:
    """Does the marker with this token stop its Lease? Nothing is stored either way."""
    lease = {"metadata": {"name": "marker", "labels": {MARKER: token}}}
    path = "/apis/coordination.k8s.io/v1/namespaces/default/leases"
    return token in cluster.request("POST", path, lease, params={"dryRun": "All"}).message


def _out_of_force(cluster: Cluster, token: str) -> bool:
    return not _in_force(cluster, token)
