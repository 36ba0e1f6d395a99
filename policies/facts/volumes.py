"""Where a volume lies, or would, that an object asks for, offers or is; and under which key.

Guarantees: what the snapshot doesn't tell raises Undetermined or Awaiting. A claim that names no class yet lies
nowhere yet: whoever gives it one changes its spec, and is judged then.
"""

from collections.abc import Iterator

from policies.facts.classification import KEY_ANNOTATION
from policies.facts.surroundings import Surroundings
from policies.facts.unknown import decided, fetch
from policies.geography import Geography, UnknownPlace, place_of_node
from policies.geography.fields import at
from policies.geography.located import Located
from policies.geography.provisioned import is_on_node, place_of_class, place_of_snapshot_class
from policies.geography.reached import place_of_destination
from policies.geography.storage import (
    declared_class,
    key_of_storage_class,
    place_of_snapshot_handle,
    place_of_source,
    place_of_volume,
)
from policies.json import JsonObject
from policies.snapshot import Absent, Ref, Unknown, lookup
from policies.workloads.reach.remote import volume_destinations

_SELECTED = "volume.kubernetes.io/selected-node"
_STORAGE = "storage.k8s.io"


def place_of(volume: JsonObject, around: Surroundings, geography: Geography) -> Located:
    """`volume` as `policies.workloads` gives it; `inside` where it lies where its pod runs, or nowhere yet."""
    held = volume["object"]
    match volume["kind"]:
        case "claim":
            return _claim(volume["storageClass"], held, around, geography)
        case "volume":
            return _volume(held, geography)
        case "class":
            return place_of_class(held, geography)
        case "snapshot-class":
            return place_of_snapshot_class(held, geography)
    return _snapshot(held, around, geography)


def keys_of(volume: JsonObject, around: Surroundings, geography: Geography) -> Iterator[JsonObject]:
    """The key of a claim: the one that it is annotated with, else that of its class."""
    said = at(volume["object"], "metadata", "annotations", KEY_ANNOTATION)
    reference = said if isinstance(said, str) else ""
    if not reference and (name := volume["storageClass"]):
        reference = key_of_class(name, around, geography)
    if reference:
        yield {"path": volume["path"], "reference": reference, "purpose": "volume"}


def key_of_class(name: str, around: Surroundings, geography: Geography) -> str:
    """The key of a storage class by its name, as declared or as its parameters say; empty for none."""
    declared = any(one["name"] == name for one in geography.declarations("storageClasses"))
    bare = {"metadata": {"name": name}}
    found = bare if declared else fetch(around.snapshot, Ref(_STORAGE, "StorageClass", "", name))
    return key_of_storage_class(found or bare, geography)


def _claim(name: str, held: JsonObject, around: Surroundings, geography: Geography) -> Located:
    """Where the volume lies that it names, if that is there; else where its class makes one."""
    volume = at(held, "spec", "volumeName")
    if isinstance(volume, str) and volume:
        named = lookup(around.snapshot, Ref("", "PersistentVolume", "", volume))
        if not isinstance(named, Absent | Unknown):  # else it is judged when it is bound to the claim
            return _volume(decided(named), geography)
    return _claim_of_class(name, held, around, geography)


def _claim_of_class(name: str, held: JsonObject, around: Surroundings, geography: Geography) -> Located:
    if not name:
        return Located(None, "it has no storage class yet", inside=True)
    found = declared_class(name, geography)
    if found is None:
        storage_class = fetch(around.snapshot, Ref(_STORAGE, "StorageClass", "", name))
        if storage_class is None:
            return Located(None, f"class `{name}` makes no volumes: only one that is there can be bound", inside=True)
        found = place_of_class(storage_class, geography)
    node = at(held, "metadata", "annotations", _SELECTED)
    if not found.inside or not isinstance(node, str) or not node:
        return found
    held_node = fetch(around.snapshot, Ref("", "Node", "", node))
    place = place_of_node(held_node, geography) if held_node is not None else UnknownPlace("no such node")
    if isinstance(place, UnknownPlace):
        return Located(None, f"it is to be made beside node `{node}`: {place.reason}")
    return Located(place, f"it is to be made beside node `{node}`")


def _volume(volume: JsonObject, geography: Geography) -> Located:
    found = place_of_volume(volume, geography)
    spec = volume.get("spec")
    if not isinstance(spec, dict):
        return found
    if "local" in spec or "hostPath" in spec or is_on_node(at(spec, "csi", "driver")):
        return found if found.place else Located(None, "it is a disk of the node that its pod runs on", inside=True)
    named = [one for one in volume_destinations(spec, "spec") if one["kind"] in ("host", "bucket")]
    if not named:
        return found
    reached = [place_of_destination(one, geography) for one in named]
    unknown = next((one for one in reached if not one.place and not one.inside), None)
    if unknown is not None:
        return unknown  # whatever is declared of its class: this one says by itself where it is
    places = {one.place for one in (*reached, found) if one.place}
    if len(places) > 1:
        return Located(None, f"it could be at {' and '.join(sorted(str(place) for place in places))}")
    return found if found.place else reached[0]


def _snapshot(held: JsonObject, around: Surroundings, geography: Geography) -> Located:
    """By the handle of what was there before; else beside its volume, or where its class says."""
    handle = at(held, "spec", "source", "snapshotHandle")
    if isinstance(handle, str) and handle:
        return place_of_snapshot_handle(handle, geography)
    found = _by_class(held, around, geography)
    volume = at(held, "spec", "source", "volumeHandle")
    named = place_of_source(volume, geography) if isinstance(volume, str) else None
    if named is None or not (found.inside or found.place):
        return found
    if found.place not in (None, named):
        return Located(None, f"its volume is in `{named}`, but its class says `{found.place}`")
    return Located(named, f"its volume is in `{named}`")


def _by_class(held: JsonObject, around: Surroundings, geography: Geography) -> Located:
    name = at(held, "spec", "volumeSnapshotClassName")
    if not isinstance(name, str) or not name:
        return Located(None, "it has no snapshot class yet", inside=True)
    found = fetch(around.snapshot, Ref("snapshot.storage.k8s.io", "VolumeSnapshotClass", "", name))
    if found is None:
        return Located(None, f"there is no snapshot class `{name}`")
    return place_of_snapshot_class(found, geography)
