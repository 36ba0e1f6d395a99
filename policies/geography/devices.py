"""Where a pod's claims for devices could be satisfied today: for people, never for a decision.

A claim keeps no pod anywhere for good. Its allocation is given back when the last pod that uses it ends; devices come
with nodes that aren't there yet; and what a driver says of its devices, a class's selectors only repeat. So `possible`
leaves claims out, and what is told here is how things stand in one snapshot.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from policies.geography.affinity import NodePlaces, terms_places
from policies.geography.fields import at, listed, object_at, text_at
from policies.geography.placeset import ANYWHERE, NOWHERE, PlaceSet
from policies.json import Json, JsonObject
from policies.snapshot import Ref

GROUP = "resource.k8s.io"
Fits = Callable[[str, str, JsonObject], bool]  # may this device (of this driver) be meant by this CEL expression?


@dataclass(frozen=True, slots=True)
class Inventory:
    """What is known of devices. `get` gives None for what isn't known; `fits` is right, or says yes."""

    slices: Sequence[Json]  # ResourceSlices
    get: Callable[[Ref], Json]
    nodes: NodePlaces
    fits: Fits


@dataclass(frozen=True, slots=True)
class Today:
    """One claim of a pod: its path, and where it could be satisfied. None: nobody knows what it asks for."""

    path: str
    name: str
    allocated: bool
    places: PlaceSet | None


def claims_today(spec: JsonObject, namespace: str, inventory: Inventory) -> Iterator[Today]:
    """Each claim of a pod spec, in its order."""
    for index, entry in enumerate(listed(spec.get("resourceClaims"))):
        path = f"resourceClaims[{index}]"
        if name := text_at(entry, "resourceClaimName"):
            claim = inventory.get(Ref(GROUP, "ResourceClaim", namespace, name))
            allocation = at(claim, "status", "allocation")
            if isinstance(allocation, dict):
                yield Today(path, name, True, _selected(allocation.get("nodeSelector"), inventory))
            else:
                yield Today(path, name, False, _asked(at(claim, "spec", "devices"), inventory))
        elif name := text_at(entry, "resourceClaimTemplateName"):
            template = inventory.get(Ref(GROUP, "ResourceClaimTemplate", namespace, name))
            yield Today(path, name, False, _asked(at(template, "spec", "spec", "devices"), inventory))


def _asked(devices: Json, inventory: Inventory) -> PlaceSet | None:
    """All requests must be met on one node, of those with `firstAvailable` any one way of it."""
    if not isinstance(devices, dict):
        return None
    requests = [
        PlaceSet.union(_offered(way, inventory) for way in _ways(request))
        for request in listed(devices.get("requests"))
    ]
    return PlaceSet.intersection(requests)


def _ways(request: Json) -> list[Json]:
    exactly, available = at(request, "exactly"), at(request, "firstAvailable")
    return [exactly] if isinstance(exactly, dict) else listed(available) if available is not None else [request]


def _offered(request: Json, inventory: Inventory) -> PlaceSet:
    """Where devices are that a request may mean: by the selectors of its class, and by its own."""
    found = inventory.get(Ref(GROUP, "DeviceClass", "", text_at(request, "deviceClassName")))
    selectors = [*_expressions(at(found, "spec")), *_expressions(request)]
    return PlaceSet.union(
        _reached(one, device, inventory)
        for one in inventory.slices
        for device in listed(at(one, "spec", "devices"))
        if isinstance(device, dict)
        and all(inventory.fits(expression, text_at(one, "spec", "driver"), device) for expression in selectors)
    )


def _expressions(holder: Json) -> list[str]:
    return [text_at(one, "cel", "expression") for one in listed(at(holder, "selectors"))]


def _reached(one: Json, device: JsonObject, inventory: Inventory) -> PlaceSet:
    """The nodes that a device can be used from: its slice's, or its own where the slice leaves that to devices."""
    spec = object_at(one, "spec")
    where = device if spec.get("perDeviceNodeSelection") is True else spec
    if name := text_at(where, "nodeName"):
        return inventory.nodes(name)
    if where.get("allNodes") is True:
        return ANYWHERE
    selector = where.get("nodeSelector")
    return _selected(selector, inventory) if isinstance(selector, dict) else NOWHERE


def _selected(selector: Json, inventory: Inventory) -> PlaceSet:
    """A NodeSelector; none is every node."""
    return terms_places(at(selector, "nodeSelectorTerms"), inventory.nodes) if isinstance(selector, dict) else ANYWHERE
