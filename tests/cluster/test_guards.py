"""The guards that `bailiwick guards` prints, in force on a real API server, with no process of ours running.

Every attempt is first made without them, as a dry run, to see that RBAC and the API server let it through: what is
refused afterwards is refused by the guards alone.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import pytest
from click.testing import CliRunner, Result

from bailiwick import command
from policies.facts.law import MACHINERY
from policies.guards import Guarding
from policies.guards.native import NAMESPACES, NODES
from tests.cluster.bed import layout
from tests.cluster.bed.cluster import Cluster, Json, Reply, User
from tests.cluster.bed.control_plane import ControlPlane
from tests.policies.guards.attempts import ATTEMPTS, KEYS, LABEL_KEYS, PROFILE, SOMEBODY, Attempt, refusing
from webhook.cluster.apiserver import ApiServer
from webhook.cluster.guards import guards_of
from webhook.doctor import guards

pytestmark = pytest.mark.cluster

ADMISSION = "/apis/admissionregistration.k8s.io/v1"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
DRY = {"dryRun": "All"}
NAME_LABEL = "kubernetes.io/metadata.name"  # the API server's own on every namespace
BY_NAME = {one.name: one for one in ATTEMPTS}
FIRST = ("nodes-set", "ns-class", "infra-label")  # an attempt for each policy


def collection(one: Attempt) -> str:
    return f"/api/v1/{one.plural}"


def attempted(cluster: Cluster, one: Attempt, **query: str) -> Reply:
    """Make the request; what changed meanwhile is read anew, for the API server's controllers work on it, too."""
    user = User(one.user, one.groups)
    if one.before is None:
        made = {"metadata": {"name": one.name, "labels": one.after}}
        return cluster.request("POST", collection(one), made, as_user=user, params=query)
    path = f"{collection(one)}/{one.name}"
    while True:
        found = cluster.request("GET", path).ok()
        kept = {key: value for key, value in found["metadata"].get("labels", {}).items() if key == NAME_LABEL}
        found["metadata"]["labels"] = {**kept, **one.after}
        target = f"{path}/{one.via}" if one.via else path
        reply = cluster.request("PUT", target, found, as_user=user, params=query)
        if reply.status != 409:
            return reply


def labels_of(cluster: Cluster, one: Attempt) -> dict[str, str]:
    return labels_at(cluster, f"{collection(one)}/{one.name}")


def bailiwick(*arguments: str | Path) -> Result:
    return CliRunner().invoke(command, ["guards", *map(str, arguments)], catch_exceptions=False)


@dataclass(frozen=True, slots=True)
class Guarded:
    """A cluster with the guards in force."""

    cluster: Cluster
    rules: Path
    without: dict[str, int]  # attempt -> its status before there were any guards


@pytest.fixture(scope="module")
def guarded(control_plane: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """Objects to attempt things on, everybody's right to write them, and then the guards."""
    folder = tmp_path_factory.mktemp("guards")
    rules = folder / "profile.json"
    head = {"apiVersion": "bailiwick.dev/v1alpha1", "kind": "ClusterProfile", "metadata": {"name": "bed"}}
    rules.write_text(json.dumps({**head, "spec": PROFILE}))
    with _allowed(control_plane):
        for one in ATTEMPTS:
            if one.before is not None:
                made = {"metadata": {"name": one.name, "labels": one.before}}
                control_plane.request("POST", collection(one), made).ok()
        for name in FIRST:  # others' guards may be in force a moment longer than they are stored
            control_plane.wait_for(f"`{name}` to be let through", partial(_passes, control_plane, BY_NAME[name]))
        without = {one.name: attempted(control_plane, one, **DRY).status for one in ATTEMPTS}
        manifest = folder / "guards.yaml"
        manifest.write_text(bailiwick("--rules", rules).stdout)
        control_plane.kubectl("apply", "-f", str(manifest))
        try:
            for name in FIRST:
                control_plane.wait_for(f"`{name}` to be refused", partial(_refused, control_plane, BY_NAME[name]))
            yield Guarded(control_plane, rules, without)
        finally:
            control_plane.kubectl("delete", "-f", str(manifest), "--ignore-not-found")
            for name in FIRST:
                control_plane.wait_for(f"`{name}` to be let through", partial(_passes, control_plane, BY_NAME[name]))
            for one in ATTEMPTS:
                control_plane.request("DELETE", f"{collection(one)}/{one.name}")


def _passes(cluster: Cluster, one: Attempt) -> bool:
    return attempted(cluster, one, **DRY).status in (200, 201)


def _refused(cluster: Cluster, one: Attempt) -> bool:
    return attempted(cluster, one, **DRY).status == 403


@contextmanager
def _allowed(cluster: Cluster) -> Iterator[None]:
    """Everybody may write nodes and namespaces, as operators of many a cluster may."""
    rule = {"apiGroups": [""], "resources": [*NODES, *NAMESPACES], "verbs": ["get", "create", "update", "patch"]}
    role = {"metadata": {"name": "guards-attempts"}, "rules": [rule]}
    group = "rbac.authorization.k8s.io"
    binding = {
        "metadata": {"name": "guards-attempts"},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "guards-attempts"},
        "subjects": [{"apiGroup": group, "kind": "Group", "name": "system:authenticated"}],
    }
    cluster.request("POST", f"{RBAC}/clusterroles", role).ok()
    cluster.request("POST", f"{RBAC}/clusterrolebindings", binding).ok()
    probe = User("somebody", ())
    cluster.wait_for("the role", lambda: cluster.request("GET", "/api/v1/nodes/none", as_user=probe).status == 404)
    try:
        yield
    finally:
        for plural in ("clusterrolebindings", "clusterroles"):
            cluster.request("DELETE", f"{RBAC}/{plural}/guards-attempts")


@pytest.mark.parametrize("one", ATTEMPTS, ids=lambda one: one.name)
def test_attempts(guarded: Guarded, one: Attempt) -> None:
    """Without the guards the request goes through; with them it is refused by the one that is named, or goes through.

    What was refused has changed nothing, and what went through has changed what it asked for.
    """
    assert guarded.without[one.name] in (200, 201)
    reply = attempted(guarded.cluster, one)
    if one.refused:
        assert reply.status == 403
        assert f"ValidatingAdmissionPolicy 'bailiwick-{one.refused}'" in reply.message
        assert f"spec.guards.{one.refused}" in reply.message
        if one.before is not None:
            assert labels_of(guarded.cluster, one) == one.before
    else:
        assert reply.status in (200, 201), reply.message
        assert labels_of(guarded.cluster, one) == one.after


COUNT = int(os.environ.get("BAILIWICK_GUARDED_CHANGES", "150"))
WAYS = {"Node": ("", "status"), "Namespace": ("", "status", "finalize")}


@pytest.mark.parametrize("kind", WAYS)
def test_random_changes(guarded: Guarded, kind: str) -> None:
    """Random changes by random people in random ways: refused by just the guards that a plain model says."""
    seed = int(os.environ.get("BAILIWICK_SEED", "0")) or secrets.randbelow(10**9)
    random = Random(f"{seed}/{kind}")
    everything = User("both", ("privacy", "platform"))
    cluster, path = guarded.cluster, f"/api/v1/{kind.lower()}s/random-{kind.lower()}"
    cluster.request("POST", path.rpartition("/")[0], {"metadata": {"name": path.rpartition("/")[2]}}).ok()
    seen = {True: 0, False: 0}
    try:
        for turn in range(COUNT):
            user, groups = random.choice(SOMEBODY)
            after = {key: random.choice(["", "a", "b"]) for key in random.sample(LABEL_KEYS, random.randrange(4))}
            before = labels_at(cluster, path)
            change = {key: after.get(key) for key in {*before, *after}}
            target = f"{path}/{random.choice(WAYS[kind])}".rstrip("/")
            if target.endswith("finalize"):  # takes whole objects only
                found = cluster.request("GET", path).ok()
                found["metadata"]["labels"] = {NAME_LABEL: path.rpartition("/")[2], **after}
                reply = cluster.request("PUT", target, found, as_user=User(user, groups))
            else:
                reply = cluster.request("PATCH", target, {"metadata": {"labels": change}}, as_user=User(user, groups))
            wanted = refusing(before, after, kind, groups)
            named = {one for one in ("places", "classes", "infrastructure") if f"bailiwick-{one}'" in reply.message}
            hint = f"BAILIWICK_SEED={seed}, turn {turn}: {before} to {after} by {user}: {reply.message}"
            assert (reply.status == 403) is bool(wanted), hint
            assert named <= wanted, hint
            assert labels_at(cluster, path) == (before if wanted else after), hint
            seen[bool(wanted)] += 1
            if wanted and random.random() < 0.3:  # so that there is something to take away
                cluster.request("PATCH", path, {"metadata": {"labels": change}}, as_user=everything).ok()
    finally:
        cluster.request("DELETE", path)
    assert min(seen.values()) > COUNT / 10


def labels_at(cluster: Cluster, path: str) -> dict[str, str]:
    labels = cluster.request("GET", path).ok()["metadata"].get("labels", {})
    return {key: value for key, value in labels.items() if key != NAME_LABEL}


def test_the_api_server_has_no_type_warnings(guarded: Guarded) -> None:
    """It has checked every policy against the kinds, and found nothing to warn of."""
    for what in ("places", "classes", "infrastructure"):
        path = f"{ADMISSION}/validatingadmissionpolicies/bailiwick-{what}"

        def checked(path: str = path) -> Any:
            found = guarded.cluster.request("GET", path).ok()
            return found.get("status", {}).get("observedGeneration") == found["metadata"]["generation"]

        guarded.cluster.wait_for("the type check", checked)
        status = guarded.cluster.request("GET", path).ok()["status"]
        assert status.get("typeChecking", {}).get("expressionWarnings", []) == []


def test_every_way_to_write_them_is_guarded(guarded: Guarded) -> None:
    """No subresource of nodes and namespaces that takes an update is left out, as the API server itself lists them."""
    served = guarded.cluster.request("GET", "/api/v1").ok()["resources"]
    written = {
        found["name"]
        for found in served
        if found["name"].split("/")[0] in ("nodes", "namespaces")
        and found["kind"] in ("Node", "Namespace")
        and {"create", "update", "patch"} & set(found["verbs"])
    }
    assert written == {*NODES, *NAMESPACES}


def test_what_is_installed_is_compared(guarded: Guarded) -> None:
    """All as printed: 0. A binding that no longer denies, and a policy that is gone: 1, each by its name."""
    given = ("--rules", guarded.rules, "--kubeconfig", guarded.cluster.kubeconfig, "--check")
    assert (bailiwick(*given).exit_code, bailiwick(*given).stdout) == (0, "6 objects, all as they should be\n")
    path = f"{ADMISSION}/validatingadmissionpolicybindings/bailiwick-classes"
    binding = guarded.cluster.request("GET", path).ok()
    change = {"spec": {"validationActions": ["Audit"]}}
    guarded.cluster.request("PATCH", path, change).ok()
    try:
        shown = bailiwick(*given)
        assert shown.exit_code == 1
        assert shown.stdout == "ValidatingAdmissionPolicyBinding `bailiwick-classes` has been changed\n"
        guarded.cluster.request("DELETE", path).ok()
        assert bailiwick(*given).stdout == "ValidatingAdmissionPolicyBinding `bailiwick-classes` is missing\n"
    finally:
        guarded.cluster.request("DELETE", path)
        again: Json = {"metadata": {"name": "bailiwick-classes"}, "spec": binding["spec"]}
        guarded.cluster.request("POST", path.rpartition("/")[0], again).ok()


def test_unclassified_namespaces_are_refused_where_declared(guarded: Guarded, tmp_path: Path) -> None:
    """With `unclassified: Refuse` nobody but those who classify makes a namespace without a class."""

    def made(name: str, user: User) -> Reply:
        body: Json = {"metadata": {"name": name, "labels": {"team": "a"}}}
        return guarded.cluster.request("POST", "/api/v1/namespaces", body, as_user=user, params=DRY)

    def in_force(profile: Json) -> None:
        manifest = tmp_path / "guards.json"
        manifest.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": guards_of(profile)}))
        guarded.cluster.kubectl("apply", "-f", str(manifest))

    somebody, privacy = User("dev@example.eu"), User("dpo@example.eu", ("privacy",))
    assert made("unclassified", somebody).status == 201
    in_force({**PROFILE, "guards": {**PROFILE["guards"], "unclassified": "Refuse"}})
    try:
        guarded.cluster.wait_for("the refusal", lambda: made("unclassified", somebody).status == 403)
        assert "a namespace without `bailiwick.dev/data-class`" in made("unclassified", somebody).message
        assert made("unclassified", privacy).status == 201
        assert attempted(guarded.cluster, BY_NAME["ns-same"], **DRY).status == 200
    finally:
        in_force(PROFILE)
    guarded.cluster.wait_for("the old guards", lambda: made("unclassified", somebody).status == 201)


def test_the_doctor_compares_them(guarded: Guarded) -> None:
    """What `guards --check` finds, `doctor` finds, too, and says what to do."""
    api = ApiServer.connect(str(guarded.cluster.kubeconfig))
    (good,) = guards(api, lambda: guards_of(PROFILE))
    assert good.health == "good"
    (first, *_) = guards(api, lambda: guards_of({"cluster": "another"}))
    assert (first.health, first.detail) == ("warning", "ValidatingAdmissionPolicy `bailiwick-places` has been changed")
    assert "bailiwick guards" in first.hint


def test_the_api_server_makes_its_own_namespaces_as_one_who_may(guarded: Guarded, local_control_plane: Any) -> None:
    """kube-system and its like are made by a user whom every guard of infrastructure lets through."""
    made = {
        event["objectRef"]["name"]: event["user"]["username"]
        for event in local_control_plane.audit_events()
        if event["verb"] == "create" and event.get("objectRef", {}).get("resource") == "namespaces"
    }
    assert {made[name] for name in MACHINERY} == {"system:apiserver"}
    assert "system:apiserver" in Guarding.of(PROFILE).infrastructure.users


def test_a_kubelet_works_on_and_cannot_place_itself(guarded: Guarded, local_control_plane: ControlPlane) -> None:
    """Its topology labels and its status are its own; its place isn't, at its birth, later, or through the status."""
    node, kubelet = f"/api/v1/nodes/{layout.KUBELET_NODE}", layout.KUBELET
    request = local_control_plane.request

    def label(path: str, key: str, value: str) -> int:
        return request("PATCH", path, {"metadata": {"labels": {key: value}}}, as_user=kubelet).status

    def born(**labels: str) -> int:
        made = {"metadata": {"name": layout.KUBELET_NODE, "labels": labels}}
        return request("POST", "/api/v1/nodes", made, as_user=kubelet).status

    try:
        assert born(**{KEYS["PLACE"]: "aws.eu-central-1"}) == 403
        assert born(**{"topology.kubernetes.io/region": "us-east-1"}) == 201
        assert label(node, "topology.kubernetes.io/zone", "us-east-1a") == 200
        assert label(node, KEYS["PLACE"], "aws.eu-central-1") == 403
        assert label(f"{node}/status", KEYS["PLACE"], "aws.eu-central-1") == 403
        assert request("PATCH", f"{node}/status", {"status": {"phase": "Running"}}, as_user=kubelet).status == 200
    finally:
        request("DELETE", node)
