"""Isolation levels beyond the request: what a runtime adds, and what makes a level true of the nodes.

Guarantees: a level is lifted by positive proof only; the operations only ever narrow where a pod can run, and
what its containers may be told of devices that they don't ask for.
"""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from policies.json import Json, JsonObject
from policies.workloads.catalogue.tables import table
from policies.workloads.containers.container import Container, containers_in
from policies.workloads.devices.bypasses import filled_in
from policies.workloads.devices.devices import (
    devices_of_container,
    devices_of_pod,
    proofs_for,
    proofs_of,
    resource_row,
    rows,
    unproven,
)
from policies.workloads.devices.levels import SHARED, UNKNOWN, rank
from policies.workloads.names.images import listed
from policies.workloads.specs.affinity import require_all


@cache
def _handlers() -> tuple[tuple[re.Pattern[str], Any], ...]:
    return rows("handlers")


def _handler_row(handler: str) -> Any:
    return next((row for pattern, row in _handlers() if pattern.fullmatch(handler)), {})


def runtime_level(handler: str) -> str:
    """The runtime isolation of a RuntimeClass handler: container, sandboxed, virtualized or confidential.

    The name of a RuntimeClass says nothing: look its `handler` up. An unknown handler is a plain container.
    """
    return str(_handler_row(handler).get("level", "container"))


def runtime_rank(level: str) -> int:
    """The order of runtime levels: `container` is 0. A word that is no level counts as that."""
    levels = table("devices")["runtime_levels"]
    return int(levels.index(level)) if level in levels else 0


def level_with_handler(found: JsonObject, spec: JsonObject, handler: str) -> str:
    """The level of a device once the handler of the pod's RuntimeClass is known.

    Passed-through GPUs become confidential in a confidential VM on nodes whose GPUs are proven to be in that mode.
    """
    row = _handler_row(handler)
    if found["mechanism"] != "passthrough" or found["level"] == UNKNOWN:
        return str(found["level"])
    proven = proofs_of(spec)
    if row.get("device") == "confidential" and all(map(proven, table("devices")["constraints"]["confidential"])):
        return "confidential"
    return str(found["level"]) if row.get("device") else UNKNOWN


def isolation_constraint(pod: JsonObject, level: str, *, prefix: str = "") -> list[dict[str, Json]]:
    """RFC 6902 operations that make `level` true for device plugin requests of `pod`, as far as node labels can.

    A container that asks for no device, and is given variables by a ConfigMap or Secret, is told that it has none.
    None when every request has the level already, or when nothing that is added could lift one to it: a claim, a
    fraction or another bypass isn't bettered by a node. Raises AffinityMalformed.
    """
    spec = pod.get("spec")
    if not isinstance(spec, dict):
        return []
    metadata = pod.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    wanted: list[JsonObject] = []
    for found in devices_of_pod(containers_in(spec, "spec."), metadata, spec, "metadata.", "spec."):
        if rank(found["level"]) < rank(level) and found["resource"]:
            wanted += _needs(found["resource"], level)
    unique = {repr(one): one for one in wanted}
    operations = require_all(pod, list(unique.values()), prefix=prefix)
    return operations + (list(_shut_out(spec, prefix)) if rank(level) > rank(SHARED) else [])


def _shut_out(spec: JsonObject, prefix: str) -> Iterator[dict[str, Json]]:
    """The variables that give a container GPUs, empty, where one could be filled in from elsewhere."""
    for field in ("containers", "initContainers"):
        for index, container in enumerate(listed(spec.get(field))):
            if not isinstance(container, dict) or not isinstance(container.get("env", []), list):
                continue
            at = f"{prefix}/spec/{field}/{index}/env"
            told = [{"name": name, "value": ""} for name in filled_in(container)] if not _asks(container) else []
            if told and not container.get("env"):
                yield {"op": "add", "path": at, "value": told}
            else:
                yield from ({"op": "add", "path": f"{at}/-", "value": one} for one in told)


def _asks(container: JsonObject) -> bool:
    """Whether a container asks for devices itself: then whoever gives them says which."""
    resources = container.get("resources")
    claims = resources.get("claims") if isinstance(resources, dict) else None
    return bool(claims) or any(one["count"] for one in devices_of_container(Container(container, ""), unproven))


def _needs(resource: str, level: str) -> list[JsonObject]:
    """The expressions of the weakest proof that reaches the level."""
    proofs = [proof for proof in proofs_for(resource) if rank(proof[0]) >= rank(level)]
    if not proofs:
        if level == "confidential" and (resource_row(resource) or {}).get("mechanism") == "passthrough":
            return list(table("devices")["constraints"]["confidential"])
        return []
    return list(min(proofs, key=lambda proof: rank(proof[0]))[1])
