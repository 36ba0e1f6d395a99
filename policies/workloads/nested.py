"""Whole objects inside of an object: manifests to be applied elsewhere or later, patches of a pod.

Guarantees: never raises; text that can't be read gives nothing here, and is left to the pod that it ends in.
"""

from collections.abc import Iterator

from policies.json import Json, JsonObject
from policies.workloads.catalogue.kinds import Entry, Template
from policies.workloads.catalogue.rows import rows_of
from policies.workloads.names.text import documents, loaded
from policies.workloads.specs.places import Place


def nested_in(subject: JsonObject, entry: Entry, prefix: str) -> Iterator[tuple[str, dict[str, Json]]]:
    """Each nested object with its path."""
    for path, value, row in rows_of(subject, entry, "nested", prefix):
        if row.get("read", "") == "":
            for where, held in _written(value, path):
                yield from _listed(held, where)


def _written(value: Json, path: str) -> Iterator[tuple[str, Json]]:
    """The objects that a field holds: one, or each that its text writes."""
    if not isinstance(value, str):
        yield path, value
        return
    found = documents(value)
    for index, held in enumerate(found):
        yield (path if len(found) == 1 else f"{path}[{index}]"), held


def _listed(held: Json, path: str) -> Iterator[tuple[str, dict[str, Json]]]:
    """The object; of a list of objects, which clients take apart before they send them, each member, in its order."""
    pending = [(path, held)]
    while pending:
        where, one = pending.pop()
        kind = one.get("kind") if isinstance(one, dict) else None
        if not isinstance(one, dict) or not isinstance(kind, str):
            continue
        items = one.get("items")
        if kind.endswith("List") and isinstance(items, list):
            of_list = {"apiVersion": one.get("apiVersion"), "kind": kind.removesuffix("List")}
            members = [_member(item, of_list) for item in items]
            pending += reversed([(f"{where}.items[{index}]", item) for index, item in enumerate(members)])
        else:
            yield where, one


def _member(item: Json, of_list: JsonObject) -> Json:
    """A list of Pods need not say that they are Pods."""
    return {**of_list, **item} if isinstance(item, dict) and not isinstance(item.get("kind"), str) else item


def patched_pods(subject: JsonObject, entry: Entry, prefix: str) -> Iterator[Place]:
    """Pods, or parts of pods, that are written as a patch."""
    for path, value, row in rows_of(subject, entry, "nested", prefix):
        held = _object(value) if row.get("read") in ("pod", "pod-spec") else None
        if held is None:
            continue
        if row["read"] == "pod-spec":
            yield Place(path, Template(template="", spec="", metadata="none"), held)
        elif isinstance(held.get("spec"), dict):
            yield Place(path, Template(template=""), held)


def _object(value: Json) -> dict[str, Json] | None:
    held = loaded(value) if isinstance(value, str) else value
    return held if isinstance(held, dict) else None
