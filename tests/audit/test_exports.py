"""Exports: only of what verifies, equal in content to the log, harmless whatever the log holds, in flat memory."""

import csv
import io
import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.exports import verifier
from audit.exports.cells import LEADING, cell, quoted, read_cell
from audit.exports.columns import columns, fields_of, values_of
from audit.exports.controls import Tally
from audit.exports.csv_file import fields_of_row
from audit.exports.html import HtmlReport
from audit.exports.kube_audit import audit_event
from audit.exports.ndjson import leaf_of_line
from audit.exports.ocsf import event
from audit.exports.population import NoCheckpoint, NotVerified, selected
from audit.exports.safe_json import safe_json
from audit.exports.selection import Selection
from audit.exports.taming import tame
from audit.exports.text import INVISIBLE
from audit.files.sharded_log import ShardedLog
from audit.files.shards import shard_numbers
from audit.reading import LoggedRecord, read_records
from audit.switching import Keeping
from audit.tlog import VerifierKey
from audit.tlog.checkpoints import Checkpoint, signed_checkpoint
from audit.tlog.merkle import leaf_hash
from tests.audit.exporting import (
    FORMATS,
    HOSTILE,
    KEY,
    SECTIONS,
    STREAMED,
    exported,
    hostile_log,
    json_lines,
    many_tenants,
    population,
)
from tests.audit.wired import fill
from tests.audit.worlds import NOON, ORIGIN, SMALL, WRITER, Clock, NoteKey, decision, filled, open_log

FEW = ("csv", "ndjson", "ocsf", "kube-audit")


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log of three tenants."""
    return many_tenants(tmp_path_factory.mktemp("exports") / "log")


def _rows(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode(), newline="")))


# — only what verifies —


@pytest.mark.parametrize("name", FORMATS)
def test_a_log_that_does_not_verify_is_refused(name: str, tmp_path: Path) -> None:
    """Nothing is written of a damaged log; told to do it all the same, the export says so inside."""
    directory = many_tenants(tmp_path / "log", 20)
    segment = next((directory / "wal").iterdir())
    segment.write_bytes(segment.read_bytes().replace(b'"verdict":"denied"', b'"verdict":"allowd"', 1))
    with pytest.raises(NotVerified, match="does not verify"):
        population(directory)
    made = exported(population(directory, unverified=True), [name], tmp_path / "out")
    told = {"csv": b",false,", "parquet": b"UNVERIFIED", "oscal": b"UNVERIFIED", "html": b"UNVERIFIED"}
    expected = told.get(name, b'"verified":false' if name != "kube-audit" else b'"bailiwick.dev/verified":"false"')
    if name == "evidence":
        assert b"UNVERIFIED" in made["evidence/README.txt"]
        assert json.loads(made["evidence/MANIFEST.json"])["verified"] is False
    else:
        assert any(expected in data for data in made.values())


def test_a_log_changed_after_its_verification(tmp_path: Path) -> None:
    """What is read after the verification is hashed again: a change in between is found, and no file is left."""
    directory = filled(tmp_path / "log", 20) and tmp_path / "log"
    opened = population(directory)
    many_tenants(tmp_path / "other", 40)
    for segment in (directory / "wal").iterdir():
        segment.unlink()
    for segment in (tmp_path / "other" / "wal").iterdir():
        segment.rename(directory / "wal" / segment.name)
    with pytest.raises(NotVerified, match="was changed between"):
        exported(opened, FEW, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_records_newer_than_the_checkpoint_are_left_out(tmp_path: Path) -> None:
    """A record that nothing vouches for yet is in no export."""
    signer = NoteKey()
    log = open_log(tmp_path / "log", signer=signer)
    for number in range(10):
        log.append_now(decision(number))
    log.close_now()
    signer.down = True
    log = open_log(tmp_path / "log", signer=signer, boot="boot-2")
    log.append_now(decision(11))
    log.close_now()
    opened = population(tmp_path / "log")
    assert opened.report.unsigned == 3
    made = exported(opened, ["ndjson"], tmp_path / "out")["ndjson"]
    assert [row["index"] for row in json_lines(made)] == list(range(opened.report.records - 3))


def test_without_a_checkpoint(tmp_path: Path) -> None:
    """A log without one can be listed, unverified; what is built on a checkpoint says that it can't be."""
    filled(tmp_path / "log", 5)
    (tmp_path / "log" / "checkpoint").unlink()
    opened = population(tmp_path / "log", unverified=True)
    assert len(json_lines(exported(opened, ["ndjson"], tmp_path / "out")["ndjson"])) == 8
    for name in ("html", "evidence"):
        with pytest.raises(NoCheckpoint):
            exported(opened, [name], tmp_path / name)


# — the same content —


def test_csv_says_what_the_leaf_says(log: Path, tmp_path: Path) -> None:
    """Every line gives back the leaf's fields exactly; lines end as RFC 4180 wants."""
    data = exported(population(log), ["csv"], tmp_path)["csv"]
    rows, records = _rows(data), list(read_records(log))
    assert [fields_of_row(row) for row in rows] == [dict(record.fields) for record in records]
    assert [(row["record"], row["leaf_hash"]) for row in rows] == [(str(r.index), r.hash.hex()) for r in records]
    assert data.count(b"\r\n") == data.count(b"\n") == len(records) + 1
    assert {row["verified"] for row in rows} == {"true"}


def test_ndjson_holds_the_leafs_own_bytes(log: Path, tmp_path: Path) -> None:
    """Each line is canonical, and the leaf in it hashes to the hash beside it."""
    lines = exported(population(log), ["ndjson"], tmp_path)["ndjson"].split(b"\n")[:-1]
    records = list(read_records(log))
    assert len(lines) == len(records)
    for line, record in zip(lines, records, strict=True):
        parsed = json.loads(line)
        assert list(parsed) == sorted(parsed)
        assert leaf_of_line(line) == record.leaf
        assert leaf_hash(leaf_of_line(line)).hex() == parsed["hash"]


def test_parquet_has_types_and_the_same_content(log: Path, tmp_path: Path) -> None:
    """pyarrow reads times as timestamps, counts as integers, lists as lists; row by row it is the leaf."""
    parquet = pytest.importorskip("pyarrow.parquet")
    exported(population(log), ["parquet"], tmp_path)
    table = parquet.read_table(tmp_path / "parquet")
    types = {field.name: str(field.type) for field in table.schema}
    assert types["time"] == "timestamp[us, tz=UTC]"
    assert types["latency_us"] == types["written.seq"] == types["record"] == "int64"
    assert types["models"] == "list<element: string>"
    assert "struct" in types["reasons"]
    assert KEY.name.encode() in table.schema.metadata[b"bailiwick.checkpoint"]
    for row, record in zip(table.to_pylist(), read_records(log), strict=True):
        assert (row["record"], row["leaf_hash"]) == (record.index, record.hash.hex())
        assert fields_of([_plain(column.kind, row[column.name]) for column in columns()]) == record.fields


def _plain(kind: str, value: Any) -> Any:
    if value is None:
        return None
    if kind == "time":
        return value.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if kind in ("json", "any"):
        return json.loads(value)
    if kind == "records":
        return [{name: one for name, one in member.items() if one is not None} for member in value]
    return value


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


@given(
    st.dictionaries(
        st.sampled_from(["tags", "written", "reasons", "verdict", "time", "cut", "further", "latency_us", "new.er"]),
        _JSON | st.fixed_dictionaries({"user": st.text(), "tenant": _JSON, "odd.name": _JSON}),
        max_size=6,
    )
)
def test_no_leaf_loses_anything_as_a_row(fields: dict[str, Any]) -> None:
    """Fields of later versions and of other types come back too: whatever the leaf, its row gives it again."""
    assert fields_of(values_of(_without_none(fields))) == _without_none(fields)


def _without_none(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


# — hostile values —


@given(st.text(st.characters(codec="utf-8"), max_size=60))
def test_any_cell_is_harmless_and_comes_back(text: str) -> None:
    """No cell begins a formula, breaks a line or steers a terminal, and reading it gives the text again."""
    written = cell(text)
    assert read_cell(written) == text
    assert not written or written[0] not in LEADING.replace("'", "")
    assert not INVISIBLE.search(written)
    assert next(csv.reader(io.StringIO(f"{quoted(text)},x", newline=""))) == [written, "x"]


@given(_JSON)
def test_any_json_is_harmless_and_comes_back(value: Any) -> None:
    """What steers a display stands as an escape; the value is the same."""
    written = safe_json(value)
    assert json.loads(written) == value
    assert not INVISIBLE.search(written.decode())


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_values_survive_every_export(value: str, tmp_path: Path) -> None:
    """Whatever somebody puts into a request, every export is well-formed, harmless where it is shown, and complete."""
    directory = hostile_log(tmp_path / "log", value)
    records = list(read_records(directory))
    made = exported(population(directory), FORMATS, tmp_path / "out")
    assert [fields_of_row(row) for row in _rows(made["csv"])] == [dict(record.fields) for record in records]
    assert len(made["csv"].split(b"\r\n")) == made["csv"].count(b"\n") + 1 == len(records) + 2
    for cells in csv.reader(io.StringIO(made["csv"].decode(), newline="")):
        assert not any(one.startswith(tuple(LEADING.replace("'", ""))) for one in cells)
    assert [leaf_of_line(line) for line in made["ndjson"].split(b"\n")[:-1]] == [one.leaf for one in records]
    namespace = next(one.fields["namespace"] for one in records if "namespace" in one.fields)
    assert [event["resources"][0]["namespace"] for event in json_lines(made["ocsf"])] == [namespace]
    assert [event["objectRef"]["namespace"] for event in json_lines(made["kube-audit"])] == [namespace]
    for name, data in made.items():
        if name.endswith((".json", "csv", "ocsf", "kube-audit", ".txt", "html", ".csv")):
            assert not INVISIBLE.search(re.sub(r"[\r\n]", "", data.decode())), name
    for html in (made["html"], made["evidence/reports/report.html"]):
        found = _Elements.of(html.decode())
        assert found.scripts == 5  # the data and our own
        assert not {name for name in found.attributes if name.startswith("on") or name in ("src", "href", "style")}
        assert not found.names & {"img", "iframe", "object", "embed", "a", "form", "base", "link"}
    assert set(made) >= {"evidence/reports/records.csv", "oscal/assessment-results.json", "parquet"}
    assert made["evidence/reports/records.csv"] == made["csv"]


class _Elements(HTMLParser):
    """The names of elements and attributes as a browser would read them."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.attributes: set[str] = set()
        self.scripts = 0

    @classmethod
    def of(cls, html: str) -> "_Elements":
        """What a page holds."""
        parser = cls()
        parser.feed(html)
        return parser

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.scripts += tag == "script"


_LEAF = st.dictionaries(st.sampled_from([column.name.partition(".")[0] for column in columns()]), _JSON, max_size=12)


@given(_LEAF)
def test_any_leaf_of_a_log_that_does_not_verify_can_be_shown(fields: dict[str, Any]) -> None:
    """Whatever stands in a record that nobody vouches for, exports are made of it."""
    given = {"schema": "bailiwick.decision/v2", **fields}
    record = tame(LoggedRecord(7, bytes(32), b"{}", given))
    safe_json(event(record, "log", verified=False))
    safe_json(audit_event(record, "log", verified=False))
    report = HtmlReport(replace(SECTIONS, selected="one", subtrees=lambda _level, _index: bytes(32)))
    report.add(record)
    tally = Tally()
    tally.add(record)
    note = signed_checkpoint(Checkpoint("log", 8, bytes(32)), [NoteKey(name="log")])
    assert report.rendered(str(note).encode()).endswith("</html>\n")
    assert tally.counts["decisions"] == str(given["schema"]).startswith("bailiwick.decision/")


def test_hostile_selections(log: Path, tmp_path: Path) -> None:
    """What somebody asks for is shown as text too."""
    chosen = Selection(namespaces=frozenset({"<script>x</script>\x1b[31m", "canary-ns-0"}))
    made = exported(population(log, chosen), ["html", "oscal", "evidence"], tmp_path)
    assert b"<script>x" not in made["html"]
    assert not any(b"\x1b" in data for name, data in made.items() if name.endswith((".json", ".txt", "html")))


# — selection —


def test_a_period(log: Path, tmp_path: Path) -> None:
    """From the first moment on, and up to but not with the last."""
    chosen = Selection(since=NOON + timedelta(seconds=10), until=NOON + timedelta(seconds=20))
    times = [record.fields["time"] for record in selected(population(log, chosen))]
    assert times == [f"2026-11-21T12:00:{second}.000000Z" for second in range(10, 20)]


@pytest.mark.parametrize("by", ["namespace", "tenant"])
def test_a_tenants_records(log: Path, by: str) -> None:
    """By name or by tag: the tenant's records without exception, and nobody else's."""
    records = list(read_records(log))
    tag = next(one.fields["tags"]["tenant"] for one in records if one.fields.get("namespace") == "canary-ns-1")
    chosen = (
        Selection(namespaces=frozenset({"canary-ns-1"})) if by == "namespace" else Selection(tenants=frozenset({tag}))
    )
    found = [record.index for record in selected(population(log, chosen))]
    assert found == [one.index for one in records if one.fields.get("namespace") == "canary-ns-1"]
    assert len(found) == 30


# — the command —


def _run(*words: object, **more: Any) -> "subprocess.CompletedProcess[bytes]":
    command = [sys.executable, "-m", "bailiwick", "audit", "export", *map(str, words)]
    return subprocess.run(command, capture_output=True, timeout=120, check=False, **more)


def test_all_formats_at_once(log: Path, tmp_path: Path) -> None:
    """One command writes any number of exports in one pass, and says what it wrote."""
    (tmp_path / "key").write_text(f"{KEY}\n")
    targets = [word for name in FORMATS for word in (f"--{name}", tmp_path / name)]
    shown = _run(log, "--key", tmp_path / "key", *targets, "-o", "json")
    assert shown.returncode == 0, shown.stderr
    told = json.loads(shown.stdout)
    assert (told["records"], told["verified"], told["newer"]) == (95, True, 0)
    assert (tmp_path / "oscal" / "component-definition.json").exists()
    assert not [one for one in tmp_path.iterdir() if one.name.endswith(".new")]


@pytest.mark.parametrize("name", FORMATS)
def test_to_standard_output(name: str, log: Path, tmp_path: Path) -> None:
    """`-` writes the same bytes to standard output, and what there is to say to standard error."""
    shown = _run(log, "--key", KEY, f"--{name}", "-", "--since", "2026-11-21")
    assert shown.returncode == 0, shown.stderr
    assert shown.stderr.startswith(b"95 records in standard output")
    if name == "oscal":
        assert shown.stdout.count(b'"oscal-version"') == 2
    elif name != "html":  # which says when it was made
        chosen = Selection(since=NOON.replace(hour=0))
        assert shown.stdout == exported(population(log, chosen), [name], tmp_path)[name]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ([], 2, "no format was chosen"),
        (["--csv", "-", "--ndjson", "-"], 2, "only one export can go to standard output"),
        (["--csv", "-", "--since", "yesterday"], 2, "is no time for --since"),
        (["--csv", "nowhere/at/all"], 2, "No such file"),
    ],
)
def test_mistakes(words: list[str], code: int, said: str, log: Path, tmp_path: Path) -> None:
    """A mistake is told with what to do instead."""
    shown = _run(
        log, "--key", KEY, *words, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    )
    assert (shown.returncode, said in shown.stderr.decode()) == (code, True), shown.stderr


def test_a_refusal_has_an_exit_code_of_its_own(log: Path, tmp_path: Path) -> None:
    """With another key nothing verifies: exit code 1, a hint, and no file."""
    other = NoteKey(seed=b"\x09" * 32).verifier()
    shown = _run(log, "--key", other, "--csv", tmp_path / "out.csv")
    assert shown.returncode == 1
    assert b"--unverified" in shown.stderr
    assert not (tmp_path / "out.csv").exists()
    assert _run(log, "--key", other, "--csv", tmp_path / "out.csv", "--unverified").returncode == 0


def _sharded(directory: Path) -> None:
    log = ShardedLog.open(
        directory, Keeping(origin=ORIGIN, signer=NoteKey(), clock=Clock(), writer=WRITER, settings=SMALL)
    )
    for number in range(70):
        log.append_now(decision(number))
        if number in (30, 50):
            log.rotate()
    log.close_now()


def test_one_shard_at_a_time(tmp_path: Path) -> None:
    """Of a log in shards nothing is exported in part unasked: one says which, and its own key verifies it."""
    _sharded(tmp_path / "log")
    numbers = shard_numbers(tmp_path / "log")
    assert len(numbers) > 1
    shown = _run(tmp_path / "log", "--key", KEY, "--ndjson", "-")
    assert (shown.returncode, b"say with --shard which one" in shown.stderr) == (2, True)
    seen = []
    for number in numbers:
        shown = _run(tmp_path / "log", "--key", KEY, "--ndjson", "-", "--shard", number)
        assert shown.returncode == 0, shown.stderr
        rows = json_lines(shown.stdout)
        assert {row["log"] for row in rows} == {ORIGIN if not number else f"{ORIGIN}/{number}"}
        seen += [row["leaf"]["id"] for row in rows if "id" in row["leaf"]]
    assert seen == [f"decision-{number}" for number in range(70)]
    shown = _run(tmp_path / "log", "--key", KEY, "--evidence", tmp_path / "pack.zip", "--shard", 1)
    assert shown.returncode == 0, shown.stderr
    key = VerifierKey.ed25519(f"{ORIGIN}/1", NoteKey().public_key)
    assert verifier.main([str(tmp_path / "pack.zip"), "--key", str(key)]) == 0
    assert _run(tmp_path / "log", "--key", KEY, "--ndjson", "-", "--shard", 99).returncode == 2


# — memory —

_PEAK = """
import sys
from pathlib import Path
from audit.exports.population import verified_population
from audit.exports.runs import Wanted, write_exports
from audit.exports.sections import Sections
from audit.tlog import VerifierKey
log, out, key, *names = sys.argv[1:]
vkey = VerifierKey.parse(key)
opened = verified_population(Path(log), [vkey])
write_exports(opened, [Wanted(n, f"{out}/{n}") for n in names], Sections(None, [vkey]))
status = Path("/proc/self/status").read_text()  # getrusage would count the memory of whoever started us, too
print(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))
"""


def _fill(directory: Path, count: int) -> None:
    log = open_log(directory, segment_bytes=1 << 20, publish_leaves=4096, publish_seconds=1.0)
    for begin in range(0, count, 500):
        fill(log, [decision(number) for number in range(begin, begin + 500)])
    log.close_now()


MANY = int(os.environ.get("BAILIWICK_EXPORT_RECORDS", "15000"))


@pytest.mark.parametrize("names", [STREAMED], ids=["streamed"])
def test_memory_is_flat(names: tuple[str, ...], tmp_path: Path) -> None:
    """Three times as many records need no more memory, but for a little that the verification keeps of each segment."""
    peaks = []
    for count in (MANY // 3, MANY):
        directory = tmp_path / f"log-{count}"
        _fill(directory, count)
        (tmp_path / f"out-{count}").mkdir()
        words = [sys.executable, "-c", _PEAK, str(directory), str(tmp_path / f"out-{count}"), str(KEY), *names]
        shown = subprocess.run(words, capture_output=True, text=True, timeout=600, check=False)
        assert shown.returncode == 0, shown.stderr
        peaks.append(int(shown.stdout))
    assert peaks[1] - peaks[0] < 16_000, peaks  # KiB: in memory, the records of each format would need more


# — waiting —

_BAR = """
import time
from audit.verbs.progress import progress_bar
with progress_bar("exporting", patience={patience}) as progress:
    for done in range(0, 101, 20):
        progress(done, 100)
        time.sleep(0.01)
"""


@pytest.mark.parametrize(("patience", "terminal", "shown"), [(0, True, True), (1, True, False), (0, False, False)])
def test_progress(patience: int, terminal: bool, shown: bool) -> None:
    """Whoever waits for longer than a second at a terminal sees how far it is; a file or pipe sees nothing of it."""
    ours, theirs = os.openpty() if terminal else os.pipe()
    script = _BAR.format(patience=patience)
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    subprocess.run([sys.executable, "-c", script], stderr=theirs, check=True, timeout=60, env=environment)
    os.close(theirs)
    seen = b""
    try:
        while part := os.read(ours, 65_536):
            seen += part
    except OSError:
        pass  # a terminal whose other end is closed
    os.close(ours)
    assert (b"exporting" in seen) is shown
