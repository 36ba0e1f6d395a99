"""A leaf that nobody can read is found by number and reason; everything else about the log stays as it was."""

import io
import json
import re
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from audit.checks.verify import verify_log
from audit.exports.csv_file import fields_of_row
from audit.exports.ndjson import leaf_of_line
from audit.exports.selection import Selection
from audit.exports.text import INVISIBLE
from audit.exports.verifier import main as verify_pack
from audit.leaves.readable import UNREADABLE, read_leaf, unreadable
from audit.query import Question, ask
from audit.reading import prove, read_records
from audit.reconciling.reconcile import Kind, reconcile
from audit.sealed.erasure import plan
from audit.sealed.erasure_plan import Scope
from audit.tlog import leaf_hash
from audit.verified import VerifiedLog
from audit.whole import WholeFiles
from bailiwick import command
from tests.audit.exporting import FORMATS, KEY, exported, json_lines, population
from tests.audit.unread import BODIES, published, with_body
from tests.audit.worlds import NOON, decision, filled, open_log

TAIL = b',"written":{"boot":"boot-1","by":"bailiwick-0","seq":%d}}'


def _run(*arguments: object) -> Any:
    return CliRunner().invoke(command, ["audit", *map(str, arguments)])


def _leaf(number: int, seq: int, body: bytes | None = None) -> bytes:
    """A leaf without a tenant, as a log writes it."""
    return (body or decision(number, tags={}).body)[:-1] + TAIL % seq


@pytest.mark.parametrize("kind", BODIES)
def test_what_it_is_and_why(kind: str, tmp_path: Path) -> None:
    """Verification names the record and the reason, once, and finds nothing else wrong."""
    bad = with_body(tmp_path / "log", kind)
    report = verify_log(tmp_path / "log", [KEY])
    assert (report.ok, report.is_intact, [one.index for one in report.problems]) == (False, True, [bad])
    assert str(report.problems[0]).startswith(f"record {bad}: can't be read: it ")
    assert BODIES[kind][1] in report.unreadable[bad]


@pytest.mark.parametrize("kind", BODIES)
def test_other_records_are_proved_as_ever(kind: str, tmp_path: Path) -> None:
    """Each record of such a log has its proof, also the one that can't be read."""
    bad = with_body(tmp_path / "log", kind)
    for record in read_records(tmp_path / "log"):
        proof = prove(tmp_path / "log", record.index)
        proof.verify(leaf_hash(record.leaf), [KEY], KEY.name)
        assert bool(record.unreadable) == (record.index == bad)


@pytest.mark.parametrize("kind", BODIES)
def test_the_log_is_gone_on_with(kind: str, tmp_path: Path) -> None:
    """Its writer starts again after a crash, and counts on; no counter has a gap."""
    bad = with_body(tmp_path / "log", kind)
    log = open_log(tmp_path / "log", segment_bytes=1 << 20, boot="boot-2")
    log.append_now(decision(9))
    log.close_now()
    report = verify_log(tmp_path / "log", [KEY])
    assert [one.index for one in report.problems] == [bad]
    assert report.writers == {"bailiwick-0": report.records}


def test_a_tail_that_is_counted_again(tmp_path: Path) -> None:
    """A writer that was killed before anything was published finds its counters in the leaves, readable or not."""
    log = open_log(tmp_path / "written", segment_bytes=1 << 20, publish_seconds=60.0, publish_leaves=10_000)
    for change, _ in BODIES.values():
        good = decision(3)
        log.append_now(type(good)(good.schema, good.tenant, change(good.body)))
    shutil.copytree(tmp_path / "written", tmp_path / "log")
    log.close_now()
    again = open_log(tmp_path / "log", segment_bytes=1 << 20, boot="boot-2")
    again.append_now(decision(4))
    again.close_now()
    report = verify_log(tmp_path / "log", [KEY])
    assert report.is_intact
    assert len(report.unreadable) == len(BODIES)


def test_another_tools_leaves(tmp_path: Path) -> None:
    """Bytes of any kind that somebody with the key appended are each named; so is a gap that they explain."""
    leaves = [
        _leaf(0, 1),
        b"",
        b"\x00\x01",
        b"null",
        b"[1]",
        b'"text"',
        b"1e400",
        b"[" * 9_000,
        _leaf(1, 3),
        _leaf(2, 4),
    ]
    published(tmp_path / "log", leaves)
    report = verify_log(tmp_path / "log", [KEY])
    assert report.is_intact
    assert sorted(report.unreadable) == [1, 2, 3, 4, 5, 6, 7]
    assert any("number 2 of writer `bailiwick-0` is missing: a record before it" in str(one) for one in report.problems)


def test_a_gap_that_they_do_not_explain(tmp_path: Path) -> None:
    """One record that can't be read stands for one number, and no more: a larger gap is a gap."""
    published(tmp_path / "log", [_leaf(0, 1), b"what?", _leaf(1, 4)])
    report = verify_log(tmp_path / "log", [KEY])
    assert not report.is_intact
    assert "number 2 to 3 of writer `bailiwick-0` is missing" in "\n".join(map(str, report.problems))


def test_a_tenants_chain_through_it(tmp_path: Path) -> None:
    """A tenant's record that names such a one as its last is no gap of unknown origin; one that names another is."""
    log = open_log(tmp_path / "log", segment_bytes=1 << 20)
    for number in range(9):
        body = decision(number).body
        if number == 3:
            body = re.sub(rb'"tags":\{[^}]*\},', b"", body).replace(b'"verdict"', b'"verdicts"')
        log.append_now(type(decision())(decision().schema, "", body) if number == 3 else decision(number))
    log.close_now()
    report = verify_log(tmp_path / "log", [KEY])
    assert (report.is_intact, list(report.unreadable)) == (True, [5])


def test_a_quick_look_says_that_it_was_one(tmp_path: Path) -> None:
    """Without reading records everything else is checked, and the report says what wasn't; a removed byte is found."""
    state, log = tmp_path / "state", tmp_path / "state" / "log"
    with_body(log, "mistyped")
    (state / "log.vkeys").write_text(f"{KEY}\n")
    shown = _run("verify", state, "--quick")
    assert (shown.exit_code, "note: records: were not read" in shown.output) == (0, True)
    (segment,) = (log / "wal").iterdir()
    segment.write_bytes(segment.read_bytes().replace(b"denied", b"warned"))
    assert _run("verify", state, "--quick").exit_code == 1


def test_an_erasure_that_nobody_can_read_erases_nothing(tmp_path: Path) -> None:
    """A record that only looks like an erasure declares nothing."""
    leaf = b'{"schema":"bailiwick.erasure/v2","sealed":["%b"]' % (b"4" * 64) + TAIL % 2
    published(tmp_path / "log", [_leaf(0, 1), leaf])
    report = verify_log(tmp_path / "log", [KEY])
    assert list(report.unreadable) == [1]
    assert not report.erasures


def test_newer_leaves_are_no_finding(tmp_path: Path) -> None:
    """What a newer release wrote is read as far as it is known; only what can't be one is named."""
    good = _leaf(0, 1)
    newer = good.replace(b"decision/v3", b"decision/v7")
    newer = newer.replace(b'"verdict":"denied"', b'"verdict":"postponed","why":3.5')
    other = b'{"cluster":"c","novel":{"a":1},"region":"r","schema":"bailiwick.novelty/v1"'
    other += b',"time":"2026-11-21T12:00:00.000000Z"'
    leaves = [good, newer.replace(b'"seq":1}', b'"seq":2}'), other + TAIL % 3]
    assert list(unreadable(leaves)) == []
    published(tmp_path / "log", leaves)
    assert verify_log(tmp_path / "log", [KEY]).ok
    assert ask(tmp_path / "log", Question({"schema": ("novelty",)})).count == 1
    assert ask(tmp_path / "log", Question({"verdict": ("postponed",)})).count == 1
    bent = [
        newer.replace(b'"verdict":"postponed"', b'"verdict":5'),
        other.replace(b'"region":"r",', b"") + TAIL % 3,
    ]
    assert [place for place, _ in unreadable(bent)] == [0, 1]


def test_what_is_read_is_what_stands_there() -> None:
    """A leaf with any changed byte is named, or it reads the same with any reader of JSON, in one way only."""
    good = _leaf(4, 1)
    read = 0
    for at in range(len(good)):
        bent = good[:at] + bytes([good[at] ^ 0x40]) + good[at + 1 :]
        fields, why = read_leaf(bent)
        assert bool(why) == (list(unreadable([bent])) == [(0, why)])
        if not why:
            assert json.loads(bent) == fields
            assert json.dumps(fields, separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode() == bent
            read += 1
    assert read < len(good) // 2


# — readers —


@pytest.mark.parametrize("kind", BODIES)
def test_every_export_goes_on_and_says_it(kind: str, tmp_path: Path) -> None:
    """Each format is made of the log, verified, without losing a record; what nobody can read is said in it once."""
    bad = with_body(tmp_path / "log", kind)
    opened = population(tmp_path / "log")
    records = list(read_records(tmp_path / "log"))
    made = exported(opened, FORMATS, tmp_path / "out")
    assert opened.is_verified
    rows = json_lines(made["ndjson"])
    assert [row["index"] for row in rows] == [record.index for record in records]
    assert rows[bad]["leaf"] == records[bad].fields
    lines = made["ndjson"].split(b"\n")[:-1]
    assert [leaf_of_line(line) for line in lines] == [record.leaf for record in records]
    cells = _rows(made["csv"])
    assert fields_of_row(cells[bad]) == records[bad].fields
    assert [row["schema"] for row in cells].count(UNREADABLE) == 1
    assert len(json_lines(made["ocsf"])) == len(json_lines(made["kube-audit"])) == 5
    results = json.loads(made["oscal/assessment-results.json"])["assessment-results"]
    props = [one["value"] for one in results["results"][0]["props"] if one["name"] == "unreadable-record"]
    assert len(props) == 1
    assert props[0].startswith(f"{bad}: is no")
    assert (
        f"One record of this log can't be read and is counted nowhere: number {bad}" in results["metadata"]["remarks"]
    )
    page = made["html"].decode()
    assert page.count("Records that can&#x27;t be read") + page.count("Records that can't be read") == 1
    assert "one record can't be read" in page
    manifest = json.loads(made["evidence/MANIFEST.json"])
    assert manifest["unreadable"] == [{"record": bad, "why": records[bad].unreadable}]
    assert f"number {bad}" in made["evidence/README.txt"].decode()
    for name, data in made.items():
        if name.endswith((".json", "csv", "ndjson", "ocsf", "kube-audit", ".txt", "html", ".csv")):
            assert not INVISIBLE.search(re.sub(r"[\r\n]", "", data.decode())), name


def test_parquet_has_a_row_for_it(tmp_path: Path) -> None:
    """Parquet says it in the row and in the file's metadata."""
    parquet = pytest.importorskip("pyarrow.parquet")
    bad = with_body(tmp_path / "log", "no JSON")
    data = exported(population(tmp_path / "log"), ["parquet"], tmp_path / "out")["parquet"]
    table = parquet.read_table(io.BytesIO(data))
    assert table["schema"].to_pylist()[bad] == UNREADABLE
    assert json.loads(table["further"].to_pylist()[bad])["why"].startswith("is no JSON")
    assert json.loads(table.schema.metadata[b"bailiwick.unreadable"])[0]["record"] == bad


@pytest.mark.parametrize("kind", BODIES)
def test_a_pack_with_it_verifies(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The pack's own verifier holds the stand-in to the record's hash, and says which record it is."""
    bad = with_body(tmp_path / "log", kind)
    exported(population(tmp_path / "log"), ["evidence"], tmp_path / "out")
    assert verify_pack([str(tmp_path / "out" / "evidence"), "--key", str(KEY)]) == 0
    assert f"NOTE: nobody can read record {bad} of the log" in capsys.readouterr().out


def test_a_tenants_export_says_which_and_no_more(tmp_path: Path) -> None:
    """In one tenant's part the record isn't, since whose it is nobody knows; its number is said, its bytes aren't."""
    bad = with_body(tmp_path / "log", "another's")
    opened = population(tmp_path / "log", Selection(namespaces=frozenset({"team-1"})))
    made = exported(opened, ["ndjson", "html", "evidence"], tmp_path / "out")
    assert len(json_lines(made["ndjson"])) == 2
    assert json.loads(made["evidence/MANIFEST.json"])["unreadable"] == [{"record": bad}]
    assert f"Of the whole log nobody can read {bad}" in made["html"].decode()
    assert not any(b"calc" in data for data in made.values())
    assert verify_pack([str(tmp_path / "out" / "evidence"), "--key", str(KEY)]) == 0


def test_a_period_has_those_that_lie_in_it(tmp_path: Path) -> None:
    """A record that can't be read counts at the time of the record before it."""
    with_body(tmp_path / "log", "no JSON")
    middle = NOON + timedelta(seconds=2)
    for chosen, count in ((Selection(since=middle), 1), (Selection(until=middle), 0)):
        rows = json_lines(exported(population(tmp_path / "log", chosen), ["ndjson"], tmp_path / "out")["ndjson"])
        assert [row["leaf"]["schema"] for row in rows].count(UNREADABLE) == count


@pytest.mark.parametrize("fresh", [True, False], ids=["in the leaves", "in a run"])
def test_queries_say_what_they_do_not_find(fresh: bool, tmp_path: Path) -> None:
    """A question finds what fits, and the answer names what no question finds; it can be asked for, too."""
    from audit.query.index import Bounds

    bad = with_body(tmp_path / "log", "no text")
    bounds = Bounds() if fresh else Bounds(widest=2, fresh=1, narrow=2)
    answer = ask(tmp_path / "log", Question({"schema": ("decision",)}), bounds=bounds)
    assert (answer.count, answer.unread) == (5, 1)
    assert [(record.index, bool(record.unreadable)) for _, record in answer.newest_unread] == [(bad, True)]
    assert [one.index for _, one in ask(tmp_path / "log", Question({"schema": (UNREADABLE,)}), bounds=bounds).rows] == [
        bad
    ]


def test_reconciliation_says_it_and_goes_on(tmp_path: Path) -> None:
    """The record is a difference of its own kind; those after it are compared."""
    bad = with_body(tmp_path / "log", "mistyped")
    found = reconcile([], {"log": read_records(tmp_path / "log")})
    assert [(one.kind, one.index) for one in found.differences] == [(Kind.UNREADABLE, bad)]
    assert "`latency_us`" in found.differences[0].message


def test_conclusions_and_erasures_say_it(tmp_path: Path) -> None:
    """Whoever draws conclusions from a verified log, or erases in one, is told which records nobody can read."""
    bad = with_body(tmp_path / "log", "spaces")
    log = VerifiedLog(tmp_path / "log", [KEY])
    assert [index for index, _ in log.unread] == [bad]
    assert len(list(log.records())) == log.size
    sealed_log = tmp_path / "sealed"
    filled(sealed_log, 6)
    assert plan(WholeFiles(sealed_log), Scope("namespace", namespace="team-1"), "x").unread == ()


def test_the_commands(tmp_path: Path) -> None:
    """`verify`, `prove`, `verify-proof`, `query`, `export`, `reconcile` tell people and programs, with exit codes."""
    state, log = tmp_path / "state", tmp_path / "state" / "log"
    bad = with_body(log, "control")
    (state / "log.vkeys").write_text(f"{KEY}\n")
    shown = _run("verify", state)
    assert (shown.exit_code, shown.output.splitlines()[0]) == (
        1,
        "unreadable: 1 of 9 records; nothing was changed or removed",
    )
    assert f"problem: record {bad}: can't be read: it is no JSON" in shown.output
    told = json.loads(_run("verify", state, "-o", "json").output)
    assert (told["ok"], told["intact"], [one["index"] for one in told["unreadable"]]) == (False, True, [bad])
    assert _run("verify", state, "--from", "256").exit_code == 1
    assert _run("prove", state, bad, "--to", tmp_path / "proof").exit_code == 0
    shown = _run("verify-proof", tmp_path / "proof", "--key", KEY)
    assert (shown.exit_code, "\x1b" in shown.output, "nobody can read the record" in shown.output) == (0, False, True)
    shown = _run("query", state)
    assert (shown.exit_code, shown.output.splitlines()[0]) == (0, "5 records")
    assert f"note: record {bad} can't be read" in shown.output
    assert json.loads(_run("query", state, "-o", "json").output)["unreadable"]["records"][0]["index"] == bad
    assert _run("query", state, "--schema", "unreadable").output.startswith("1 record\n")
    shown = _run("export", state, "--csv", tmp_path / "out.csv", "--ocsf", tmp_path / "out.ocsf")
    assert shown.exit_code == 0
    assert f"note: record {bad} can't be read: it is no JSON" in shown.output
    (tmp_path / "kube").write_text("")
    shown = _run("reconcile", state, "--kube-audit", tmp_path / "kube")
    assert (shown.exit_code, shown.output.count("our record can't be read")) == (1, 1)
    assert "\x1b" not in shown.output


def _rows(data: bytes) -> list[dict[str, str]]:
    import csv

    return list(csv.DictReader(io.StringIO(data.decode(), newline="")))
