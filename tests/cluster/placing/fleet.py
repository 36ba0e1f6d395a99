"""Random fleets: machines that stand somewhere, what they show of it, and devices on them or near them.

Some machines lie, some are silent, some come later, and some carry a place label that a provisioner got wrong. All
others have none: labels are the labeller's business.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from policies.geography import PLACE_LABEL
from tests.cluster.bed.cluster import Json
from tests.cluster.bed.layout import PLAYED_BY_KWOK
from tests.cluster.placing.spots import REALMS, SPOTS, Realm, Spot

REGION, ZONE, HOST = "topology.kubernetes.io/region", "topology.kubernetes.io/zone", "kubernetes.io/hostname"
POOL, SLOTS = "pool", "slots"
POOLS = ("a", "b", "c")
ROUND = "test.invalid/round"
GPUS, FABRIC = "gpu.example", "fabric.example"  # DRA drivers: on a node; within a network's reach
TAINT = "test.invalid/tainted"


@dataclass(frozen=True, slots=True)
class Machine:
    """A node. Where it stands is known to the test alone; `known` says that what it shows is honest and enough."""

    name: str
    spot: Spot
    known: bool
    node: Json
    late: bool = False
    mistaken: bool = False  # it is created with a wrong label, until the labeller sees it

    @property
    def label(self) -> str | None:
        """What the labeller has to make of it."""
        return self.spot.code if self.known else None

    def inside(self, realm: Realm) -> bool:
        """Does it stand inside, and can anybody know?"""
        return self.known and realm.holds(self.spot)


@dataclass(slots=True)
class Fleet:
    """The machines of one round and the devices that they offer."""

    number: int
    machines: list[Machine]
    slices: list[Json] = field(default_factory=list)

    @classmethod
    def drawn(cls, rng: Random, number: int, size: int) -> Fleet:
        spots = rng.sample(SPOTS, 10)
        for realm in REALMS:  # each has somewhere to go
            spots.append(rng.choice([spot for spot in SPOTS if realm.holds(spot) and spot.declared]))
        machines = [_machine(rng, f"r{number}n{index}", rng.choice(spots), number) for index in range(size)]
        return cls(number, machines, list(_slices(rng, machines, number)))

    def names(self) -> list[str]:
        return [machine.name for machine in self.machines]


def side(realm: Realm) -> str:
    """The label that says on which side of a realm's border a machine stands; only the judge uses it."""
    return f"judge.invalid/{realm.name}"


def _machine(rng: Random, stem: str, spot: Spot, number: int) -> Machine:
    name = f"{spot.code}-{stem}" if spot.is_site else stem
    shown, identity, known = _evidence(rng, spot)
    labels = {HOST: name, REGION: shown.region, ZONE: shown.zone, "kubernetes.io/os": "linux"}
    labels |= {POOL: rng.choice(POOLS), SLOTS: str(rng.choice((1, 2, 4, 8, 16)))}
    if known and rng.random() < 0.1:
        labels.pop(ZONE)  # an honest machine may show no zone; where one lies, nothing would be left to contradict it
    taints = [{"key": TAINT, "value": "x", "effect": "NoSchedule"}] if rng.random() < 0.15 else []
    resources = {"cpu": "64", "memory": "512Gi", "pods": "110"}
    if rng.random() < 0.5:
        resources["nvidia.com/gpu"] = "64"
    node: Json = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {**labels, ROUND: str(number)},
            "annotations": dict([PLAYED_BY_KWOK]),
        },
        "spec": {"taints": taints} | ({"providerID": identity} if identity else {}),
        "status": {"capacity": resources, "allocatable": resources},
    }
    mistaken = rng.random() < 0.1
    if mistaken:
        node["metadata"]["labels"][PLACE_LABEL] = rng.choice(SPOTS).code
    machine = Machine(name, spot, known, node, rng.random() < 0.15, mistaken)
    for realm in REALMS:
        node["metadata"]["labels"][side(realm)] = "inside" if machine.inside(realm) else "outside"
    return machine


def _evidence(rng: Random, spot: Spot) -> tuple[Spot, str, bool]:
    """Whose topology labels it shows, its provider id, and whether all of that is honest and enough."""
    identity = spot.provider_id(rng) if spot.identity else ""
    if spot.is_site:  # known by its name; its kubelet says of regions what it likes
        return (rng.choice(SPOTS) if rng.random() < 0.3 else spot), "", True
    draw = rng.random()
    if draw < 0.72:
        return spot, identity, spot.declared
    others = [one for one in SPOTS if (one.region, one.zone) != (spot.region, spot.zone)]
    near = [one for one in others if one.code.partition(".")[0] == spot.code.partition(".")[0]]
    other = rng.choice(near if near and rng.random() < 0.6 else others)
    if draw < 0.87 and "hcloud" not in identity:  # Hetzner's ids name no region: labels alone would be believed
        return other, identity, False
    if draw < 0.93 and "hcloud" not in other.identity and other.identity:
        return spot, other.provider_id(rng), False
    return spot, "", False


def _slices(rng: Random, machines: list[Machine], number: int) -> list[Json]:
    found = [
        _slice(
            f"{machine.name}-gpus", GPUS, number, [_device(rng, index) for index in range(16)], nodeName=machine.name
        )
        for machine in machines
        if rng.random() < 0.4
    ]
    devices = [_device(rng, index) for index in range(40)]
    chosen = rng.choice(({"allNodes": True}, {"nodeSelector": _selector(rng)}))
    return [*found, _slice(f"r{number}-fabric", FABRIC, number, devices, **chosen)]


def _device(rng: Random, index: int) -> Json:
    said = rng.choice(SPOTS).code  # what a driver says of a place proves nothing
    return {"name": f"d{index}", "attributes": {"model": {"string": rng.choice("hl")}, "place": {"string": said}}}


def _slice(name: str, driver: str, number: int, devices: list[Json], **where: object) -> Json:
    pool = {"name": name, "generation": 1, "resourceSliceCount": 1}
    return {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "ResourceSlice",
        "metadata": {"name": name.replace("_", "-"), "labels": {ROUND: str(number)}},
        "spec": {"driver": driver, "pool": pool, "devices": devices, **where},
    }


def _selector(rng: Random) -> Json:
    values = [spot.code for spot in rng.sample(SPOTS, 6)]
    key = rng.choice((PLACE_LABEL, REGION))
    values = values if key == PLACE_LABEL else [spot.region for spot in rng.sample(SPOTS, 6)]
    expression = {"key": key, "operator": "In", "values": sorted(set(values))}
    return {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}
