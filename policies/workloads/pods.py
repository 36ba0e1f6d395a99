"""One pod of an object, as it will be after mutation, and its facts.

Guarantees: the mutation is called when a fact of the pod is first asked for, and once; nothing here raises, except what
the mutation raises.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

from policies.json import JsonObject
from policies.workloads.destinations import Destination, destinations_of_pod
from policies.workloads.devices import devices_of_pod, extended_of_pod
from policies.workloads.identities import Identity, identities_of_pod
from policies.workloads.images import Image, images_of_spec, parse_image
from policies.workloads.lazy import Lazy
from policies.workloads.levels import Device, weakest
from policies.workloads.models import models_of_pod
from policies.workloads.paths import pointer
from policies.workloads.placement import Placement, placement_of_pod
from policies.workloads.places import pointers_of, spec_path
from policies.workloads.references import Model
from policies.workloads.subject import Subject
from policies.workloads.tables import table
from policies.workloads.volumes import Volume, volumes_of_pod


class MadePod(dict[str, Any]):
    """A pod that is handed out for equal templates again and again, so its facts are remembered with it.

    Nobody may change it. `lists` are by place of the template and name of the fact.
    """

    __slots__ = ("lists",)

    def __init__(self, pod: JsonObject) -> None:
        super().__init__(pod)
        self.lists: dict[tuple[str, str], list[Any]] = {}


class Pod:
    """One of a subject's pods. Its lists are computed once."""

    __slots__ = ("_index", "_known", "_meta_at", "_place", "_spec_at", "_subject")

    def __init__(self, subject: Subject, index: int) -> None:
        self._subject = subject
        self._index = index
        self._place = place = subject.places[index]
        self._spec_at = _dotted(spec_path(place))
        self._meta_at = _dotted(place.path) + "metadata."
        self._known: dict[str, list[Any]] = {}

    def pointer(self) -> str:
        return pointer(self._place.path)

    def pointers(self) -> dict[str, Any]:
        """Where the parts of the synthetic Pod stand in the object."""
        return pointers_of(self._place)

    def fact(self, name: str) -> list[Any]:
        """One of the lists that the pod adds to a workload's."""
        if name not in self._known:
            inner = self._subject.own_in(name, self._place.path) if name != "placement" else []
            self._known[name] = joined(self._read(name), inner) if inner else self._read(name)
        return self._known[name]

    def _read(self, name: str) -> list[Any]:
        """What the pod itself says, remembered with a pod that was made before."""
        made = self._subject.made(self._index)
        if not isinstance(made, MadePod):
            return _READ[name](self)
        key = (self._spec_at, name)
        if key not in made.lists:
            made.lists[key] = _READ[name](self)
        return made.lists[key]

    def part(self, name: str) -> JsonObject:
        """`metadata` or `spec`, as they will be."""
        part = self._subject.made(self._index).get(name)
        return part if isinstance(part, dict) else {}

    @property
    def _spec(self) -> JsonObject:
        """The spec for readers of containers. Those of a flat template are read where they stand, by the catalogue."""
        spec = self.part("spec")
        return {key: spec[key] for key in spec if key != "containers"} if self._place.template.flat else spec

    def images(self) -> list[Image]:
        return [*images_of_spec(self._spec, self._spec_at), *_annotated(self.part("metadata"), self._meta_at)]

    def models(self) -> list[Model]:
        return models_of_pod(self._spec, self._spec_at)

    def devices(self) -> list[Device]:
        return devices_of_pod(self.part("metadata"), self._spec, self._meta_at, self._spec_at)

    def extended(self) -> list[JsonObject]:
        return extended_of_pod(self._spec, self._spec_at)

    def destinations(self) -> list[Destination]:
        return destinations_of_pod(self.part("metadata"), self._spec, self._meta_at, self._spec_at)

    def volumes(self) -> list[Volume]:
        return volumes_of_pod(self._spec, self._spec_at)

    def identities(self) -> list[Identity]:
        return list(identities_of_pod(self._spec, self._spec_at))

    def placement(self) -> list[Placement]:
        """Fields of a flat template are read where they stand, by the catalogue."""
        return [] if self._place.template.flat else placement_of_pod(self.part("spec"), self._spec_at)

    def keys(self) -> list[dict[str, Any]]:
        annotations = self.part("metadata").get("annotations")
        said = annotations if isinstance(annotations, dict) else {}
        named = ((key, said.get(key), purpose) for key, purpose in table("facts")["key_annotations"].items())
        return [
            {"path": f'{self._meta_at}annotations["{key}"]', "reference": value, "purpose": purpose}
            for key, value, purpose in named
            if isinstance(value, str) and value
        ]

    def isolation(self) -> str:
        return weakest(one["level"] for one in self.fact("devices"))

    def runtime(self) -> str:
        name = self.part("spec").get("runtimeClassName")
        return name if isinstance(name, str) else ""


_READ: dict[str, Callable[[Pod], list[Any]]] = {
    "images": Pod.images,
    "models": Pod.models,
    "devices": Pod.devices,
    "extended": Pod.extended,
    "destinations": Pod.destinations,
    "keys": Pod.keys,
    "identities": Pod.identities,
    "placement": Pod.placement,
    "volumes": Pod.volumes,
}


def joined(found: list[Any], inner: list[Any]) -> list[Any]:
    """Both, what is in both once."""
    seen = {repr(one) for one in found}
    return found + [one for one in inner if repr(one) not in seen]


def _dotted(path: str) -> str:
    return f"{path}." if path else ""


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
        "metadata": lambda pod: pod.part("metadata"),
        "spec": lambda pod: pod.part("spec"),
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
