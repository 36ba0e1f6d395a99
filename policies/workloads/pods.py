"""One pod of an object, as it will be after mutation, and its facts.

Guarantees: the mutation is called when a fact of the pod is first asked for, and once; nothing here raises, except what
the mutation raises.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

from policies.json import JsonObject
from policies.workloads.catalogue.paths import pointer
from policies.workloads.catalogue.tables import table
from policies.workloads.containers.container import Container, containers_in
from policies.workloads.containers.destinations import destinations_of_pod
from policies.workloads.containers.models import models_of_pod
from policies.workloads.devices.devices import devices_of_pod, extended_of_pod
from policies.workloads.devices.levels import Device, weakest
from policies.workloads.lazy import Lazy
from policies.workloads.names.images import Image, images_of_spec, parse_image
from policies.workloads.names.references import Model
from policies.workloads.reach.addresses import Destination
from policies.workloads.specs.identities import Identity, identities_of_pod
from policies.workloads.specs.placement import Placement, placement_of_pod
from policies.workloads.specs.places import Place, pointers_of, spec_path
from policies.workloads.specs.volumes import Volume, volumes_of_pod
from policies.workloads.subject import Subject

_LISTS, _LONGEST = 36, 256  # facts of one made pod that are remembered: of four paths, and characters of a path


class MadePod(dict[str, Any]):
    """A pod that is handed out for equal templates again and again, so its facts are remembered with it.

    Nobody may change it. `lists` are by path of the template, path of the spec below it, and name of the fact.
    """

    __slots__ = ("lists",)

    def __init__(self, pod: JsonObject) -> None:
        super().__init__(pod)
        self.lists: dict[tuple[str, str, str], list[Any]] = {}


class Pod:
    """One of a subject's pods. Its lists are computed once."""

    __slots__ = ("_index", "_known", "_place", "_read", "_subject")

    def __init__(self, subject: Subject, index: int, place: Place) -> None:
        self._subject = subject
        self._index = index
        self._place = place
        self._known: dict[str, list[Any]] = {}
        self._read: Reading | None = None

    def pointer(self) -> str:
        return pointer(self._place.path)

    def pointers(self) -> dict[str, Any]:
        """Where the parts of the synthetic Pod stand in the object."""
        return pointers_of(self._place)

    def fact(self, name: str) -> list[Any]:
        """One of the lists that the pod adds to a workload's."""
        found = self._known.get(name)
        if found is None:
            found = self.reading.said(name)
            own = self._subject.own(name)
            if own and name != "placement" and (inner := self._subject.own_in(name, self._place.path)):
                found = joined(found, inner)
            self._known[name] = found
        return found

    @property
    def reading(self) -> "Reading":
        """The pod as it will be."""
        if self._read is None:
            self._read = Reading(self._subject.made(self._index), self._place)
        return self._read

    def isolation(self) -> str:
        return weakest(one["level"] for one in self.fact("devices"))

    def runtime(self) -> str:
        name = self.reading.spec.get("runtimeClassName")
        return name if isinstance(name, str) else ""


class Reading:
    """A pod as its facts are read from it."""

    __slots__ = ("_containers", "_flat", "_key", "_meta_at", "_shared", "_spec", "_spec_at", "metadata", "spec")

    def __init__(self, made: JsonObject, place: Place) -> None:
        metadata, spec, at = made.get("metadata"), made.get("spec"), spec_path(place)
        self.metadata: JsonObject = metadata if isinstance(metadata, dict) else {}
        self.spec: JsonObject = spec if isinstance(spec, dict) else {}
        self._meta_at = f"{place.path}.metadata." if place.path else "metadata."
        self._spec_at = f"{at}." if at else ""
        self._flat = bool(place.template.flat)
        # containers of a flat template are read where they stand, by the catalogue
        self._spec = {key: self.spec[key] for key in self.spec if key != "containers"} if self._flat else self.spec
        self._containers: list[Container] | None = None
        self._shared = made.lists if isinstance(made, MadePod) else None
        self._key = (place.path, place.template.below) if self._shared is not None else ("", "")

    def said(self, name: str) -> list[Any]:
        """What the pod itself says, remembered with a pod that was made before."""
        if self._shared is None:
            return _READ[name](self)
        key = (*self._key, name)
        found = self._shared.get(key)
        if found is None:
            found = _READ[name](self)
            if len(self._shared) >= _LISTS:  # one object may hold it at any number of paths
                self._shared.clear()
            if len(key[0]) <= _LONGEST:
                self._shared[key] = found
        return found

    @property
    def containers(self) -> list[Container]:
        if self._containers is None:
            self._containers = containers_in(self._spec, self._spec_at)
        return self._containers

    def images(self) -> list[Image]:
        found = images_of_spec([(one.at, one.held) for one in self.containers], self._spec, self._spec_at)
        return found + _annotated(self.metadata, self._meta_at) if "annotations" in self.metadata else found

    def models(self) -> list[Model]:
        return models_of_pod(self.containers, self._spec, self._spec_at)

    def devices(self) -> list[Device]:
        return devices_of_pod(self.containers, self.metadata, self._spec, self._meta_at, self._spec_at)

    def extended(self) -> list[JsonObject]:
        return extended_of_pod(self.containers, self._spec, self._spec_at)

    def destinations(self) -> list[Destination]:
        return destinations_of_pod(self.containers, self.metadata, self._spec, self._meta_at, self._spec_at)

    def volumes(self) -> list[Volume]:
        return volumes_of_pod(self._spec, self._spec_at)

    def identities(self) -> list[Identity]:
        return list(identities_of_pod(self._spec, self._spec_at))

    def placement(self) -> list[Placement]:
        """Fields of a flat template are read where they stand, by the catalogue."""
        return [] if self._flat else placement_of_pod(self.spec, self._spec_at)

    def keys(self) -> list[dict[str, Any]]:
        annotations = self.metadata.get("annotations")
        if not isinstance(annotations, dict) or not annotations:
            return []
        named = ((key, annotations.get(key), purpose) for key, purpose in table("facts")["key_annotations"].items())
        return [
            {"path": f'{self._meta_at}annotations["{key}"]', "reference": value, "purpose": purpose}
            for key, value, purpose in named
            if isinstance(value, str) and value
        ]


_READ: dict[str, Callable[[Reading], list[Any]]] = {
    "images": Reading.images,
    "models": Reading.models,
    "devices": Reading.devices,
    "extended": Reading.extended,
    "destinations": Reading.destinations,
    "keys": Reading.keys,
    "identities": Reading.identities,
    "placement": Reading.placement,
    "volumes": Reading.volumes,
}


def joined(found: list[Any], inner: list[Any]) -> list[Any]:
    """Both, what is in both once."""
    seen = {repr(one) for one in found}
    return found + [one for one in inner if repr(one) not in seen]


def _annotated(metadata: JsonObject, where: str) -> list[Image]:
    annotations = metadata.get("annotations")
    if not isinstance(annotations, dict):
        return []
    known = table("facts")["image_annotations"]
    named = ((key, annotations.get(key)) for key in known if key in annotations)
    return [parse_image(value, f'{where}annotations["{key}"]') for key, value in named if isinstance(value, str)]


class PodFact(Lazy):
    """path, pointer, planned, metadata, spec, images, models, devices, keys, isolation, runtime."""

    __slots__ = ()
    source: Pod
    LATER: ClassVar[Mapping[str, Callable[[Pod], Any]]] = {
        "pointer": Pod.pointer,
        "metadata": lambda pod: pod.reading.metadata,
        "spec": lambda pod: pod.reading.spec,
        "images": lambda pod: pod.fact("images"),
        "models": lambda pod: pod.fact("models"),
        "devices": lambda pod: pod.fact("devices"),
        "keys": lambda pod: pod.fact("keys"),
        "isolation": Pod.isolation,
        "runtime": Pod.runtime,
    }


def rebase(pod: JsonObject, operations: Iterable[JsonObject]) -> list[dict[str, Any]]:
    """RFC 6902 operations on a synthetic Pod, as operations on the object that its template stands in.

    For a template (`pod["planned"]`) that is mutated where it stands. Metadata that the template lacks is made first.
    """
    made: list[dict[str, Any]] = []
    where = pod.source.pointers() if isinstance(pod, PodFact) else {}
    missing = bool(where.get("missing"))
    for operation in operations:
        moved = dict(operation)
        for field in ("path", "from"):
            if isinstance(path := operation.get(field), str):
                _, part, *rest = path.split("/")
                moved[field] = "/".join([where.get(part, f"{pod['pointer']}/{part}"), *rest])
                if part == "metadata" and missing:
                    missing = False
                    made.append({"op": "add", "path": where["metadata"], "value": {}})
        made.append(moved)
    return made
