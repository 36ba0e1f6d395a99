"""One round on the real cluster: the fleet is set up, wishes are admitted and scheduled, and all is cleared away."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import TypeVar

from policies.geography import PLACE_LABEL
from tests.cluster.bed.cluster import Json, Reply
from tests.cluster.bed.control_plane import ControlPlane
from tests.cluster.bed.layout import SCHEDULER
from tests.cluster.bed.processes import BedError
from tests.cluster.placing.attached import Attached
from tests.cluster.placing.fleet import ROUND, Fleet, Machine, side
from tests.cluster.placing.provisioner import Provisioner
from tests.cluster.placing.spots import REALMS, SPOTS, Realm
from tests.cluster.placing.wishes import CASE, ROGUE, Case

AT_ONCE = 12  # requests
HEARD = 0.5  # seconds until the webhook's watch has told it what we have seen
SETTLED = 1.0  # seconds without a change, when nothing is to come
STUCK = 4.0  # the same, when some pods were not decided on: the scheduler tries again after one and two seconds
SETTLE = 25.0  # seconds; who is still waiting then is not bound
PLACEMENT = ("place-conflict", "place-outside-jurisdiction")
STORAGE = ("volume-outside-jurisdiction", "volume-outside-cluster")  # why a volume may not lie where it would
_RESOURCES = {
    "Pod": "/api/v1/namespaces/{}/pods",
    "Deployment": "/apis/apps/v1/namespaces/{}/deployments",
    "StatefulSet": "/apis/apps/v1/namespaces/{}/statefulsets",
    "DaemonSet": "/apis/apps/v1/namespaces/{}/daemonsets",
    "Job": "/apis/batch/v1/namespaces/{}/jobs",
}
_LEFT = (
    *(_RESOURCES[kind] for kind in ("Deployment", "StatefulSet", "DaemonSet", "Job", "Pod")),
    "/api/v1/namespaces/{}/persistentvolumeclaims",
    "/apis/resource.k8s.io/v1/namespaces/{}/resourceclaims",
    "/apis/resource.k8s.io/v1/namespaces/{}/resourceclaimtemplates",
)
_OUTSIDE = ("/apis/resource.k8s.io/v1/resourceslices", "/api/v1/nodes", "/api/v1/persistentvolumes")
T = TypeVar("T")
S = TypeVar("S")


@dataclass(slots=True)
class Played:
    """What became of one case: refused with a message, or admitted and bound to these machines."""

    case: Case
    name: str
    reply: Reply
    pods: list[Json] = field(default_factory=list)

    @property
    def admitted(self) -> bool:
        return self.reply.status < 400

    @property
    def bound(self) -> list[str]:
        return [pod["spec"]["nodeName"] for pod in self.pods if pod["spec"].get("nodeName")]


class Stage:
    """A cluster with one namespace for each realm, and one that nobody guards."""

    def __init__(self, cluster: ControlPlane, spaces: dict[str, str], free: str) -> None:
        self._cluster, self.spaces, self.free = cluster, spaces, free
        self._pool = ThreadPoolExecutor(AT_ONCE)
        self._heard = 0  # bytes of the audit log

    def close(self) -> None:
        self._pool.shutdown()

    @contextmanager
    def round(self, fleet: Fleet) -> Iterator[None]:
        """The fleet's machines and devices are there, claims are provisioned, and afterwards all is gone."""
        early = [machine for machine in fleet.machines if not machine.late]
        try:
            self._machines(early)
            self._all(lambda one: self._create("/apis/resource.k8s.io/v1/resourceslices", one), fleet.slices)
            with Provisioner(self._cluster, fleet.number):
                yield
        finally:
            self._clear(fleet.number)

    def play(self, rng: Random, cases: Iterable[Case], fleet: Fleet) -> list[Played]:
        """Create all of them in the guarded namespaces; some machines come afterwards."""
        played = self._all(lambda case: self._played(case, fleet), cases)
        self._machines([machine for machine in fleet.machines if machine.late])
        gated = [one for one in played if one.admitted and "schedulingGates" in one.case.spec]
        wishes = {one.name: rng.choice(SPOTS).code for one in gated if rng.random() < 0.5}
        self._all(lambda one: self._ungate(one, wishes.get(one.name)), gated)
        targets = {one.name: rng.choice(fleet.machines).name for one in played}
        rogue = [one for one in played if one.admitted and one.case.spec.get("schedulerName") == ROGUE]
        self._all(lambda one: self._bind(one, targets[one.name]), rogue)
        self._settle()
        self._collect(played, self.spaces.values(), fleet)
        return played

    def refused_bindings(self) -> list[tuple[str, str]]:
        """Pod and node of each binding by the scheduler that was refused since somebody asked."""
        with self._cluster.audit_log.open("rb") as log:
            log.seek(self._heard)
            written = log.read().rpartition(b"\n")[0]
        self._heard += len(written)
        events = (json.loads(line) for line in written.splitlines() if b'"subresource":"binding"' in line)
        return [
            (event["objectRef"]["name"], event["requestObject"]["target"]["name"])
            for event in events
            if event["responseStatus"]["code"] == 403 and event["user"]["username"] == SCHEDULER.name
        ]

    def leave(self, number: int) -> None:
        """Take away what was played, so that those who are judged find what the others found."""
        self._all(lambda space: self._clear_space(space, number), self.spaces.values())

    def judge(self, outside: Iterable[Case], inside: Iterable[Case], fleet: Fleet) -> tuple[set[int], set[int]]:
        """Which cases the scheduler binds on either side of the border, where nobody corrects their pods.

        Inside, a machine counts only if it was there with its label from the start: who was bound or refused before
        had no other.
        """
        wanted = [*((case, "outside") for case in outside), *((case, "inside") for case in inside)]
        shadows = self._all(lambda one: self._shadow(one[0], fleet, one[1]), wanted)
        self._settle()
        late = {machine.name for machine in fleet.machines if machine.late or machine.mistaken}
        nodes = {pod["metadata"]["name"]: pod["spec"].get("nodeName") for pod in self._pods(self.free, fleet)}
        bound = {name for name, node in nodes.items() if node and not (name.endswith("inside") and node in late)}
        self._clear_space(self.free, fleet.number)
        sides = {
            where: {one.case.number for one in shadows if one.name in bound and one.name.endswith(where)}
            for where in ("outside", "inside")
        }
        return sides["outside"], sides["inside"]

    def _played(self, case: Case, fleet: Fleet) -> Played:
        name, space = f"r{fleet.number}c{case.number}", self.spaces[case.realm.name]
        if refused := self._attach(case.objects(name, space)):
            return Played(case, name, refused)
        reply = self._cluster.request("POST", _RESOURCES[case.carrier].format(space), case.made(name, space, fleet))
        return Played(case, name, reply)

    def _shadow(self, case: Case, fleet: Fleet, where: str) -> Played:
        """The same pod, that nobody corrects, kept on one side of the border by a label of the judge's own."""
        name = f"r{fleet.number}c{case.number}-{where}"
        if refused := self._attach(case.objects(name, self.free)):
            return Played(case, name, refused)
        pod = case.pod(name, self.free, fleet)
        pod["spec"]["nodeSelector"] = {**pod["spec"].get("nodeSelector", {}), side(case.realm): where}
        pod["spec"].pop("schedulingGates", None)
        pod["spec"].pop("schedulerName", None)
        return Played(case, name, self._created(_RESOURCES["Pod"].format(self.free), pod))

    def _attach(self, objects: Iterable[Attached]) -> Reply | None:
        """Create what a pod names; the refusal, where one of it may not lie where it would."""
        for one in objects:
            body = {key: value for key, value in one.body.items() if key != "status"}
            reply = self._cluster.request("POST", one.path, body)
            if reply.status == 403 and any(code in reply.message for code in STORAGE):
                return reply
            _accepted(reply, body)
            if "status" in one.body:
                path = f"{one.path}/{one.body['metadata']['name']}/status"
                self._cluster.request("PATCH", path, {"status": one.body["status"]}).ok()
        return None

    def _created(self, path: str, body: Json) -> Reply:
        return _accepted(self._cluster.request("POST", path, body), body)

    def _create(self, path: str, body: Json) -> None:
        self._created(path, body)

    def _machines(self, machines: list[Machine]) -> None:
        self._all(lambda machine: self._create("/api/v1/nodes", machine.node), machines)
        wanted = {machine.name: machine.label for machine in machines}
        self._cluster.wait_for("the fleet to be ready", lambda: wanted.keys() <= self._ready().keys())
        try:
            self._cluster.wait_for("true labels", lambda: wanted.items() <= self._ready().items())
        except BedError as error:
            ready = self._ready()
            wrong = [(machine, ready[machine.name]) for machine in machines if ready[machine.name] != machine.label]
            raise BedError(f"labels that aren't true, with the machines: {wrong}") from error
        time.sleep(HEARD)

    def _ready(self) -> dict[str, str | None]:
        """The place label of each node that is ready."""
        nodes = self._cluster.request("GET", "/api/v1/nodes").ok()["items"]
        return {
            node["metadata"]["name"]: node["metadata"]["labels"].get(PLACE_LABEL) for node in nodes if _is_ready(node)
        }

    def _ungate(self, one: Played, wish: str | None) -> None:
        """Let it be scheduled; while it still waits, somebody may narrow its wishes, which may be refused."""
        path = f"{_RESOURCES['Pod'].format(self.spaces[one.case.realm.name])}/{one.name}"
        kind = "application/json-patch+json"
        if wish:
            self._cluster.request("PATCH", path, {"spec": {"nodeSelector": {PLACE_LABEL: wish}}})
        remove = [{"op": "remove", "path": "/spec/schedulingGates"}]
        reply = self._cluster.request("PATCH", path, remove, content_type=kind)
        if not any(code in reply.message for code in PLACEMENT):  # a node that it names may have come meanwhile
            _accepted(reply, {"pod": one.name})

    def _bind(self, one: Played, target: str) -> None:
        """As a scheduler that ignores affinity: by the subresource, or by the older way."""
        binding = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": one.name},
            "target": {"kind": "Node", "name": target},
        }
        space = self.spaces[one.case.realm.name]
        older = one.case.number % 2
        path = f"/api/v1/namespaces/{space}/" + ("bindings" if older else f"pods/{one.name}/binding")
        self._cluster.request("POST", path, binding)  # refused or not: what counts is where it ends

    def _settle(self) -> None:
        """Return when the scheduler has said of every pod that it is bound or can't be, or says nothing new."""
        until, before = time.monotonic() + SETTLE, (-1, -1)
        since = time.monotonic()
        while time.monotonic() < until:
            query = {"fieldSelector": "spec.nodeName="}
            unbound = self._cluster.request("GET", "/api/v1/pods", params=query).ok()["items"]
            now = (len(unbound), sum(map(_undecided, unbound)))
            since = time.monotonic() if now != before else since
            if time.monotonic() - since > (STUCK if now[1] else SETTLED):
                return
            before = now
            time.sleep(0.15)

    def _collect(self, played: list[Played], spaces: Iterable[str], fleet: Fleet) -> None:
        by_case: dict[str, list[Json]] = {}
        for space in spaces:
            for pod in self._pods(space, fleet):
                by_case.setdefault(pod["metadata"]["labels"][CASE], []).append(pod)
        for one in played:
            one.pods = by_case.get(str(one.case.number), []) if one.admitted else []

    def _pods(self, space: str, fleet: Fleet) -> list[Json]:
        query = {"labelSelector": f"{ROUND}={fleet.number}"}
        found: list[Json] = self._cluster.request("GET", _RESOURCES["Pod"].format(space), params=query).ok()["items"]
        return found

    def _clear(self, number: int) -> None:
        for space in (*self.spaces.values(), self.free):
            self._clear_space(space, number)
        for path in _OUTSIDE:
            self._delete(path, {"labelSelector": f"{ROUND}={number}"})

    def _clear_space(self, space: str, number: int) -> None:
        del number  # what is left of an earlier round goes, too
        for path in _LEFT:
            self._delete(path.format(space), {})

    def _delete(self, path: str, query: dict[str, str]) -> None:
        now = {"gracePeriodSeconds": 0, "propagationPolicy": "Background"}
        self._cluster.request("DELETE", path, now, params=query).ok()

    def _all(self, do: Callable[[S], T], each: Iterable[S]) -> list[T]:
        return list(self._pool.map(do, each))


def namespaces(cluster: ControlPlane, data_class: str) -> tuple[dict[str, str], str]:
    """A namespace for each realm, and one without residency."""
    made: dict[str, str] = {}
    for realm in REALMS:
        labels = {"bailiwick.dev/data-class": data_class, "bailiwick.dev/jurisdiction": _name(realm)}
        made[realm.name] = cluster.create_namespace(labels=labels)
    return made, cluster.create_namespace(labels={"bailiwick.dev/data-class": "public"})


def _name(realm: Realm) -> str:
    return realm.name


def _accepted(reply: Reply, body: Json) -> Reply:
    if reply.status >= 400:
        raise BedError(f"the generator made what the API server refuses: {reply.message}\n{body}")
    return reply


def _is_ready(node: Json) -> bool:
    """As the scheduler sees it."""
    conditions = {one["type"]: one["status"] for one in node["status"].get("conditions", ())}
    taints = {taint["key"] for taint in node["spec"].get("taints", ())}
    return conditions.get("Ready") == "True" and "node.kubernetes.io/not-ready" not in taints


def _undecided(pod: Json) -> bool:
    if pod["spec"].get("schedulerName") == ROGUE or pod["metadata"].get("deletionTimestamp"):
        return False
    said = next((one for one in pod["status"].get("conditions", ()) if one["type"] == "PodScheduled"), None)
    return said is None or said.get("reason") not in ("Unschedulable", "SchedulingGated")
