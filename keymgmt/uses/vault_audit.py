"""Vault's own audit log (file device, a JSON object a line): what was done with Transit keys, as Vault tells it.

Only requests to the mount that is asked about; a request and its response are one event. Strings in it are hashed, so
which version a ciphertext names is seen only where the mount is tuned with `audit_non_hmac_request_keys=ciphertext`.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

USES = frozenset({"sign", "decrypt", "encrypt", "rewrap", "datakey", "hmac", "cmac", "derive"})
MOVES = frozenset({"export", "byok-export", "backup", "restore", "import"})
VERSION = re.compile(r"vault:v([1-9][0-9]{0,8}):")
LONGEST = 16 << 20  # bytes of a line


@dataclass(frozen=True, slots=True)
class VaultEvent:
    """One request."""

    request_id: str
    time: datetime
    operation: str  # sign, decrypt, ..., export, ..., or `change` for what alters a key
    key: str
    version: int | None  # None: not shown
    ok: bool
    by: str  # the accessor's display name and entity: who asked


@dataclass(frozen=True, slots=True)
class OtherEntry:
    """An entry that is of no key: says only that the log was written then."""

    time: datetime


Entry = VaultEvent | OtherEntry


@dataclass(frozen=True, slots=True)
class UnreadableLine:
    """A line that is no audit entry."""

    line: int
    reason: str


def read_events(path: Path, mount: str, namespace: str = "") -> Iterator[Entry | UnreadableLine]:
    """The events of one mount, in the order of their responses; requests without a response last, as failed."""
    with path.open("rb") as file:
        yield from events(file, mount, namespace)


def events(lines: Iterable[bytes], mount: str, namespace: str = "") -> Iterator[Entry | UnreadableLine]:
    """As `read_events`."""
    waiting: dict[str, VaultEvent] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            entry = orjson.loads(line[:LONGEST])  # a longer line does not parse
            kind, event = entry["type"], _event(entry, f"{mount}/", namespace)
        except (ValueError, TypeError, KeyError, AttributeError):
            yield UnreadableLine(number, "is not an entry of Vault's audit log")
            continue
        if isinstance(event, OtherEntry):
            yield event
        elif kind == "request":
            waiting[event.request_id] = event
        else:
            waiting.pop(event.request_id, None)
            yield event
    yield from waiting.values()


def _event(entry: dict[str, Any], prefix: str, namespace: str) -> Entry:
    request, time = entry["request"], datetime.fromisoformat(re.sub(r"(\.\d{6})\d*", r"\1", entry["time"]))
    path = request["path"]
    if not path.startswith(prefix) or (request.get("namespace") or {}).get("path", "").strip("/") != namespace:
        return OtherEntry(time)
    operation, key = _what(path.removeprefix(prefix).split("/"), request["operation"])
    if not operation:
        return OtherEntry(time)
    auth = entry.get("auth") or {}
    return VaultEvent(
        request_id=request["id"],
        time=time,
        operation=operation,
        key=key,
        version=_version(request.get("data") or {}, (entry.get("response") or {}).get("data") or {}),
        ok=entry["type"] == "response" and not entry.get("error"),
        by=" ".join(filter(None, (auth.get("display_name", ""), auth.get("entity_id", "")))),
    )


def _what(parts: list[str], operation: str) -> tuple[str, str]:
    """What a path does with which key; nothing for what only reads."""
    match parts:
        case ["datakey", _, key, *_]:
            return "datakey", key
        case [verb, key, *_] if verb in USES and operation in ("update", "create"):
            return verb, key
        case ["export" | "byok-export" as verb, _, key, *_]:
            return verb, key
        case ["backup" | "restore" | "import" as verb, key, *_]:
            return verb, key
        case ["keys", key, "import" | "import_version", *_]:
            return "import", key
        case ["keys", key, *rest] if operation not in {"read", "list"}:
            return "/".join(["change", *rest]), key
    return "", ""


def _version(asked: dict[str, Any], answered: dict[str, Any]) -> int | None:
    for value in (answered.get("key_version"), asked.get("key_version")):
        if isinstance(value, int) and value > 0:
            return value
    found = VERSION.match(str(asked.get("ciphertext", "")))
    return int(found[1]) if found else None
