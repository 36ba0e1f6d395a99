"""The leaf's table as the code sees it: `leaf.yaml`, read once."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

TABLE = Path(__file__).with_name("leaf.yaml")


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

    name: str
    meaning: str
    fields: tuple[Field, ...]
    sealed: tuple[Field, ...]


@cache
def schemas() -> dict[str, Schema]:
    """Every schema of the table by its short name; reads `leaf.yaml` the first time."""
    table = _table()
    common = [_field(row) for row in table["common"]]
    return {
        name: Schema(
            name=f"bailiwick.{name}/v{table['version']}",
            meaning=row["meaning"],
            fields=(*common, *(_field(f) for f in row["fields"])),
            sealed=tuple(_field(f) for f in row.get("sealed", ())),
        )
        for name, row in table["schemas"].items()
    }


@cache
def written_fields() -> tuple[Field, ...]:
    """The rows that only the log sets, under `written`."""
    return tuple(_field(row) for row in _table()["written"])


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
