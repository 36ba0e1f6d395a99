"""`key-use` records of an audit log as uses that a key service must know of. Pure; nothing is verified here.

A record stands for many uses: each request id is one, and those without an id are so many in its time. A record whose
`source` was read before is the same page of a book, taken up twice, and counts once.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from keymgmt.uses.lines import LOST
from keymgmt.uses.reconcile import RecordedUse
from keymgmt.uses.tallies import UNREADABLE
from keymgmt.uses.vault_audit import UnreadableLine

SCHEMA = "bailiwick.key-use/"


def logged_uses(leaves: Iterable[tuple[int, Mapping[str, Any]]]) -> Iterator[RecordedUse | UnreadableLine]:
    """Records of any kind with their numbers, in order; those of other kinds are left out."""
    seen: set[str] = set()
    for number, leaf in leaves:
        if not str(leaf.get("schema")).startswith(SCHEMA):
            continue
        source = str(leaf.get("source", ""))
        if source and source in seen:
            continue
        seen.add(source)
        if leaf.get("key_operation") == UNREADABLE:
            yield UnreadableLine(number, f"counts {leaf['count']} lines of a book that nobody can read")
        elif leaf.get("service_key") and leaf.get("asked"):
            yield from _uses(number, leaf)


def _uses(number: int, leaf: Mapping[str, Any]) -> Iterator[RecordedUse]:
    begin, end = datetime.fromisoformat(leaf["begun"]), datetime.fromisoformat(leaf["ended"])
    ids = leaf.get("request_ids", ())
    counted = [(one, 1) for one in ids]
    if left := leaf["asked"] - len(ids):
        counted.append(("", left))
    for request_id, count in counted:
        yield RecordedUse(
            operation=leaf["key_operation"],
            region=leaf.get("key_region", ""),
            key=leaf["service_key"],
            version=leaf.get("key_version", 0),
            request_id=request_id,
            begin=begin,
            seconds=(end - begin).total_seconds(),
            ok=leaf["outcome"] == "ok",
            lost=leaf["outcome"] in LOST,
            count=count,
            where=f"record {number}",
        )
