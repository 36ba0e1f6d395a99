"""Where the pods of an object stand in it, and what of the object around them they keep.

Guarantees: never raises; what the kind's own schema drops is not part of a pod's spec, so that nobody relies on it.
"""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from policies.json import Json, JsonObject
from policies.workloads.catalogue.kinds import Entry, Template
from policies.workloads.catalogue.paths import pointer
from policies.workloads.catalogue.rows import below
from policies.workloads.catalogue.structure import pod_specs
from policies.workloads.catalogue.tables import table
from policies.workloads.names.images import listed

_LENT = "beside the list: "  # no label of the DNS, so no container's name


class Place(NamedTuple):
    """One template: its path, what the catalogue says of it, and the object that holds the pod's spec."""

    path: str
    template: Template
    holder: JsonObject


def catalogued(subject: JsonObject, entry: Entry, prefix: str) -> Iterator[Place]:
    """The templates at the paths of the catalogue."""
    for path, holder, _, template in entry.templates.find(subject, prefix):
        if isinstance(holder, dict):
            spec = holder.get("spec") if template.is_plain else spec_of(subject, template, holder)
            if isinstance(spec, dict):
                yield Place(path, template, holder)


def shaped(subject: JsonObject, prefix: str) -> Iterator[Place]:
    """The templates of an object nobody has catalogued, by their shape."""
    for path, spec, holder in pod_specs(subject):
        if path.rpartition(".")[2] == "spec" and isinstance(holder, dict):
            yield Place(_joined(prefix, path[: -len(".spec")]), Template(template=""), holder)
        else:
            yield Place(_joined(prefix, path), Template(template="", spec="", metadata="beside"), spec)


def spec_of(subject: JsonObject, template: Template, holder: JsonObject) -> Json:
    """The pod spec of a template; None, or something else than an object, where there is none."""
    if template.is_plain:
        return holder.get("spec")
    if template.flat:
        return _composed(subject, template, holder)
    spec = below(holder, template.steps)
    if not isinstance(spec, dict):
        return None
    if not template.lacks or template.lacks_none_of(spec):
        return spec
    return {key: value for key, value in spec.items() if key not in template.lacks}


def _composed(subject: JsonObject, template: Template, holder: JsonObject) -> JsonObject | None:
    """A pod spec out of fields that stand side by side with other things."""
    names = table("facts")["pod_fields"]
    beside = below(holder, _steps(template.fields))
    sources = [below(subject, _steps(template.defaults)) if template.defaults else None, beside]
    spec: dict[str, Any] = {}
    for source in sources:
        if isinstance(source, dict):
            spec.update({names[key]: value for key, value in source.items() if key in names and value is not None})
    containers = [one for path in template.flat for one in _containers(holder, path)]
    return {**spec, "containers": containers} if containers else None


def _containers(holder: JsonObject, path: str) -> Iterator[JsonObject]:
    found = below(holder, _steps(path.removesuffix("[]")))
    for one in listed(found) if path.endswith("[]") else [found]:
        if isinstance(one, dict):
            yield {key: one[key] for key in table("facts")["container_fields"] if key in one}


def with_lent(pod: JsonObject, containers: Iterable[JsonObject]) -> dict[str, Any]:
    """A pod with containers that its template keeps elsewhere, under names that nobody else can use."""
    lent = [
        {**{key: one[key] for key in table("facts")["container_fields"] if key in one}, "name": f"{_LENT}{index}"}
        for index, one in enumerate(containers)
    ]
    spec = pod["spec"]
    return {**pod, "spec": {**spec, "containers": [*listed(spec.get("containers")), *lent]}}


def without_lent(pod: JsonObject) -> JsonObject:
    """The pod as it is written: those containers are read where they stand."""
    spec = pod.get("spec")
    if not isinstance(spec, dict):
        return pod
    kept = [one for one in listed(spec.get("containers")) if not _is_lent(one)]
    rest = {key: value for key, value in spec.items() if key != "containers"}
    return {**pod, "spec": {**rest, "containers": kept} if kept else rest}


def _is_lent(container: Json) -> bool:
    name = container.get("name") if isinstance(container, dict) else None
    return isinstance(name, str) and name.startswith(_LENT)


def _steps(path: str) -> tuple[str, ...]:
    return tuple(step for step in path.split(".") if step)


def spec_path(place: Place) -> str:
    """The path of the pod's spec; of what its fields stand in, when it is put together."""
    path, below = place.path, place.template.below
    return f"{path}.{below}" if path and below else path or below


def metadata_of(subject: JsonObject, place: Place) -> JsonObject:
    """The labels and annotations the pods will have, as far as the object states them."""
    template, holder = place.template, place.holder
    inside = holder.get("metadata")
    if template.metadata == "template":
        return inside if isinstance(inside, dict) else {}
    sources = {"object": subject.get("metadata"), "template": inside, "beside": holder}
    merged: dict[str, Any] = {}
    for name in ("object", "template", "beside"):
        source = sources[name] if name in template.metadata.split("+") else None
        for field in ("labels", "annotations"):
            said = source.get(field) if isinstance(source, dict) else None
            if isinstance(said, dict):
                merged[field] = {**merged.get(field, {}), **said}
    return merged


def pointers_of(place: Place) -> dict[str, Any]:
    """Where the parts of the synthetic Pod stand in the object, as JSON pointers; `missing`: no metadata there yet."""
    root, template = pointer(place.path), place.template
    inside = "template" in template.metadata
    metadata = f"{root}/metadata" if inside else "/metadata" if template.metadata == "object" else root
    missing = inside and not isinstance(place.holder.get("metadata"), dict)
    return {"spec": pointer(spec_path(place)), "metadata": metadata, "missing": missing}


def is_planned(subject: JsonObject, template: Template) -> bool:
    """Whether a controller plans by the template itself, so that its pods would be corrected too late."""
    planned = template.planned
    return bool(planned) and (planned == "always" or (planned == "queued" and _is_queued(subject)))


def _is_queued(subject: JsonObject) -> bool:
    metadata = subject.get("metadata")
    labels: Json = metadata.get("labels") if isinstance(metadata, dict) else None
    return isinstance(labels, dict) and bool(labels) and any(key in labels for key in table("facts")["queue_labels"])


def _joined(prefix: str, path: str) -> str:
    return ".".join(part for part in (prefix, path) if part)
