"""What random pods hang on: volumes in every state, device claims in every state, and the classes of both."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from policies.geography import PLACE_LABEL
from tests.cluster.bed.cluster import Json
from tests.cluster.placing.fleet import FABRIC, GPUS, HOST, POOL, REGION, ROUND, ZONE, Fleet
from tests.cluster.placing.spots import SPOTS, Spot

DISKS = "rancher.io/local-path"  # the provisioner that the test plays: disks of nodes
_ELSE = "else.example"  # a driver whose claims come allocated
_NAME, _SPACE = "@NAME@", "@SPACE@"
_CLAIMS = "/api/v1/namespaces/@SPACE@/persistentvolumeclaims"
_DEVICES = "/apis/resource.k8s.io/v1/namespaces/@SPACE@"


@dataclass(frozen=True, slots=True)
class Attached:
    """An object that a pod names, and the collection it is created in. A `status` is written afterwards."""

    path: str
    body: Json


def _topologies(*spots: Spot, key: str = PLACE_LABEL) -> Json:
    values = [spot.code if key == PLACE_LABEL else spot.zone for spot in spots]
    return {"allowedTopologies": [{"matchLabelExpressions": [{"key": key, "values": values}]}]}


def _storage(name: str, provisioner: str, mode: str, topologies: Json | None = None) -> Attached:
    body = {
        "metadata": {"name": name},
        "provisioner": provisioner,
        "volumeBindingMode": mode,
        **(topologies or {}),
    }
    return Attached("/apis/storage.k8s.io/v1/storageclasses", body)


def _runtime(name: str, selector: Json | None = None) -> Attached:
    scheduling = {"scheduling": {"nodeSelector": selector}} if selector else {}
    return Attached(
        "/apis/node.k8s.io/v1/runtimeclasses", {"metadata": {"name": name}, "handler": "runc", **scheduling}
    )


def _devices(name: str, *expressions: str) -> Attached:
    selectors = [{"cel": {"expression": expression}} for expression in expressions]
    body = {"metadata": {"name": name}, "spec": {"selectors": selectors}}
    return Attached("/apis/resource.k8s.io/v1/deviceclasses", body)


_EU = tuple(spot for spot in SPOTS if spot.country in ("DE", "FR"))
_US = tuple(spot for spot in SPOTS if spot.country == "US")
_LATE, _NONE = "WaitForFirstConsumer", "kubernetes.io/no-provisioner"
_OF_GPUS = f"device.driver == '{GPUS}'"
CLASSES = (
    Attached(
        "/apis/storage.k8s.io/v1/csidrivers", {"metadata": {"name": "disk.example"}, "spec": {"attachRequired": False}}
    ),
    _storage("static", _NONE, _LATE),
    _storage("by-consumer", DISKS, _LATE),
    _storage("by-consumer-eu", DISKS, _LATE, _topologies(*_EU)),
    _storage("by-consumer-us", DISKS, _LATE, _topologies(*_US)),
    _storage("by-zone", DISKS, _LATE, _topologies(*_EU, key=ZONE)),
    _storage("at-once-eu", DISKS, "Immediate", _topologies(*_EU)),
    _runtime("plain"),
    _runtime("pool-a", {POOL: "a"}),
    _runtime("at-7", {PLACE_LABEL: "7"}),
    _runtime("at-us", {PLACE_LABEL: "aws.us-east-1"}),
    _devices("gpus", _OF_GPUS),
    _devices("big", _OF_GPUS, f"device.attributes['{GPUS}'].model == 'h'"),
    _devices("in-europe", _OF_GPUS, f"device.attributes['{GPUS}'].place in {sorted(spot.code for spot in _EU)}"),
    _devices("fabric", f"device.driver == '{FABRIC}'"),
)


def attached(rng: Random, spec: Json, fleet: Fleet, *, shared: bool) -> tuple[Attached, ...]:
    """Draw volumes and claims for a pod, and name them in its spec. `shared`: several pods use what is named."""
    drawn = _Attaching(rng, spec, fleet)
    if rng.random() < 0.2:
        drawn.volume(ephemeral_only=shared)
    if rng.random() < 0.15 and "nodeName" not in spec:
        drawn.claim(template_only=shared)
    return tuple(drawn.found)


class _Attaching:
    def __init__(self, rng: Random, spec: Json, fleet: Fleet) -> None:
        self.rng, self.spec, self.fleet = rng, spec, fleet
        self.found: list[Attached] = []

    def volume(self, *, ephemeral_only: bool) -> None:
        storage = self.rng.choice(
            ("static", "by-consumer", "by-consumer-eu", "by-consumer-us", "by-zone", "at-once-eu")
        )
        wish: Json = {
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": storage,
            "resources": {"requests": {"storage": "1Gi"}},
        }
        kind = "ephemeral" if ephemeral_only else self.rng.choice(("bound", "bound", "ephemeral", "unbound", "named"))
        # a free volume of a class that could provision is taken first, wherever it is
        if storage == "static" or kind in ("bound", "named") or self.rng.random() < 0.2:
            self._persistent(wish, kind)
        if kind == "ephemeral":
            source: Json = {"ephemeral": {"volumeClaimTemplate": {"spec": wish}}}
        else:
            source = {"persistentVolumeClaim": {"claimName": f"{_NAME}-data"}}
            self.found.append(Attached(_CLAIMS, {"metadata": {"name": f"{_NAME}-data"}, "spec": wish}))
        self.spec["volumes"] = [{"name": "data", **source}]

    def _persistent(self, wish: Json, kind: str) -> None:
        """A volume that is there already. One for a claim by name, or for whoever of its class comes first."""
        spec: Json = {
            "capacity": {"storage": "1Gi"},
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": wish["storageClassName"],
        }
        if kind in ("bound", "named"):
            wish["volumeName"] = f"{_SPACE}-{_NAME}"
        if kind == "bound":
            spec["claimRef"] = {"namespace": _SPACE, "name": f"{_NAME}-data"}
        on_a_node = self.rng.random() < 0.8
        spec |= (
            {"local": {"path": "/d"}}
            if on_a_node
            else {"csi": {"driver": "disk.example", "volumeHandle": f"{_SPACE}-{_NAME}"}}
        )
        if on_a_node or self.rng.random() < 0.8:
            spec["nodeAffinity"] = {"required": {"nodeSelectorTerms": list(self._terms())}}
        labels = {ROUND: str(self.fleet.number)}
        body = {"metadata": {"name": f"{_SPACE}-{_NAME}", "labels": labels}, "spec": spec}
        self.found.append(Attached("/api/v1/persistentvolumes", body))

    def _terms(self) -> Iterator[Json]:
        for _ in range(self.rng.choice((1, 1, 2))):
            key = self.rng.choice((PLACE_LABEL, PLACE_LABEL, ZONE, REGION, HOST))
            machine = self.rng.choice(self.fleet.machines)
            spots = [machine.spot, *self.rng.sample(SPOTS, 2)]
            values = {
                PLACE_LABEL: [spot.code for spot in spots],
                ZONE: [spot.zone for spot in spots],
                REGION: [spot.region for spot in spots],
                HOST: [machine.name],
            }[key]
            operator = "NotIn" if key == PLACE_LABEL and self.rng.random() < 0.15 else "In"
            yield {"matchExpressions": [{"key": key, "operator": operator, "values": sorted(set(values))}]}

    def claim(self, *, template_only: bool) -> None:
        kind = "template" if template_only else self.rng.choice(("template", "own", "allocated"))
        request = self._request(plain=kind == "allocated")
        wish = {"devices": {"requests": [{"name": "device", **request}]}}
        if kind == "template":
            body = {"metadata": {"name": f"{_NAME}-devices"}, "spec": {"spec": wish}}
            self.found.append(Attached(f"{_DEVICES}/resourceclaimtemplates", body))
            source = {"resourceClaimTemplateName": f"{_NAME}-devices"}
        else:
            body = {"metadata": {"name": f"{_NAME}-devices"}, "spec": wish}
            if kind == "allocated":
                body["status"] = {"allocation": self._allocation()}
            self.found.append(Attached(f"{_DEVICES}/resourceclaims", body))
            source = {"resourceClaimName": f"{_NAME}-devices"}
        self.spec["resourceClaims"] = [{"name": "device", **source}]
        self.spec["containers"][0].setdefault("resources", {})["claims"] = [{"name": "device"}]

    def _request(self, *, plain: bool) -> Json:
        name = self.rng.choice(("gpus", "big", "in-europe", "fabric", "fabric"))
        exactly: Json = {"deviceClassName": name}
        if self.rng.random() < 0.3:
            driver = FABRIC if name == "fabric" else GPUS
            exactly["selectors"] = [{"cel": {"expression": f"device.attributes['{driver}'].model == 'l'"}}]
        if not plain and self.rng.random() < 0.2:
            return {"firstAvailable": [{"name": "one", **exactly}, {"name": "other", "deviceClassName": "gpus"}]}
        return {"exactly": exactly}

    def _allocation(self) -> Json:
        """As a scheduler wrote it for an earlier pod: the devices, and the nodes that reach them."""
        result = {"request": "device", "driver": _ELSE, "pool": "p", "device": f"{_SPACE}-{_NAME}"}
        allocation: Json = {"devices": {"results": [result]}, "allocationTimestamp": "2026-01-01T00:00:00Z"}
        if self.rng.random() < 0.5:
            name = self.rng.choice(self.fleet.machines).name
            field = {"key": "metadata.name", "operator": "In", "values": [name]}
            allocation["nodeSelector"] = {"nodeSelectorTerms": [{"matchFields": [field]}]}
        elif self.rng.random() < 0.8:
            term = next(self._terms())
            allocation["nodeSelector"] = {"nodeSelectorTerms": [term]}
        return allocation
