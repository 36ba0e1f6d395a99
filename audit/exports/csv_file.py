"""CSV by RFC 4180: every record a line, every field of the leaf's table a column; harmless in a spreadsheet.

UTF-8 without a mark, CRLF, a header line, every text in quotes; lists and objects as JSON. `audit.exports.cells` says
what is escaped, and undoes it. The first four columns say where a record lies and whether the log verified.
"""

from collections.abc import Mapping
from typing import Any

from audit.exports.cells import quoted, read_cell
from audit.exports.columns import columns, fields_of, json_text, values_of
from audit.exports.population import Population
from audit.exports.sinks import Writes
from audit.reading import LoggedRecord

LEADING_COLUMNS = ("log", "record", "leaf_hash", "verified")
_FLAGS = {"true": True, "false": False}
_FLUSHED = 256  # lines written at once


class CsvExport:
    """Every selected record, decisions and others."""

    def __init__(self, population: Population, at: Writes) -> None:
        self._at = at
        self._log = quoted(population.origin)
        self._verified = "true" if population.is_verified else "false"
        self._columns = columns()
        names = (*LEADING_COLUMNS, *(column.name for column in columns()))
        self._lines = [",".join(quoted(name) for name in names) + "\r\n"]

    def add(self, record: LoggedRecord) -> None:
        cells = [
            quoted(json_text(value)) if column.kind == "any" and value is not None else _cell(value)
            for column, value in zip(self._columns, values_of(record.fields), strict=True)
        ]
        head = f'{self._log},{record.index},"{record.hash.hex()}",{self._verified},'
        self._lines.append(f"{head}{','.join(cells)}\r\n")
        if len(self._lines) >= _FLUSHED:
            self._flush()

    def finish(self) -> None:
        self._flush()

    def _flush(self) -> None:
        self._at.write("".join(self._lines).encode())
        self._lines.clear()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    return quoted(json_text(value))


def fields_of_row(row: Mapping[str, str]) -> dict[str, Any]:
    """A leaf's fields from one line as `csv.DictReader` gives it."""
    return fields_of([_value(column.kind, row[column.name]) for column in columns()])


def _value(kind: str, written: str) -> Any:
    if written == "":
        return None
    if kind == "count":
        return int(written)
    if kind == "flag":
        return _FLAGS[written]
    text = read_cell(written)
    if kind in ("text", "time"):
        return text
    import orjson

    return orjson.loads(text)
