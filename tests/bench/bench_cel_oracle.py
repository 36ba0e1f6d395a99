"""Nine admission expressions: our CEL beside the API server's own, evaluated in the same run over the same request.

Both sides keep their compiled expression and count cost; neither converts anything: the values are the request's
decoded JSON. The two take turns, so that a busy neighbour slows both. Without Go it says so and measures ours alone.
Run from the root of the checkout: `python tests/bench/bench_cel_oracle.py`. Exits 1 when the target is missed.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from policies.cel.budget import Budget
from policies.cel.environment import Environment
from policies.cel.program import Compiler, Program
from tests.cluster.bed.build import BuildError
from tests.policies.cel.oracle.peer import Peer
from tests.policies.cel.oracle.tagging import same, tagged

Json = dict[str, Any]

ROUNDS = 40  # short ones, so that some are undisturbed
EVALUATIONS = 100  # in a round
COMPILATIONS = 5
COMPILATION_ROUNDS = 10
TARGET = 0.5  # of the API server's time for all nine

CONTAINERS = "object.spec.template.spec.containers"
EXPRESSIONS = {
    "E1 limits of every container": f"{CONTAINERS}.all(c, has(c.resources) && has(c.resources.limits) && "
    "'memory' in c.resources.limits && 'cpu' in c.resources.limits)",
    "E2 nested all and exists": f"{CONTAINERS}.all(c, !has(c.env) || c.env.all(e, !e.name.startsWith('SECRET_') || "
    f"has(e.valueFrom))) && {CONTAINERS}.exists(c, has(c.ports) && c.ports.exists(p, p.containerPort == 9400))",
    "E3 filter, map and size": f"{CONTAINERS}.filter(c, has(c.securityContext)).map(c, c.name).size() == 4",
    "E4 a pattern for every image": f"{CONTAINERS}.all(c, c.image.matches("
    "'^[a-z0-9.-]+/[a-z0-9/._-]+(:[A-Za-z0-9._-]+)?(@sha256:[a-f0-9]{64})?$'))",
    "E5 split, join and replace": f"{CONTAINERS}.map(c, c.image.split('/')[0]).join(',').replace('.', '-')"
    ".lowerAscii().contains('registry-example-eu')",
    "E6 optional chains": "object.?spec.?template.?spec.?nodeSelector[?'topology.kubernetes.io/region']"
    ".orValue('') == 'eu-central-1' && object.?metadata.?labels[?'absent'].orValue('x') == 'x'",
    "E7 namespace, request and params": "namespaceObject.metadata.labels['tier'] in params.tiers && "
    "request.operation in ['CREATE', 'UPDATE'] && request.userInfo.groups.exists(g, g == 'system:authenticated')",
    "E8 a walk through two maps": "object.metadata.labels.all(k, k.size() < 64 && "
    "object.metadata.labels[k].size() < 64) && "
    "object.metadata.annotations.all(k, v, k.contains('/') && v.size() < 1024)",
    "E9 a quantity for every container": f"{CONTAINERS}.all(c, quantity(c.resources.limits.memory)"
    ".compareTo(quantity('640Gi')) <= 0)",
}


def container(number: int) -> Json:
    """One of four containers, with what inference servers bring along."""
    names = ("server", "router", "exporter", "cache")
    digest = "0123456789abcdef" * 4
    probe = {"httpGet": {"path": "/health", "port": 8000, "scheme": "HTTP"}, "periodSeconds": 10, "timeoutSeconds": 5}
    return {
        "name": names[number],
        "image": f"registry.example.eu/inference/{names[number]}:v1.{number}.0@sha256:{digest}",
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "-m", f"example.{names[number]}.api_server"],
        "args": [f"--option-{i}=value-{i}" for i in range(8)],
        "env": [{"name": f"SETTING_{number}_{i}", "value": f"value-{i}"} for i in range(9)]
        + [{"name": "SECRET_TOKEN", "valueFrom": {"secretKeyRef": {"name": "tokens", "key": names[number]}}}],
        "ports": [{"name": f"p{i}", "containerPort": 8000 + 1400 * i, "protocol": "TCP"} for i in range(2)],
        "resources": {
            "limits": {"cpu": "16", "memory": "128Gi", "nvidia.com/gpu": "1"},
            "requests": {"cpu": "8", "memory": "64Gi"},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
        },
        "livenessProbe": probe,
        "readinessProbe": probe,
        "startupProbe": {**probe, "failureThreshold": 30},
        "volumeMounts": [{"name": f"volume-{i}", "mountPath": f"/mnt/volume-{i}", "readOnly": i > 0} for i in range(3)],
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
    }


def deployment() -> Json:
    """A Deployment of four containers as the API server sends it, 10.6 KB."""
    labels = {"app": "llm", "app.kubernetes.io/name": "llm", "app.kubernetes.io/part-of": "inference", "team": "nlp"}
    annotations = {f"example.eu/note-{i}": f"a note of some length, number {i}" for i in range(6)}
    seen: Json = {f"f:field-{i}": {".": {}, "f:name": {}, "f:value": {}} for i in range(28)}
    pod = {
        "containers": [container(number) for number in range(4)],
        "nodeSelector": {"topology.kubernetes.io/region": "eu-central-1", "accelerator": "h100"},
        "volumes": [{"name": f"volume-{i}", "emptyDir": {"sizeLimit": "10Gi"}} for i in range(3)],
        "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
        "serviceAccountName": "llm",
        "terminationGracePeriodSeconds": 120,
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": "llm",
            "namespace": "inference",
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "generation": 7,
            "creationTimestamp": "2026-01-02T03:04:05Z",
            "labels": labels,
            "annotations": annotations,
            "managedFields": [
                {"manager": "kubectl", "operation": "Update", "fieldsType": "FieldsV1", "fieldsV1": seen}
            ],
        },
        "spec": {
            "replicas": 3,
            "selector": {"matchLabels": {"app": "llm"}},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": 0}},
            "template": {"metadata": {"labels": labels, "annotations": annotations}, "spec": pod},
        },
    }


def bindings() -> Json:
    """What the request binds."""
    kind = {"group": "apps", "version": "v1", "kind": "Deployment"}
    resource = {"group": "apps", "version": "v1", "resource": "deployments"}
    return {
        "object": deployment(),
        "oldObject": None,
        "params": {"tiers": ["dev", "test", "prod"]},
        "request": {
            "kind": kind,
            "resource": resource,
            "requestKind": kind,
            "requestResource": resource,
            "name": "llm",
            "namespace": "inference",
            "operation": "CREATE",
            "userInfo": {"username": "alice", "groups": ["nlp", "eu", "system:authenticated"]},
            "dryRun": False,
        },
        "namespaceObject": {"metadata": {"name": "inference", "labels": {"tier": "prod", "region": "eu"}}},
    }


def best(call: Callable[[], object], calls: int) -> float:
    """Microseconds of one call in one round."""
    started = time.perf_counter()
    for _ in range(calls):
        call()
    return (time.perf_counter() - started) / calls * 1e6


def measured(program: Program, values: Json, peer: Peer | None, source: str) -> tuple[float, float]:
    """Microseconds of ours and of the API server's, each in its best round."""
    ours, theirs = float("inf"), float("inf")
    for _ in range(ROUNDS):
        ours = min(ours, best(lambda: program.evaluate(values, Budget()), EVALUATIONS))
        if peer is not None:
            answer = peer.answer(mode="bench", expr=source, use="request", count=EVALUATIONS)
            theirs = min(theirs, answer["ns"] / 1e3)
    return ours, theirs


def compared(peer: Peer | None) -> float:
    """Print a line for each expression and for all of them; the ratio of the sums."""
    values, environment, compiler = bindings(), Environment.admission(), Compiler()
    if peer is not None:
        peer.answer(mode="keep", name="request", bindings=values)
    print(f"a Deployment of {len(json.dumps(values['object'], separators=(',', ':')))} bytes; microseconds, best round")
    sums = [0.0, 0.0]
    compiling = [0.0, 0.0]
    for name, source in EXPRESSIONS.items():
        program = compiler.compile(source, environment)
        agree(program, values, peer, source)
        pair = measured(program, values, peer, source)
        sums = [total + one for total, one in zip(sums, pair, strict=True)]
        line(name, pair)
        compiled = partial(compiler.compile, source, environment)
        compiling[0] += min(best(compiled, COMPILATIONS) for _ in range(COMPILATION_ROUNDS))
        if peer is not None:
            asked = {"expr": source, "count": COMPILATIONS, "rounds": COMPILATION_ROUNDS}
            compiling[1] += peer.answer(mode="bench-compile", **asked)["ns"] / 1e3
    line("evaluate all nine", (sums[0], sums[1]))
    line("compile all nine", (compiling[0], compiling[1]))
    return sums[0] / sums[1] if peer is not None else 0.0


def agree(program: Program, values: Json, peer: Peer | None, source: str) -> None:
    """Stop where the two have not the same answer: a fast wrong one is worth nothing."""
    budget = Budget()
    value = program.evaluate(values, budget)
    if value is not True:
        raise SystemExit(f"`{source}` is {value!r}; it shall hold, so that all of it is evaluated")
    if peer is None:
        return
    answer = peer.answer(expr=source, use="request")
    if not same(tagged(value), answer.get("val", {"t": "error"})) or budget.spent != answer["cost"]:
        raise SystemExit(f"`{source}`: ours {value!r}, cost {budget.spent}; theirs {answer}")


def line(name: str, pair: tuple[float, float]) -> None:
    ours, theirs = pair
    ratio = f"{theirs:10.2f}  x {ours / theirs:.2f}" if 0 < theirs < float("inf") else ""
    print(f"{name:<36}{ours:9.2f}{ratio}", flush=True)


def main() -> int:
    """Print ours, the API server's and the ratio; 1 when the target is missed."""
    print(f"{'':<36}{'ours':>9}{'API server':>12}")
    try:
        with Peer.built() as peer:
            ratio = compared(peer)
    except BuildError as error:
        print(f"the API server's CEL can't be had: {error}")
        compared(None)
        return 0
    print(f"target x {TARGET}: {'ok' if ratio <= TARGET else 'MISSED'}")
    return int(ratio > TARGET)


if __name__ == "__main__":
    sys.exit(main())
