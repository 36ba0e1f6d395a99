"""Where volumes, storage classes, buckets and backups are: the place of the data, not of the pods that use it."""

import re
from collections.abc import Iterable, Iterator

from policies.geography.fields import at, listed, text_at
from policies.geography.geography import Geography
from policies.geography.hosts import declared_host, place_of_host
from policies.geography.located import Located
from policies.geography.place import PLACE_LABEL, REGION_LABEL, ZONE_LABEL, Place
from policies.json import Json, JsonObject

# S3-compatible stores repeat region names of AWS, so a bare region is AWS's only where no endpoint is given
_AWS = ("aws", "aws-cn", "aws-us-gov", "aws-eusc")
_LOCAL = ("kubernetes.io/no-provisioner",)  # volumes that are part of a node
_GOOGLE = re.compile(
    r"(?:https://[a-z0-9.]+/compute/v1/)?projects/[^/]+/(?:zones|regions)/(?P<where>[a-z0-9-]+)/disks/"
)
_ARN = re.compile(r"arn:(?P<partition>aws[a-z-]*):[a-z0-9-]+:(?P<region>[a-z0-9-]+):")
_KEY_PARAMETERS = (  # in lower case: drivers such as EBS's take any
    "kmskeyid",  # EBS, ESSD
    "encryptionkmskeyid",  # EFS and FSx
    "disk-encryption-kms-key",  # Compute Engine
    "diskencryptionsetid",  # Azure
    "kms-key-id",  # OCI
    "encryptionkey",  # IBM
    "encryptionkmsid",  # Ceph
    "encryptionkmskey",
    "kmskeyname",
    "keyid",
    "cmek",
)


def place_of_storage_class(storage_class: JsonObject, geography: Geography) -> Located:
    """Declared in the profile's `storageClasses`, or the one place that all its `allowedTopologies` lie in."""
    name = text_at(storage_class, "metadata", "name")
    if declared := declared_class(name, geography):
        return declared
    terms = [at(term, "matchLabelExpressions") for term in listed(storage_class.get("allowedTopologies"))]
    found = _one_place(text_at(storage_class, "provisioner"), terms, geography)
    if found is not None:
        return Located(found, f"its `allowedTopologies` all lie in `{found}`")
    return Located(None, f"class `{name}` may provision in several places: {_declare_class(name)}")


def key_of_storage_class(storage_class: JsonObject, geography: Geography) -> str:
    """The reference of the key its volumes are encrypted with, or empty: its own, else the declared one."""
    parameters = storage_class.get("parameters")
    if isinstance(parameters, dict):
        said = {str(name).lower(): name for name in reversed(list(parameters))}
        for name in _KEY_PARAMETERS:
            if name in said and (reference := text_at(parameters, said[name])):
                return reference
    entry = _class_entry(text_at(storage_class, "metadata", "name"), geography)
    return (entry.get("key") or "") if entry else ""


def place_of_volume(volume: JsonObject, geography: Geography) -> Located:
    """A PersistentVolume, by its node affinity and CSI driver, by its server, or by its declared class.

    When the class is declared in one place and the volume says another, there is none.
    """
    spec = volume.get("spec") or {}
    found = _volume_itself(spec, geography)
    declared = declared_class(text_at(spec, "storageClassName"), geography)
    if found.place and declared and declared.place != found.place:
        return Located(None, f"{found.because}, but its class is declared in `{declared.code}`")
    return found if found.place or declared is None else declared


def place_of_bucket(
    geography: Geography, *, reference: str = "", provider: str = "", region: str = "", endpoint: str = ""
) -> Located:
    """A bucket by its reference (`s3://name`, as declared in the profile's `hosts`), its endpoint, or its region.

    An endpoint outweighs a region, for S3-compatible stores ignore the region; when both name places they must agree.
    """
    if reference and (entry := declared_host(reference, geography, "hosts")):
        return Located(geography.by_code(entry["place"]), f"the ClusterProfile declares `{entry['match']}`")
    if endpoint:
        return _by_endpoint(endpoint, region, geography)
    if not region:
        return Located(None, _declare_bucket(reference, "its region is not stated"))
    providers = _AWS if provider in ("aws", "s3") else (provider,)
    place = next(filter(None, (geography.place(name, region) for name in providers)), None)
    if place is None:
        return Located(None, _declare_bucket(reference, f"`{region}` is no known region of `{provider}`"))
    return Located(place, f"it is in region `{region}` of {place.provider}")


def place_of_backup_location(location: JsonObject, geography: Geography) -> Located:
    """A Velero BackupStorageLocation: its plugin, `config.region` and `config.s3Url`."""
    spec = location.get("spec") or {}
    plugin = text_at(spec, "provider").removeprefix("velero.io/")
    scheme = {"aws": "s3", "gcp": "gs", "azure": "azure"}.get(plugin, plugin)
    bucket = text_at(spec, "objectStorage", "bucket")
    endpoint = text_at(spec, "config", "s3Url") or text_at(spec, "config", "storageAccountURI")
    region = text_at(spec, "config", "region")
    return place_of_bucket(
        geography, reference=f"{scheme}://{bucket}", provider=plugin, region=region, endpoint=endpoint
    )


def place_of_snapshot_location(location: JsonObject, geography: Geography) -> Located:
    """A Velero VolumeSnapshotLocation: its plugin and the region that it names. A multi-region is no one place."""
    spec = location.get("spec") or {}
    region = text_at(spec, "config", "snapshotLocation") or text_at(spec, "config", "region")
    return place_of_bucket(geography, provider=text_at(spec, "provider").removeprefix("velero.io/"), region=region)


def place_of_snapshot_handle(handle: str, geography: Geography) -> Located:
    """A snapshot that was there before, by its handle: what that spells out, else what the profile's `hosts` declare.

    A bare identifier (`snap-0123`) means whatever the driver's account has of that name, wherever that is.
    """
    if named := _of_handle(handle, geography):
        return Located(named, f"its handle names `{named}`")
    if entry := declared_host(handle, geography, "hosts"):
        return Located(geography.by_code(entry["place"]), f"the ClusterProfile declares `{entry['match']}`")
    return Located(
        None, f"nothing says where snapshot `{handle}` is: declare its handle in `spec.hosts` of the ClusterProfile"
    )


def place_of_source(handle: str, geography: Geography) -> Place | None:
    """The place that the handle of a snapshot's volume names, if it names one."""
    return _of_handle(handle, geography)


def _by_endpoint(endpoint: str, region: str, geography: Geography) -> Located:
    found = place_of_host(endpoint, geography)
    if found.place and region and found.place.provider:
        stated = geography.place(found.place.provider, region)
        if stated is not None and stated != found.place:
            return Located(None, f"endpoint `{endpoint}` is in `{found.place}`, its region says `{stated}`")
    return found


def _volume_itself(spec: JsonObject, geography: Geography) -> Located:
    name = text_at(spec, "storageClassName")
    driver = _LOCAL[0] if "local" in spec or "hostPath" in spec else text_at(spec, "csi", "driver")
    terms = [at(term, "matchExpressions") for term in listed(at(spec, "nodeAffinity", "required", "nodeSelectorTerms"))]
    place, named = _one_place(driver, terms, geography), _of_handle(text_at(spec, "csi", "volumeHandle"), geography)
    if place is not None and named not in (None, place):
        return Located(None, f"its node affinity says `{place}`, its handle `{named}`")
    if place is not None:
        return Located(place, f"its node affinity ties it to `{place}`")
    if named is not None:
        return Located(named, f"its handle names `{named}`")
    if server := text_at(spec, "nfs", "server") or text_at(spec, "csi", "volumeAttributes", "server"):
        return place_of_host(server, geography)
    what = f"driver `{driver}`" if driver else "it"
    return Located(None, f"{what} does not tie the volume to one place: {_declare_class(name)}")


def _of_handle(handle: str, geography: Geography) -> Place | None:
    """The place that a CSI volume's handle names, as Google's do and ARNs."""
    if match := _GOOGLE.match(handle):
        return geography.regions.place_of_zone("gcp", match["where"]) or geography.place("gcp", match["where"])
    match = _ARN.match(handle)
    return geography.place(match["partition"], match["region"]) if match else None


def _one_place(driver: str, terms: Iterable[Json], geography: Geography) -> Place | None:
    """The place that every term lies in; None when one lies elsewhere, or doesn't say."""
    places = {place for term in terms for place in (_term_places(driver, term, geography) or {None})}
    return places.pop() if len(places) == 1 else None


def _term_places(driver: str, expressions: Json, geography: Geography) -> set[Place | None]:
    """The places of one term: expressions are ANDed, so each that speaks of places must speak of the same."""
    found: set[Place | None] = set()
    for expression in listed(expressions):
        if text_at(expression, "operator") in ("", "In"):  # a TopologySelectorTerm has no operator
            values = [value for value in listed(at(expression, "values")) if isinstance(value, str)]
            found.update(_values_places(driver, text_at(expression, "key"), values, geography))
    return found


def _values_places(driver: str, key: str, values: list[str], geography: Geography) -> Iterator[Place | None]:
    """Where nodes must be is where the data is only for volumes on the node or of a zone; others come from afar."""
    row = {"providers": ()} if driver in _LOCAL else geography.regions.csi_drivers.get(driver)
    if row is None:
        return
    if key == PLACE_LABEL:
        yield from (geography.by_code(value) for value in values)
        return
    zonal, regional = (ZONE_LABEL, *row.get("zones", ())), (REGION_LABEL, *row.get("regions", ()))
    for value in values if key in zonal or key in regional else ():
        kind = geography.regions.place_of_zone if key in zonal else geography.place
        yield next(filter(None, (kind(provider, value) for provider in row["providers"])), None)


def declared_class(name: str, geography: Geography) -> Located | None:
    """Where the ClusterProfile says that the volumes of a storage class are; None where it doesn't."""
    entry = _class_entry(name, geography)
    if entry is None or not entry.get("place"):
        return None
    return Located(geography.by_code(entry["place"]), f"the ClusterProfile declares storage class `{name}`")


def _class_entry(name: str, geography: Geography) -> JsonObject | None:
    entries = geography.declarations("storageClasses")
    return next((entry for entry in entries if name and entry["name"] == name), None)


def _declare_class(name: str) -> str:
    return (
        f"declare class `{name}` in `spec.storageClasses` of the ClusterProfile" if name else "give it a storage class"
    )


def _declare_bucket(reference: str, why: str) -> str:
    return f"{why}: state it, or declare `{reference or 'the bucket'}` in `spec.hosts` of the ClusterProfile"
