"""What a page of a book of uses comes to: uses of one kind counted together, as fields of `key-use` records. Pure.

Guarantees that every line is in exactly one count, a line that can't be read too, and that every request id of a key
service stands in one of them. Uses are of one kind when key, version, operation, task and outcome are the same.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from typing import Any

import orjson

from keymgmt.uses.use import KeyUse

IDS_AT_ONCE = 1000  # of one record, so that it fits into a leaf
UNREADABLE = "unreadable"
OPERATIONS = frozenset(
    {"sign", "decrypt", "encrypt", "hmac", "create", "stage", "activate", "rotate", "revoke", "destroy"}
)
_NAMES = frozenset(one.name for one in fields(KeyUse))


@dataclass(slots=True)
class Tally:
    """Uses of one kind."""

    first: KeyUse
    begun: datetime
    ended: datetime
    count: int = 0
    asked: int = 0
    request_ids: list[str] = field(default_factory=list)

    def add(self, use: KeyUse, begun: datetime, ended: datetime) -> None:
        """One more."""
        self.begun, self.ended = min(self.begun, begun), max(self.ended, ended)
        self.count += 1
        self.asked += use.asked
        if use.request_id:
            self.request_ids.append(use.request_id)

    def fields(self) -> dict[str, object]:
        """As a leaf has them; times are in UTC."""
        use = self.first
        return {
            "key_operation": use.operation,
            "task": use.task,
            "outcome": use.outcome,
            "count": self.count,
            "asked": self.asked,
            "begun": self.begun,
            "ended": self.ended,
            "key": use.key_id,
            "key_version": use.version,
            "key_region": use.region,
            "lineage": use.lineage,
            "purpose": use.purpose,
            "service_key": use.key,
            "request_ids": self.request_ids,
        }


def tallied(lines: bytes, page: str) -> list[dict[str, object]]:
    """The records of a page of this name, in the order of their first uses. Each says its `source`."""
    found: list[Tally] = []
    open_ones: dict[tuple[object, ...], Tally] = {}
    bad = 0
    for said in parsed_uses(lines):
        if said is None:
            bad += 1
            continue
        use, begun = said
        kind = (use.operation, use.task, use.outcome, use.key_id, use.version, use.region, use.key)
        tally = open_ones.get(kind)
        if tally is None or len(tally.request_ids) >= IDS_AT_ONCE:
            tally = open_ones[kind] = Tally(use, begun, begun)
            found.append(tally)
        tally.add(use, begun, begun + timedelta(seconds=use.seconds))
    made = [tally.fields() for tally in found]
    if bad:
        made.append({"key_operation": UNREADABLE, "outcome": UNREADABLE, "count": bad})
    return [one | {"source": f"{page}/{number}"} for number, one in enumerate(made)]


def parsed_uses(lines: bytes) -> Iterator[tuple[KeyUse, datetime] | None]:
    """Each line as a use, and when it began; None for one that is none."""
    for line in lines.splitlines():
        try:
            yield _use(orjson.loads(line))
        except (ValueError, TypeError, KeyError, OverflowError):
            yield None


def _use(said: dict[str, Any]) -> tuple[KeyUse, datetime]:
    use = KeyUse(**{name: said[name] for name in _NAMES})
    begun = datetime.fromisoformat(use.at)
    texts: Sequence[object] = (use.operation, use.task, use.outcome, use.key_id, use.region, use.key, use.request_id)
    if begun.utcoffset() != timedelta(0) or not all(isinstance(text, str) for text in texts):
        raise ValueError("no use of ours")
    if use.operation not in OPERATIONS or not 0 <= float(use.seconds) < 1e6 or type(use.version) is not int:
        raise ValueError("no use of ours")
    return use, begun
