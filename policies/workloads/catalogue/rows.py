"""Catalogue rows: what stands at a path, said in a few fields.

    {at: spec, host: .config.s3Url, region: '.config.region|us-east-1', provider: aws, when: {.type: S3}}

`at` is a catalogue path. A field that begins with a dot is read below it (`.` is the value itself), with a default
behind `|`; any other is meant as it is written. `when` names fields that must have a value (one of a list, `*` any),
`unless` fields that must be absent. Guarantees: never raises; a value of the wrong type counts as absent.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from policies.json import Json
from policies.remembered import remembered
from policies.workloads.catalogue.kinds import Entry
from policies.workloads.catalogue.paths import EACH, EVERY, member, parse

Row = Mapping[str, Any]
_HANDLED = ("at", "when", "unless", "read")


def rows_of(subject: Json, entry: Entry, fact: str, prefix: str = "") -> Iterator[tuple[str, Json, Row]]:
    """Each row of a fact that applies: where, the value there, the row."""
    for path, value, _, row in entry.paths(fact).find(subject, prefix):
        if _applies(row, value):
            yield path, value, row


def said(row: Row, value: Json) -> dict[str, str]:
    """The row's fields as text; a field without value or default is empty."""
    return {name: field(value, text) for name, text in row.items() if name not in _HANDLED and isinstance(text, str)}


def field(value: Json, text: str) -> str:
    """One field of a row as text."""
    if not text.startswith("."):
        return text
    steps, default = _relative(text)
    return as_text(below(value, steps)) or default


def below(value: Json, steps: tuple[str, ...]) -> Json:
    for step in steps:
        value = value.get(step) if isinstance(value, dict) else None
    return value


def as_text(value: Json) -> str:
    """Text as it is, numbers and truth as JSON writes them; empty for anything else."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else ""


def where(path: str, row: Row, value: Json, *names: str) -> str:
    """The path of the first of the named fields that has a value below `at`; the path of `at` when none has."""
    for name in names:
        text = row.get(name, "")
        if isinstance(text, str) and text.startswith("."):
            steps, _ = _relative(text)
            if as_text(below(value, steps)):
                for step in steps:
                    path = member(path, step)
                return path
    return path


def _applies(row: Row, value: Json) -> bool:
    for text, wanted in row.get("when", {}).items():
        found = below(value, _relative(text)[0])
        accepted = wanted if isinstance(wanted, list) else [wanted]
        if found is None or ("*" not in accepted and as_text(found) not in accepted):
            return False
    return not any(below(value, _relative(text)[0]) not in (None, "", [], {}) for text in row.get("unless", ()))


@remembered(4096)
def _relative(text: str) -> tuple[tuple[str, ...], str]:
    """The steps and the default of a field; fields come from the catalogue, so they are few."""
    path, _, default = text.partition("|")
    steps = parse(path.removeprefix("."))
    return tuple(step[1:] for step in steps if step not in (EACH, EVERY)), default
