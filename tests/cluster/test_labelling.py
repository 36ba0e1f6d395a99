"""The node labeller beside a real API server, under the RBAC that the example grants and behind the guards.

Two replicas run as processes, each with a token of its own, by which the API server's audit log tells them apart.
"""

from __future__ import annotations

import base64
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from click.testing import CliRunner, Result

from bailiwick import command
from tests.cluster.bed import layout
from tests.cluster.bed.cluster import Json, User, write_kubeconfig
from tests.cluster.bed.control_plane import ControlPlane
from tests.cluster.bed.processes import Port
from webhook.cluster.apiserver import ApiServer
from webhook.cluster.guards import guards_of
from webhook.doctor import labeller
from webhook.labelling.assembling import Labelling
from webhook.labelling.candidate import LeaseName
from webhook.labelling.election import Terms
from webhook.labelling.watching import NotOurTurn, label_once

pytestmark = pytest.mark.cluster

ROOT = Path(__file__).parents[2]
CRDS = ROOT / "charts" / "bailiwick" / "crds"
RBAC = ROOT / "examples" / "labeller" / "rbac.yaml"
PLACE = "bailiwick.node-restriction.kubernetes.io/place"
REGION, ZONE = "topology.kubernetes.io/region", "topology.kubernetes.io/zone"
PROFILE = "/apis/bailiwick.dev/v1alpha1/clusterprofiles/bed"
LEASE = "/apis/coordination.k8s.io/v1/namespaces/bailiwick-system/leases/bailiwick-labeller"
SECONDS = 5.0  # the lease's length
AWS = [{"name": "aws", "regions": ["eu-central-1", "us-east-1"]}]
AddNode = Callable[..., Json]


@dataclass(slots=True)
class Replica:
    """One labeller."""

    process: subprocess.Popen[bytes]
    written: Path
    credential: str  # the id of its token, which stands in every audit event
    metrics: int = 0  # the port

    @property
    def identity(self) -> str:
        """As it calls itself in the lease; empty before it has said so."""
        lines = [line for line in self.written.read_text().splitlines() if "takes part in labelling" in line]
        return lines[0].split("bailiwick.nodes ")[1].split()[0] if lines else ""


def start(plane: ControlPlane, folder: Path, name: str, *more: str) -> Replica:
    asked = {"spec": {"expirationSeconds": 3600}}
    path = "/api/v1/namespaces/bailiwick-system/serviceaccounts/bailiwick/token"
    token = plane.request("POST", path, asked).ok()["status"]["token"]
    payload = token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    config = folder / f"{name}.kubeconfig"
    write_kubeconfig(config, url=plane.url, ca_bundle=plane.ca_bundle, user=name, token=token)
    written = folder / f"{name}.log"
    line = ["nodes", "--kubeconfig", str(config), "label", "--watch", "--lease-seconds", str(SECONDS), *more]
    with written.open("wb") as output:
        process = subprocess.Popen([sys.executable, "-m", "bailiwick", *line], stdout=output, stderr=output, cwd=ROOT)
    return Replica(process, written, f"JTI={claims['jti']}")


@pytest.fixture(scope="module")
def plane(local_control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """Definitions, a ClusterProfile, the example's RBAC, and the guards."""
    folder = tmp_path_factory.mktemp("guards")
    guards = folder / "guards.json"
    guards.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": guards_of({"cluster": "bed"})}))
    for manifest in (CRDS, RBAC, guards):
        local_control_plane.kubectl("apply", "-f", str(manifest))
    collection = PROFILE.rpartition("/")[0]
    request = local_control_plane.request
    local_control_plane.wait_for("the definitions", lambda: request("GET", collection).status == 200)
    head = {"apiVersion": "bailiwick.dev/v1alpha1", "kind": "ClusterProfile", "metadata": {"name": "bed"}}
    request("POST", collection, {**head, "spec": {"cluster": "bed", "providers": AWS}}).ok()
    try:
        yield local_control_plane
    finally:
        request("DELETE", PROFILE)
        local_control_plane.kubectl("delete", "-f", str(guards))
        local_control_plane.kubectl("delete", "-f", str(RBAC), "--wait=false")


@pytest.fixture(scope="module")
def replicas(plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Replica]]:
    """Two, the first of which leads."""
    folder = tmp_path_factory.mktemp("replicas")
    with closing(Port()) as free:
        port = free.number
    found = [replace(start(plane, folder, "first", "--metrics-port", str(port)), metrics=port)]
    try:
        plane.wait_for("the first to lead", lambda: holder(plane) != "")
        found.append(start(plane, folder, "second"))
        plane.wait_for("the second to take part", lambda: found[1].identity != "")
        yield found
    finally:
        for replica in found:
            replica.process.kill()
            replica.process.wait()


def holder(plane: ControlPlane) -> str:
    found = plane.request("GET", LEASE)
    return str(found.body.get("spec", {}).get("holderIdentity", "")) if found.status == 200 else ""


def place(plane: ControlPlane, name: str) -> str | None:
    labels: dict[str, str] = plane.request("GET", f"/api/v1/nodes/{name}").ok()["metadata"].get("labels", {})
    return labels.get(PLACE)


def writers(plane: ControlPlane) -> list[tuple[str, str]]:
    """Whose token changed which node, as the audit log has it."""
    return [
        (event["user"]["extra"]["authentication.kubernetes.io/credential-id"][0], event["objectRef"]["name"])
        for event in plane.audit_events()
        if event["user"]["username"] == "system:serviceaccount:bailiwick-system:bailiwick"
        and event["verb"] == "patch"
        and event.get("objectRef", {}).get("resource") == "nodes"
    ]


MACHINES = count(0x10000000000000000)


def machine(region: str, zone: str = "a") -> dict[str, Any]:
    """A node as its provider describes it, each time another one."""
    labels = {REGION: region, ZONE: f"{region}{zone}"}
    return {"labels": labels, "provider_id": f"aws:///{region}{zone}/i-{next(MACHINES):x}"}


def bailiwick(plane: ControlPlane, *arguments: str) -> Result:
    line = ["nodes", "--kubeconfig", str(plane.kubeconfig), *arguments]
    return CliRunner().invoke(command, line, catch_exceptions=False)


def test_nodes_get_their_places(plane: ControlPlane, replicas: list[Replica], add_node: AddNode) -> None:
    """Written where all agree; not for a node that lies; a wrong one that a provisioner set is replaced or removed."""
    add_node("frankfurt", **machine("eu-central-1"))
    lying = machine("us-east-1") | {"labels": machine("eu-central-1")["labels"]}
    add_node("lying", **lying)
    for name, region in (("preset-right", "eu-central-1"), ("preset-wrong", "us-east-1")):
        found = machine(region)
        add_node(name, **found | {"labels": {**found["labels"], PLACE: "aws.eu-central-1"}})
    add_node("preset-groundless", labels={PLACE: "aws.eu-central-1"})
    wanted = {
        "frankfurt": "aws.eu-central-1",
        "lying": None,
        "preset-right": "aws.eu-central-1",
        "preset-wrong": "aws.us-east-1",
        "preset-groundless": None,
    }
    plane.wait_for("all labels", lambda: {name: place(plane, name) for name in wanted} == wanted)
    touched = {name for _, name in writers(plane)}
    assert touched & set(wanted) == {"frankfurt", "preset-wrong", "preset-groundless"}
    fields = plane.request("GET", "/api/v1/nodes/frankfurt").ok()["metadata"]["managedFields"]
    with urlopen(f"http://127.0.0.1:{replicas[0].metrics}/metrics") as shown:
        text = shown.read().decode()
    assert 'bailiwick_node_labels_total{change="replaced"} 1.0' in text
    assert "bailiwick_node_labels_leading 1.0" in text
    (ours,) = [entry for entry in fields if entry["manager"] == "bailiwick-labeller"]
    assert list(ours["fieldsV1"]["f:metadata"]["f:labels"]) == [f"f:{PLACE}"]


def test_it_is_taken_back_when_the_kubelet_claims_another_region(
    plane: ControlPlane, replicas: list[Replica], add_node: AddNode
) -> None:
    """The kubelet's own credential changes its topology labels: the place goes; and comes again with the truth."""
    add_node(layout.KUBELET_NODE, **machine("us-east-1"))
    plane.wait_for("the label", lambda: place(plane, layout.KUBELET_NODE) == "aws.us-east-1")

    def claim(region: str) -> None:
        change = {"metadata": {"labels": {REGION: region, ZONE: f"{region}a"}}}
        plane.request("PATCH", f"/api/v1/nodes/{layout.KUBELET_NODE}", change, as_user=layout.KUBELET).ok()

    claim("eu-central-1")
    plane.wait_for("the label to go", lambda: place(plane, layout.KUBELET_NODE) is None)
    claim("us-east-1")
    plane.wait_for("the label to come", lambda: place(plane, layout.KUBELET_NODE) == "aws.us-east-1")


def test_of_two_nodes_that_claim_one_machine_the_elder_is_believed(
    plane: ControlPlane, replicas: list[Replica], add_node: AddNode
) -> None:
    """A node that registers with the provider id of one in Frankfurt has no place until that one is gone."""
    found = machine("eu-central-1")
    add_node("z-machine", **found)
    plane.wait_for("the label", lambda: place(plane, "z-machine") == "aws.eu-central-1")
    born = plane.request("GET", "/api/v1/nodes/z-machine").ok()["metadata"]["creationTimestamp"]

    def younger() -> bool:  # the API server's clock has whole seconds
        probe = {"metadata": {"name": "a-probe"}}
        made = plane.request("POST", "/api/v1/nodes", probe, params={"dryRun": "All"}).ok()
        return bool(made["metadata"]["creationTimestamp"] > born)

    plane.wait_for("the next second", younger)
    add_node("a-twin", **found)
    add_node("sign", **machine("us-east-1"))
    plane.wait_for("the labeller to have seen it", lambda: place(plane, "sign") == "aws.us-east-1")
    assert (place(plane, "z-machine"), place(plane, "a-twin")) == ("aws.eu-central-1", None)
    plane.request("DELETE", "/api/v1/nodes/z-machine").ok()
    plane.wait_for("the place", lambda: place(plane, "a-twin") == "aws.eu-central-1")


def test_what_is_declared_counts_at_once(plane: ControlPlane, replicas: list[Replica], add_node: AddNode) -> None:
    """A region that leaves the ClusterProfile takes its labels along; one that doesn't fit leaves the one before."""
    add_node("virginia", **machine("us-east-1"))
    plane.wait_for("the label", lambda: place(plane, "virginia") == "aws.us-east-1")
    spec: Json = {"spec": {"providers": [{"name": "aws", "regions": ["eu-central-1"]}]}}
    plane.request("PATCH", PROFILE, spec).ok()
    plane.wait_for("the label to go", lambda: place(plane, "virginia") is None)
    plane.request("PATCH", PROFILE, {"spec": {"providers": [{"name": "aws", "regions": ["moon-1"]}]}}).ok()
    plane.wait_for("the refusal", lambda: "a newer ClusterProfile is refused" in replicas[0].written.read_text())
    assert place(plane, "virginia") is None
    plane.request("PATCH", PROFILE, {"spec": {"providers": AWS}}).ok()
    plane.wait_for("the label to come", lambda: place(plane, "virginia") == "aws.us-east-1")


def test_the_table_says_what_and_why(plane: ControlPlane, replicas: list[Replica], add_node: AddNode) -> None:
    """`bailiwick nodes` shows each node; `label` alone writes nothing; nobody labels beside the leader."""
    add_node("shown", **machine("eu-central-1"))
    add_node("doubtful")
    plane.wait_for("the label", lambda: place(plane, "shown") == "aws.eu-central-1")
    rows = {row["node"]: row for row in json.loads(bailiwick(plane, "-o", "json").stdout)["nodes"]}
    assert rows["shown"] == {
        "node": "shown",
        "place": "aws.eu-central-1",
        "country": "DE",
        "label": "aws.eu-central-1",
        "change": None,
        "why": "",
    }
    assert rows["doubtful"]["place"] is None
    assert "is not of its form" in rows["doubtful"]["why"]
    planned = bailiwick(plane, "label")
    assert (planned.exit_code, planned.stdout) == (0, "nothing has to change\n")


@pytest.mark.parametrize(
    ("user", "says"), [(layout.ADMIN, "holds the lease"), (layout.TENANT, "can't be had: GET .*403")]
)
def test_nobody_labels_beside_the_leader(plane: ControlPlane, replicas: list[Replica], user: User, says: str) -> None:
    """`--once` while somebody leads, or without the right to the lease: refused, and nothing is written."""
    before = holder(plane)
    api = ApiServer.connect(str(plane.files.kubeconfig(user)), retries=False)
    with pytest.raises(NotOurTurn, match=says):
        label_once(api, (), Labelling(LeaseName("bailiwick-system", "bailiwick-labeller"), Terms(1.0)))
    assert holder(plane) == before != ""


def test_the_doctor_says_who_labels(plane: ControlPlane, replicas: list[Replica]) -> None:
    """The holder of the lease while it is heard of; nobody where there is no lease, or a silent one."""
    api, now = ApiServer.connect(str(plane.kubeconfig)), datetime.now(UTC)
    (found,) = labeller(api, LEASE, now)
    assert (found.health, found.detail) == ("good", f"`{holder(plane)}` labels the nodes")
    (late,) = labeller(api, LEASE, now + timedelta(minutes=5))
    assert (late.health, "has not been heard of for" in late.detail) == ("warning", True)
    (nobody,) = labeller(api, f"{LEASE}-of-nobody", now)
    assert (nobody.health, nobody.detail) == ("warning", "nobody labels the nodes")


def test_a_frozen_leader_writes_nothing_when_it_wakes(
    plane: ControlPlane, replicas: list[Replica], add_node: AddNode
) -> None:
    """Only the leader wrote; stopped, it is followed by the other, and when it goes on, it stands back."""
    first, second = replicas
    assert holder(plane) == first.identity
    assert {credential for credential, _ in writers(plane)} == {first.credential}
    first.process.send_signal(signal.SIGSTOP)
    before = len(writers(plane))
    add_node("meanwhile", **machine("eu-central-1"))
    plane.wait_for("the other to label", lambda: place(plane, "meanwhile") == "aws.eu-central-1")
    first.process.send_signal(signal.SIGCONT)
    plane.wait_for("it to see who leads", lambda: f"{second.identity} labels" in first.written.read_text())
    add_node("afterwards", **machine("us-east-1"))
    plane.wait_for("the label", lambda: place(plane, "afterwards") == "aws.us-east-1")
    assert holder(plane) == second.identity
    assert {credential for credential, _ in writers(plane)[before:]} == {second.credential}


def test_a_killed_leader_is_followed(plane: ControlPlane, replicas: list[Replica], add_node: AddNode) -> None:
    """Killed outright, the leader is followed by the other once its lease is over, and by nobody else."""
    first, second = replicas
    second.process.send_signal(signal.SIGKILL)
    second.process.wait()
    before = len(writers(plane))
    add_node("after", **machine("eu-central-1"))
    plane.wait_for("the other to label", lambda: place(plane, "after") == "aws.eu-central-1")
    assert holder(plane) == first.identity
    assert {credential for credential, _ in writers(plane)[before:]} == {first.credential}


def test_one_that_is_told_to_stop_lets_go(plane: ControlPlane, replicas: list[Replica]) -> None:
    """SIGTERM: exit code 0, and the lease is free for the next at once."""
    first = replicas[0]
    first.process.send_signal(signal.SIGTERM)
    assert first.process.wait(20) == 0
    assert holder(plane) == ""


def test_once(plane: ControlPlane, replicas: list[Replica], add_node: AddNode) -> None:
    """With nobody labelling: shown first (1), written once (0), right from then on (0), and the lease is let go."""
    assert holder(plane) == ""
    add_node("late", **machine("us-east-1"))
    assert bailiwick(plane, "label").exit_code == 1
    assert place(plane, "late") is None
    shown = bailiwick(plane, "label", "--once", "--lease-seconds", str(SECONDS))
    assert (shown.exit_code, place(plane, "late")) == (0, "aws.us-east-1")
    assert "late" in shown.stdout
    assert bailiwick(plane, "label", "--once").stdout == "nothing has to change\n"
    assert holder(plane) == ""
