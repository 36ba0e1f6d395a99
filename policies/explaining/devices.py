"""What is told of a pod's claims for devices: where they could be satisfied today, and why that keeps it nowhere."""

from collections.abc import Iterator

from policies.cel import Budget, CelError, Compiler, Environment, Program
from policies.cel.types import DYN
from policies.geography.devices import GROUP, Inventory, Today, claims_today
from policies.geography.nodes import labelled_place
from policies.geography.placeset import ANYWHERE, UNPLACED, PlaceSet
from policies.json import Json, JsonObject
from policies.remembered import remembered
from policies.snapshot import Absent, MemorySnapshot, Pending, Query, Ref, Snapshot, Unknown, lookup

_COST = 1_000_000  # what the scheduler grants one selector for one device
_NAMES = Environment(variables={"device": DYN})
_ANYTHING = "no place for good: devices come with new nodes"
_GIVEN_BACK = "it is given back when the last pod that uses it ends"


def claims_told(spec: JsonObject, namespace: str, snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """Path below `spec` and what to say, for each claim."""
    if not spec.get("resourceClaims"):
        return
    slices = _held(snapshot, Query(GROUP, "ResourceSlice"))
    inventory = Inventory(slices, lambda ref: _got(snapshot, ref), lambda name: _labelled(snapshot, name), fits)
    for one in claims_today(spec, namespace, inventory):
        yield one.path, _told(one, known=bool(slices))


def _told(one: Today, *, known: bool) -> str:
    if one.places is None:
        return f"claim `{one.name}` is not known here; {_ANYTHING}"
    if one.allocated:
        return f"claim `{one.name}` is allocated to nodes at {one.places} now, and {_GIVEN_BACK}"
    if not known:
        return f"which devices there are for `{one.name}` is not known here; {_ANYTHING}"
    there = "nowhere" if one.places.empty else f"at {one.places}" if one.places != ANYWHERE else "anywhere"
    return f"devices for `{one.name}` are {there} today, which means {_ANYTHING}"


def fits(expression: str, driver: str, device: JsonObject) -> bool:
    """May a selector mean this device? What it can't be evaluated for, it may."""
    program = _compiled(expression)
    if program is None:
        return True
    try:
        return program.evaluate({"device": _seen(driver, device)}, Budget(_COST)) is not False
    except CelError:
        return True


@remembered(256)
def _compiled(expression: str) -> Program | None:
    try:
        return Compiler().compile(expression, _NAMES)
    except CelError:
        return None


def _seen(driver: str, device: JsonObject) -> JsonObject:
    """A device as selectors see it: attributes and capacity by domain; the driver's own where none is named."""
    found: dict[str, dict[str, dict[str, Json]]] = {"attributes": {driver: {}}, "capacity": {driver: {}}}
    for field, said in found.items():
        entries = device.get(field)
        for name, entry in entries.items() if isinstance(entries, dict) else ():
            domain, _, own = str(name).rpartition("/")
            said.setdefault(domain or driver, {})[own] = _value(entry)
    return {"driver": driver, "allowMultipleAllocations": device.get("allowMultipleAllocations") is True, **found}


def _value(entry: Json) -> Json:
    """An attribute's value, or a capacity's."""
    from policies.cel.library import quantity, semver

    if not isinstance(entry, dict):
        return None
    if isinstance(text := entry.get("value"), str):
        return quantity.parse(text)
    if isinstance(text := entry.get("version"), str):
        return semver.parse(text)
    return next((entry[kind] for kind in ("string", "int", "bool") if kind in entry), None)


def _got(snapshot: Snapshot, ref: Ref) -> Json:
    found = lookup(snapshot, ref)
    return None if isinstance(found, Absent | Unknown | Pending) else found


def _labelled(snapshot: Snapshot, name: str) -> PlaceSet:
    node = _got(snapshot, Ref("", "Node", "", name))
    return PlaceSet.of((labelled_place(node) or UNPLACED,)) if isinstance(node, dict) else ANYWHERE


def _held(snapshot: Snapshot, query: Query) -> list[Json]:
    """All objects of a kind that are there, also where nobody claims that these are all."""
    found = snapshot.list(query)
    if not isinstance(found, Unknown):
        return list(found)
    return (
        list(snapshot.objects.get((query.group, query.kind), {}).values())
        if isinstance(snapshot, MemorySnapshot)
        else []
    )
