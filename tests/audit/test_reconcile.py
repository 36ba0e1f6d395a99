"""Our records against an API server's audit log: every kind of difference, and values that would do harm.

That the API server writes its log like this is shown in `tests/cluster/test_reconcile.py`.
"""

import gzip
import json
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audit.reading import LoggedRecord, read_records
from audit.reconciling.kube_audit import read_events
from audit.reconciling.reconcile import Kind, Reconciliation, reconcile
from tests.audit.worlds import NOON, TAGGER, decision, open_log

ROOT = Path(__file__).parents[2]
LONG_AGO, LATER = NOON - timedelta(minutes=1), NOON + timedelta(minutes=10)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Decisions 0 to 11, one a second from noon on; every fourth is denied."""
    directory = tmp_path_factory.mktemp("records") / "log"
    made = open_log(directory)
    for number in range(12):
        made.append_now(decision(number))
    made.close_now()
    return directory


def _records(log: Path) -> list[LoggedRecord]:
    return [record for record in read_records(log) if record.fields["schema"].startswith("bailiwick.decision/")]


def _event(record: LoggedRecord | None = None, **changes: Any) -> dict[str, Any]:
    """The event of a record's request; without one, of a request that nobody judged."""
    time = record.fields["time"] if record else NOON.isoformat()
    event = {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "level": "Metadata",
        "auditID": f"audit-{record.index}" if record else "audit-none",
        "stage": "ResponseComplete",
        "requestURI": "/apis/apps/v1/namespaces/team/deployments",
        "verb": "create",
        "objectRef": {"resource": "deployments", "apiGroup": "apps", "namespace": "team-0", "name": "web"},
        "responseStatus": {"code": 403 if record and record.fields["verdict"] == "denied" else 201},
        "requestReceivedTimestamp": time,
        "stageTimestamp": (datetime.fromisoformat(time) + timedelta(milliseconds=9)).isoformat(),
        "annotations": {},
    }
    if record:
        event["objectRef"] = event["objectRef"] | {"namespace": record.fields["namespace"]}
        event["annotations"] = {
            "fail.bailiwick.dev/decision-id": record.fields["id"],
            "fail.bailiwick.dev/leaf-index": str(record.index),
            "fail.bailiwick.dev/verdict": record.fields["verdict"],
            "authorization.k8s.io/decision": "allow",
        }
    return event | changes


def _edge(time: datetime) -> dict[str, Any]:
    return _event(verb="get", requestReceivedTimestamp=time.isoformat(), stageTimestamp=time.isoformat())


def _file(path: Path, events: list[dict[str, Any]]) -> Path:
    whole = [_edge(LONG_AGO), *events, _edge(LATER)]
    path.write_text("".join(json.dumps(event) + "\n" for event in whole))
    return path


def _compared(tmp_path: Path, log: Path, events: list[dict[str, Any]], **options: Any) -> Reconciliation:
    path = _file(tmp_path / "kube.log", events)
    return reconcile(read_events(path, "bailiwick.dev"), {"log": read_records(log)}, **options)


def test_equal_books(tmp_path: Path, log: Path) -> None:
    """Every answer has its record and every record its request: they agree."""
    found = _compared(tmp_path, log, [_event(record) for record in _records(log)])
    assert found.ok
    assert (found.answers, found.matched, found.joined, found.events) == (12, 12, 0, 14)
    assert (found.begin, found.end) == (LONG_AGO, LATER)


def test_each_kind_of_difference(tmp_path: Path, log: Path) -> None:
    """Missing, extra, failed-open and mismatch, each with its ids and its time, in the order of time."""
    records = _records(log)
    events = [_event(record) for record in records if record.index != 4]
    phantom = {"fail.bailiwick.dev/decision-id": "phantom", "fail.bailiwick.dev/leaf-index": "99"}
    events.append(_event(auditID="audit-99", annotations=phantom | {"fail.bailiwick.dev/verdict": "allowed"}))
    events[5]["annotations"]["fail.bailiwick.dev/verdict"] = "warned"
    key = "failed-open.validating.webhook.admission.k8s.io/round_0_index_1"
    opened = {
        key: "ignore.bailiwick.dev",
        "failed-open.validating.webhook.admission.k8s.io/round_0_index_2": "other.io",
    }
    events.append(_event(auditID="audit-open", annotations=opened))
    found = {one.kind: one for one in _compared(tmp_path, log, events).differences}
    assert len(found) == 4
    extra, missing, mismatch, failed = (found[k] for k in (Kind.EXTRA, Kind.MISSING, Kind.MISMATCH, Kind.FAILED_OPEN))
    assert (extra.uid, extra.index, extra.time) == ("uid-2", 4, NOON + timedelta(seconds=2))
    assert (missing.audit_id, missing.decision, missing.index) == ("audit-99", "phantom", 99)
    assert (mismatch.audit_id, mismatch.uid) == ("audit-8", "uid-6")
    assert mismatch.message == "the API server was told `warned`, the record says `allowed`"
    assert failed.message == "`ignore.bailiwick.dev` failed open, create deployments.apps `team-0/web` passed"


def test_answers_without_a_record(tmp_path: Path, log: Path) -> None:
    """An answer that could not be recorded: letting pass is failing open, denying is a note, a dry run is neither."""

    def unrecorded(name: str, verdict: str, **changes: Any) -> dict[str, Any]:
        told = {"fail.bailiwick.dev/decision-id": name, "fail.bailiwick.dev/verdict": verdict}
        return _event(auditID=f"audit-{name}", annotations=told, **changes)

    events = [_event(record) for record in _records(log)]
    events += [unrecorded("passed", "allowed"), unrecorded("refused", "denied")]
    events.append(unrecorded("tried", "allowed", requestURI="/api/v1/pods?dryRun=All"))
    found = _compared(tmp_path, log, events)
    [one] = found.differences
    assert (one.kind, one.audit_id, one.decision) == (Kind.FAILED_OPEN, "audit-passed", "passed")
    assert found.notes == ("decision `refused` was a denial without a record: audit-refused",)
    assert found.dry_runs == 1


def test_a_request_judged_twice(tmp_path: Path) -> None:
    """A second record of the same request, of which the API server keeps no note, is joined to it; a stranger isn't."""
    log = open_log(tmp_path / "log")
    same = {"namespace": "team", "tags": TAGGER.of(tenant="team", name="web"), "verdict": "allowed", "reasons": []}
    log.append_now(decision(1, time=NOON, **same))
    log.append_now(decision(2, time=NOON + timedelta(milliseconds=5), **same))
    log.append_now(decision(3, time=NOON + timedelta(milliseconds=6), **same | {"namespace": "other"}))
    log.append_now(decision(4, time=NOON + timedelta(minutes=2), **same))
    log.close_now()
    first = _records(tmp_path / "log")[0]
    found = _compared(tmp_path, tmp_path / "log", [_event(first)])
    assert found.joined == 1
    assert [one.uid for one in found.differences] == ["uid-3", "uid-4"]
    assert {one.kind for one in found.differences} == {Kind.EXTRA}


def test_one_decision_claimed_twice(tmp_path: Path, log: Path) -> None:
    """Two requests that name the same decision are a mismatch: one of them was not judged."""
    records = _records(log)
    events = [_event(record) for record in records]
    events.append(_event(records[3], auditID="audit-forged"))
    [one] = _compared(tmp_path, log, events).differences
    assert (one.kind, one.audit_id) == (Kind.MISMATCH, "audit-forged")
    assert "claims the decision of request audit-5" in one.message


def test_what_lies_outside_does_not_count(tmp_path: Path, log: Path) -> None:
    """Records before and after the events' time, within the skew of its edges, or of other clusters are not extra."""
    records = _records(log)
    path = tmp_path / "kube.log"
    path.write_text("".join(json.dumps(_event(record)) + "\n" for record in records[5:7]))
    assert reconcile(read_events(path, "bailiwick.dev"), {"log": read_records(log)}).ok
    assert _compared(tmp_path, log, [], cluster="another").ok
    assert len(_compared(tmp_path, log, [], cluster="prod-7").differences) == 12


def test_several_replicas(tmp_path: Path, log: Path) -> None:
    """Each replica has a log of its own: an answer's record may lie in any of them, and in one only."""
    other = tmp_path / "other"
    second = open_log(other)
    second.append_now(decision(50, time=NOON + timedelta(seconds=3)))
    second.close_now()
    events = [_event(record) for record in (*_records(log), *_records(other))]
    path = _file(tmp_path / "kube.log", events)
    logs = {"a": read_records(log), "b": read_records(other)}
    assert reconcile(read_events(path, "bailiwick.dev"), logs).ok
    twice = {"a": read_records(log), "b": read_records(other), "copy": read_records(other)}
    [one] = reconcile(read_events(path, "bailiwick.dev"), twice).differences
    assert (one.kind, one.message) == (Kind.EXTRA, "is recorded a second time")


def test_requests_without_any_answer(tmp_path: Path, log: Path) -> None:
    """Requests that passed unjudged while others like them were judged are pointed out, and are no difference."""
    events = [_event(record) for record in _records(log)]
    events += [_event(auditID="audit-past"), _event(auditID="audit-get", verb="get")]
    events.append(_event(auditID="audit-refused", responseStatus={"code": 500}))
    events.append(_event(auditID="audit-else", objectRef={"resource": "pods", "namespace": "team-0"}))
    found = _compared(tmp_path, log, events)
    assert found.ok
    assert [(one.what, one.namespace, one.count, one.audit_id) for one in found.unjudged] == [
        ("CREATE deployments.apps", "team-0", 1, "audit-past")
    ]


def test_lines_that_are_no_events(tmp_path: Path, log: Path) -> None:
    """A line that can't be read is a difference with its number; a last one without an end is still being written."""
    lines = [json.dumps(_event(record)) for record in _records(log)]
    path = tmp_path / "kube.log"
    path.write_bytes(
        b"\n".join([b'{"stage": 3}', b"\xff\xfe", b"[]", b'{"kind":"EventList","items":[' + lines[0].encode() + b"]}"])
        + b"\n"
        + lines[1].encode()[:-9]
    )
    found = reconcile(read_events(path, "bailiwick.dev"), {"log": read_records(log)})
    assert [one.kind for one in found.differences] == [Kind.UNREADABLE] * 3
    assert [one.message.split(" of the ")[0] for one in found.differences] == ["line 1", "line 2", "line 3"]
    assert (found.events, found.matched) == (1, 1)


def _shown(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bailiwick", "audit", "reconcile", *map(str, words)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def test_the_command(tmp_path: Path, log: Path) -> None:
    """Exit codes 0, 1 and 2; a table and JSON that say the same; hostile names do nothing to a terminal."""
    records = _records(log)
    whole = _file(tmp_path / "whole.log", [_event(record) for record in records])
    assert (agreed := _shown(log, "--kube-audit", whole)).returncode == 0, agreed.stderr
    assert agreed.stdout.startswith("agree: 12 of 12 answers noted by the API server have their record\n")
    key = "failed-open.mutation.webhook.admission.k8s.io/round_0_index_0"
    name = {"resource": "pods", "namespace": "a\x1b[31m", "name": "b\nfailed: \u202ehidden"}
    hostile = _event(auditID="\x1b]0;x\x07", objectRef=name, annotations={key: "mutate.bailiwick.dev"})
    events = [*(_event(record) for record in records[1:]), hostile]
    broken = _file(tmp_path / "broken.log", events)
    table = _shown(log, "--kube-audit", broken)
    assert table.returncode == 1
    assert table.stdout.startswith("differ: 2 differences: 11 of 11 answers")
    assert not {"\x1b", "\x07", "\u202e"} & set(table.stdout)
    assert len(table.stdout.splitlines()) == 5
    told = json.loads(_shown(log, "--kube-audit", broken, "-o", "json").stdout)
    assert [one["kind"] for one in told["differences"]] == ["extra", "failed-open"]
    assert told["differences"][0]["uid"] == "uid-0"
    assert _shown(log).returncode == 2


def test_it_reads_as_a_stream(tmp_path: Path, log: Path) -> None:
    """Events are read one by one, as they are asked for."""
    path = _file(tmp_path / "kube.log", [_event(record) for record in _records(log)])
    events: Iterator[Any] = read_events(path, "bailiwick.dev")
    assert next(events).audit_id == "audit-none"
    assert next(events).answers[0].phase == "validate-fail"


def test_a_compressed_file_is_read_as_it_is(tmp_path: Path, log: Path) -> None:
    """The API server compresses what it rotated; such a file is read, and one that is cut off is said to be."""
    path = _file(tmp_path / "kube.log", [_event(record) for record in _records(log)])
    packed = gzip.compress(path.read_bytes())
    (tmp_path / "kube.log.gz").write_bytes(packed)
    whole = reconcile(read_events(tmp_path / "kube.log.gz", "bailiwick.dev"), {"log": read_records(log)})
    assert (whole.ok, whole.matched) == (True, 12)
    (tmp_path / "kube.log.gz").write_bytes(packed[: len(packed) // 2])
    cut = reconcile(read_events(tmp_path / "kube.log.gz", "bailiwick.dev"), {"log": read_records(log)})
    assert [one.kind for one in cut.differences][-1] == Kind.UNREADABLE
    assert "can't be unpacked" in cut.differences[-1].message


def test_an_answer_that_was_given_to_another_request(tmp_path: Path, log: Path) -> None:
    """An event that carries the decision of another namespace, operation or time is a mismatch, not a match."""
    records = _records(log)
    about = {"resource": "deployments", "apiGroup": "apps", "name": "web"}
    later = (NOON + timedelta(minutes=9)).isoformat()
    others: list[tuple[dict[str, Any], str]] = [
        ({"objectRef": about | {"namespace": "elsewhere"}}, "is of the namespace `team-2`"),
        ({"verb": "delete"}, "is of the operation CREATE"),
        ({"requestReceivedTimestamp": later, "stageTimestamp": later}, "is of another time, 2026-11-21T12:00:11"),
    ]
    for changes, why in others:
        events = [_event(record) for record in records[:-1]] + [_event(records[-1], **changes)]
        (found,) = _compared(tmp_path, log, events).differences
        assert (found.kind, found.decision) == (Kind.MISMATCH, "decision-11")
        assert why in found.message


def test_what_a_patch_creates_is_no_mismatch(tmp_path: Path, log: Path) -> None:
    """Applying on the server's side creates what isn't there; a namespace's own creation names no namespace."""
    *rest, last = _records(log)
    about = {"resource": "deployments", "apiGroup": "apps", "name": "web"}
    events = [_event(record) for record in rest] + [_event(last, verb="patch", objectRef=about)]
    assert _compared(tmp_path, log, events).ok


def test_order_stages_and_doubles_make_no_difference(tmp_path: Path, log: Path) -> None:
    """Events backwards, in every stage, and all of them twice (files that overlap) come to the same."""
    events = [_event(record) for record in _records(log)]
    stages = [{**event, "stage": "RequestReceived", "annotations": {}, "responseStatus": None} for event in events]
    started = [{**event, "stage": "ResponseStarted"} for event in events]
    for book in (events[::-1], stages + events, started + events[::-1], events + events, events * 3 + stages):
        found = _compared(tmp_path, log, book)
        assert (found.ok, found.matched, found.answers) == (True, 12, 12)


def test_times_that_are_none(tmp_path: Path, log: Path) -> None:
    """A time at the end of all calendars, or before them, is a line that can't be read: nothing else fails for it."""
    *rest, last = _records(log)
    for time in ("9999-12-31T23:59:59-14:00", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00", "0000-01-01", "", 5):
        events = [_event(record) for record in rest] + [_event(last, stageTimestamp=time)]
        kinds = sorted(one.kind for one in _compared(tmp_path, log, events).differences)
        assert kinds == [Kind.EXTRA, Kind.UNREADABLE], time


def test_a_line_without_an_end_takes_no_memory(tmp_path: Path, log: Path) -> None:
    """What has no line feed for many megabytes is one line that is too long, and what follows is read."""
    path = _file(tmp_path / "kube.log", [_event(record) for record in _records(log)])
    events = path.read_bytes()
    with path.open("ab") as file:
        file.truncate(len(events) + (80 << 20))
        file.seek(0, 2)
        file.write(b"\n" + json.dumps(_edge(LATER)).encode() + b"\n")
    tracemalloc.start()
    try:
        found = reconcile(read_events(path, "bailiwick.dev"), {"log": read_records(log)})
        assert tracemalloc.get_traced_memory()[1] < 100 << 20
    finally:
        tracemalloc.stop()
    (difference,) = found.differences
    assert (difference.kind, difference.message.endswith("is longer than 32 MiB")) == (Kind.UNREADABLE, True)
    assert (found.matched, found.events) == (12, 15)


def test_nothing_is_not_agreed_with(tmp_path: Path, log: Path) -> None:
    """A file without any event compares nothing, and the command says so instead of agreeing."""
    (tmp_path / "kube.log").write_bytes(b"")
    asked = ["audit", "reconcile", str(log), "--kube-audit", str(tmp_path / "kube.log")]
    done = subprocess.run(
        [sys.executable, "-m", "bailiwick", *asked], check=False, cwd=ROOT, capture_output=True, text=True
    )
    assert (done.returncode, "nothing was compared" in done.stderr) == (2, True)
    foreign = _compared(tmp_path, log, [])
    assert any("has an answer of ours" in note for note in foreign.notes)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_is_missing_or_changed_is_found_and_nothing_else(
    tmp_path: Path, log: Path, data: st.DataObject
) -> None:
    """Events dropped, verdicts changed, phantoms added, in any order: exactly these are the differences."""
    records = _records(log)
    dropped = data.draw(st.sets(st.integers(0, 11), max_size=4))
    changed = data.draw(st.sets(st.integers(0, 11), max_size=4)) - dropped
    phantoms = data.draw(st.integers(0, 3))
    events = []
    for number, record in enumerate(records):
        event = _event(record)
        if number in changed:
            event["annotations"]["fail.bailiwick.dev/verdict"] = "warned"
        if number not in dropped:
            events.append(event)
    for number in range(phantoms):
        says = {"decision-id": f"phantom-{number}", "leaf-index": "3", "verdict": "allowed"}
        annotations = {f"fail.bailiwick.dev/{name}": value for name, value in says.items()}
        events.append(_event(auditID=f"phantom-{number}", annotations=annotations))
    found = _compared(tmp_path, log, data.draw(st.permutations(events))).differences
    by_kind = {kind: sorted(one.decision for one in found if one.kind == kind) for kind in Kind}
    assert by_kind[Kind.EXTRA] == sorted(f"decision-{number}" for number in dropped)
    assert by_kind[Kind.MISMATCH] == sorted(f"decision-{number}" for number in changed)
    assert by_kind[Kind.MISSING] == [f"phantom-{number}" for number in range(phantoms)]
    assert not by_kind[Kind.FAILED_OPEN] + by_kind[Kind.UNREADABLE]
