"""Ways round the scheduler and the device plugin: environment, privileges, paths of the node.

Guarantees: each way that a pod spec shows is a device of level `shared`, whatever else the pod asks for. What an image
brings along (variables of its own, links) isn't visible here.
"""

import posixpath
from collections.abc import Iterable, Iterator
from functools import cache

from policies.json import Json, JsonObject
from policies.workloads.catalogue.tables import table
from policies.workloads.containers.container import Container
from policies.workloads.devices.levels import SHARED, Device, device
from policies.workloads.names.images import listed


def container_bypasses(container: Container) -> list[Device]:
    """Those of anything container-shaped."""
    held, at, found = container.held, container.at, list[Device]()
    if not _told().isdisjoint(container.names):
        found += _variables(container)
    if held.get("envFrom"):
        found += _filled_in(held, at)
    security = held.get("securityContext")
    if isinstance(security, dict):
        found += _privileges(security, f"{at}securityContext")
    for index, mount in enumerate(listed(held.get("volumeMounts"))):
        path = mount.get("mountPath") if isinstance(mount, dict) else None
        if isinstance(path, str) and "nvidia" in path and _below(path, table("devices")["bypasses"]["mount_paths"]):
            found.append(device(f"{at}volumeMounts[{index}]", "mount", SHARED, count=0))
    return found


@cache
def _told() -> frozenset[str]:
    """Variables by which an image takes devices."""
    return frozenset(table("devices")["bypasses"]["environment"])


def _variables(container: Container) -> Iterator[Device]:
    harmless = table("devices")["bypasses"]["environment"]
    for index, name, _, held in container.variables:
        if name in harmless and (held.get("valueFrom") or held.get("value", "") not in harmless[name]):
            yield device(f"{container.at}env[{index}]", "environment", SHARED, count=0)


def _filled_in(container: JsonObject, where: str) -> Iterator[Device]:
    """Variables that a ConfigMap or Secret may set, unless the container sets them itself, which outweighs it."""
    for index, source in enumerate(listed(container.get("envFrom"))):
        if any(_may_fill(source, name) for name in _unset(container)):
            yield device(f"{where}envFrom[{index}]", "environment", SHARED, count=0)


def filled_in(container: JsonObject) -> list[str]:
    """The variables for GPUs that a ConfigMap or Secret may set, in the order of the table."""
    sources = listed(container.get("envFrom"))
    return [name for name in _unset(container) if any(_may_fill(source, name) for source in sources)]


def _unset(container: JsonObject) -> list[str]:
    own = {one.get("name") for one in listed(container.get("env")) if isinstance(one, dict)}
    return [name for name in table("devices")["bypasses"]["filled_in"] if name not in own]


def _may_fill(source: Json, name: str) -> bool:
    prefix = source.get("prefix") if isinstance(source, dict) else None
    return name.startswith(prefix if isinstance(prefix, str) else "")


def _privileges(security: JsonObject, where: str) -> Iterator[Device]:
    if security.get("privileged") not in (None, False):
        yield device(f"{where}.privileged", "privileged", SHARED, count=0)
    capabilities = security.get("capabilities")
    for index, name in enumerate(listed(capabilities.get("add")) if isinstance(capabilities, dict) else ()):
        if isinstance(name, str) and name.upper().removeprefix("CAP_") in table("devices")["bypasses"]["capabilities"]:
            yield device(f"{where}.capabilities.add[{index}]", "capability", SHARED, count=0)


def pod_bypasses(spec: JsonObject, spec_at: str) -> list[Device]:
    """Those of a pod as a whole."""
    found = [
        device(f"{spec_at}{field}", field, SHARED, count=0)
        for field in table("devices")["bypasses"]["pod"]
        if field in spec and spec[field] not in (None, False)
    ]
    for index, volume in enumerate(listed(spec.get("volumes"))):
        source = volume.get("hostPath") if isinstance(volume, dict) else None
        path = source.get("path") if isinstance(source, dict) else None
        if isinstance(path, str) and opens_devices(path):
            found.append(device(f"{spec_at}volumes[{index}].hostPath.path", "host-path", SHARED, count=0))
    return found


def opens_devices(path: str) -> bool:
    """Whether a path of the node shows device files, or what starts containers with them. Links aren't followed."""
    guarded = table("devices")["bypasses"]["host_paths"]
    normal = _normal(path)
    holder = normal.rstrip("/") + "/"
    return any(normal.startswith(one) or one.startswith(holder) for one in guarded)


def _below(path: str, guarded: Iterable[str]) -> bool:
    normal = _normal(path)
    return any(normal == one or normal.startswith(one + "/") for one in guarded)


def _normal(path: str) -> str:
    return posixpath.normpath("/" + path.lstrip("/"))
