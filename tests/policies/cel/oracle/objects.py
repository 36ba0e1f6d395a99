"""Random admission requests: objects as people write them, and objects no schema would allow."""

from __future__ import annotations

import re
from collections.abc import Iterator
from random import Random
from typing import Any

from tests.policies.cel.oracle.words import FIELDS, INTS, POOLS, STRINGS

Json = dict[str, Any]

_IDENTIFIER = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_RESERVED = frozenset(
    (
        *("as", "break", "const", "continue", "else", "false", "for", "function", "if", "import", "in", "let", "loop"),
        *("package", "namespace", "null", "return", "true", "var", "void", "while"),
    )
)
_KEYS = ("a", "b", "c", "name", "app.kubernetes.io/name", "in", "x y", "", "é", "spec", "if", "namespace", "__a", "1")


def bindings(random: Random) -> Json:
    """What the API server binds for one request."""
    made: Json = {
        "object": _weird(random, 3) if random.random() < 0.45 else _pod(random),
        "oldObject": None if random.random() < 0.6 else _pod(random),
        "params": _weird(random, 2) if random.random() < 0.6 else None,
        "request": _request(random),
        "namespaceObject": None if random.random() < 0.2 else _namespace(random),
    }
    return made


def paths(value: Any, prefix: str, random: Random) -> Iterator[tuple[str, Any]]:
    """Every value below `prefix` with the expression that reads it."""
    yield prefix, value
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from paths(inner, prefix + _step(key, random), random)
    elif isinstance(value, list):
        for index, inner in enumerate(value[:3]):
            yield from paths(inner, f"{prefix}[{index}]", random)


def _step(key: str, random: Random) -> str:
    if _IDENTIFIER.fullmatch(key) and key not in _RESERVED and random.random() < 0.9:
        return f".{key}"
    escaped = key.replace("\\", "\\\\").replace("'", "\\'")
    return f"['{escaped}']"


def _scalar(random: Random) -> Any:
    return random.choice(
        (
            lambda: random.choice(STRINGS),
            lambda: random.choice(
                POOLS[random.choice(("quantity", "ip", "cidr", "semver", "url", "number", "timestamp"))]
            ),
            lambda: random.choice(INTS),
            lambda: random.randint(-3, 9),
            lambda: random.choice((0.5, -0.0, 1e300, 2.0, 1.5, 100000.0, 3.0e-9)),
            lambda: random.random() < 0.5,
            lambda: None,
        )
    )()


def _weird(random: Random, depth: int) -> Any:
    if depth == 0 or random.random() < 0.15:
        return _scalar(random)
    if random.random() < 0.35:
        if random.random() < 0.6:  # lists of one kind are what functions on lists accept
            kind = random.choice(
                (lambda: random.choice(STRINGS), lambda: random.randint(-3, 9), lambda: random.random() < 0.5)
            )
            return [kind() for _ in range(random.randint(0, 4))]
        return [_weird(random, depth - 1) for _ in range(random.randint(0, 3))]
    keys = random.sample((*_KEYS, *FIELDS[:12]), random.randint(0, 4))
    return {key: _weird(random, depth - 1) for key in keys}


def _labels(random: Random) -> Json:
    keys = ("app", "app.kubernetes.io/name", "team", "tier", "a", "b")
    return {
        key: random.choice(("web", "", "x", "prod", "1", "true")) for key in random.sample(keys, random.randint(0, 3))
    }


def _container(random: Random) -> Json:
    made: Json = {
        "name": random.choice(("web", "sidecar", "init", "a")),
        "image": random.choice(
            ("nginx", "nginx:1.25", "registry.example.eu/team/vllm@sha256:" + "a" * 64, "ghcr.io/x/y:latest")
        ),
    }
    if random.random() < 0.6:
        made["resources"] = {"limits": {"cpu": "500m", "memory": random.choice(POOLS["quantity"])}}
    if random.random() < 0.5:
        made["ports"] = [
            {"containerPort": random.randint(1, 9000), "protocol": "TCP"} for _ in range(random.randint(0, 3))
        ]
    if random.random() < 0.4:
        made["securityContext"] = {"runAsNonRoot": random.random() < 0.5, "capabilities": {"add": ["NET_ADMIN"]}}
    if random.random() < 0.5:
        made["env"] = [{"name": f"V{i}", "value": random.choice(STRINGS)} for i in range(random.randint(0, 3))]
    return made


def _pod(random: Random) -> Json:
    spec: Json = {"containers": [_container(random) for _ in range(random.randint(0, 3))]}
    if random.random() < 0.4:
        spec["replicas"] = random.choice((0, 1, 3, 10))
    if random.random() < 0.3:
        spec["nodeSelector"] = _labels(random)
    metadata: Json = {"name": random.choice(("web", "db-0", "x")), "creationTimestamp": "2024-01-02T03:04:05Z"}
    if random.random() < 0.6:
        metadata["labels"] = _labels(random)
    if random.random() < 0.3:
        metadata["generation"] = random.choice((1, 7))
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def _request(random: Random) -> Json:
    kind = {"group": random.choice(("", "apps")), "version": "v1", "kind": random.choice(("Pod", "Deployment"))}
    resource = {"group": kind["group"], "version": "v1", "resource": random.choice(("pods", "deployments"))}
    made: Json = {
        "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
        "kind": kind,
        "resource": resource,
        "requestKind": kind,
        "requestResource": resource,
        "name": random.choice(("web", "", "x")),
        "namespace": random.choice(("default", "")),
        "operation": random.choice(("CREATE", "UPDATE", "DELETE", "CONNECT")),
        "userInfo": {
            "username": random.choice(("alice", "system:serviceaccount:a:b")),
            "groups": ["a", "system:authenticated"],
        },
        "object": None,
        "oldObject": None,
        "options": random.choice((None, {"kind": "CreateOptions", "fieldManager": "x"})),
    }
    if random.random() < 0.5:
        made["dryRun"] = random.random() < 0.5
    if random.random() < 0.3:
        made["subResource"] = "status"
    if random.random() < 0.4:
        made["userInfo"]["extra"] = {"scopes": ["x", "y"]}
    return made


def _namespace(random: Random) -> Json:
    metadata: Json = {"name": "default", "creationTimestamp": random.choice(("2024-01-02T03:04:05Z", None)), "UID": "u"}
    if random.random() < 0.7:
        metadata["labels"] = _labels(random)
    if random.random() < 0.3:
        metadata["generation"] = 3
    return {"metadata": metadata, "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}}
