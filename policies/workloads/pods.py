"""One pod of an object, as it will be after mutation, and its facts.

Guarantees: the mutation is called when a fact of the pod is first asked for, and once; nothing here raises, except what
the mutation raises.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, Protocol

from policies.json import JsonObject
from policies.workloads.destinations import Destination, destinations_of_pod
from policies.workloads.devices import devices_of_pod
from policies.workloads.identities import Identity, identities_of_pod
from policies.workloads.images import Image, images_of_spec, parse_image
from policies.workloads.lazy import Lazy
from policies.workloads.levels import Device, weakest
from policies.workloads.models import models_of_pod
from policies.workloads.paths import pointer
from policies.workloads.places import Place, pointers_of, spec_path
from policies.workloads.references import Model
from policies.workloads.tables import table


class Around(Protocol):
    """What a pod asks of the object that it stands in."""

    def pod_of(self, place: Place) -> JsonObject:
        """`metadata` and `spec` of the pod as it will be."""

    def inside(self, fact: str, pod: str) -> list[Any]:
        """The facts that the catalogue knows inside of the pod's template."""


class Pod:
    """One pod's facts. `whole` is the dict that shows them."""

    def __init__(self, place: Place, around: Around) -> None:
        self._place = place
        self._around = around
        self._spec_at = _dotted(spec_path(place))
        self._meta_at = _dotted(place.path) + "metadata."
        self._made: JsonObject | None = None
        self.whole: PodFact

    def pointer(self) -> str:
        return pointer(self._place.path)

    def pointers(self) -> dict[str, Any]:
        """Where the parts of the synthetic Pod stand in the object."""
        return pointers_of(self._place)

    def fact(self, name: str) -> list[Any]:
        """A list of the workload that this pod adds to; those that a pod shows itself are computed once."""
        if name in PodFact.LATER:
            found: list[Any] = self.whole[name]
            return found
        return self.destinations() if name == "destinations" else self.identities()

    def part(self, name: str) -> JsonObject:
        """`metadata` or `spec`, as they will be."""
        if self._made is None:
            self._made = self._around.pod_of(self._place)
        part = self._made.get(name)
        return part if isinstance(part, dict) else {}

    @property
    def _spec(self) -> JsonObject:
        """The spec for readers of containers. Those of a flat template are read where they stand, by the catalogue."""
        spec = self.part("spec")
        return {key: spec[key] for key in spec if key != "containers"} if self._place.template.flat else spec

    def images(self) -> list[Image]:
        found = list(images_of_spec(self._spec, self._spec_at))
        return self._with_inner("images", found + _annotated(self.part("metadata"), self._meta_at))

    def models(self) -> list[Model]:
        return self._with_inner("models", models_of_pod(self._spec, self._spec_at))

    def devices(self) -> list[Device]:
        found = devices_of_pod(self.part("metadata"), self._spec, self._meta_at, self._spec_at)
        return self._with_inner("devices", found)

    def destinations(self) -> list[Destination]:
        found = destinations_of_pod(self.part("metadata"), self._spec, self._meta_at, self._spec_at)
        return self._with_inner("destinations", found)

    def identities(self) -> list[Identity]:
        return self._with_inner("identities", list(identities_of_pod(self._spec, self._spec_at)))

    def keys(self) -> list[dict[str, Any]]:
        annotations = self.part("metadata").get("annotations")
        said = annotations if isinstance(annotations, dict) else {}
        named = ((key, said.get(key), purpose) for key, purpose in table("facts")["key_annotations"].items())
        found = [
            {"path": f'{self._meta_at}annotations["{key}"]', "reference": value, "purpose": purpose}
            for key, value, purpose in named
            if isinstance(value, str) and value
        ]
        return self._with_inner("keys", found)

    def isolation(self) -> str:
        return weakest(one["level"] for one in self.whole["devices"])

    def runtime(self) -> str:
        name = self.part("spec").get("runtimeClassName")
        return name if isinstance(name, str) else ""

    def _with_inner(self, fact: str, found: list[Any]) -> list[Any]:
        inner = self._around.inside(fact, self._place.path)
        if not inner:
            return found
        seen = {tuple(one.values()) for one in found}
        return found + [one for one in inner if tuple(one.values()) not in seen]


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
        "images": Pod.images,
        "models": Pod.models,
        "devices": Pod.devices,
        "keys": Pod.keys,
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
