"""Our records of key uses and Vault's own: every way in which the two can part is told, and only those."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keymgmt.reconcile import Kind, RecordedUse, reconcile
from keymgmt.use_lines import uses
from keymgmt.vault_audit import OtherEntry, UnreadableLine, VaultEvent, events

NOW = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def event(number: int, **changes: Any) -> VaultEvent:
    given: dict[str, Any] = {
        "request_id": f"r{number}",
        "time": NOW + number * 10 * SECOND,
        "operation": "decrypt",
        "key": "archive",
        "version": 1,
        "ok": True,
        "by": "approle",
    }
    return VaultEvent(**(given | changes))


def use(number: int, **changes: Any) -> RecordedUse:
    given: dict[str, Any] = {
        "operation": "decrypt",
        "region": "eu-de",
        "key": "archive",
        "version": 1,
        "request_id": f"r{number}",
        "begin": NOW + number * 10 * SECOND,
        "seconds": 0.01,
        "ok": True,
    }
    return RecordedUse(**(given | changes))


def kinds(theirs: list[Any], ours: list[Any], **options: Any) -> list[Kind]:
    return [one.kind for one in reconcile(theirs, ours, "eu-de", **options).differences]


EVENTS, USES = [event(number) for number in range(4)], [use(number) for number in range(4)]


@given(st.permutations(range(4)), st.permutations(range(4)))
def test_g10_order_does_not_matter(theirs: list[int], ours: list[int]) -> None:
    """The same records in any order agree."""
    found = reconcile([EVENTS[at] for at in theirs], [USES[at] for at in ours], "eu-de")
    assert (found.ok, found.matched, found.events, found.records) == (True, 4, 4, 4)


@pytest.mark.parametrize(
    ("theirs", "ours", "said"),
    [
        (EVENTS, USES[:3], [Kind.UNRECORDED]),
        ([*EVENTS[:2], EVENTS[3]], USES, [Kind.UNKNOWN]),
        (EVENTS, [replace(USES[0], key="other"), *USES[1:]], [Kind.KEY]),
        (EVENTS, [replace(USES[0], version=2), *USES[1:]], [Kind.VERSION]),
        (EVENTS, [replace(USES[0], region="eu-fr"), *USES[1:]], [Kind.REGION]),
        (EVENTS, [replace(USES[0], operation="sign"), *USES[1:]], [Kind.OPERATION]),
        (EVENTS, [replace(USES[0], ok=False), *USES[1:]], [Kind.OUTCOME]),
        (EVENTS, [*USES, USES[2]], [Kind.TWICE]),
        (EVENTS, [*USES, UnreadableLine(5, "is rubbish")], [Kind.UNREADABLE]),
        ([*EVENTS, UnreadableLine(5, "is rubbish")], USES, [Kind.UNREADABLE]),
        ([*EVENTS, event(9, operation="export")], USES, [Kind.MOVED]),
        ([*EVENTS, event(9, operation="backup")], USES, [Kind.MOVED]),
        ([*EVENTS, event(9, operation="change/rotate")], USES, []),
        ([*EVENTS, event(9, operation="export", ok=False)], USES, []),
        ([*EVENTS, event(9, ok=False)], USES, []),
        (EVENTS, [*USES, use(9, begin=NOW - timedelta(days=1))], []),  # before Vault's log begins
        (EVENTS, [*USES, use(9)], []),  # after it ends
        ([*EVENTS, OtherEntry(NOW + 200 * SECOND)], [*USES, use(9)], [Kind.UNKNOWN]),  # it goes on with other things
        ([], USES[:1], [Kind.UNKNOWN]),  # it was emptied
    ],
)
def test_g10_what_differs(theirs: list[Any], ours: list[Any], said: list[Kind]) -> None:
    """Each lie is told by its own word, and what is none is not told."""
    assert kinds(theirs, ours) == said


def test_g10_by_time() -> None:
    """A record without an id is joined near its time, by operation, key and version; each event explains one record."""
    late = replace(USES[1], request_id="")
    assert kinds(EVENTS, [USES[0], late, *USES[2:]]) == []
    assert kinds(EVENTS, [USES[0], late, late, *USES[2:]]) == [Kind.UNKNOWN]
    for changes in ({"key": "other"}, {"version": 2}, {"operation": "sign"}, {"begin": NOW + 16 * SECOND}):
        told = kinds(EVENTS, [USES[0], replace(late, **changes), *USES[2:]])  # type: ignore[arg-type]
        assert sorted(told) == [Kind.UNKNOWN, Kind.UNRECORDED]
    hidden = replace(EVENTS[1], version=None)
    assert kinds([EVENTS[0], hidden, *EVENTS[2:]], [USES[0], replace(late, version=2), *USES[2:]]) == []


def test_g10_a_refusal_of_ours_explains_no_use() -> None:
    """A refused request does not stand for one that succeeded; one whose answer was lost may."""
    refused = replace(USES[1], request_id="", ok=False)
    assert kinds(EVENTS, [USES[0], refused, *USES[2:]]) == [Kind.UNRECORDED]
    assert kinds(EVENTS, [USES[0], replace(refused, lost=True), *USES[2:]]) == []
    failed = event(1, request_id="r1b", ok=False)
    assert kinds([*EVENTS, failed], [*USES, replace(refused, lost=True)]) == []


def entry(kind: str = "response", path: str = "transit/decrypt/archive", **request: Any) -> dict[str, Any]:
    return {
        "time": "2026-11-21T08:00:00.123456789Z",
        "type": kind,
        "auth": {"display_name": "approle"},
        "request": {"id": "r1", "operation": "update", "path": path, **request},
    }


def read(*entries: Any, mount: str = "transit", namespace: str = "") -> list[Any]:
    found = events([json.dumps(one).encode() for one in entries], mount, namespace)
    return [one for one in found if not isinstance(one, OtherEntry)]


def test_vault_s_lines() -> None:
    """A request and its response are one event; other mounts, namespaces and mere reading are none."""
    both = read(entry("request"), entry("response", data={"ciphertext": "vault:v3:AAAA"}))
    assert [(one.request_id, one.version, one.ok, one.by) for one in both] == [("r1", 3, True, "approle")]
    assert [one.ok for one in read(entry("request"))] == [False]  # nobody knows what became of it
    assert [one.ok for one in read(entry() | {"error": "permission denied"})] == [False]
    assert read(entry(path="other/decrypt/archive"), entry(path="sys/health")) == []
    assert read(entry(namespace={"path": "team/"})) == []
    assert len(read(entry(namespace={"path": "team/"}), namespace="team")) == 1
    assert (
        read(entry(path="transit/keys/archive", operation="read"), entry(path="transit/keys", operation="list")) == []
    )
    what = {
        "transit/sign/k/sha2-256": ("sign", "k"),
        "transit/datakey/plaintext/k": ("datakey", "k"),
        "transit/keys/k/rotate": ("change/rotate", "k"),
        "transit/keys/k/import": ("import", "k"),
        "transit/export/signing-key/k/3": ("export", "k"),
        "transit/backup/k": ("backup", "k"),
    }
    for path, said in what.items():
        assert [(one.operation, one.key) for one in read(entry(path=path))] == [said]


@pytest.mark.parametrize("line", [b"rubbish", b"[]", b"{}", b'{"type":"response","request":7}'])
def test_lines_that_are_no_entries(line: bytes) -> None:
    """They are told, never skipped."""
    assert [type(one) for one in events([line], "transit")] == [UnreadableLine]
    assert [type(one) for one in uses([b'{"operation":1}'], "etcd")] == [UnreadableLine]
