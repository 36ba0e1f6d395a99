"""The leaf's table as the code sees it: `leaf.yaml`, read once."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

TABLE = Path(__file__).with_name("leaf.yaml")
_NOT_ALWAYS = ("sealed[].key", "tenant.prev")  # a key may have no name; a tenant's first record follows on none
_WRITTEN = re.compile(r"bailiwick\.(?P<name>[a-z-]+)/v(?P<version>[1-9][0-9]{0,5})")


@dataclass(frozen=True, slots=True)
class Field:
    """One row of the table. `name` is a path: `tags.user`, `reasons[].code`."""

    name: str
    type: str
    kept: str  # clear, tag, digest or sealed
    personal: bool
    since: int
    meaning: str
    required: bool = False
    limit: int = 0  # characters of a text
    items: int = 0  # entries of a list
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Schema:
    """One kind of record: its fields in the leaf, and those that may only be sealed."""

    name: str  # with its version, as records carry it: `bailiwick.decision/v2`
    version: int
    meaning: str
    fields: tuple[Field, ...]
    sealed: tuple[Field, ...]

    def at(self, version: int) -> "Schema":
        """The schema as it was when that version was the newest."""
        kept = [tuple(field for field in fields if field.since <= version) for fields in (self.fields, self.sealed)]
        return replace(self, name=_named(self.name, version), version=version, fields=kept[0], sealed=kept[1])


@cache
def schemas() -> dict[str, Schema]:
    """Every schema of the table by its short name; reads `leaf.yaml` the first time."""
    table = _table()
    return {name: _schema(name, row, common_fields()) for name, row in table["schemas"].items()}


def parse_schema(written: str) -> tuple[str, int]:
    """Short name and version of what a leaf says under `schema`. Raises ValueError for another's."""
    found = _WRITTEN.fullmatch(written)
    if found is None:
        raise ValueError(f"`{written[:64]}` is no schema of ours")
    return found["name"], int(found["version"])


def _schema(name: str, row: Mapping[str, Any], common: Sequence[Field]) -> Schema:
    fields = (*common, *(_field(one) for one in row["fields"]))
    sealed = tuple(_field(one) for one in row.get("sealed", ()))
    version = max(field.since for field in (*fields, *sealed))
    return Schema(_named(f"bailiwick.{name}/v0", version), version, row["meaning"], fields, sealed)


def _named(name: str, version: int) -> str:
    return f"{name.rpartition('/')[0]}/v{version}"


@cache
def written_fields() -> tuple[Field, ...]:
    """The rows that only the log sets, under `written`."""
    return tuple(_field(row) for row in _table()["written"])


def fields_of_written() -> list[Field]:
    """The members of `written` by their own names, and which a log always writes."""
    named = ((field, field.name.partition(".")[2]) for field in written_fields())
    return [replace(field, name=name, required=name not in _NOT_ALWAYS) for field, name in named]


@cache
def common_fields() -> tuple[Field, ...]:
    """The rows that every record has."""
    return tuple(_field(row) for row in _table()["common"])


@cache
def table_digest() -> bytes:
    """SHA-256 of the table's file: the genesis record names it."""
    return hashlib.sha256(TABLE.read_bytes()).digest()


@cache
def _table() -> dict[str, Any]:
    import yaml  # here, since only a process that writes or explains records should pay for it

    loaded: dict[str, Any] = yaml.safe_load(TABLE.read_bytes())
    return loaded


def _field(row: Mapping[str, Any]) -> Field:
    return Field(**{**row, "choices": tuple(row.get("choices", ()))})
