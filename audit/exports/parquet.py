"""Parquet with typed columns, for the tools of an audit department. Needs pyarrow (`bailiwick[parquet]`).

The columns are those of CSV: times are timestamps with microseconds in UTC, counts 64-bit integers, lists are lists,
lists of objects lists of structs. `cut` and `further` are JSON texts. The file's metadata holds the checkpoint's note.
"""

from datetime import UTC, datetime
from importlib import import_module
from typing import Any

from audit.errors import AuditError
from audit.exports.columns import Column, columns, json_text, values_of
from audit.exports.population import Population
from audit.exports.sinks import Writes
from audit.reading import LoggedRecord

_GROUP = 4_000  # records of a row group: what is held in memory


class ParquetMissing(AuditError):
    """pyarrow isn't installed."""

    hint = "install `bailiwick[parquet]`"


class ParquetExport:
    """Every selected record. Raises ParquetMissing at once where pyarrow isn't installed."""

    def __init__(self, population: Population, at: Writes) -> None:
        try:
            self._arrow: Any = import_module("pyarrow")
            parquet: Any = import_module("pyarrow.parquet")
        except ImportError as error:
            raise ParquetMissing("Parquet needs the package pyarrow") from error
        self._origin, self._verified = population.origin, population.is_verified
        self._schema = _schema(self._arrow, population)
        self._writer: Any = parquet.ParquetWriter(at, self._schema, compression="zstd")
        self._rows: list[list[Any]] = []

    def add(self, record: LoggedRecord) -> None:
        values = values_of(record.fields)
        for place, column in enumerate(columns()):
            if values[place] is not None and column.kind in ("time", "json", "any"):
                values[place] = _time(values[place]) if column.kind == "time" else json_text(values[place])
        self._rows.append([self._origin, record.index, record.hash.hex(), self._verified, *values])
        if len(self._rows) >= _GROUP:
            self._write()

    def finish(self) -> None:
        if self._rows:
            self._write()
        self._writer.close()

    def _write(self) -> None:
        arrays = [
            self._arrow.array(values, type=field.type)
            for values, field in zip(zip(*self._rows, strict=True), self._schema, strict=True)
        ]
        self._writer.write_table(self._arrow.Table.from_arrays(arrays, schema=self._schema))
        self._rows.clear()


def _schema(pyarrow: Any, population: Population) -> Any:
    leading = [
        pyarrow.field("log", pyarrow.string(), nullable=False),
        pyarrow.field("record", pyarrow.int64(), nullable=False),
        pyarrow.field("leaf_hash", pyarrow.string(), nullable=False),
        pyarrow.field("verified", pyarrow.bool_(), nullable=False),
    ]
    fields = [pyarrow.field(column.name, _type(pyarrow, column)) for column in columns()]
    metadata = {"bailiwick.checkpoint": population.note, "bailiwick.warning": population.warning().encode()}
    if population.unread():
        metadata["bailiwick.unreadable"] = json_text(population.unread()).encode()
    return pyarrow.schema(leading + fields, metadata=metadata)


def _type(pyarrow: Any, column: Column) -> Any:
    if column.kind == "records":
        return pyarrow.list_(pyarrow.struct([pyarrow.field(one.name, _type(pyarrow, one)) for one in column.members]))
    return {
        "text": pyarrow.string(),
        "json": pyarrow.string(),
        "any": pyarrow.string(),
        "time": pyarrow.timestamp("us", tz="UTC"),
        "count": pyarrow.int64(),
        "flag": pyarrow.bool_(),
        "texts": pyarrow.list_(pyarrow.string()),
    }[column.kind]


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(UTC)
