"""What of a leaf is found by: a term is a column and a value. Only what stands in the leaf in clear or as a keyed tag.

Guarantees that no personal value becomes a term, since none stands in a leaf.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from audit.leaves.leaf import schemas
from audit.leaves.readable import UNREADABLE

Term = tuple[str, str]

# column: what it holds
COLUMNS: Mapping[str, str] = {
    "schema": "the kind of record, such as `decision` or `policy-load`",
    "namespace": "the object's namespace",
    "user": "keyed tag of the user",
    "policy": "a policy that matched",
    "verdict": "the answer",
    "reason": "a reason code",
    "model": "a model reference, with or without its revision",
    "region": "the region whose keys signed",
    "kind": "the object's kind",
    "operation": "what was asked for",
    "class": "the data class",
    "jurisdiction": "the residency",
    "place": "a possible place",
    "waiver": "a waiver that was used",
}


def terms_of(leaf: Mapping[str, Any]) -> Iterator[Term]:
    """Everything that a record is found by, without repetition of a column's single value.

    What a record is of a kind that only newer releases know means nothing here; nor what nobody can read.
    """
    if leaf["schema"] == UNREADABLE:
        yield "schema", UNREADABLE
        return
    name = leaf["schema"][10:].partition("/")[0]  # after `bailiwick.`
    yield "schema", name
    if name not in schemas():
        yield "region", leaf["region"]
        return
    yield "region", leaf["region"]
    for column, name in _SINGLE:
        value = leaf.get(name)
        if value:
            yield column, value
    gvk = leaf.get("gvk")
    if gvk:
        yield "kind", gvk.rpartition("/")[2]
    tags = leaf.get("tags")
    if tags and "user" in tags:
        yield "user", tags["user"]
    for column, name in _MANY:
        for value in leaf.get(name, ()):
            yield column, value
    for reason in leaf.get("reasons", ()):
        yield "reason", reason["code"]
    for model in leaf.get("models", ()):
        yield "model", model
        bare, at, _ = model.rpartition("@")
        if at:
            yield "model", bare


def microseconds(time: str) -> int:
    """A leaf's time as microseconds since 1970."""
    moment = datetime.fromisoformat(time)
    return round((moment - _EPOCH).total_seconds() * 1_000_000)


def moment_of_id(decision_id: str) -> int | None:
    """When an id was made, in microseconds since 1970: ids are UUIDs of version 7. None for another kind of id."""
    try:
        found = UUID(decision_id)
    except ValueError:
        return None
    return (found.int >> 80) * 1_000 if found.version == 7 else None


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SINGLE = (
    ("namespace", "namespace"),
    ("verdict", "verdict"),
    ("operation", "operation"),
    ("class", "data_class"),
    ("jurisdiction", "jurisdiction"),
)
_MANY = (("policy", "policies"), ("place", "places"), ("waiver", "waivers"))
