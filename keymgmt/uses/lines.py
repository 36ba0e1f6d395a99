"""Lines of recorded uses as values: those of a Transit keyring, and those of the KMS plugin's own log.

The plugin's process log may hold other lines, and a prefix before each record; a line without a JSON object is not
ours. Uses that asked no key service have no counterpart and are left out.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from keymgmt.uses.book import waiting, written_lines
from keymgmt.uses.reconcile import RecordedUse
from keymgmt.uses.vault_audit import UnreadableLine

SERVICE = {"operation", "region", "key", "key_id", "version", "request_id", "at", "seconds", "outcome"}
# outcomes that leave open what the key service did: of the keyring, then of the plugin
LOST = {"TooSlow", "Unreachable", "AnswerInvalid", "Busy", "interrupted", "unreachable", "stale", "busy", "fault"}
PLUGIN = {"operation", "region", "key_id", "version", "bound", "uid", "at", "seconds", "asked", "outcome"}


def read_uses(path: Path, plugin_key: str) -> Iterator[RecordedUse | UnreadableLine]:
    """Every use in a file, or in a folder with a book. `plugin_key`: what the key service calls the plugin's key."""
    if path.is_dir():
        for page in waiting(path):
            yield from uses(written_lines(page.read_bytes()).splitlines(), plugin_key)
        return
    with path.open("rb") as file:
        yield from uses(file, plugin_key)


def uses(lines: Iterable[bytes], plugin_key: str) -> Iterator[RecordedUse | UnreadableLine]:
    """As `read_uses`."""
    for number, line in enumerate(lines, 1):
        start = line.find(b"{")
        if start < 0:
            continue
        try:
            said = orjson.loads(line[start:])
            found = _use(said, plugin_key)
        except (ValueError, TypeError, KeyError, AttributeError):
            yield UnreadableLine(number, "is no record of a use")
            continue
        if found is not None:
            yield found


def _use(said: dict[str, Any], plugin_key: str) -> RecordedUse | None:
    """Raises KeyError for what is neither kind."""
    names = set(said)
    if names >= SERVICE:
        if not said["key"] or not said.get("asked", True):
            return None  # no key service was asked
        operation, key, request_id = said["operation"], said["key"], said["request_id"]
    elif names >= PLUGIN:
        if not said["asked"]:
            return None
        operation, key, request_id = "decrypt", plugin_key, said.get("request_id", "")
    else:
        raise KeyError("neither kind of record")
    begin = datetime.fromisoformat(said["at"])
    if begin.tzinfo is None:
        raise ValueError("a time without its zone")
    return RecordedUse(
        operation=operation,
        region=said["region"],
        key=key,
        version=int(said["version"]),
        request_id=request_id,
        begin=begin,
        seconds=float(said["seconds"]),
        ok=said["outcome"] == "ok",
        lost=said["outcome"] in LOST,
    )
