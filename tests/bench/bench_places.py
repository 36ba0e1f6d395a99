"""What places cost: microseconds of processor time per call, beside a baseline of the same run."""

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import orjson

from policies.geography import (
    PLACE_LABEL,
    Geography,
    JurisdictionRule,
    Regions,
    believed_place,
    conflict,
    constrain,
    place_of_host,
    place_of_key,
    possible,
)
from policies.geography.regions import COMPILED
from policies.snapshot import MemorySnapshot
from tests.bench.clock import microseconds

GEOGRAPHY = Geography(
    Regions.builtin(),
    {"providers": [{"name": "aws"}, {"name": "scaleway"}, {"name": "hetzner"}]},
)
EU = {"locatedIn": {"sets": ["EU"]}}
RULE = JurisdictionRule.of(EU, GEOGRAPHY)
CODES = RULE.codes()
NODE = {
    "metadata": {
        "name": "n",
        "labels": {"topology.kubernetes.io/region": "eu-central-1", "topology.kubernetes.io/zone": "eu-central-1a"},
    },
    "spec": {"providerID": "aws:///eu-central-1a/i-0123456789abcdef0"},
}


def pod(*terms: list[dict[str, Any]]) -> dict[str, Any]:
    """A vLLM pod as people write it, with the model on a claim and a GPU node asked for."""
    required = {"nodeSelectorTerms": [{"matchExpressions": term} for term in terms]}
    return {
        "metadata": {"name": "vllm", "namespace": "team", "labels": {"app": "vllm"}},
        "spec": {
            "nodeSelector": {"nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3"},
            "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}} if terms else {},
            "containers": [{"name": "vllm", "image": "vllm/vllm-openai:v0.11.0"}],
            "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists"}],
            "volumes": [
                {"name": "models", "persistentVolumeClaim": {"claimName": "models"}},
                {"name": "shm", "emptyDir": {"medium": "Memory"}},
            ],
        },
    }


GPU = [{"key": "nvidia.com/gpu.present", "operator": "In", "values": ["true"]}]
HERE = [*GPU, {"key": PLACE_LABEL, "operator": "In", "values": ["aws.eu-central-1"]}]


def cluster(nodes: int) -> MemorySnapshot:
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "models", "namespace": "team"},
        "spec": {"volumeName": "pv"},
    }
    volume = {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "pv"}, "spec": {}}
    made = [{"apiVersion": "v1", "kind": "Node", "metadata": {"name": f"n{index}"}} for index in range(nodes)]
    return MemorySnapshot.of([claim, volume, *made])


def cold_start() -> float:
    """Microseconds to import the package and read the regions in a fresh interpreter."""
    code = (
        "import time, orjson, dataclasses; t = time.process_time(); from policies.geography import Regions;"
        "Regions.builtin(); print((time.process_time() - t) * 1e6)"
    )
    return min(float(subprocess.check_output([sys.executable, "-c", code])) for _ in range(5))


def judged(of: dict[str, Any], snapshot: MemorySnapshot) -> float:
    """`constrain`, `conflict` and `possible` together, as a decision asks them."""
    return microseconds(
        lambda: (constrain(of, CODES), conflict(of, CODES), possible(of, snapshot, GEOGRAPHY).under(RULE))
    )


def figures() -> Iterator[tuple[str, float, float | None]]:
    """Name, microseconds, and how many baselines it may take, where that is settled."""
    small, large = cluster(50), cluster(5_000)
    compiled, typical = COMPILED.read_bytes(), pod(GPU)
    yield "baseline: the pod through JSON and back", microseconds(lambda: orjson.loads(orjson.dumps(typical))), None
    yield "a pod without affinity", judged(pod(), small), 16
    yield "a pod that wants a GPU", judged(typical, small), 16
    yield "the same, 5,000 nodes known", judged(typical, large), 16
    yield "a pod that is inside already", judged(pod(HERE), small), 16
    yield "a pod of 100 terms", judged(pod(*[GPU] * 100), small), None
    yield "where a node is", microseconds(lambda: believed_place(NODE, GEOGRAPHY)), None
    yield "where an S3 host is", microseconds(lambda: place_of_host("b.s3.eu-central-1.amazonaws.com", GEOGRAPHY)), None
    yield "where an unknown host is", microseconds(lambda: place_of_host("models.example.net", GEOGRAPHY)), None
    yield "where a key is", microseconds(lambda: place_of_key("arn:aws:kms:eu-west-1:1:key/1", GEOGRAPHY)), None
    yield "a jurisdiction, compiled", microseconds(lambda: JurisdictionRule.of(EU, GEOGRAPHY)), None
    yield "the regions, read", microseconds(lambda: Regions.parse(compiled)), None
    yield "cold start, regions included", cold_start(), None


def main() -> int:
    """Print every figure; 1 when one takes more baselines than it may."""
    missed, baseline = 0, 0.0
    for name, value, most in figures():
        baseline = baseline or value
        late = most is not None and value > most * baseline
        missed += late
        aim = f"  at most {most:.0f}{' MISSED' if late else ''}" if most is not None else ""
        print(f"{name:<42} {value:>10,.1f} us {value / baseline:>9,.1f} x{aim}", flush=True)
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
