"""The HTML report: what it says, that nothing hostile comes through, and that a browser verifies it offline."""

import base64
import html
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.checks.verify import verify_log
from audit.exports import charts
from audit.exports.controls import controls
from audit.exports.html import ReasonText, Sections, Table, html_report, report_of_log
from audit.exports.packing import LeafSampler
from audit.exports.text import escaped, shown
from audit.files.store import Disk
from audit.leaves.record import decision_record
from audit.reading import checkpoint_bytes, read_records, read_tile
from audit.tlog import subtrees_in
from tests.audit.browser import EXECUTABLE, Page, browser
from tests.audit.exporting import many_tenants
from tests.audit.worlds import NOON, NoteKey, decision, fields, filled, open_log, sealed

KEY = NoteKey().verifier()
SECTIONS = Sections(generated=datetime(2026, 11, 21, 14, 5, tzinfo=UTC), keys=[KEY])
HOSTILE = [
    "<script>document.title='owned'</script>",
    "</script><img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "=cmd|' /C calc'!A0",
    "\u202egnp.exe",
    "line\nbreak\r\x1b[31mred",
    "{{constructor}}${7*7}",
    "\ud800 lone",
    "https://evil.example/x.png",
    "x" * 65_536,
    "'-alert(1)-'",
    "]]>--><!--",
]


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log of three hundred decisions."""
    directory = tmp_path_factory.mktemp("report") / "log"
    filled(directory, 300, segment_bytes=1 << 20)
    return directory


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """A browser."""
    if EXECUTABLE is None:
        pytest.skip("Chromium is not installed (Debian: apt-get install chromium)")
    with browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


def _verified(page: Page, path: Path, text: str) -> tuple[str, dict[str, str]]:
    """What the page's own verification says, and each step's state."""
    path.write_text(text, encoding="utf-8")
    page.open(path)
    page.run("document.getElementById('start').click()")
    page.wait("document.getElementById('result').textContent !== '' && !document.getElementById('start').disabled")
    states = page.run(
        "Object.fromEntries([...document.querySelectorAll('ol.steps li')].map(l => [l.id.slice(5), l.dataset.state]))"
    )
    return page.run("document.getElementById('result').textContent"), states


def _text(report: str) -> str:
    """What a reader sees of the markup."""
    body = re.sub(r"<(script|style)[^>]*>.*?</\1>", "", report, flags=re.S)
    return html.unescape(re.sub(r"<[^>]+>", " ", body))


def test_what_it_says(log: Path) -> None:
    """Figures, reasons with their fix, keys, runs, completeness and further tables are there."""
    reasons = {"place-outside": ReasonText("A place lies outside.", "Constrain the pod.", ["GDPR 44"])}
    sections = replace(
        SECTIONS,
        reasons=reasons,
        verification=verify_log(log, [KEY]),
        tables=[Table("Controls", ["Id"], [["DORA 28(3)"]])],
    )
    text = " ".join(_text(report_of_log(log, sections)).split())
    for expected in (
        "75 denied, 25.0%",
        "225 allowed, 75.0%",
        "75 place-outside placement A place lies outside. Constrain the pod. GDPR 44",
        "it holds",
        "Records 0 to 302 follow each other without one left out.",
        "bailiwick-0 up to 303",
        "No gap, no damage, nothing unsigned.",
        "The longest time without any record, heartbeats included, was",
        "genesis",
        "stop",
        str(KEY),
        "archive-key-1 150 parts",
        "Controls Id DORA 28(3)",
        "2026-11-21 12:00 to 2026-11-21 12:04 UTC",
    ):
        assert expected in text, expected


def test_nothing_is_loaded_from_anywhere(log: Path) -> None:
    """The file names no address to load from, and its policy forbids everything but its own script and style."""
    report = report_of_log(log, SECTIONS)
    assert re.findall(r"<[^>]*\s(?:src|href|action|srcset|data|poster)\s*=|url\(|@import|fetch\(|XMLHttp", report) == []
    assert "https://" not in report
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', report)
    assert policy is not None
    assert policy[1].startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy[1]


def _hostile_log(directory: Path) -> None:
    log = open_log(directory, segment_bytes=1 << 20)
    for number, value in enumerate(HOSTILE):
        # each in every place where a value may be chosen by whoever makes a request
        more = dict.fromkeys(("namespace", "data_class", "jurisdiction", "isolation", "subresource", "uid"), value)
        lists = {name: [value] for name in ("models", "images", "keys", "places", "policies", "waivers")}
        reasons = [{"code": value, "policy": value, "actions": ["Deny"]}]
        given = fields(number, gvk=value, verdict="denied", reasons=reasons) | more | lists
        log.append_now(decision_record(given), sealed(number))
    log.close_now()


def test_hostile_values_stay_text(tmp_path: Path) -> None:
    """Markup, control characters, bidirectional overrides and formulas come out as visible text, or not at all."""
    _hostile_log(tmp_path / "log")
    assert verify_log(tmp_path / "log", [KEY]).ok
    report = report_of_log(tmp_path / "log", replace(SECTIONS, title=HOSTILE[0], scope=HOSTILE[1]))
    script = report.index("<script type=")
    markup = report[: report.index("<style>")] + report[report.index("</style>") : script]
    for bad in ("<script", "<img", "<svg onload", "onerror=alert(1)>", "\u202e", "\x1b", "\x00"):
        assert bad not in markup.replace("&lt;script", ""), bad
    assert "\\u{202e}gnp.exe" in markup
    assert "&lt;script&gt;" in markup
    report.encode("utf-8")


def test_hostile_values_in_a_browser(tmp_path: Path, page: Page) -> None:
    """In a real browser nothing of them runs or is fetched, the report verifies, and they are shown as text."""
    _hostile_log(tmp_path / "log")
    page.requests.clear()
    result, states = _verified(page, tmp_path / "report.html", report_of_log(tmp_path / "log", SECTIONS))
    assert (result, set(states.values())) == ("This report holds.", {"holds"})
    assert page.run("document.title") == SECTIONS.title
    assert page.run("document.querySelectorAll('img, svg[onload], iframe, object').length") == 0
    rows = page.run("document.getElementById('rows').innerText")
    assert "<script>" in rows
    assert "\\u{202e}" in rows
    assert "\u202e" not in rows
    page.run("document.querySelector('#rows tr').click()")
    assert "\u202e" not in page.run("document.getElementById('record-text').textContent")
    assert all(url.startswith(("file:", "about:")) for url in page.requests)
    assert page.errors == []


def test_a_browser_verifies_it(log: Path, tmp_path: Path, page: Page) -> None:
    """The four steps hold, offline, and no request leaves for the network."""
    page.requests.clear()
    result, states = _verified(page, tmp_path / "report.html", report_of_log(log, SECTIONS))
    assert result == "This report holds."
    assert states == dict.fromkeys(("contents", "figures", "tree", "signature"), "holds")
    assert page.requests == [(tmp_path / "report.html").as_uri()]
    assert page.errors == []


@pytest.mark.parametrize(
    ("change", "step"),
    [
        (lambda text: re.sub(r'(id="hashes">.{40})(.)', lambda m: m[1] + ("B" if m[2] != "B" else "C"), text), "tree"),
        (lambda text: text.replace('data-count="75">75<', 'data-count="74">74<'), "figures"),
        (lambda text: text.replace(">75</b>", ">57</b>"), "figures"),
        (lambda text: text.replace("\n303\n", "\n304\n", 1), "tree"),
        (lambda text: text.replace(str(KEY), str(NoteKey(seed=b"\x03" * 32).verifier())), "signature"),
        (
            lambda text: re.sub(r"(\n\u2014 audit\S+ .{20})(.)", lambda m: m[1] + ("B" if m[2] != "B" else "C"), text),
            "signature",
        ),
    ],
    ids=["hash", "figure", "shown figure", "size", "key", "signature"],
)
def test_a_changed_report_does_not_hold(log: Path, tmp_path: Path, page: Page, change: Any, step: str) -> None:
    """Whatever is changed in the file, the step that it concerns fails, and the result says so."""
    report = report_of_log(log, SECTIONS)
    changed = change(report)
    assert changed != report
    result, states = _verified(page, tmp_path / "report.html", changed)
    assert states[step] == "fails"
    assert result == "This report does not hold."


def test_a_line_that_differs_from_its_record(log: Path, tmp_path: Path, page: Page) -> None:
    """A table that shows another verdict than the record beside it is found."""
    records = [replace(r, fields={**r.fields, "verdict": "allowed"}) if r.index == 2 else r for r in read_records(log)]
    _, states = _verified(page, tmp_path / "report.html", html_report(records, checkpoint_bytes(log), SECTIONS))
    assert states["contents"] == "fails"


@pytest.mark.parametrize(("begin", "end"), [(0, 100), (57, 200), (256, 303), (130, 131)])
def test_a_part_of_a_log(log: Path, tmp_path: Path, page: Page, begin: int, end: int) -> None:
    """A report of some records in the middle verifies too, by the hashes of the tree beside them."""
    files = Disk()
    tree = subtrees_in(lambda level, index, width: read_tile(files, log, level, index, width), 303)
    report = html_report(read_records(log, begin, end), checkpoint_bytes(log), replace(SECTIONS, subtrees=tree))
    result, states = _verified(page, tmp_path / "report.html", report)
    assert (result, states["tree"]) == ("This report holds.", "holds")
    with pytest.raises(ValueError, match="needs the tree"):
        html_report(read_records(log, begin, end), checkpoint_bytes(log), SECTIONS)


@pytest.mark.parametrize("chosen", [range(0, 303, 3), [0], [302], [5, 6, 7, 200, 256, 301], []], ids=str)
def test_chosen_records(log: Path, tmp_path: Path, page: Page, chosen: Sequence[int]) -> None:
    """A report of records with others between them verifies by the hashes beside them; one hash changed is found."""
    tree = subtrees_in(lambda level, index, width: read_tile(Disk(), log, level, index, width), 303)
    records = [record for record in read_records(log) if record.index in chosen]
    report = html_report(records, checkpoint_bytes(log), replace(SECTIONS, subtrees=tree, selected="some"))
    result, states = _verified(page, tmp_path / "report.html", report)
    assert (result, states["tree"]) == ("This report holds.", "holds")
    if chosen:
        records[0] = replace(records[0], hash=bytes(32))
        report = html_report(records, checkpoint_bytes(log), replace(SECTIONS, subtrees=tree, selected="some"))
        assert _verified(page, tmp_path / "report.html", report)[1]["tree"] == "fails"


def test_not_everything_embedded(log: Path, tmp_path: Path, page: Page) -> None:
    """With little room only some records are embedded in full; the report says so, and still verifies."""
    report = report_of_log(log, replace(SECTIONS, leaf_budget=20_000))
    assert "records are embedded in full, refusals first" in report
    result, states = _verified(page, tmp_path / "report.html", report)
    assert (result, states["contents"]) == ("This report holds.", "holds")
    assert "of 303 records are embedded in full" in page.run("document.getElementById('step-contents').textContent")


@pytest.mark.parametrize("width", [1280, 700, 390])
def test_nothing_stands_out_of_the_screen(log: Path, tmp_path: Path, page: Page, width: int) -> None:
    """On wide and narrow screens, light and dark, the page never scrolls sideways; only tables do, in their cards."""
    (tmp_path / "report.html").write_text(report_of_log(log, SECTIONS), encoding="utf-8")
    page.open(tmp_path / "report.html")
    page.wait("document.querySelectorAll('#rows tr').length === 50")
    for dark in (False, True):
        page.sized(width, dark=dark)
        assert page.run("document.documentElement.scrollWidth") <= width
        assert page.screenshot().startswith(b"\x89PNG")
    colours = page.run("[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]")
    assert colours == ["rgb(231, 233, 236)", "rgb(19, 22, 27)"]
    page.sized(1280)


def test_on_paper(log: Path, tmp_path: Path, page: Page) -> None:
    """It prints without what is only for a screen, every table whole, in black on white, on few sheets."""
    report = report_of_log(log, replace(SECTIONS, verification=verify_log(log, [KEY])))
    (tmp_path / "report.html").write_text(report, encoding="utf-8")
    page.open(tmp_path / "report.html")
    page.wait("document.querySelectorAll('#rows tr').length === 50")
    page.sized(680, printed=True, dark=True)  # A4 without its margins, in CSS pixels
    shown = "[...document.querySelectorAll('{}')].filter(e => e.offsetParent !== null).length"
    assert page.run(shown.format(".screen, button, select, textarea")) == 0
    assert page.run(shown.format("svg")) == 8
    assert page.run(shown.format("table")) >= 4
    assert page.run("[...document.querySelectorAll('td,svg')].every(e => e.getBoundingClientRect().right <= 681)")
    assert page.run("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    printed = base64.b64decode(page.pdf())
    assert printed.startswith(b"%PDF-")
    assert 4 <= printed.count(b"/Type /Page\n") <= 10
    page.sized(1280)


def test_a_part_says_that_it_is_one(log: Path, tmp_path: Path) -> None:
    """A selection and a warning stand on top; of a narrow one nothing of the whole log but that it was verified."""
    verified = verify_log(log, [KEY])
    chosen = replace(SECTIONS, selected="namespaces team-1", is_narrow=True, verification=verified)
    chosen = replace(chosen, subtrees=subtrees_in(lambda *tile: read_tile(Disk(), log, *tile), 303))
    records = [record for record in read_records(log) if record.fields.get("namespace") == "team-1"]
    text = " ".join(_text(html_report(records, checkpoint_bytes(log), chosen)).split())
    assert "A part of the log: namespaces team-1." in text
    assert "100 of 303 in the log" in text
    assert "records number 1 to 100 of its own count, each naming the one before: none is missing" in text
    assert "The whole log was verified: no gap, no damage." in text
    for hidden in ("bailiwick-0", "Tenants with", "Sealed parts present", "team-0", "team-2", "genesis"):
        assert hidden not in text
    warned = _text(html_report(records, checkpoint_bytes(log), replace(chosen, warning="UNVERIFIED: no evidence")))
    assert "UNVERIFIED: no evidence" in warned


def test_break_glass_and_controls(tmp_path: Path) -> None:
    """When the guard was set aside has a section; each control of the map is there with its evidence and limits."""
    directory = many_tenants(tmp_path / "log", 10)
    text = " ".join(
        _text(report_of_log(directory, replace(SECTIONS, verification=verify_log(directory, [KEY])))).split()
    )
    assert re.search(r"Waivers used Times Waiver (\d+ canary-ns-\d/canary-waiver ?)+", text)
    assert re.search(r"Break-glass Record Time What \d+ 2026-11-21 12:00 UTC names: canary-ns-2; state: opened", text)
    for control in controls():
        assert f"{control.source.short}, {control.reference}" in text
        assert control.limits in text
    assert "nothing in this report says that one is met" in text


def test_the_filter(log: Path, tmp_path: Path, page: Page) -> None:
    """The table shows the newest first, and what one looks for by verdict, namespace and words."""
    (tmp_path / "report.html").write_text(report_of_log(log, SECTIONS), encoding="utf-8")
    page.open(tmp_path / "report.html")
    page.wait("document.querySelectorAll('#rows tr').length === 50")
    assert page.run("document.getElementById('count').textContent") == "300 decisions, page 1 of 6"
    assert page.run("document.querySelector('#rows td').textContent") == "2026-11-21 12:04:59"

    def look_for(**values: str) -> str:
        for name, value in values.items():
            page.run(
                f"e = document.getElementById('by-{name}'); e.value = {value!r}; e.dispatchEvent(new Event('input'))"
            )
        return str(page.run("document.getElementById('count').textContent"))

    assert look_for(verdict="denied") == "75 decisions, page 1 of 2"
    assert look_for(namespace="TEAM-1") == "25 decisions, page 1 of 1"
    assert look_for(text="place-outside restricted") == "25 decisions, page 1 of 1"
    assert look_for(text="nowhere") == "0 decisions, page 1 of 1"
    assert look_for(text="", namespace="", verdict="", kind="deployment") == "300 decisions, page 1 of 6"
    page.run("document.getElementById('next').click()")
    assert page.run("document.getElementById('count').textContent") == "300 decisions, page 2 of 6"
    page.run("document.querySelector('#rows tr').click()")
    assert '"schema": "bailiwick.decision/v' in page.run("document.getElementById('record-text').textContent")


def test_an_empty_log(tmp_path: Path, page: Page) -> None:
    """A log without decisions makes a report that verifies."""
    open_log(tmp_path / "log").close_now()
    result, _ = _verified(page, tmp_path / "report.html", report_of_log(tmp_path / "log", SECTIONS))
    assert result == "This report holds."


def test_records_newer_than_the_checkpoint(tmp_path: Path, page: Page) -> None:
    """Records that no checkpoint covers yet are shown, and said to be so."""
    signer = NoteKey()
    filled(tmp_path / "log", 5, signer=signer)
    signer.down = True
    filled(tmp_path / "log", 5, signer=signer, boot="boot-2")
    report = report_of_log(tmp_path / "log", SECTIONS)
    assert "The last 7 are newer than the checkpoint" in report
    result, _ = _verified(page, tmp_path / "report.html", report)
    assert result == "This report holds."
    assert "the last 7 are newer" in page.run("document.getElementById('step-tree').textContent")


def test_a_record_left_out(log: Path) -> None:
    """A report can't be made of records with one left out between."""
    records = [record for record in read_records(log) if record.index != 5]
    with pytest.raises(ValueError, match="record 6 does not follow on record 4"):
        html_report(records, checkpoint_bytes(log), SECTIONS)


@given(st.text(st.characters(codec=None), max_size=50))
def test_any_text_is_shown_safely(value: str) -> None:
    """Whatever the text, what is shown holds no markup and nothing invisible, and is UTF-8."""
    out = escaped(value)
    out.encode("utf-8")
    assert not re.search(r"[<>\"'\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", out)
    assert len(shown("y" * 70_000)) == 300


@given(st.dictionaries(st.integers(0, 60 * 24 * 500), st.integers(1, 10**7), min_size=1, max_size=30))
def test_charts_of_any_counts(minutes: dict[int, int]) -> None:
    """Charts of any period and counts stay within their frame and have few bars."""
    by_minute = {minute: Counter(denied=count) for minute, count in minutes.items()}
    chart = charts.over_time(by_minute)
    bars = re.findall(r'<rect class="denied" x="([-\d.]+)" width="([\d.]+)" y="([-\d.]+)" height="([\d.]+)"', chart)
    assert 1 <= len(bars) <= 80
    for x, width, y, height in bars:
        assert 0 <= float(x) <= float(x) + float(width) <= 1081
        assert 0 <= float(y) <= float(y) + float(height) <= 241


def test_charts_of_many_names() -> None:
    """The largest eight have a bar of their own, the rest share one."""
    counts = {f"model-{number}": Counter(allowed=number + 1) for number in range(30)}
    chart = charts.ranked("By model", counts)
    assert chart.count("<g>") == 9
    assert "22 others" in chart
    assert charts.ranked("nothing", {}) == charts.over_time({}) == ""


def test_the_sample_prefers_refusals() -> None:
    """Within the budget the sample holds refusals, and thins out the rest evenly."""
    sampler = LeafSampler(budget=10_000)
    for index in range(10_000):
        sampler.add(index, b"x" * 30, urgent=index % 100 == 0)
    kept = [index for index, _ in sampler.kept()]
    assert set(range(0, 10_000, 100)) <= set(kept)
    assert kept == sorted(kept)
    assert 400 < len(kept) <= 1_000
    assert max(b - a for a, b in pairwise(kept)) <= 64


def test_times_of_the_world() -> None:
    """Bars begin with round moments in UTC."""
    minute = int((NOON + timedelta(minutes=3)).timestamp()) // 60
    assert "21 Nov 12:03: 1 denied" in charts.over_time({minute: Counter(denied=1)})
    assert decision(0).tenant
