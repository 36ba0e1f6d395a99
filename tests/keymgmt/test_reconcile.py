"""Our records of key uses and Vault's own: every way in which the two can part is told, and only those."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keymgmt.uses.leaves import logged_uses
from keymgmt.uses.lines import uses
from keymgmt.uses.reconcile import Due, Kind, RecordedUse, reconcile
from keymgmt.uses.vault_audit import OtherEntry, UnreadableLine, VaultEvent, events

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


def leaf(*numbers: int, **changes: Any) -> dict[str, Any]:
    """A `key-use` record of these requests, as a log has it."""
    times = [(NOW + number * 10 * SECOND).isoformat() for number in numbers or (0,)]
    given: dict[str, Any] = {
        "schema": "bailiwick.key-use/v2",
        "key_operation": "decrypt",
        "task": "kms-decrypt",
        "outcome": "ok",
        "count": len(numbers),
        "asked": len(numbers),
        "begun": times[0],
        "ended": times[-1],
        "key_version": 1,
        "key_region": "eu-de",
        "service_key": "archive",
        "request_ids": [f"r{number}" for number in numbers],
        "source": f"page/{numbers}",
    }
    return given | changes


def of_leaves(*leaves: dict[str, Any]) -> list[RecordedUse | UnreadableLine]:
    return list(logged_uses(enumerate(leaves)))


@pytest.mark.parametrize(
    ("leaves", "said"),
    [
        ([leaf(0, 1, 2, 3)], []),
        ([leaf(0, 1), leaf(2, 3)], []),
        ([leaf(0, 1), leaf(0, 1), leaf(2, 3)], []),  # one page, taken up twice
        ([leaf(0, 1), leaf(0, 1, source="page/9"), leaf(2, 3)], [Kind.TWICE, Kind.TWICE]),
        ([leaf(0, 1, 2)], [Kind.UNRECORDED]),
        ([leaf(0, 1, 2, 3, request_ids=["r0", "r3"])], []),  # two by their time
        ([leaf(0, 1, 2, 3, request_ids=[])], []),
        ([leaf(0, 1, 2, 3, asked=3, request_ids=[])], [Kind.UNRECORDED]),
        ([leaf(0, 1, 2, 3, asked=6, request_ids=[])], [Kind.COUNT]),
        ([leaf(0, 1, 2, 3, asked=3)], [Kind.COUNT]),
        ([leaf(0, 1, 2, 3, key_version=2)], [Kind.VERSION] * 4),
        ([leaf(0, 1, 2, 3, service_key="other")], [Kind.KEY] * 4),
        ([leaf(0, 1, 2, 3, key_operation="sign")], [Kind.OPERATION] * 4),
        ([leaf(0, 1, 2, 3, key_region="eu-fr")], [Kind.REGION] * 4),
        ([leaf(0, 1, 2, 3, outcome="Sealed")], [Kind.OUTCOME] * 4),
        ([leaf(0, 1, 2, 3, request_ids=["r0", "r1", "r2", "other"])], [Kind.UNRECORDED, Kind.UNKNOWN]),
        ([leaf(0, 1, 2, 3), leaf(1, service_key="", source="b")], []),  # of a key that lies in no key service
        ([leaf(0, 1, 2, 3), leaf(1, asked=0, source="b")], []),  # sealed here, or remembered
        ([leaf(0, 1, 2, 3), leaf(schema="bailiwick.decision/v2")], []),
        ([leaf(0, 1, 2, 3), leaf(1, key_operation="unreadable", source="b")], [Kind.UNREADABLE]),
    ],
)
def test_g10_records_of_a_log(leaves: list[dict[str, Any]], said: list[Kind]) -> None:
    """A record stands for as many uses as it counts, by their ids where it has them; each lie has its own word."""
    theirs = [*EVENTS, OtherEntry(NOW - 60 * SECOND), OtherEntry(NOW + 200 * SECOND)]
    assert sorted(kinds(theirs, of_leaves(*leaves))) == sorted(said)


def test_g10_messages_say_which_record() -> None:
    """Whoever reads a difference knows which record of the log to look at, and what the counts are."""
    theirs = [*EVENTS, OtherEntry(NOW - 60 * SECOND), OtherEntry(NOW + 200 * SECOND)]
    ours = of_leaves(leaf(schema="bailiwick.start/v1"), leaf(0, 1, 2, 3, asked=6, request_ids=[]))
    (found,) = reconcile(theirs, ours, "eu-de").differences
    assert (
        found.message == "our record (record 1) counts 6 of `decrypt` with `archive` version 1 without ids; 4 are there"
    )


@pytest.mark.parametrize(
    ("until", "end", "missed"),
    [
        (NOW + 30 * SECOND, NOW + 30 * SECOND, []),  # neither has written much since
        (NOW + 100 * SECOND, NOW + 30 * SECOND, [Kind.UNRECORDED]),  # our log has gone on without it
        (NOW, NOW + 100 * SECOND, [Kind.UNRECORDED]),  # our log has ended, and the service goes on
    ],
)
def test_g10_a_log_has_time_to_take_a_use_up(until: datetime, end: datetime, missed: list[Kind]) -> None:
    """What was used within the grace before both books end is open; later it is missed."""
    found = reconcile(
        [*EVENTS, OtherEntry(end)], of_leaves(leaf(0, 1, 2)), "eu-de", due=Due(until, timedelta(seconds=60))
    )
    assert [one.kind for one in found.differences] == missed
    assert found.open == 1 - len(missed)


def test_g10_what_was_pruned_is_not_missed() -> None:
    """Uses before the oldest record that is left of a log are not asked for."""
    due = Due(NOW + 500 * SECOND, SECOND, since=NOW + 15 * SECOND)
    found = reconcile(EVENTS, of_leaves(leaf(2, 3)), "eu-de", due=due)
    assert (found.ok, found.open) == (True, 2)
