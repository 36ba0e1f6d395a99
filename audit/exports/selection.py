"""Which records an export takes: a period, namespaces, tenants. Pure.

A selection by namespace or tenant is *narrow*: nothing of anybody else may show in what is made of it, so records that
belong to nobody (starts, policy loads) are left out too, and statements about the whole log are not repeated.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

_TIME = "%Y-%m-%dT%H:%M:%S.%fZ"


@dataclass(frozen=True, slots=True)
class Selection:
    """`since` inclusive, `until` exclusive; what belongs to any of `namespaces` or `tenants`, or everything."""

    since: datetime | None = None
    until: datetime | None = None
    namespaces: frozenset[str] = frozenset()
    tenants: frozenset[str] = frozenset()  # keyed tags, as in `tags.tenant`
    known: frozenset[str] = frozenset()  # the tags of `namespaces`, learned from the log

    @property
    def is_narrow(self) -> bool:
        """Whether it is somebody's part of the log."""
        return bool(self.namespaces or self.tenants)

    @property
    def is_everything(self) -> bool:
        """Whether nothing is left out."""
        return self == Selection()

    def chooser(self) -> "Chooser":
        """A compiled form for very many records."""
        return Chooser(
            stamp(self.since) if self.since else "",
            stamp(self.until) if self.until else "",
            frozenset(_written(self.namespaces)),
            self.tenants | self.known,
        )

    def said(self) -> str:
        """In words; empty when everything is taken."""
        words = []
        if self.namespaces:
            words.append("namespaces " + ", ".join(_written(self.namespaces)))
        if self.tenants:
            words.append("tenants " + ", ".join(_written(self.tenants)))
        if self.since:
            words.append(f"since {stamp(self.since)}")
        if self.until:
            words.append(f"before {stamp(self.until)}")
        return "; ".join(words)

    def plain(self) -> dict[str, Any]:
        """For a manifest; without what isn't chosen."""
        chosen = {
            "namespaces": _written(self.namespaces),
            "since": stamp(self.since) if self.since else "",
            "tenants": _written(self.tenants),
            "until": stamp(self.until) if self.until else "",
        }
        return {name: value for name, value in chosen.items() if value}


@dataclass(frozen=True, slots=True)
class Chooser:
    """Compares times as texts: a record's time is always in UTC with six digits."""

    since: str
    until: str
    namespaces: frozenset[str]
    tenants: frozenset[str]

    def takes(self, fields: Mapping[str, Any]) -> bool:
        """Whether a record with these fields is chosen."""
        time = str(fields.get("time", ""))
        if time < self.since or (self.until and time >= self.until):
            return False
        if not self.namespaces and not self.tenants:
            return True
        return fields.get("namespace") in self.namespaces or tenant_of(fields) in self.tenants


def tenant_of(fields: Mapping[str, Any]) -> str:
    """The keyed tag of the record's tenant, empty without one."""
    tags = fields.get("tags")
    return str(tags.get("tenant", "")) if isinstance(tags, Mapping) else ""


def _written(names: frozenset[str]) -> list[str]:
    """In order, and as records write them: what UTF-8 can't hold as an escape."""
    return sorted(name.encode("utf-8", "backslashreplace").decode() for name in names)


def stamp(time: datetime) -> str:
    """A time as records write it."""
    return time.astimezone(UTC).strftime(_TIME)
