"""What an object costs, read from JSON, up to where it could run: extraction and placement together; and a whole
decision in clusters of 50 and of 5,000 nodes. Every figure beside a baseline of the same rounds.

The aims are for compiled rules (`make bench` measures both), and for objects that nobody has seen before (`strangers`),
so that nothing remembered helps; the same object read again, as when many pods are made of one template, stands beside.
"""

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from datetime import UTC, datetime
from itertools import count, islice, repeat
from typing import Any

import orjson
from bench_places import CODES, GEOGRAPHY, RULE
from bench_workloads import deployment, llm_service
from strangers import again, strangers

from policies.checking import creation
from policies.engine import RuleEngine
from policies.gathering import engine_of, parsed
from policies.geography import conflict, constrain, possible
from policies.ports import Needs, Phase
from policies.snapshot import MemorySnapshot
from policies.version import is_compiled
from policies.workloads import extract
from webhook.serving.memory import settle

# What the built-in packs name.
NAMED = ("images", "models", "devices", "destinations", "keys", "volumes", "malformed")
ROUNDS, TURN = 60, 24  # rounds in which everything has its turn, and objects that a turn is given
AIMS = {"a Pod": 120, "a Deployment": 120, "an LLMInferenceService": 350}  # microseconds, of compiled rules
GROWTH = 1.2  # what 5,000 nodes may cost more than 50
NAMES = count()  # of objects that are decided on: no two have the same
NOW = datetime(2026, 11, 21, tzinfo=UTC)
LAW: list[dict[str, Any]] = [
    {"kind": "Jurisdiction", "metadata": {"name": "eu"}, "spec": {"locatedIn": {"sets": ["EU"]}}},
    {
        "kind": "ClusterProfile",
        "metadata": {"name": "cluster"},
        "spec": {"cluster": "bench", "providers": [{"name": "aws", "regions": ["eu-central-1", "us-east-1"]}]},
    },
]


def pod() -> dict[str, Any]:
    """The Deployment's pod as its ReplicaSet makes it."""
    template = deployment()["spec"]["template"]
    return {"apiVersion": "v1", "kind": "Pod", **template, "metadata": {**template["metadata"], "namespace": "chat"}}


def service() -> dict[str, Any]:
    """An LLMInferenceService of 10 KB: leaders, workers and prefill, two containers each, and LoRA adapters."""
    made = llm_service()
    made["spec"]["worker"] = deepcopy(made["spec"]["template"])
    return made


Subject = dict[str, Any]
Call = tuple[Callable[[Subject], object], Iterator[Subject]]  # what is measured, and the objects that it is given


def extracted_and_placed(snapshot: MemorySnapshot) -> Callable[[Subject], object]:
    """All facts that the packs name, and for each pod: its conflict, its correction, where it could run."""

    def judge(subject: Subject) -> None:
        workload = extract(subject)
        for name in NAMED:
            workload[name]
        for one in workload["pods"]:
            conflict(one, CODES)
            constrain(one, CODES)
            possible(one, snapshot, GEOGRAPHY, "chat").under(RULE)

    return judge


def cluster(nodes: int) -> MemorySnapshot:
    """A classified namespace, and nodes as a cloud makes them."""
    labels = {"bailiwick.dev/data-class": "confidential", "bailiwick.dev/jurisdiction": "eu"}
    held: list[dict[str, Any]] = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "chat", "labels": labels}},
        {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "pv"}, "spec": {}},
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": "models", "namespace": "chat"},
            "spec": {"volumeName": "pv"},
        },
    ]
    for index in range(nodes):
        region = ("eu-central-1", "us-east-1")[index % 2]
        zones = {"topology.kubernetes.io/region": region, "topology.kubernetes.io/zone": f"{region}a"}
        spec = {"providerID": f"aws:///{region}a/i-{index:017x}"}
        metadata = {"name": f"n{index}", "labels": zones}
        held.append({"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": spec})
    return MemorySnapshot.of(held)


def decided(engine: RuleEngine, snapshot: MemorySnapshot) -> Callable[[Subject], object]:
    """A decision that nobody has asked for before: the object's name is another one each time."""

    def decide(subject: Subject) -> None:
        fresh = {**subject, "metadata": {**subject["metadata"], "name": f"o{next(NAMES)}", "namespace": "chat"}}
        found = engine.decide(creation(fresh, "chat"), Phase.MUTATE, snapshot, NOW)
        assert not isinstance(found, Needs)

    return decide


def interleaved(calls: Mapping[str, Call]) -> dict[str, float]:
    """Microseconds of each call: of rounds in which all have their turn, the best."""
    best = dict.fromkeys(calls, float("inf"))
    for _ in range(ROUNDS):
        for name, (call, subjects) in calls.items():
            given = list(islice(subjects, TURN))
            start = time.process_time()
            for subject in given:
                call(subject)
            best[name] = min(best[name], (time.process_time() - start) / TURN)
    return {name: spent * 1e6 for name, spent in best.items()}


def main() -> int:
    small, large = cluster(50), cluster(5_000)
    subjects = {"a Pod": pod(), "a Deployment": deployment(), "an LLMInferenceService": service()}
    engine = engine_of((parsed({"apiVersion": "bailiwick.dev/v1alpha1", **one} for one in LAW),), "bench")
    calls: dict[str, Call] = {"baseline": (lambda one: orjson.loads(orjson.dumps(one)), again(deployment()))}
    seeds = count()  # nothing that one has said does another repeat
    calls |= {name: (extracted_and_placed(small), strangers(one, next(seeds))) for name, one in subjects.items()}
    calls |= {f"{name}, again": (extracted_and_placed(small), again(one)) for name, one in subjects.items()}
    for name, one in subjects.items():
        calls[f"{name}, 5,000 nodes"] = extracted_and_placed(large), strangers(one, next(seeds))
        calls[f"decided: {name}, 50 nodes"] = decided(engine, small), repeat(one)
        calls[f"decided: {name}, 5,000 nodes"] = decided(engine, large), repeat(one)
    settle()  # as the webhook does when it starts
    spent = interleaved(calls)
    missed = 0
    print(f"rules run {'as machine code' if is_compiled() else 'as Python'}")
    for name, value in spent.items():
        told = ""
        if name in AIMS:
            late = is_compiled() and value > AIMS[name]
            missed += late
            told = f"  {len(orjson.dumps(subjects[name]))} bytes; aim of compiled rules {AIMS[name]} us"
            told += ": MISSED" if late else ": met" if value <= AIMS[name] else ""
        elif name.endswith(", 5,000 nodes"):
            before = spent.get(name.removesuffix(", 5,000 nodes")) or spent[name.replace("5,000", "50")]
            late = value > GROWTH * before
            missed += late
            told = f"  {value / before:.2f} x that of 50; at most {GROWTH}{' MISSED' if late else ''}"
        print(f"{name:<48} {value:>8.1f} us {value / spent['baseline']:>7.1f} x{told}", flush=True)
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
