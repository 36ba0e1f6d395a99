"""Dynamic resource allocation: what the devices of a claim are worth.

Guarantees: without knowledge of the claim's users and of the node's ResourceSlices a device is `unknown`, or less where
the claim itself says so. `devices_of_claim(..., dedicated=True, unshared=True)` is for callers that know both.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any

from policies.json import Json, JsonObject
from policies.workloads.catalogue.tables import glob, table
from policies.workloads.devices.devices import count_of, resource_row
from policies.workloads.devices.levels import SHARED, UNKNOWN, Device, device, rank, weakest
from policies.workloads.names.images import listed

Classes = Mapping[str, JsonObject]  # DeviceClass objects by name


def devices_of_claim(
    devices: Json, path: str, *, dedicated: bool = False, unshared: bool = False, classes: Classes | None = None
) -> list[Device]:
    """The devices of `spec.devices` of a ResourceClaim, or of `spec.spec.devices` of a template.

    `dedicated`: one pod alone uses the claim. `unshared`: no ResourceSlice of its drivers allows multiple allocations.
    """
    if not isinstance(devices, dict):
        return []
    found: list[Device] = []
    for where, name, request in _requests(devices, path):
        configured = _configured(devices, name, classes, request)
        worth = _worth(request, dedicated=dedicated, unshared=unshared)
        level = weakest([worth, configured]) if configured else worth
        # what is known to be weak stays known: `unknown` is for what might be anything
        level = configured if configured and rank(configured) <= rank(SHARED) and level == UNKNOWN else level
        if request.get("adminAccess") not in (None, False):
            level = SHARED  # sees devices that others use
        count = 0 if request.get("allocationMode") == "All" else count_of(request.get("count") or 1)
        class_name = request.get("deviceClassName")
        found.append(device(where, "dra", level, claim=class_name if isinstance(class_name, str) else "", count=count))
    return found


def devices_of_extended(asked: Iterable[JsonObject], classes: Iterable[Json]) -> Iterator[Device]:
    """The devices that DeviceClasses stand for when a pod asks for a resource by the name that the class gives it.

    A claim is made for it then. Where the table knows the resource, only a class that shares says more than that.
    """
    named = dict(_named(classes))
    for one in asked:
        found = named.get(one["resource"])
        if found is None:
            continue
        entries = listed(found.get("config"))
        configured = weakest(level for entry in entries if isinstance(entry, dict) and (level := _strategy(entry)))
        known_weak = bool(configured) and rank(configured) <= rank(SHARED)
        if known_weak or resource_row(one["resource"]) is None:
            yield device(one["path"], "dra", configured if known_weak else UNKNOWN, resource=one["resource"])


def _named(classes: Iterable[Json]) -> Iterator[tuple[str, JsonObject]]:
    """The specs of classes by the names that pods may ask for them by."""
    for held in classes:
        spec, metadata = (held.get("spec"), held.get("metadata")) if isinstance(held, dict) else (None, None)
        if isinstance(spec, dict) and isinstance(metadata, dict):
            yield f"{table('devices')['dra']['implied']}{metadata.get('name')}", spec
            if isinstance(name := spec.get("extendedResourceName"), str) and name:
                yield name, spec


def _requests(devices: JsonObject, path: str) -> Iterator[tuple[str, str, JsonObject]]:
    """Each request with its path and name: `exactly`, one for each of `firstAvailable`, or flat as before v1beta2."""
    for index, request in enumerate(listed(devices.get("requests"))):
        if not isinstance(request, dict):
            continue
        where, name = f"{path}.requests[{index}]", request.get("name")
        name = name if isinstance(name, str) else ""
        exactly, available = request.get("exactly"), request.get("firstAvailable")
        if isinstance(exactly, dict):
            yield f"{where}.exactly", name, exactly
        elif isinstance(available, list):
            for order, one in enumerate(available):
                if isinstance(one, dict):
                    yield f"{where}.firstAvailable[{order}]", name, one
        else:
            yield where, name, request


def _worth(request: JsonObject, *, dedicated: bool, unshared: bool) -> str:
    capacity = request.get("capacity")
    asked = capacity.get("requests") if isinstance(capacity, dict) else None
    if isinstance(asked, dict) and asked:
        return "limited" if "memory" in asked and dedicated else UNKNOWN
    if not (dedicated and unshared):
        return UNKNOWN
    name = request.get("deviceClassName")
    level = next((row["level"] for pattern, row in _classes() if isinstance(name, str) and pattern.fullmatch(name)), "")
    if level == "exclusive" and _asks_for_mig(request):
        return "partitioned"
    return level or UNKNOWN


def _asks_for_mig(request: JsonObject) -> bool:
    marker = table("devices")["dra"]["mig_selector"]
    selectors = (one.get("cel") for one in listed(request.get("selectors")) if isinstance(one, dict))
    return any(isinstance(cel, dict) and marker in str(cel.get("expression")) for cel in selectors)


def _configured(devices: JsonObject, name: str, classes: Classes | None, request: JsonObject) -> str:
    """The weakest level that driver configuration asks for; empty when none does."""
    entries = list(listed(devices.get("config")))
    held = (classes or {}).get(str(request.get("deviceClassName")))
    spec = held.get("spec") if held is not None else None
    entries += listed(spec.get("config")) if isinstance(spec, dict) else []
    levels: list[str] = []
    for entry in entries:
        if isinstance(entry, dict) and (not entry.get("requests") or name in listed(entry.get("requests"))):
            level = _strategy(entry)
            levels += [level] if level else []
    return weakest(levels)


def _strategy(entry: JsonObject) -> str:
    opaque = entry.get("opaque")
    parameters = opaque.get("parameters") if isinstance(opaque, dict) else None
    sharing = parameters.get("sharing") if isinstance(parameters, dict) else None
    strategy = sharing.get("strategy") if isinstance(sharing, dict) else None
    if sharing is None:
        return ""
    levels = table("devices")["dra"]["strategies"]
    return str(levels[strategy]) if isinstance(strategy, str) and strategy in levels else SHARED


@cache
def _classes() -> tuple[tuple[re.Pattern[str], Any], ...]:
    return tuple((glob([row["match"]]), row) for row in table("devices")["dra"]["classes"])
