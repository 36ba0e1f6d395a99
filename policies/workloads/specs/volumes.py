"""Volumes that an object asks for, offers or is: claims and their templates, volumes, classes, snapshots.

Guarantees: never raises; each has the path where it stands and the object that it is, as a claim, a volume or a class
is written by itself. Where one lies, and under which key, is left to whoever has the snapshot.
"""

from collections.abc import Iterator
from typing import Any

from policies.json import Json, JsonObject
from policies.workloads.catalogue.kinds import Entry
from policies.workloads.catalogue.rows import as_text, below, field, rows_of
from policies.workloads.names.images import listed

_OLD_CLASS = "volume.beta.kubernetes.io/storage-class"

Volume = dict[str, Any]  # path, kind (claim | volume | class | snapshot | snapshot-class | nodes), storageClass, object


def volumes_of_pod(spec: JsonObject, spec_at: str) -> list[Volume]:
    """The claims that are made together with a pod."""
    found = []
    for index, volume in enumerate(listed(spec.get("volumes"))):
        held = volume.get("ephemeral") if isinstance(volume, dict) else None
        template = held.get("volumeClaimTemplate") if isinstance(held, dict) else None
        if isinstance(template, dict):
            path = f"{spec_at}volumes[{index}].ephemeral.volumeClaimTemplate"
            found.append(_volume(path, "claim", class_of(template), template))
    return found


def own_volumes(subject: Json, entry: Entry, prefix: str = "") -> Iterator[Volume]:
    """Volumes outside of pods, as the catalogue's rows say.

    `class` is where the name of the class stands below the path, of something that isn't written as a claim is.
    """
    for path, value, row in rows_of(subject, entry, "volumes", prefix):
        kind = row["kind"]
        if not isinstance(value, dict):
            continue
        if "class" in row:
            name = field(value, row["class"])
            yield _volume(path, kind, name, {"spec": {"storageClassName": name} if name else {}})
        else:
            yield _volume(path, kind, class_of(value), value)


def _volume(path: str, kind: str, storage_class: str, held: JsonObject) -> Volume:
    return {"path": path, "kind": kind, "storageClass": storage_class, "object": held}


def class_of(held: Json) -> str:
    """The storage class of a claim or volume; empty where it has none yet. The old annotation outweighs the field."""
    old = below(held, ("metadata", "annotations", _OLD_CLASS))
    return as_text(old if old is not None else below(held, ("spec", "storageClassName")))
