"""The control map as the code sees it (`controls.yaml`), and the count of the records that bear on each control.

Evidence and its limits, never a verdict: nothing here says that a control is met.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from audit.reading import LoggedRecord

TABLE = Path(__file__).with_name("controls.yaml")


@dataclass(frozen=True, slots=True)
class Evidence:
    """A kind of evidence and how its records are known. `whole`: a property of the log, not of records."""

    name: str
    meaning: str
    schemas: frozenset[str] = frozenset()
    field: tuple[str, ...] = ()
    verdicts: frozenset[str] = frozenset()
    whole: bool = False

    def is_in(self, schema: str, fields: Mapping[str, Any]) -> bool:
        """Whether a record is such evidence. `schema` is its short name."""
        if self.whole or (self.schemas and schema not in self.schemas):
            return False
        if self.verdicts and fields.get("verdict") not in self.verdicts:
            return False
        value: Any = fields
        for name in self.field:
            value = value.get(name) if isinstance(value, Mapping) else None
        return not self.field or bool(value)


@dataclass(frozen=True, slots=True)
class Source:
    """Where controls come from."""

    name: str
    short: str
    title: str
    href: str


@dataclass(frozen=True, slots=True)
class Control:
    """One control: what it asks, what supports it here, what that doesn't show."""

    id: str
    source: Source
    reference: str
    asks: str
    evidence: tuple[Evidence, ...]
    shows: str
    limits: str


def _zeroes() -> dict[str, int]:
    return dict.fromkeys((one.name for one in kinds_of_evidence()), 0)


@dataclass(slots=True)
class Tally:
    """Counts the records of each kind of evidence."""

    counts: dict[str, int] = field(default_factory=_zeroes)
    records: int = 0
    begin: str = ""  # times of the earliest and the latest record
    end: str = ""

    def add(self, record: LoggedRecord) -> None:
        """Take in a record."""
        fields = record.fields
        schema = str(fields.get("schema", "")).removeprefix("bailiwick.").partition("/")[0]
        time = str(fields.get("time", ""))
        self.records += 1
        if record.unreadable:
            return
        self.begin, self.end = min(self.begin or time, time), max(self.end, time)
        for one in _counted():
            if one.is_in(schema, fields):
                self.counts[one.name] += 1

    def found(self, control: Control, *, verified: bool) -> list[str]:
        """What there is for a control, in words; what of the whole log holds only when it was verified."""
        counted = [one for one in control.evidence if self.counts[one.name]]
        words = [f"{self.counts[one.name]:,} {one.meaning}" for one in counted]
        return words + [one.meaning for one in control.evidence if one.whole and verified]

    def missing(self, control: Control) -> list[str]:
        """What would bear on it, and of which there is no record here."""
        return [one.meaning for one in control.evidence if not one.whole and not self.counts[one.name]]


@cache
def controls() -> tuple[Control, ...]:
    """Every control of the map, in its order; reads `controls.yaml` the first time."""
    table = _table()
    sources = {name: Source(name, row["short"], row["title"], row["href"]) for name, row in table["sources"].items()}
    known = {one.name: one for one in kinds_of_evidence()}
    return tuple(
        Control(
            id=row["id"],
            source=sources[row["source"]],
            reference=row["reference"],
            asks=row["asks"],
            evidence=tuple(known[name] for name in row["evidence"]),
            shows=row["shows"],
            limits=row["limits"],
        )
        for row in table["controls"]
    )


@cache
def kinds_of_evidence() -> tuple[Evidence, ...]:
    """Every kind of evidence."""
    return tuple(
        Evidence(
            name=name,
            meaning=row["meaning"],
            schemas=frozenset(row.get("schema", ())),
            field=tuple(row["field"].split(".")) if "field" in row else (),
            verdicts=frozenset(row.get("verdict", ())),
            whole=row.get("whole", False),
        )
        for name, row in _table()["evidence"].items()
    )


def control_map(tally: Tally, *, verified: bool) -> list[dict[str, Any]]:
    """The map with what was found for each control, as plain data."""
    return [
        {
            "asks": control.asks,
            "doesNotShow": control.limits,
            "evidence": {one.name: tally.counts[one.name] for one in control.evidence if not one.whole},
            "evidenceOfTheWholeLog": [one.name for one in control.evidence if one.whole] if verified else [],
            "href": control.source.href,
            "id": control.id,
            "reference": control.reference,
            "shows": control.shows,
            "source": control.source.title,
        }
        for control in controls()
    ]


@cache
def _counted() -> tuple[Evidence, ...]:
    return tuple(one for one in kinds_of_evidence() if not one.whole)


@cache
def _table() -> dict[str, Any]:
    import yaml  # here, since only an export pays for it

    loaded: dict[str, Any] = yaml.safe_load(TABLE.read_bytes())
    return loaded
