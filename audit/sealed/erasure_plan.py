"""What an erasure would take: the sealed parts of the records in its scope, and the holds that stand against it. Pure.

Guarantees that equal logs and equal scopes give equal plans, down to the bytes that people approve, so that what was
approved is what is erased. Records themselves are never touched.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import orjson

from audit.errors import AuditError
from audit.reading import LoggedRecord
from audit.whole import Place

ACTION = "bailiwick.dev/audit/erase"
Kind = Literal["records", "namespace", "user", "retention"]

_APPROVED: dict[str, Kind] = {"records": "records", "namespace": "namespace", "user": "user"}


class ErasureRefused(AuditError):
    """Nothing was erased; `hint` says what to do."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose parts: those of some records, of a namespace, of a user by tag, or those whose time is over."""

    kind: Kind
    namespace: str = ""
    user: str = ""  # keyed tag
    key: str = ""  # id of the key that made it
    records: frozenset[Place] = frozenset()
    record_class: str = ""  # for retention: the data class, empty for every other
    before: str = ""  # for retention: older records than this time
    keep: frozenset[str] = frozenset()  # for retention: classes that have a time of their own
    shared: bool = False  # for retention: what decisions share, and not the decisions

    def takes(self, place: Place, leaf: Mapping[str, Any]) -> bool:
        """Whether a record with sealed parts lies in the scope."""
        tags = leaf.get("tags") or {}
        match self.kind:
            case "records":
                return place in self.records
            case "namespace":
                return bool(self.namespace) and leaf.get("namespace") == self.namespace
            case "user":
                return bool(self.user) and tags.get("user") == self.user and tags.get("key") == self.key
            case "retention":
                return str(leaf["time"]) < self.before and self._is_of_class(leaf)

    def _is_of_class(self, leaf: Mapping[str, Any]) -> bool:
        schema = str(leaf["schema"]).partition("/")[0]
        if self.shared or schema != "bailiwick.decision":
            return self.shared and schema == "bailiwick.inputs"
        data_class = leaf.get("data_class", "")
        return bool(data_class == self.record_class if self.record_class else data_class not in self.keep)

    def fields(self) -> dict[str, object]:
        """The scope as an erasure record says it."""
        said: dict[str, object] = {"scope": self.kind, "namespace": self.namespace, "record_class": self.record_class}
        if self.before:
            said["before"] = self.before
        if self.user:
            said["tags"] = {"user": self.user, "key": self.key}
        return said


@dataclass(frozen=True, slots=True)
class Chosen:
    """One record whose parts would go."""

    place: Place
    namespace: str
    user: str
    parts: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Hold:
    """A legal hold that stands."""

    name: str
    kind: str
    namespace: str = ""
    user: str = ""
    first: int = 0
    end: int = 0

    def covers(self, record: Chosen) -> bool:
        """Whether it forbids to erase this record's parts."""
        match self.kind:
            case "namespace":
                return record.namespace == self.namespace
            case "user":
                return record.user == self.user
            case "records":
                return self.first <= record.place[1] < self.end  # of whichever shard: rather too much than too little
        return True  # all; and a kind that a newer release knows is better taken for more than for less


@dataclass(slots=True)
class Survey:
    """What a log says about a scope, as of its records before `end`."""

    scope: Scope
    end: Place
    chosen: list[Chosen] = field(default_factory=list)
    holds: dict[str, Hold] = field(default_factory=dict)
    erased: set[bytes] = field(default_factory=set)
    nonces: set[str] = field(default_factory=set)
    unread: list[Place] = field(default_factory=list)  # records that nobody can read: whose parts they name is unknown
    actions: dict[str, set[bytes]] = field(default_factory=dict)  # parts that each approved action declared already

    def take(self, shard: int, record: LoggedRecord) -> None:
        """Take in the next record. Holds and erasures count wherever they stand, choices up to the end."""
        if record.unreadable:
            self.unread.append((shard, record.index))
            return
        leaf = record.fields
        schema = str(leaf.get("schema", "")).partition("/")[0].removeprefix("bailiwick.")
        if schema == "hold":
            self._hold(leaf)
        elif schema == "erasure":
            self._erasure(leaf)
        elif schema in ("decision", "inputs") and self._is_chosen((shard, record.index), leaf):
            named = (leaf.get("written") or {}).get("sealed", [])
            parts = tuple(bytes.fromhex(part["sha256"]) for part in named)
            user = str((leaf.get("tags") or {}).get("user", ""))
            self.chosen.append(Chosen((shard, record.index), str(leaf.get("namespace", "")), user, parts))

    def _is_chosen(self, place: Place, leaf: Mapping[str, Any]) -> bool:
        return place < self.end and self.scope.takes(place, leaf)

    def _hold(self, leaf: Mapping[str, Any]) -> None:
        name = str(leaf["hold"])
        if leaf["state"] == "lifted":
            self.holds.pop(name, None)
            return
        user = str((leaf.get("tags") or {}).get("user", ""))
        kind, namespace = str(leaf.get("scope", "all")), str(leaf.get("namespace", ""))
        self.holds[name] = Hold(name, kind, namespace, user, leaf.get("first", 0), leaf.get("end", 0))

    def _erasure(self, leaf: Mapping[str, Any]) -> None:
        parts = {bytes.fromhex(part) for part in leaf["sealed"]}
        self.erased |= parts
        if "nonce" in leaf:
            self.nonces.add(leaf["nonce"])
        if "action" in leaf:
            self.actions.setdefault(leaf["action"], set()).update(parts)

    def held(self) -> dict[str, int]:
        """Holds that stand against it, each with the number of records that it covers."""
        counted: dict[str, int] = {}
        for hold in self.holds.values():
            covered = sum(hold.covers(record) for record in self.chosen)
            if covered:
                counted[hold.name] = covered
        return counted

    def free(self) -> list[Chosen]:
        """The chosen records that no hold covers: what a retention time may take."""
        return [one for one in self.chosen if not any(hold.covers(one) for hold in self.holds.values())]


def parts_of(chosen: Iterable[Chosen]) -> list[bytes]:
    """Every part once, in the order of the records."""
    return list(dict.fromkeys(part for record in chosen for part in record.parts))


def action_bytes(name: str, end: Place, scope: Scope, basis: str, chosen: Iterable[Chosen]) -> bytes:
    """What people approve: canonical JSON that they can read."""
    chosen = list(chosen)
    parts = parts_of(chosen)
    listed = hashlib.sha256(b"".join(sorted(parts))).hexdigest()
    said: dict[str, object] = {
        "action": ACTION,
        "log": name,
        "end": end,
        "scope": scope.kind,
        "basis": basis,
        "chosen": len(chosen),
        "parts": len(parts),
        "digest": listed,
    }
    optional = {"namespace": scope.namespace, "user": scope.user, "key": scope.key, "records": sorted(scope.records)}
    return orjson.dumps(said | {name: value for name, value in optional.items() if value}, option=orjson.OPT_SORT_KEYS)


def parse_action(action: bytes) -> tuple[Place, Scope, str]:
    """End, scope and basis of an action. Raises ErasureRefused."""
    try:
        said = orjson.loads(action)
        kind = _APPROVED[said["scope"]]
        assert said["action"] == ACTION, "another action"
        records = frozenset((int(shard), int(index)) for shard, index in said.get("records", ()))
        shard, index = said["end"]
        scope = Scope(kind, said.get("namespace", ""), said.get("user", ""), said.get("key", ""), records)
        return (int(shard), int(index)), scope, str(said["basis"])
    except (ValueError, KeyError, TypeError, AssertionError) as error:
        hint = "make the request with `bailiwick audit erase --request`"
        raise ErasureRefused(f"this is no request for an erasure: {error}", hint) from error
