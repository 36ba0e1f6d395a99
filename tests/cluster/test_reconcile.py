"""Our records against the audit log that a real API server wrote: they agree, and every kind of difference is found."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from audit.reading import read_records
from audit.reconciling.kube_audit import read_events
from audit.reconciling.reconcile import Kind, Reconciliation, reconcile
from tests.cluster.bed.cluster import Cluster
from tests.cluster.bed.control_plane import ControlPlane
from tests.cluster.bed.webhooks import register
from webhook.cluster.registration import Endpoint, configurations, guarded
from webhook.demo.process import Process

pytestmark = pytest.mark.cluster

CRDS = Path(__file__).parents[2] / "charts" / "bailiwick" / "crds"
GROUP = "/apis/bailiwick.dev/v1alpha1"


def _policy(name: str, resource: str, operations: list[str], expression: str, failure: str) -> dict[str, Any]:
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": operations, "resources": [resource]}
    return {
        "apiVersion": "bailiwick.dev/v1alpha1",
        "kind": "SovereigntyPolicy",
        "metadata": {"name": name},
        "spec": {
            "failurePolicy": failure,
            "matchConstraints": {"resourceRules": [rule]},
            "validationActions": ["Deny"],
            "validations": [{"expression": expression, "message": "its name says that it is bad"}],
        },
    }


FAIL = _policy(
    "no-bad-secret",
    "secrets",
    ["CREATE", "UPDATE", "DELETE"],
    "request.operation == 'DELETE' || request.name != 'bad'",
    "Fail",
)
IGNORE = _policy("no-bad-map", "configmaps", ["CREATE", "UPDATE"], "request.name != 'bad'", "Ignore")


@dataclass
class World:
    """A namespace, a log, and the API server's audit log up to the moment when the webhook was killed, and after."""

    folder: Path
    log: Path
    namespace: str
    before: Path
    after: Path

    def reconciled(self, audit: Path) -> Reconciliation:
        """Of this world's namespace alone: the bed's API server serves other tests, too."""
        records = (record for record in read_records(self.log) if self._is_ours(record.fields))
        return reconcile(read_events(audit, "bailiwick.dev"), {"log": records}, skew=timedelta(0))

    def altered(self, change: Callable[[list[dict[str, Any]]], object]) -> Path:
        """A copy of the audit log with its events changed."""
        events = [json.loads(line) for line in self.before.read_text().splitlines()]
        change(events)
        path = self.folder / "altered.log"
        path.write_text("".join(json.dumps(event) + "\n" for event in events))
        return path

    def _is_ours(self, fields: Any) -> bool:
        return bool(fields.get("namespace") == self.namespace)


@pytest.fixture(scope="module")
def world(local_control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Secrets and config maps come and go under a webhook, which is then killed."""
    cluster, state = local_control_plane, tmp_path_factory.mktemp("state")
    cluster.kubectl("apply", "-f", str(CRDS))
    path = f"{GROUP}/sovereigntypolicies"
    cluster.wait_for("the CRD", lambda: cluster.request("GET", path).status == 200)
    for policy in (FAIL, IGNORE):
        cluster.request("POST", path, policy).ok()
    host = cluster.webhook_host
    process = Process(state, ["--kubeconfig", str(cluster.kubeconfig), "--name", host, "--linger", "0", "--no-packs"])
    namespace = cluster.create_namespace()
    try:
        process.ready()
        endpoint = Endpoint(process.ca.read_bytes(), url=f"https://{host}:{process.port}")
        with register(cluster, configurations(guarded([FAIL, IGNORE]), endpoint)):
            _work(cluster, namespace)
            before = _copy(cluster, namespace, state / "before.log")
            os.kill(process.pid, signal.SIGKILL)
            assert _create(cluster, namespace, "secrets", "late").status == 500
            assert _create(cluster, namespace, "configmaps", "late").status == 201
            after = _copy(cluster, namespace, state / "after.log")
        yield World(state, state / "log", namespace, before, after)
    finally:
        process.stop()
        for policy in (FAIL, IGNORE):
            cluster.request("DELETE", f"{path}/{policy['metadata']['name']}")
        cluster.request("DELETE", f"/api/v1/namespaces/{namespace}")


def _create(cluster: Cluster, namespace: str, plural: str, name: str, **query: str) -> Any:
    kind = {"secrets": "Secret", "configmaps": "ConfigMap"}[plural]
    found = {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "labels": {"from": "test"}}}
    return cluster.request("POST", f"/api/v1/namespaces/{namespace}/{plural}", found, params=query)


def _work(cluster: Cluster, namespace: str) -> None:
    secrets = f"/api/v1/namespaces/{namespace}/secrets"
    for number in range(4):
        assert _create(cluster, namespace, "secrets", f"s{number}").status == 201
        assert _create(cluster, namespace, "configmaps", f"m{number}").status == 201
    assert _create(cluster, namespace, "secrets", "bad").status == 403
    assert _create(cluster, namespace, "configmaps", "bad").status == 403
    assert _create(cluster, namespace, "secrets", "dry", dryRun="All").status == 201
    change = {"metadata": {"labels": {"changed": "yes"}}}
    assert cluster.request("PATCH", f"{secrets}/s0", change).status == 200
    assert cluster.request("DELETE", secrets, params={"labelSelector": "from=test"}).status == 200


def _copy(cluster: ControlPlane, namespace: str, path: Path) -> Path:
    """The lines of the API server's log that are about this namespace, byte by byte as it wrote them."""
    lines = cluster.audit_log.read_text().splitlines(keepends=True)
    path.write_text("".join(line for line in lines if f'"namespace":"{namespace}"' in line))
    return path


def _answered(events: list[dict[str, Any]], verdict: str = "allowed") -> dict[str, Any]:
    """The second event with this verdict of ours: not at an edge."""
    key = "fail.bailiwick.dev/verdict"
    found = [event for event in events if (event.get("annotations") or {}).get(key) == verdict]
    return found[min(1, len(found) - 1)]


def test_they_agree(world: World) -> None:
    """Every answer that the API server noted has its record; records of a deleted collection are joined to it."""
    found = world.reconciled(world.before)
    assert [one.message for one in found.differences] == []
    assert found.answers == found.matched == 12  # eight made, two refused, a patch, and one for the collection
    assert found.joined == 3  # the collection's others
    assert found.dry_runs == 1


def test_failed_open(world: World) -> None:
    """What passed while the webhook was dead is listed with its auditID; what was refused is no difference."""
    [found] = world.reconciled(world.after).differences
    late = [json.loads(line) for line in world.after.read_text().splitlines()]
    [event] = [e for e in late if e["objectRef"].get("name") == "late" and e["objectRef"]["resource"] == "configmaps"]
    assert (found.kind, found.audit_id) == (Kind.FAILED_OPEN, event["auditID"])
    assert found.message == (f"`ignore.bailiwick.dev` failed open, create configmaps `{world.namespace}/late` passed")
    assert found.time is not None


def test_an_event_removed(world: World) -> None:
    """A record whose request is gone from the API server's log is extra, with its uid."""
    [found] = world.reconciled(world.altered(lambda events: events.remove(_answered(events)))).differences
    assert found.kind is Kind.EXTRA
    assert found.uid
    assert found.index is not None


def test_a_record_removed(world: World) -> None:
    """An answer whose record is gone is missing, with the request's auditID."""
    records = [record for record in read_records(world.log) if record.fields.get("namespace") == world.namespace]
    gone = records.pop(3)
    found = reconcile(read_events(world.before, "bailiwick.dev"), {"log": records}, skew=timedelta(0))
    [one] = found.differences
    assert (one.kind, one.decision, one.index) == (Kind.MISSING, gone.fields["id"], gone.index)
    assert one.audit_id


@pytest.mark.parametrize(
    ("verdict", "change", "message"),
    [
        ("allowed", {"verdict": "denied"}, "the API server was told `denied`, the record says `allowed`"),
        ("allowed", {"leaf-index": "0"}, "the API server was told leaf 0, the record is leaf"),
        ("denied", {}, "denied by the record, and the API server answered 201"),
    ],
)
def test_an_altered_event(world: World, verdict: str, change: dict[str, str], message: str) -> None:
    """Another verdict, another place, and a refused request that passed are mismatches with both ids."""

    def alter(events: list[dict[str, Any]]) -> None:
        event = _answered(events, verdict)
        event["annotations"] |= {f"fail.bailiwick.dev/{word}": value for word, value in change.items()}
        if not change:
            event["responseStatus"]["code"] = 201

    [found] = world.reconciled(world.altered(alter)).differences
    assert found.kind is Kind.MISMATCH
    assert found.message.startswith(message)
    assert found.audit_id
    assert found.uid
