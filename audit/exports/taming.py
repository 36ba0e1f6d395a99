"""A record of a log that doesn't verify, made fit to be shown: anything may stand in it.

Fields of another type than the table's are dropped, and those that every decision has are put in where they lack. The
leaf's bytes and its hash stay what they are: NDJSON and CSV say what really stands there.
"""

from dataclasses import replace
from datetime import datetime
from typing import Any

from audit.exports.columns import columns, fields_of, values_of
from audit.exports.sinks import is_decision
from audit.reading import LoggedRecord

MISSING = "(missing)"
_EPOCH = "1970-01-01T00:00:00.000000Z"


def tame(record: LoggedRecord) -> LoggedRecord:
    """The record with fields that can be counted on."""
    if record.unreadable:
        return record
    values = values_of(record.fields)
    fields = fields_of([None if column.kind in ("any", "json") else value for column, value in _pairs(values)])
    fields["time"] = _time(fields.get("time"))
    if is_decision(record):
        for name in ("gvk", "operation", "verdict", "id"):
            fields.setdefault(name, MISSING)
    for reason in fields.get("reasons", ()):
        reason.setdefault("code", MISSING)
    written = fields.setdefault("written", {})
    for part in written.get("sealed", ()):
        part.setdefault("key", MISSING)
    if "tenant" in written:
        written["tenant"].setdefault("seq", 0)
    return replace(record, fields=fields)


def _pairs(values: list[Any]) -> list[tuple[Any, Any]]:
    return [
        (column, [dict(one) for one in value] if column.kind == "records" and value else value)
        for column, value in zip(columns(), values, strict=True)
    ]


def _time(given: object) -> str:
    try:
        datetime.fromisoformat(str(given).replace("Z", "+00:00")).astimezone()
    except (ValueError, OverflowError):
        return _EPOCH
    return str(given)
