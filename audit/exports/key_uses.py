"""The section on keys at work: how often each was used, for what, and how that ended.

A record counts the uses of a minute; here they are added up. A page of uses that was taken up twice (`source`) counts
once; such records lie close to each other.
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from audit.exports.markup import table_section

SCHEMA = "bailiwick.key-use/"
MOST = 60
_KINDS = 10_000  # more are added up under one name
_SOURCES = 4096  # remembered
_COLUMNS = ("Uses", "Operation", "For", "Key", "Purpose", "Outcome", "First", "Last")

Kind = tuple[str, str, str, str, str]  # operation, task, key with its version, purpose, outcome
OTHERS: Kind = ("(others)", "", "", "", "")


@dataclass(slots=True)
class Used:
    """Uses of one kind."""

    count: int = 0
    first: str = ""
    last: str = ""


@dataclass(slots=True)
class KeyUses:
    """The sums so far."""

    by_kind: dict[Kind, Used] = field(default_factory=dict)
    _sources: "OrderedDict[str, None]" = field(default_factory=OrderedDict)

    def add(self, fields: Mapping[str, Any]) -> None:
        """Take in a record's uses."""
        if self._is_known(str(fields.get("source", ""))):
            return
        kind = _kind(fields)
        used = self.by_kind.get(kind)
        if used is None:
            used = self.by_kind.setdefault(kind if len(self.by_kind) < _KINDS else OTHERS, Used())
        count = fields.get("count", 0)
        used.count += count if isinstance(count, int) else 0
        begun, ended = str(fields.get("begun", "")), str(fields.get("ended", ""))
        used.first, used.last = min(used.first or begun, begun), max(used.last, ended)

    def _is_known(self, source: str) -> bool:
        if not source or source in self._sources:
            return bool(source)
        self._sources[source] = None
        if len(self._sources) > _SOURCES:
            self._sources.popitem(last=False)
        return False


def section(uses: KeyUses) -> str:
    """Nothing, where no key was used."""
    if not uses.by_kind:
        return ""
    found = sorted(uses.by_kind.items(), key=lambda one: (-one[1].count, one[0]))
    rows = [
        (f"{used.count:,}", operation, task, key, purpose, outcome, _time(used.first), _time(used.last))
        for (operation, task, key, purpose, outcome), used in found[:MOST]
    ]
    left = len(found) - len(rows)
    note = f"{left:,} more kinds are left out." if left else ""
    return table_section("Uses of keys", _COLUMNS, rows, note, counts=1)


def _kind(fields: Mapping[str, Any]) -> Kind:
    version = f" v{fields['key_version']}" if fields.get("key_version") else ""
    names = [str(fields.get(name, "")) for name in ("key_operation", "task", "key", "purpose", "outcome")]
    return names[0], names[1], f"{names[2]}{version}", names[3], names[4]


def _time(time: str) -> str:
    return f"{time[:16].replace('T', ' ')} UTC" if time else ""
