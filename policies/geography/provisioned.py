"""Where volumes and snapshots of a class come to lie: in one place, beside the pod that uses them, or nobody knows.

Guarantees: what a class's parameters send elsewhere (a server, a location, copies in a paired region) outweighs where
its driver makes volumes. `inside` means: on the node, or in the zone, of the pod that uses it, where placement rules.
"""

from collections.abc import Iterable

from policies.geography.geography import Geography
from policies.geography.hosts import place_of_host
from policies.geography.located import Located
from policies.geography.place import Place
from policies.geography.storage import declared_class, place_of_storage_class
from policies.json import JsonObject

_ON_NODE = (  # what they make is a part of the node's disks
    "kubernetes.io/no-provisioner",
    "rancher.io/local-path",
    "local.csi.openebs.io",
    "openebs.io/local",
    "topolvm.io",
    "topolvm.cybozu.com",
    "hostpath.csi.k8s.io",
    "k8s.io/minikube-hostpath",
    "docker.io/hostpath",
    "lvm.csi.metal-stack.io",
)
_MIGRATED = {
    "kubernetes.io/aws-ebs": "ebs.csi.aws.com",
    "kubernetes.io/gce-pd": "pd.csi.storage.gke.io",
    "kubernetes.io/azure-disk": "disk.csi.azure.com",
}
_SERVERS = ("server", "endpoint", "host", "nfsserver", "source", "gateway", "monitors", "resturl", "s3url", "url")
_COPIED = ("skuname", "storageaccounttype")  # Azure: GRS, RAGRS, GZRS copy to the paired region
_WHERE = ("region", "location", "zone", "zones", "replica-zones")
_LOCATIONS = ("storage-locations", "snapshotregion", "location", "region", "snapshotlocation")
_MULTI = {"pd.csi.storage.gke.io": "storage-locations"}  # without it, snapshots lie in the nearest multi-region


def is_on_node(driver: object) -> bool:
    """Whether what this driver makes is a part of the disks of a node."""
    return driver in _ON_NODE


def place_of_class(storage_class: JsonObject, geography: Geography) -> Located:
    """Where the volumes of a StorageClass come to lie."""
    name = (storage_class.get("metadata") or {}).get("name")
    if isinstance(name, str) and (declared := declared_class(name, geography)):
        return declared
    said = _parameters(storage_class)
    for parameter in _COPIED:
        if "GRS" in said.get(parameter, "").upper() or "GZRS" in said.get(parameter, "").upper():
            return Located(None, f"class `{name}` copies its data to the paired region: `{said[parameter]}`")
    if server := next((said[one] for one in _SERVERS if said.get(one)), ""):
        return place_of_host(server.split(",")[0].removeprefix("//"), geography)
    found = place_of_storage_class(storage_class, geography)
    driver = _driver(storage_class, "provisioner")
    if said_so := [one for name in _WHERE for one in said.get(name, "").replace("__", ",").split(",") if one]:
        return _as_said(said_so, found, driver, geography)
    if found.place or is_on_node(driver):
        return found if found.place else Located(None, "it is a disk of the node that its pod runs on", inside=True)
    late = storage_class.get("volumeBindingMode") == "WaitForFirstConsumer"
    if late and driver in geography.regions.csi_drivers:
        return Located(None, "its volumes are made in the zone of the pod that uses them first", inside=True)
    return found


def place_of_snapshot_class(snapshot_class: JsonObject, geography: Geography) -> Located:
    """Where snapshots of a VolumeSnapshotClass come to lie: beside their volume, or where its parameters say."""
    said, driver = _parameters(snapshot_class), _driver(snapshot_class, "driver")
    location = next((said[one] for one in _LOCATIONS if said.get(one)), "")
    if not location:
        if parameter := _MULTI.get(driver):
            return Located(None, f"its snapshots lie in a multi-region: state `{parameter}`")
        return Located(None, "its snapshots lie beside their volume", inside=True)
    providers = (geography.regions.csi_drivers.get(driver) or {}).get("providers") or geography.providers()
    place = _place(location, providers, geography)
    if place is None:
        return Located(None, f"`{location}` is no one region of `{driver}` that is known")
    return Located(place, f"its parameters say `{location}`")


def _as_said(where: list[str], found: Located, driver: str, geography: Geography) -> Located:
    """By regions or zones among its parameters, which its topologies must not contradict."""
    providers = (geography.regions.csi_drivers.get(driver) or {}).get("providers") or geography.providers()
    places = {_place(one.strip(), providers, geography) for one in where} | ({found.place} if found.place else set())
    (place,) = places if len(places) == 1 else (None,)
    if place is None:
        return Located(None, f"`{', '.join(where)}` among its parameters is no one place, or not the one it says")
    return Located(place, f"its parameters say `{', '.join(where)}`")


def _place(where: str, providers: Iterable[str], geography: Geography) -> Place | None:
    found = (geography.place(one, where) or geography.regions.place_of_zone(one, where) for one in providers)
    return next(filter(None, found), None)


def _parameters(held: JsonObject) -> dict[str, str]:
    """By lower-case name: drivers such as Azure's take any case."""
    parameters = held.get("parameters")
    pairs = parameters.items() if isinstance(parameters, dict) else ()
    return {str(name).lower(): value for name, value in pairs if isinstance(value, str)}


def _driver(held: JsonObject, field: str) -> str:
    name = held.get(field)
    return _MIGRATED.get(name, name) if isinstance(name, str) else ""
