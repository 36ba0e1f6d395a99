"""What the records add up to: counts by verdict, time, class, place, policy, model, reason; runs; waivers; keys.

Takes records one by one and keeps counts and compact rows, not the records.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from audit.exports.key_uses import SCHEMA as KEY_USE
from audit.exports.key_uses import KeyUses
from audit.reading import LoggedRecord

VERDICTS = ("allowed", "mutated", "warned", "denied", "undetermined")
NONE = "none"
MOST_KEYS = 10_000  # distinct names counted per question; the rest is one line

Counts = dict[str, Counter[str]]  # of what: verdict: how many


@dataclass(frozen=True, slots=True)
class Event:
    """A record that is no decision, nor a count of uses: a start, a policy load, an erasure."""

    index: int
    time: str
    schema: str
    fields: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The schema's short name, such as `policy-load`."""
        return self.schema.removeprefix("bailiwick.").partition("/")[0]


@dataclass(frozen=True, slots=True)
class Row:
    """A decision in the table: what people filter by."""

    index: int
    second: int  # POSIX
    verdict: str
    namespace: str
    kind: str
    operation: str
    data_class: str
    jurisdiction: str
    codes: tuple[str, ...]
    models: tuple[str, ...]


@dataclass(slots=True)
class Summary:
    """The sums so far."""

    rows: list[Row] = field(default_factory=list)
    hashes: list[bytes] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    unread: list[tuple[int, str]] = field(default_factory=list)  # records that nobody can read, and why
    is_part: bool = False  # records may be left out between
    begin: str = ""  # times of the first and last record
    end: str = ""
    silence: tuple[int, str] = (0, "")  # the longest time between two records in seconds, and since when
    setback: tuple[int, int] = (0, 0)  # by how many seconds a record is dated before an earlier one at most, and which
    clusters: Counter[str] = field(default_factory=Counter)
    regions: Counter[str] = field(default_factory=Counter)
    verdicts: Counter[str] = field(default_factory=Counter)
    by_minute: defaultdict[int, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    by_class: Counts = field(default_factory=dict)
    by_jurisdiction: Counts = field(default_factory=dict)
    by_place: Counts = field(default_factory=dict)
    by_isolation: Counts = field(default_factory=dict)
    by_policy: Counts = field(default_factory=dict)  # the policies that matched
    by_failed: Counts = field(default_factory=dict)  # those whose rules failed
    by_model: Counts = field(default_factory=dict)
    by_kind: Counts = field(default_factory=dict)
    reasons: Counter[tuple[str, str]] = field(default_factory=Counter)  # (code, policy) of denials
    waivers: Counter[str] = field(default_factory=Counter)
    latencies: list[int] = field(default_factory=list)  # microseconds
    tag_keys: Counter[str] = field(default_factory=Counter)
    sealed_keys: Counter[str] = field(default_factory=Counter)
    engines: Counter[str] = field(default_factory=Counter)
    key_uses: KeyUses = field(default_factory=KeyUses)

    @property
    def first(self) -> int:
        """The index of the first record."""
        return self.numbers[0] if self.numbers else 0

    @property
    def last(self) -> int:
        """The index after the last record."""
        return self.numbers[-1] + 1 if self.numbers else 0

    def add(self, record: LoggedRecord) -> None:
        """Take in the next record. Raises ValueError when one is out of order, or left out between in a whole."""
        if self.numbers and (record.index < self.last or (record.index > self.last and not self.is_part)):
            raise ValueError(f"record {record.index} does not follow on record {self.last - 1}: give them in order")
        self.numbers.append(record.index)
        self.hashes.append(record.hash)
        if record.unreadable:
            self.unread.append((record.index, record.unreadable))
            return
        fields = record.fields
        time = str(fields.get("time", ""))
        self._heard(record.index, time)
        self.clusters[str(fields.get("cluster", NONE))] += 1
        self.regions[str(fields.get("region", NONE))] += 1
        self.engines[str(fields.get("engine", NONE))] += 1
        for part in fields.get("written", {}).get("sealed", ()):
            self.sealed_keys[part["key"] or "(not named)"] += 1
        schema = str(fields.get("schema", ""))
        if schema.startswith("bailiwick.decision/"):
            self._decision(record.index, time, fields)
        elif schema.startswith(KEY_USE):
            self.key_uses.add(fields)
        else:
            self.events.append(Event(record.index, time, schema, fields))

    def _heard(self, index: int, time: str) -> None:
        if time < self.end:
            self.setback = max(self.setback, (seconds(self.end) - seconds(time), index), key=lambda one: one[0])
        if self.end and time > self.end:
            self.silence = max(self.silence, (seconds(time) - seconds(self.end), self.end), key=lambda one: one[0])
        self.begin, self.end = min(self.begin or time, time), max(self.end, time)

    def _decision(self, index: int, time: str, fields: Mapping[str, Any]) -> None:
        verdict = fields["verdict"]
        second = seconds(time)
        reasons = fields.get("reasons", ())
        models = tuple(fields.get("models", ()))
        self.verdicts[verdict] += 1
        self.by_minute[second // 60][verdict] += 1
        _count(self.by_class, (fields.get("data_class", NONE),), verdict)
        _count(self.by_jurisdiction, (fields.get("jurisdiction", NONE),), verdict)
        _count(self.by_place, [_place(code) for code in fields.get("places", ())] or [NONE], verdict)
        _count(self.by_isolation, (fields.get("isolation", NONE),), verdict)
        _count(self.by_policy, fields.get("policies", ()), verdict)
        _count(self.by_failed, {reason.get("policy", NONE) for reason in reasons}, verdict)
        _count(self.by_model, models, verdict)
        _count(self.by_kind, (fields["gvk"],), verdict)
        if verdict in ("denied", "undetermined"):
            self.reasons.update({(reason["code"], reason.get("policy", "")) for reason in reasons})
        self.waivers.update(fields.get("waivers", ()))
        if "latency_us" in fields:
            self.latencies.append(fields["latency_us"])
        if "key" in fields.get("tags", ()):
            self.tag_keys[fields["tags"]["key"]] += 1
        self.rows.append(
            Row(
                index,
                second,
                verdict,
                fields.get("namespace", ""),
                fields["gvk"],
                f"{fields['operation']}{'/' if 'subresource' in fields else ''}{fields.get('subresource', '')}",
                fields.get("data_class", ""),
                fields.get("jurisdiction", ""),
                tuple(dict.fromkeys(reason["code"] for reason in reasons)),
                models,
            )
        )


def seconds(time: str) -> int:
    """POSIX seconds of a record's time."""
    return int(datetime.fromisoformat(time.replace("Z", "+00:00")).astimezone(UTC).timestamp())


def _place(code: str) -> str:
    return f"anywhere but {code[1:]}" if code.startswith("!") else code


def _count(counts: Counts, names: Any, verdict: str) -> None:
    for name in names:
        known = counts.get(name)
        if known is None:
            known = counts.setdefault(name if len(counts) < MOST_KEYS else "(others)", Counter())
        known[verdict] += 1
