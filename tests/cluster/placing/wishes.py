"""Random pods: whatever may keep a pod somewhere or seem to, with the objects that it names.

A case is text until it is built for a namespace and a name, so that the judge can build the same pod once more.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from policies.geography import PLACE_LABEL
from tests.cluster.bed.cluster import Json
from tests.cluster.placing.attached import Attached, attached
from tests.cluster.placing.fleet import HOST, POOL, POOLS, REGION, ROUND, SLOTS, TAINT, ZONE, Fleet
from tests.cluster.placing.spots import REALMS, SPOTS, Realm

CASE = "test.invalid/case"
NAME, SPACE = "@NAME@", "@SPACE@"
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
IMAGE = "registry.example/serve@sha256:" + "6b3f" * 16
GATE = "test.invalid/gate"
ROGUE = "rogue"  # a scheduler that binds wherever it likes
CARRIERS = ("Deployment", "Job", "StatefulSet", "DaemonSet")


@dataclass(frozen=True, slots=True)
class Case:
    """One wish: a pod's spec, the objects it names, and what makes the pod."""

    number: int
    realm: Realm
    carrier: str  # kind of the object that is created
    spec: Json
    attached: tuple[Attached, ...]

    def objects(self, name: str, namespace: str) -> list[Attached]:
        return [_filled(one, name, namespace) for one in self.attached]

    def pod(self, name: str, namespace: str, fleet: Fleet) -> Json:
        metadata = {"name": name, "namespace": namespace, "labels": self._labels(fleet)}
        return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": _filled(self.spec, name, namespace)}

    def made(self, name: str, namespace: str, fleet: Fleet) -> Json:
        """What is created: the pod itself, or what makes such pods."""
        pod = self.pod(name, namespace, fleet)
        if self.carrier == "Pod":
            return pod
        labels = pod["metadata"]["labels"]
        template = {"metadata": {"labels": labels}, "spec": pod["spec"]}
        spec: Json = {"template": template, "selector": {"matchLabels": {CASE: str(self.number), ROUND: labels[ROUND]}}}
        match self.carrier:
            case "Job":
                spec.pop("selector")
                template["spec"] = {**pod["spec"], "restartPolicy": "Never"}
            case "StatefulSet":
                spec |= {"serviceName": "none", "podManagementPolicy": "Parallel", "replicas": 2}
                spec["volumeClaimTemplates"] = [{"metadata": {"name": "data"}, "spec": _claim_of_set(self.number)}]
            case "Deployment":
                spec["replicas"] = 2
        version = "batch/v1" if self.carrier == "Job" else "apps/v1"
        metadata = {"name": name, "namespace": namespace, "labels": {ROUND: labels[ROUND]}}
        return {"apiVersion": version, "kind": self.carrier, "metadata": metadata, "spec": spec}

    def _labels(self, fleet: Fleet) -> Json:
        return {CASE: str(self.number), ROUND: str(fleet.number), "app": f"app{self.number % 5}"}


def _filled(value: Any, name: str, namespace: str) -> Any:
    if isinstance(value, Attached):
        return Attached(value.path.replace(SPACE, namespace).replace(NAME, name), _filled(value.body, name, namespace))
    return json.loads(json.dumps(value).replace(NAME, name).replace(SPACE, namespace))


def _claim_of_set(number: int) -> Json:
    names = ("by-consumer", "by-consumer-eu", "by-consumer-us")
    resources = {"requests": {"storage": "1Gi"}}
    return {"accessModes": ["ReadWriteOnce"], "storageClassName": names[number % 3], "resources": resources}


def drawn(rng: Random, number: int, fleet: Fleet) -> Case:
    """One random wish."""
    realm = rng.choice(REALMS)
    wisher = _Wisher(rng, realm, fleet)
    carrier = rng.choice(CARRIERS) if rng.random() < 0.1 else "Pod"
    spec = wisher.spec(bare=carrier == "DaemonSet")
    more = attached(rng, spec, fleet, shared=carrier != "Pod")
    if carrier != "Pod":
        for name in ("nodeName", "schedulerName", "schedulingGates"):
            spec.pop(name, None)
    return Case(number, realm, carrier, spec, more)


class _Wisher:
    """Draws the parts of one pod; what it asks for lies inside more often than not."""

    def __init__(self, rng: Random, realm: Realm, fleet: Fleet) -> None:
        self.rng, self.realm, self.fleet = rng, realm, fleet

    def spec(self, *, bare: bool) -> Json:
        container: Json = {"name": "serve", "image": IMAGE}
        spec: Json = {"containers": [container], "terminationGracePeriodSeconds": 0}
        spec["automountServiceAccountToken"] = False
        if self._often(0.15):
            container["resources"] = {"limits": {"nvidia.com/gpu": "1"}}
        parts: list[tuple[float, Callable[[Json], None]]] = [
            (0.3, self._selector), (0.55, self._affinity), (0.5, self._tolerations), (0.1, self._spread),
            (0.08, self._pods), (0.07, self._runtime),
        ]  # fmt: skip
        if not bare:
            parts += [(0.04, self._bound), (0.03, self._rogue), (0.04, self._gated)]
        for share, part in parts:
            if self._often(share):
                part(spec)
        return spec

    def _often(self, share: float) -> bool:
        return self.rng.random() < share

    def _selector(self, spec: Json) -> None:
        key = self.rng.choices((PLACE_LABEL, POOL, REGION, ZONE, HOST, "kubernetes.io/os"), (5, 3, 3, 1, 1, 1))[0]
        spec["nodeSelector"] = {key: "linux" if key.endswith("/os") else self._value(key)}

    def _value(self, key: str) -> str:
        if key == POOL:
            return self.rng.choice(POOLS)
        if key == HOST:
            return self.rng.choice(self.fleet.names())
        if self._often(0.6):
            near = [machine.spot for machine in self.fleet.machines if machine.inside(self.realm)]
        else:
            near = []
        spot = self.rng.choice(near or list(SPOTS))
        return {PLACE_LABEL: spot.code, REGION: spot.region, ZONE: spot.zone}[key]

    def _affinity(self, spec: Json) -> None:
        node: Json = {}
        if self._often(0.9):
            terms = [self._term() for _ in range(self.rng.choice((1, 1, 1, 2, 2, 3)))]
            node[REQUIRED] = {"nodeSelectorTerms": terms}
        if self._often(0.25):
            node[PREFERRED] = [{"weight": 100, "preference": {"matchExpressions": [self._expression()]}}]
        spec.setdefault("affinity", {})["nodeAffinity"] = node

    def _term(self) -> Json:
        if self._often(0.06):
            return {}
        term: Json = {}
        if self._often(0.1):
            names, operator = self.fleet.names(), self.rng.choice(("In", "In", "NotIn"))
            term["matchFields"] = [{"key": "metadata.name", "operator": operator, "values": [self.rng.choice(names)]}]
        if not term or self._often(0.4):
            term["matchExpressions"] = [self._expression() for _ in range(self.rng.choice((1, 1, 1, 2, 2, 3)))]
        return term

    def _expression(self) -> Json:
        key = self.rng.choices((PLACE_LABEL, REGION, ZONE, POOL, SLOTS, HOST), (8, 3, 2, 3, 2, 1))[0]
        if key == SLOTS or (key == PLACE_LABEL and self._often(0.05)):
            operator = self.rng.choice(("Gt", "Lt"))
            return {"key": key, "operator": operator, "values": [str(self.rng.choice((0, 3, 7, 9, 20)))]}
        operator = self.rng.choices(("In", "NotIn", "Exists", "DoesNotExist"), (10, 5, 3, 1))[0]
        if operator in ("Exists", "DoesNotExist"):
            return {"key": key, "operator": operator}
        values = {self._value(key) for _ in range(self.rng.choice((1, 2, 3, 4)))}
        return {"key": key, "operator": operator, "values": sorted(values)}

    def _tolerations(self, spec: Json) -> None:
        spec["tolerations"] = [{"key": TAINT, "operator": "Exists"}]

    def _spread(self, spec: Json) -> None:
        key = self.rng.choice((PLACE_LABEL, REGION, ZONE, HOST))
        how = self.rng.choice(("DoNotSchedule", "ScheduleAnyway"))
        chosen = {"matchLabels": {"app": f"app{self.rng.randrange(5)}"}}
        spec["topologySpreadConstraints"] = [
            {"maxSkew": 5, "topologyKey": key, "whenUnsatisfiable": how, "labelSelector": chosen}
        ]

    def _pods(self, spec: Json) -> None:
        key, name = self.rng.choice((REGION, HOST, PLACE_LABEL)), self.rng.choice(("podAffinity", "podAntiAffinity"))
        chosen = {"matchLabels": {"app": f"app{self.rng.randrange(5)}"}}
        if name == "podAffinity" or key == HOST:
            wish: Json = {REQUIRED: [{"labelSelector": chosen, "topologyKey": key}]}
        else:
            wish = {PREFERRED: [{"weight": 1, "podAffinityTerm": {"labelSelector": chosen, "topologyKey": key}}]}
        spec.setdefault("affinity", {})[name] = wish

    def _runtime(self, spec: Json) -> None:
        spec["runtimeClassName"] = self.rng.choice(("plain", "pool-a", "at-7", "at-us"))
        if spec["runtimeClassName"] != "plain":
            spec.pop("nodeSelector", None)  # one that contradicts the class's is refused by the API server

    def _bound(self, spec: Json) -> None:
        spec["nodeName"] = self.rng.choice(self.fleet.machines).name

    def _rogue(self, spec: Json) -> None:
        if "nodeName" not in spec:
            spec["schedulerName"] = ROGUE

    def _gated(self, spec: Json) -> None:
        if not {"nodeName", "schedulerName"} & spec.keys():
            spec["schedulingGates"] = [{"name": GATE}]
