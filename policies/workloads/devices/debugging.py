"""Debug containers that an update adds to a pod, and the devices of the containers that they see into.

Guarantees: what isn't surely apart counts as seen. A debug container sees into the processes of the container that it
names, and of all where the pod shares its processes.
"""

import re
from collections.abc import Iterator

from policies.json import Json, JsonObject
from policies.workloads.devices.levels import Device
from policies.workloads.names.images import listed

Debugger = JsonObject  # path, name, target, sees
_CONTAINER = re.compile(r"^spec\.(containers|initContainers)\[([0-9]+)\]")


def debuggers_of(spec: JsonObject, before: Json, devices: list[Device]) -> list[Debugger]:
    """The debug containers in a pod's spec that its spec of before doesn't have. `devices` are the whole pod's."""
    known = {one.get("name") for one in _containers(before, "ephemeralContainers")} - {None}
    return [
        _debugger(index, container, spec, devices)
        for index, container in enumerate(listed(spec.get("ephemeralContainers")))
        if isinstance(container, dict) and container.get("name") not in known
    ]


def _debugger(index: int, container: JsonObject, spec: JsonObject, devices: list[Device]) -> Debugger:
    target = container.get("targetContainerName")
    target = target if isinstance(target, str) else ""
    shared = any(spec.get(field) not in (None, False) for field in ("shareProcessNamespace", "hostPID"))
    others = (one for one in devices if not one["path"].startswith("spec.ephemeralContainers["))
    seen = [one for one in others if shared or (target and _is_of(one["path"], target, spec))]
    return {
        "path": f"spec.ephemeralContainers[{index}]",
        "name": str(container.get("name") or ""),
        "target": target,
        "sees": list(dict.fromkeys(one["resource"] or one["claim"] or one["mechanism"] for one in seen)),
    }


def _is_of(path: str, target: str, spec: JsonObject) -> bool:
    """Whether a device may be the named container's: it is the pod's as a whole, or stands in that container."""
    inside = _CONTAINER.match(path)
    if inside is None:
        return True
    containers = listed(spec.get(inside[1]))
    container = containers[int(inside[2])] if int(inside[2]) < len(containers) else None
    return isinstance(container, dict) and container.get("name") == target


def _containers(spec: Json, field: str) -> Iterator[JsonObject]:
    held = spec.get(field) if isinstance(spec, dict) else None
    return (one for one in listed(held) if isinstance(one, dict))
