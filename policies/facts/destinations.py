"""Where a destination is, with what only the cluster can tell: its namespaces, and the locations that backups name.

Guarantees: what the snapshot doesn't tell raises Undetermined or Awaiting; nothing here is guessed.
"""

from policies.facts.surroundings import Surroundings
from policies.facts.unknown import fetch
from policies.geography import Geography
from policies.geography.hosts import host_of
from policies.geography.inside import owner_of
from policies.geography.located import Located
from policies.geography.reached import place_of_destination
from policies.geography.storage import place_of_backup_location, place_of_snapshot_location
from policies.json import JsonObject
from policies.snapshot import Ref

_LOCATIONS = {"location": "BackupStorageLocation", "snapshots": "VolumeSnapshotLocation"}


def reached(destination: JsonObject, around: Surroundings, geography: Geography) -> Located:
    """The place, or why there is none; `inside` where it leads nowhere outside of the cluster."""
    if kind := _LOCATIONS.get(destination["kind"]):
        return _location(kind, destination["bucket"], around, geography)
    found = place_of_destination(destination, geography)
    if found.place or found.inside or destination["kind"] != "host":
        return found
    namespace = owner_of(host_of(destination["host"]))
    if not namespace:
        return found
    if fetch(around.snapshot, Ref("", "Namespace", "", namespace)) is None:
        return found
    return Located(None, f"`{destination['host']}` is a service of namespace `{namespace}`", inside=True)


def _location(kind: str, name: str, around: Surroundings, geography: Geography) -> Located:
    """A location of Velero's, which backups name."""
    if name == "*":
        return Located(None, f"which {kind} is not stated: name one")
    found = fetch(around.snapshot, Ref("velero.io", kind, around.request.namespace, name))
    if found is None:
        return Located(None, f"there is no {kind} `{name}`")
    if kind == "BackupStorageLocation":
        return place_of_backup_location(found, geography)
    return place_of_snapshot_location(found, geography)
