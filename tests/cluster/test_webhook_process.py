"""The webhook process beside a real API server: denied, corrected and bound, warned, dry runs, apply, and killed."""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from audit.checks.verify import verify_log
from audit.verbs.places import verifier_keys
from keymgmt.file.keyring import FileKeyring
from keymgmt.file.unlock import KeyFile
from policies.replaying import Outcome
from tests.cluster.bed.cluster import Cluster
from tests.cluster.bed.control_plane import ControlPlane
from tests.cluster.bed.guard import GROUP, Guard, guarded_cluster, written
from webhook.replaying.replay import Asked, Replay

pytestmark = pytest.mark.cluster

PLACE = "bailiwick.node-restriction.kubernetes.io/place"
IMAGE = "registry.example/c@sha256:" + "6b3f" * 16
FRANKFURT = {"topology.kubernetes.io/region": "eu-central-1", "topology.kubernetes.io/zone": "eu-central-1a"}
VIRGINIA = {"topology.kubernetes.io/region": "us-east-1", "topology.kubernetes.io/zone": "us-east-1a"}


EU = written("Jurisdiction", "eu", {"locatedIn": {"sets": ["EU"]}})
PROFILE = written(
    "ClusterProfile",
    "cluster",
    {"cluster": "bed", "providers": [{"name": "aws", "regions": ["eu-central-1", "us-east-1"]}]},
)
TEAM_LABEL = written(
    "SovereigntyPolicy",
    "team-label",
    {
        "matchConstraints": {
            "resourceRules": [
                {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
            ]
        },
        "validationActions": ["Warn"],
        "validations": [
            {
                "expression": "has(object.metadata.labels) && 'team' in object.metadata.labels",
                "message": "no team is named",
            }
        ],
    },
)


@pytest.fixture(scope="module")
def guard(control_plane: Cluster, webhook_host: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guard]:
    """CRDs, rules, a webhook process that watches the cluster, and its registration computed from the policies."""
    state = tmp_path_factory.mktemp("state")
    with guarded_cluster(control_plane, webhook_host, state, (EU, PROFILE, TEAM_LABEL)) as guard:
        yield guard


@pytest.fixture
def clinic(control_plane: Cluster, guard: Guard) -> Iterator[str]:
    """A namespace of a class with residency, made just now."""
    labels = {"bailiwick.dev/data-class": "confidential", "bailiwick.dev/jurisdiction": "eu"}
    name = control_plane.create_namespace(labels=labels)
    yield name
    control_plane.request("DELETE", f"/api/v1/namespaces/{name}")


def pod(name: str, **spec: Any) -> dict[str, Any]:
    metadata = {"name": name, "labels": {"team": "a"}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {"containers": [{"name": "c", "image": IMAGE}], **spec},
    }


def test_a_pod_that_would_leave_is_denied_with_what_to_change(guard: Guard, clinic: str) -> None:
    """403, the reason code, both sides of the contradiction, and what to do."""
    reply = guard.create(clinic, pod("leaver", nodeSelector={PLACE: "aws.us-east-1"}))
    assert reply.status == 403
    assert "place-conflict" in reply.message
    assert "aws.us-east-1" in reply.message
    assert "to do:" in reply.message


def test_a_pod_is_corrected_and_bound_to_an_allowed_node(
    guard: Guard, clinic: str, local_control_plane: ControlPlane, add_node: Any
) -> None:
    """The pod gets the constraint, and the real scheduler binds it inside although a foreign node is free too."""
    add_node(
        "virginia", labels={**VIRGINIA, PLACE: "aws.us-east-1"}, provider_id="aws:///us-east-1a/i-0a1b2c3d4e5f60718"
    )
    add_node(
        "frankfurt",
        labels={**FRANKFURT, PLACE: "aws.eu-central-1"},
        provider_id="aws:///eu-central-1a/i-0a1b2c3d4e5f60718",
    )
    created = guard.create(clinic, pod("stayer")).ok()
    [term] = created["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"][
        "nodeSelectorTerms"
    ]
    assert term["matchExpressions"] == [{"key": PLACE, "operator": "In", "values": ["aws.eu-central-1"]}]

    def bound() -> str | None:
        found = local_control_plane.request("GET", f"/api/v1/namespaces/{clinic}/pods/stayer").ok()
        name: str | None = found["spec"].get("nodeName")
        return name

    local_control_plane.wait_for("the pod to be bound", lambda: bound() is not None)
    assert bound() == "frankfurt"
    bindings = [found for found in guard.records() if found.get("subresource") == "binding"]
    assert bindings[-1]["verdict"] == "allowed"


def test_a_binding_to_a_foreign_node_is_denied(guard: Guard, clinic: str, add_node: Any) -> None:
    """Whoever binds past the scheduler is stopped at the binding."""
    add_node("oregon", labels={**VIRGINIA, PLACE: "aws.us-east-1"}, provider_id="aws:///us-east-1a/i-0a1b2c3d4e5f60718")
    guard.create(clinic, pod("bindee", schedulerName="nobody")).ok()
    binding = {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": "bindee"},
        "target": {"kind": "Node", "name": "oregon"},
    }
    reply = guard.cluster.request("POST", f"/api/v1/namespaces/{clinic}/pods/bindee/binding", binding)
    assert (reply.status, "node-outside-jurisdiction" in reply.message) == (403, True)


def test_a_policy_of_the_cluster_warns(guard: Guard, clinic: str) -> None:
    """A SovereigntyPolicy applied to the cluster is in force, and its warning reaches the client."""
    bare = pod("teamless")
    del bare["metadata"]["labels"]
    reply = guard.create(clinic, bare)
    assert reply.status == 201
    assert any("no team is named" in warning for warning in reply.warnings)


def test_a_dry_run_is_judged_and_leaves_no_record(guard: Guard, clinic: str) -> None:
    """The same answer, and nothing in the log."""
    before = len(guard.records())
    assert guard.create(clinic, pod("maybe", nodeSelector={PLACE: "aws.us-east-1"}), dryRun="All").status == 403
    assert guard.create(clinic, pod("maybe"), dryRun="All").status == 201
    fresh = [found for found in guard.records()[before:] if found["schema"].startswith("bailiwick.decision")]
    assert fresh == []


def test_server_side_apply_is_judged_and_stays_idempotent(guard: Guard, clinic: str) -> None:
    """A Deployment is applied twice with the same result; a change to the worse is refused."""
    template = {"metadata": {"labels": {"a": "b"}}, "spec": pod("x")["spec"]}
    found = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "d"},
        "spec": {"replicas": 0, "selector": {"matchLabels": {"a": "b"}}, "template": template},
    }
    path = f"/apis/apps/v1/namespaces/{clinic}/deployments/d"

    def applied(body: dict[str, Any]) -> Any:
        query = {"fieldManager": "test", "force": "true"}
        return guard.cluster.request("PATCH", path, body, params=query, content_type="application/apply-patch+yaml")

    first, second = applied(found).ok(), applied(found).ok()
    assert first["spec"]["template"] == second["spec"]["template"]
    assert first["metadata"]["generation"] == second["metadata"]["generation"]
    template["spec"] = {**template["spec"], "nodeSelector": {PLACE: "aws.us-east-1"}}
    refused = applied(found)
    assert (refused.status, "place-conflict at spec.template" in refused.message) == (403, True)


def test_the_api_servers_own_audit_log_holds_a_second_copy(
    guard: Guard, clinic: str, local_control_plane: ControlPlane
) -> None:
    """Decision id, leaf index, verdict and policy digest stand in the API server's audit log."""
    guard.create(clinic, pod("audited")).ok()
    [event] = [
        found
        for found in local_control_plane.audit_events()
        if (found.get("objectRef") or {}).get("name") == "audited"
        and found["verb"] == "create"
        and (found.get("objectRef") or {}).get("namespace") == clinic
        and not (found.get("objectRef") or {}).get("subresource")
        and found["stage"] == "ResponseComplete"
    ]
    annotations = event["annotations"]
    assert annotations["fail.bailiwick.dev/verdict"] == "allowed"
    index = int(annotations["fail.bailiwick.dev/leaf-index"])
    assert guard.records()[index]["id"] == annotations["fail.bailiwick.dev/decision-id"]
    assert len(annotations["fail.bailiwick.dev/policy-digest"]) == 64


def test_newer_rules_that_do_not_compile_leave_the_old_ones_in_force(guard: Guard, clinic: str) -> None:
    """A broken policy is refused as a whole and shown in the metrics; what was in force stays so."""
    spec = json.loads(json.dumps(TEAM_LABEL["spec"]))
    spec["validations"] = [{"expression": "object.no ==", "message": "m"}]
    guard.cluster.request("POST", f"{GROUP}/sovereigntypolicies", written("SovereigntyPolicy", "broken", spec)).ok()
    asker = guard.process.ready()
    try:
        guard.cluster.wait_for(
            "the refusal", lambda: b"bailiwick_webhook_rules_refused 1.0" in asker.get("/metrics")[1]
        )
        assert guard.create(clinic, pod("leaver", nodeSelector={PLACE: "aws.us-east-1"})).status == 403
    finally:
        guard.cluster.request("DELETE", f"{GROUP}/sovereigntypolicies/broken")
    guard.cluster.wait_for("the mend", lambda: b"bailiwick_webhook_rules_refused 0.0" in asker.get("/metrics")[1])


def test_every_decision_is_made_again_from_the_archive(guard: Guard, clinic: str) -> None:
    """What was decided over a live cluster, with all that was asked of it meanwhile, comes out again bit for bit."""
    claim = {"name": "data", "persistentVolumeClaim": {"claimName": "not-there"}}
    guard.create(clinic, pod("with-a-claim", volumes=[claim]))
    keyring = FileKeyring.open(guard.state / "keys", "local", unlock=KeyFile(guard.state / "keys" / "unlock.key"))
    lines = list(Replay(guard.state / "log", keyring.opener(), keyring.jurisdiction).run(Asked()))
    outcomes = Counter(line.then.outcome for line in lines)
    assert set(outcomes) <= {Outcome.SAME, Outcome.WITHHELD}, [line for line in lines if line.then.outcome != "same"]
    assert outcomes[Outcome.SAME] > 10
    assert {line.verdict for line in lines} >= {"denied", "mutated", "warned"}
    loads = [leaf for leaf in guard.records() if leaf["schema"].startswith("bailiwick.policy-load/")]
    assert {leaf["outcome"] for leaf in loads} == {"loaded", "refused"}
    assert len({leaf["policies_digest"] for leaf in loads if "policies_digest" in leaf}) > 1


def test_killed_it_is_closed_for_what_it_guards_and_open_for_what_the_cluster_needs(
    guard: Guard, clinic: str, add_node: Any
) -> None:
    """With the process gone no pod enters a guarded namespace; nodes, leases and kube-system go on."""
    add_node("survivor", labels=FRANKFURT)
    os.kill(guard.process.pid, signal.SIGKILL)
    assert guard.create(clinic, pod("late")).status == 500
    cluster = guard.cluster
    assert cluster.request("PATCH", "/api/v1/nodes/survivor", {"metadata": {"labels": {"alive": "yes"}}}).status == 200
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": f"l-{clinic}"}, "spec": {}}
    assert cluster.request("POST", "/apis/coordination.k8s.io/v1/namespaces/default/leases", lease).status == 201
    assert guard.create("kube-system", pod(f"infrastructure-{clinic}")).status == 201
    cluster.request("DELETE", f"/api/v1/namespaces/kube-system/pods/infrastructure-{clinic}")
    report = verify_log(guard.state / "log", verifier_keys(guard.state / "log", ()))
    assert report.problems == ()
