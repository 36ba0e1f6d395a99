"""A leaf as a row: one column for each field of the leaf's table, in the table's order. Pure, and loses nothing.

Columns come from `leaf.yaml`, so a field of a later version has its column as soon as the table has it. What a leaf
holds and no column can take (a field that this version doesn't know, a value of another type) stands as JSON in the
last column, `further`: `fields_of(values_of(fields)) == fields` for any leaf.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import orjson

from audit.leaves.leaf import Field, schemas, written_fields

FURTHER = "further"
_LISTS = frozenset({"texts", "digests", "tags"})


@dataclass(frozen=True, slots=True)
class Column:
    """`name` is the path in the leaf; `kind` one of text, time, count, flag, texts, records, json, any.

    `json` is an object, `any` whatever JSON has; both are texts where columns have one type.
    """

    name: str
    kind: str
    meaning: str
    members: tuple["Column", ...] = ()  # of `records`: a list of small objects


@cache
def columns() -> tuple[Column, ...]:
    """Every column, the common ones first, `further` last."""
    found: dict[str, Column] = {}
    members: dict[str, dict[str, Column]] = {}
    for field in _fields():
        name, _, member = field.name.partition("[].")
        column = Column(member or name, _kind(field), field.meaning)
        if member:
            members.setdefault(name, {}).setdefault(member, column)
            found.setdefault(name, Column(name, "records", "each with its own fields"))
        elif found.setdefault(name, column).kind != column.kind:
            found[name] = Column(name, _wider(found[name].kind, column.kind), column.meaning)
    made = [
        Column(one.name, one.kind, one.meaning, tuple(members[one.name].values())) if one.kind == "records" else one
        for one in found.values()
    ]
    cut = Column("cut", "json", "of each value that was cut: its full count and SHA-256")
    return (*made, cut, Column(FURTHER, "json", "whatever this version's table has no column for"))


@cache
def _places() -> dict[str, int]:
    return {column.name: place for place, column in enumerate(columns())}


@cache
def _parents() -> frozenset[str]:
    """Names that hold further names: `tags`, `written`, `written.tenant`."""
    return frozenset(column.name[:at] for column in columns() for at, letter in enumerate(column.name) if letter == ".")


def column_dictionary() -> list[dict[str, str]]:
    """What each column of CSV and Parquet holds, as plain data."""
    return [{"column": column.name, "kind": column.kind, "meaning": column.meaning} for column in columns()]


def values_of(fields: Mapping[str, Any]) -> list[Any]:
    """A value for each column, None where the leaf has none. Lists and objects stay what they are."""
    values: list[Any] = [None] * len(columns())
    further: dict[str, Any] = {}
    _fill(values, further, "", fields)
    if further:
        values[-1] = further
    return values


def fields_of(values: Sequence[Any]) -> dict[str, Any]:
    """The leaf's fields again."""
    fields: dict[str, Any] = {}
    for column, value in zip(columns(), values, strict=True):
        if value is None:
            continue
        if column.name == FURTHER:
            _merge(fields, value)
        else:
            _put(fields, column.name.split("."), value)
    return fields


def _fill(values: list[Any], further: dict[str, Any], prefix: str, fields: Mapping[str, Any]) -> None:
    for name, value in fields.items():
        path = f"{prefix}{name}"
        place = _places().get(path)
        if place is not None and path != FURTHER and fits(columns()[place], value):
            values[place] = value
        elif path in _parents() and isinstance(value, dict) and value:
            _fill(values, further, f"{path}.", value)
        else:
            _put(further, [*prefix.split(".")[:-1], name], value)


def fits(column: Column, value: Any) -> bool:
    """Whether the column can hold this value."""
    kind = column.kind
    if kind in ("text", "time"):
        return isinstance(value, str)
    if kind == "texts":
        return isinstance(value, list) and all(isinstance(one, str) for one in value)
    if kind == "count":
        return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 63
    if kind == "flag":
        return isinstance(value, bool)
    if kind == "any":
        return True
    if kind == "records":
        return isinstance(value, list) and all(_is_member(column, one) for one in value)
    return isinstance(value, dict)


def _is_member(column: Column, value: Any) -> bool:
    known = {member.name: member for member in column.members}
    return isinstance(value, dict) and all(name in known and fits(known[name], one) for name, one in value.items())


def _put(fields: dict[str, Any], path: list[str], value: Any) -> None:
    for name in path[:-1]:
        fields = fields.setdefault(name, {})
    fields[path[-1]] = value


def _wider(one: str, other: str) -> str:
    """What holds the values of two kinds of record that use one name for different things."""
    return "text" if {one, other} == {"text", "time"} else "any"


def _kind(field: Field) -> str:
    if field.type in _LISTS:
        return "texts"
    return {"text": "text", "digest": "text", "tag": "text"}.get(field.type, field.type)


def _fields() -> Iterator[Field]:
    """What every record has, what the log adds, then each schema's own."""
    known = list(schemas().values())
    shared = set.intersection(*({field.name for field in schema.fields} for schema in known))
    yield from (field for field in known[0].fields if field.name in shared)
    yield from written_fields()
    for schema in known:
        yield from schema.fields


def _merge(fields: dict[str, Any], rest: Mapping[str, Any]) -> None:
    for name, value in rest.items():
        if name in fields and isinstance(value, dict):
            _merge(fields[name], value)
        else:
            fields[name] = value


def json_text(value: Any) -> str:
    """A list or object in one cell."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
