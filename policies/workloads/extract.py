"""Any object, as what it boils down to: pods, images, models, devices, destinations, keys, identities.

Guarantees: never raises, whatever the object holds; a fact is computed when it is first asked for, and once; equal
objects give equal facts, in an order that follows the object. Everything has the path where it stands in the object.
What an object only refers to (claims, classes, other objects) is left to whoever has the snapshot.
"""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from policies.json import Json, JsonObject
from policies.workloads.catalogue import Catalogue, Entry, Template, builtin
from policies.workloads.devices import (
    Device,
    devices_of_container,
    devices_of_map,
    devices_of_pod,
    unproven,
    weakest,
)
from policies.workloads.images import Image, images_of_spec, parse_image
from policies.workloads.lazy import Lazy
from policies.workloads.models import models_of_container, models_of_pod
from policies.workloads.paths import pointer
from policies.workloads.references import Model, parse_model
from policies.workloads.structure import pod_specs
from policies.workloads.tables import table

Workload = dict[str, Any]  # group, version, kind, known, pods, images, models, devices, destinations, keys, identities
PodFact = dict[str, Any]  # path, pointer, planned, metadata, spec, images, models, devices, keys, isolation, runtime
Mutate = Callable[[dict[str, Any]], JsonObject]  # a synthetic Pod to the Pod it will be


def extract(subject: Json, mutate: Mutate | None = None, catalogue: Catalogue | None = None) -> Workload:
    """The facts of an object. `mutate` is what admission will do to each pod; facts of pods are of its result.

    It is called at most once for each pod, when a fact of that pod is first asked for, with
    `{apiVersion, kind, metadata, spec}`, and must not change its argument.
    """
    subject = subject if isinstance(subject, dict) else {}
    group, version, kind = type_of(subject)
    entry = (catalogue or builtin()).kind_of(group, version, kind)
    facts = _Facts(subject, entry, mutate)
    known = entry is not None or is_inert(group, kind)
    return Lazy({"group": group, "version": version, "kind": kind, "known": known}, facts.later())


def is_workload(subject: Json) -> bool:
    """Whether the catalogue knows the object's kind, or its shape shows that it makes pods."""
    subject = subject if isinstance(subject, dict) else {}
    entry = builtin().kind_of(*type_of(subject))
    return entry is not None or next(iter(pod_specs(subject)), None) is not None


def is_inert(group: str, kind: str) -> bool:
    """Whether a kind belongs to the API server itself and can neither make pods nor name anything of interest."""
    return kind in table("facts")["inert"].get(group, ())


def type_of(subject: JsonObject) -> tuple[str, str, str]:
    """Group, version and kind as the object states them; empty where it doesn't."""
    written, kind = subject.get("apiVersion"), subject.get("kind")
    group, _, version = written.rpartition("/") if isinstance(written, str) else ("", "", "")
    return group, version, kind if isinstance(kind, str) else ""


class _Facts:
    """What is shared between the facts of one object."""

    def __init__(self, subject: dict[str, Any], entry: Entry | None, mutate: Mutate | None) -> None:
        self._subject = subject
        self._entry = entry
        self._mutate = mutate
        self._own: dict[str, list[Any]] = {}
        self._pods: list[PodFact] | None = None

    def later(self) -> dict[str, Callable[[], Any]]:
        listed = ("images", "models", "devices", "destinations", "keys", "identities")
        return {"pods": self.pods, **{fact: partial(self._all, fact) for fact in listed}}

    def pods(self) -> list[PodFact]:
        if self._pods is None:
            found = self._found()
            self._pods = [self._pod(*one) for one in found]
        return self._pods

    def _found(self) -> "Iterable[_Place]":
        if self._entry is not None:
            return _catalogued(self._subject, self._entry)
        group, _, kind = type_of(self._subject)
        return () if is_inert(group, kind) else _shaped(self._subject)

    def _all(self, fact: str) -> list[Any]:
        own = self.own(fact)
        pods = self.pods()
        if not pods:
            return own
        seen = {one["path"] for one in own}
        return own + [one for pod in pods for one in pod.get(fact, ()) if one["path"] not in seen]

    def own(self, fact: str) -> list[Any]:
        """The facts that stand outside of PodSpec fields, by the paths of the catalogue."""
        if fact not in self._own:
            reader = _OWN.get(fact)
            self._own[fact] = [] if self._entry is None or reader is None else reader(self._subject, self._entry)
        return self._own[fact]

    def _pod(self, path: str, template: Template, holder: JsonObject, spec: JsonObject) -> PodFact:
        spec_at = ".".join(part for part in (path, template.spec) if part)
        synthetic = {"metadata": _metadata(self._subject, template, holder), "spec": _kept(spec, template)}
        made = _Pod(synthetic, spec_at, path, self)
        given = {
            "path": path,
            "pointer": pointer(path),
            "pointers": _pointers(template, holder, path),
            "planned": template.planned == "always" or (template.planned == "queued" and _is_queued(self._subject)),
        }
        made.whole = Lazy(given, made.later())
        return made.whole

    def mutated(self, synthetic: dict[str, Any]) -> JsonObject:
        if self._mutate is None:
            return synthetic
        return self._mutate({"apiVersion": "v1", "kind": "Pod", **synthetic})


class _Pod:
    """One pod's facts, of the pod as it will be after mutation."""

    def __init__(self, synthetic: dict[str, Any], spec_at: str, path: str, facts: _Facts) -> None:
        self._synthetic = synthetic
        self._spec_at = spec_at
        self._spec_dot = spec_at + "." if spec_at else ""
        self._meta_dot = (path + "." if path else "") + "metadata."
        self._facts = facts
        self._pod: JsonObject | None = None
        self.whole: PodFact = {}

    def later(self) -> dict[str, Callable[[], Any]]:
        return {
            "metadata": lambda: self.part("metadata"),
            "spec": lambda: self.part("spec"),
            "images": self.images,
            "models": self.models,
            "devices": self.devices,
            "keys": lambda: self._inner("keys"),
            "destinations": lambda: self._inner("destinations"),
            "identities": lambda: self._inner("identities"),
            "isolation": lambda: weakest(one["level"] for one in self.whole["devices"]),
            "runtime": self.runtime,
        }

    def part(self, name: str) -> JsonObject:
        if self._pod is None:
            self._pod = self._facts.mutated(self._synthetic)
        part = self._pod.get(name)
        return part if isinstance(part, dict) else {}

    def images(self) -> list[Image]:
        found = list(images_of_spec(self.part("spec"), self._spec_dot))
        return found + _annotated(self.part("metadata"), self._meta_dot) + self._inner("images")

    def models(self) -> list[Model]:
        return models_of_pod(self.part("spec"), self._spec_dot) + self._inner("models")

    def devices(self) -> list[Device]:
        found = devices_of_pod(self.part("metadata"), self.part("spec"), self._meta_dot, self._spec_dot)
        return found + self._inner("devices")

    def runtime(self) -> str:
        name = self.part("spec").get("runtimeClassName")
        return name if isinstance(name, str) else ""

    def _inner(self, fact: str) -> list[Any]:
        """What the catalogue knows inside of this pod's spec, such as KServe's `spec.predictor.model`."""
        own = self._facts.own(fact)
        return [one for one in own if one["path"].startswith((self._spec_dot, self._spec_at + "["))] if own else []


_Place = tuple[str, Template, JsonObject, JsonObject]  # path, template, what holds it, the spec


def _catalogued(subject: JsonObject, entry: Entry) -> Iterable[_Place]:
    for path, holder, _, template in entry.templates.find(subject):
        spec: Json = holder
        for step in template.steps:
            spec = spec.get(step) if isinstance(spec, dict) else None
        if isinstance(spec, dict):
            yield path, template, holder, spec


def _shaped(subject: JsonObject) -> Iterable[_Place]:
    for path, spec, holder in pod_specs(subject):
        if path == "spec" or path.endswith(".spec"):
            yield path[:-5], Template(template=path[:-5], spec="spec"), holder if isinstance(holder, dict) else {}, spec
        else:
            yield path, Template(template=path, spec=""), spec, spec


def _metadata(subject: JsonObject, template: Template, holder: JsonObject) -> JsonObject:
    """The labels and annotations the pods will have, as far as the object states them."""
    if template.metadata == "template":
        metadata = holder.get("metadata")
        return metadata if isinstance(metadata, dict) else {}
    parts: list[Json] = []
    if "object" in template.metadata:
        parts.append(subject.get("metadata"))
    if "beside" in template.metadata:
        parts.append(holder)
    merged: dict[str, Any] = {}
    for part in parts:
        for field in ("labels", "annotations"):
            said = part.get(field) if isinstance(part, dict) else None
            if isinstance(said, dict):
                merged[field] = {**merged.get(field, {}), **said}
    return merged


def _kept(spec: JsonObject, template: Template) -> JsonObject:
    """The spec without fields that the kind's own schema drops: nobody may rely on them."""
    if not template.lacks or template.lacks_none_of(spec):
        return spec
    return {key: value for key, value in spec.items() if key not in template.lacks}


def _pointers(template: Template, holder: JsonObject, path: str) -> dict[str, Any]:
    """Where the parts of the synthetic Pod stand in the object, as JSON pointers."""
    root = pointer(path)
    metadata = (
        f"{root}/metadata"
        if template.metadata == "template"
        else "/metadata"
        if template.metadata == "object"
        else root
    )
    missing = template.metadata == "template" and not isinstance(holder.get("metadata"), dict)
    return {"spec": "/".join([root, *template.steps]), "metadata": metadata, "missing": missing}


def _is_queued(subject: JsonObject) -> bool:
    metadata = subject.get("metadata")
    labels = metadata.get("labels") if isinstance(metadata, dict) else None
    return isinstance(labels, dict) and any(key in labels for key in table("facts")["queue_labels"])


def _annotated(metadata: JsonObject, where: str) -> list[Image]:
    annotations = metadata.get("annotations")
    if not isinstance(annotations, dict):
        return []
    known = table("facts")["image_annotations"]
    named = ((key, annotations.get(key)) for key in known if key in annotations)
    return [parse_image(value, f'{where}annotations["{key}"]') for key, value in named if isinstance(value, str)]


def _own_images(subject: JsonObject, entry: Entry) -> list[Image]:
    found = [
        parse_image(container["image"], f"{path}.image")
        for path, container, _, _ in entry.containers.find(subject)
        if isinstance(container, dict) and isinstance(container.get("image"), str)
    ]
    named = entry.paths("images").find(subject)
    return found + [parse_image(value, path) for path, value, _, _ in named if isinstance(value, str) and value]


def _own_models(subject: JsonObject, entry: Entry) -> list[Model]:
    found: list[Model] = []
    for path, container, _, _ in entry.containers.find(subject):
        if isinstance(container, dict):
            found += models_of_container(container, f"{path}.")
    for path, value, _, row in entry.paths("models").find(subject):
        if isinstance(value, str) and value:
            found.append(parse_model(value, path, scheme=row.get("scheme", "")))
    return found


def _own_devices(subject: JsonObject, entry: Entry) -> list[Device]:
    found: list[Device] = []
    for path, container, _, _ in entry.containers.find(subject):
        if isinstance(container, dict):
            found += devices_of_container(container, f"{path}.", unproven)
    for path, value, key, _ in entry.paths("devices").find(subject):
        found += devices_of_map({key: value}, path[: -len(key)], unproven)
    return found


_OWN: dict[str, Callable[[JsonObject, Entry], list[Any]]] = {
    "images": _own_images,
    "models": _own_models,
    "devices": _own_devices,
}


def rebase(pod: JsonObject, operations: Iterable[JsonObject]) -> list[dict[str, Any]]:
    """RFC 6902 operations on a synthetic Pod, as operations on the object that its template stands in.

    For a template (`pod["planned"]`) that is mutated where it stands. Metadata that the template lacks is made first.
    """
    made: list[dict[str, Any]] = []
    where = pod["pointers"]
    for operation in operations:
        moved = dict(operation)
        for field in ("path", "from"):
            if isinstance(path := operation.get(field), str):
                _, part, *rest = path.split("/")
                moved[field] = "/".join([where.get(part, f"{pod['pointer']}/{part}"), *rest])
                if part == "metadata" and where["missing"] and not made:
                    made.append({"op": "add", "path": where["metadata"], "value": {}})
        made.append(moved)
    return made
