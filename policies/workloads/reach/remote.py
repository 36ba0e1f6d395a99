"""Volumes of pods that lie elsewhere: network file systems, disks of clouds, buckets and servers behind CSI drivers.

Guarantees: never raises; a volume that is the node's, a claim's or the cluster's own is no destination.
"""

from collections.abc import Iterator
from functools import cache

from policies.json import JsonObject
from policies.workloads.catalogue.paths import member
from policies.workloads.catalogue.tables import table
from policies.workloads.names.images import listed
from policies.workloads.reach.addresses import Destination, destination, is_outside, names_host, text_addresses


def volume_destinations(volume: JsonObject, where: str) -> Iterator[Destination]:
    """Where a volume of a pod lies that is not the node's, a claim's or the cluster's own."""
    if volume.keys().isdisjoint(_remote()):
        return
    for source, fields in table("facts")["network_volumes"].items():
        held = volume.get(source)
        for field in [fields] if isinstance(fields, str) else fields:
            value = held.get(field) if isinstance(held, dict) else None
            for host in [value] if isinstance(value, str) else listed(value):
                if isinstance(host, str) and host:
                    yield destination(f"{where}.{source}.{field}", kind="host", host=host, what="data")
    for source, row in table("facts")["cloud_volumes"].items():
        if isinstance(held := volume.get(source), dict):
            named = held.get(row["field"])
            name = named if isinstance(named, str) else ""
            yield destination(f"{where}.{source}", kind="volume", provider=row["provider"], bucket=name, what="data")
    csi = volume.get("csi")
    if isinstance(csi, dict):
        yield from csi_destinations(csi, f"{where}.csi")


@cache
def _remote() -> frozenset[str]:
    """The sources of volumes that lie elsewhere."""
    facts = table("facts")
    return frozenset((*facts["network_volumes"], *facts["cloud_volumes"], "csi"))


def csi_destinations(csi: JsonObject, where: str) -> Iterator[Destination]:
    """A volume by a CSI driver: its bucket, its server, any address among its attributes; else where the driver is."""
    driver, attributes = csi.get("driver"), csi.get("volumeAttributes")
    held = attributes if isinstance(attributes, dict) else {}
    if not isinstance(driver, str):
        return
    if driver in table("facts")["csi_local"]:
        for name, value in held.items():
            if isinstance(value, str) and "://" in value:
                yield from text_addresses(value, member(f"{where}.volumeAttributes", name), "data")
        return
    found = list(_attributes(driver, held, f"{where}.volumeAttributes"))
    yield from found
    if not found:
        yield destination(f"{where}.driver", kind="driver", host=driver, what="data")


def _attributes(driver: str, attributes: JsonObject, where: str) -> Iterator[Destination]:
    row = table("facts")["csi_buckets"].get(driver)
    if row and isinstance(bucket := attributes.get(row["bucket"]), str) and bucket:
        told = attributes.get(row.get("host", "endpoint"))
        host = told if isinstance(told, str) else ""
        at = member(where, row["bucket"])
        yield destination(at, kind="bucket", bucket=bucket, provider=row["provider"], host=host, what="data")
    for name, value in attributes.items():
        if isinstance(value, str) and value and not (row and name in (row["bucket"], row.get("host", "endpoint"))):
            if "://" in value:
                yield from text_addresses(value, member(where, name), "data")
            elif names_host({"name": name, "value": value}) and is_outside(value) and not value.startswith("/"):
                yield destination(member(where, name), kind="host", host=value, what="data")
