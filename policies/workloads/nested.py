"""Whole objects inside of an object: manifests to be applied elsewhere or later, patches of a pod.

Guarantees: never raises; text that can't be read gives nothing here, and is left to the pod that it ends in.
"""

from collections.abc import Iterator

from policies.json import Json, JsonObject
from policies.workloads.catalogue import Entry, Template
from policies.workloads.places import Place
from policies.workloads.rows import rows_of
from policies.workloads.text import loaded


def nested_in(subject: JsonObject, entry: Entry, prefix: str) -> Iterator[tuple[str, dict[str, Json]]]:
    """Each nested object with its path."""
    for path, value, row in rows_of(subject, entry, "nested", prefix):
        if row.get("read", "") == "":
            held = _object(value)
            if held is not None and isinstance(held.get("kind"), str):
                yield path, held


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
