"""The sections of a report, each made of counts or of what others said. Values in, markup out."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from audit.checks.report import Report
from audit.exports import charts
from audit.exports.controls import Control, Tally, controls
from audit.exports.markup import facts, note_block, scrolling, table, table_section
from audit.exports.sections import ReasonText, Sections
from audit.exports.summary import NONE, VERDICTS, Summary
from audit.exports.text import escaped
from audit.tlog.checkpoints import Checkpoint
from audit.tlog.notes import VerifierKey

_MOST_ROWS = 12


def header(summary: Summary, checkpoint: Checkpoint, sections: Sections) -> str:
    """What the report is of."""
    said = facts(
        (
            ("Period", f"{_time(summary.begin, '')} to {_time(summary.end)}" if summary.hashes else "no records"),
            ("Cluster", ", ".join(summary.clusters) or NONE),
            ("Region of keys", ", ".join(summary.regions) or NONE),
            ("Log", checkpoint.origin),
            ("Records", _records(summary, checkpoint)),
            ("Checkpoint", f"{checkpoint.size:,} records, root {checkpoint.root.hex()[:16]}…"),
        )
    )
    warning = f'<p class="warning">{escaped(sections.warning)}</p>' if sections.warning else ""
    chosen = f'<p class="chosen">A part of the log: {escaped(sections.selected, 4000)}.</p>'
    return (
        f'<header><div><span class="mark">Bailiwick · audit report</span><h1>{escaped(sections.title)}</h1>'
        f'<p class="lead">{escaped(sections.scope, 2000)}</p>'
        f"{warning}{chosen if sections.selected else ''}{said}</div></header>"
    )


def _records(summary: Summary, checkpoint: Checkpoint) -> str:
    count = f"{len(summary.hashes):,}"
    if not summary.is_part:
        return f"{count}, numbers {summary.first:,} to {summary.last - 1:,}"
    return f"{count} of {checkpoint.size:,} in the log" + (
        f", between numbers {summary.first:,} and {summary.last - 1:,}" if summary.hashes else ""
    )


def glance(summary: Summary, report: Report | None) -> str:
    """The five figures, and whether the log holds."""
    total = max(1, sum(summary.verdicts.values()))
    cards = "".join(
        f'<div class="card figure {verdict}"><b data-verdict="{verdict}" data-count="{summary.verdicts[verdict]}">'
        f"{summary.verdicts[verdict]:,}</b><span>{verdict}, {summary.verdicts[verdict] / total:.1%}</span></div>"
        for verdict in VERDICTS
    )
    said = f"{_pace(summary)} {_holds(report)}"
    return f'<section><h2>At a glance</h2><p>{said}</p><div class="cards">{cards}</div></section>'


def _pace(summary: Summary) -> str:
    count = f"{sum(summary.verdicts.values()):,} decisions"
    if not summary.latencies:
        return f"{count}."
    ordered = sorted(summary.latencies)
    half, high = ordered[len(ordered) // 2], ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)]
    return f"{count}, half of them made within {half / 1000:.2f} ms and 99 % within {high / 1000:.2f} ms."


def _holds(report: Report | None) -> str:
    if report is None:
        return ""
    if report.ok:
        return 'The whole log was verified for this report: <strong class="good">it holds</strong>.'
    if report.is_intact:
        count = len(report.unreadable)
        many = f"{count:,} records" if count != 1 else "one record"
        return (
            'The whole log was verified for this report: nothing in it was changed or removed, and <strong class="bad">'
            f"{many} can't be read</strong>, see Completeness."
        )
    many = f"{report.total_problems:,} problem{'s' if report.total_problems != 1 else ''}"
    return f'The log was verified for this report: <strong class="bad">{many} found</strong>, see Completeness.'


def verification(summary: Summary, keys: Sequence[VerifierKey], embedded: int) -> str:
    """Where the reader lets the browser check the report."""
    key = escaped(str(keys[0]), 2000) if keys else ""
    steps = (
        ("contents", "Each embedded record matches its hash and its line in the table"),
        ("figures", "The figures are the sum of the lines"),
        ("tree", "All hashes lead to the root of the checkpoint"),
        ("signature", "The checkpoint is signed by the key"),
    )
    lines = "".join(f'<li id="step-{name}">{text}<small></small></li>' for name, text in steps)
    return (
        '<section class="screen"><div class="card verify"><div><h2>Verify this report</h2>'
        "<p>Your browser recomputes every hash and checks the signature, offline. A report can't vouch for the key "
        "that it carries: compare it with the one that you were given by another way, or paste yours."
        f"{_embedded(summary, embedded)}</p>"
        f'<label for="key">Verifier key of the log</label><textarea id="key" spellcheck="false">{key}</textarea></div>'
        f'<div><ol class="steps">{lines}</ol><button id="start" type="button">Verify</button>'
        '<p id="result" role="status"></p></div></div></section>'
    )


def _embedded(summary: Summary, embedded: int) -> str:
    if embedded == len(summary.hashes):
        return ""
    return (
        f" {embedded:,} of {len(summary.hashes):,} records are embedded in full, refusals first, then an even sample; "
        "of the others only the hash is, and <code>bailiwick audit verify</code> checks their content in the log."
    )


def decided(summary: Summary) -> str:
    """The charts."""
    over_time = charts.over_time(summary.by_minute)
    if not over_time:
        return ""
    ranked = (
        ("By data class", summary.by_class, str),
        ("By jurisdiction", summary.by_jurisdiction, str),
        ("By region that was possible", summary.by_place, str),
        ("By device isolation", summary.by_isolation, str),
        ("By policy applied", summary.by_policy, str),
        ("By policy that failed", summary.by_failed, str),
        ("By model", summary.by_model, _model_label),
        ("By kind", summary.by_kind, _kind_label),
    )
    cards = "".join(
        f'<div class="card"><h3>{title}</h3>{charts.ranked(title, counts, label)}</div>'
        for title, counts, label in ranked
        if counts
    )
    wide = f'<div class="card wide"><h3>Verdicts over time (UTC)</h3>{charts.legend()}{over_time}</div>'
    return f'<section><h2>What was decided</h2>{wide}<div class="grid">{cards}</div></section>'


def _kind_label(gvk: str) -> str:
    return gvk.rpartition("/")[2]


def _model_label(reference: str) -> str:
    """The model's own name: without scheme and pin, and from a long path its end."""
    base = reference.partition("://")[2] or reference
    base = base.partition("@")[0]
    return base if len(base) <= charts.LABEL_LENGTH else f"…{base[1 - charts.LABEL_LENGTH :]}"


def refusals(summary: Summary, texts: Mapping[str, ReasonText]) -> str:
    """The reasons of denials, the most frequent first, with what to change."""
    if not summary.reasons:
        return ""
    rows: list[tuple[str, ...]] = []
    for (code, policy), count in summary.reasons.most_common(_MOST_ROWS):
        text = texts.get(code, ReasonText(""))
        rows.append((f"{count:,}", code, policy, text.sentence, text.fix, ", ".join(text.controls)))
    left = len(summary.reasons) - len(rows)
    note = f"{left} rarer reasons are left out." if left else ""
    columns: tuple[str, ...] = ("Times", "Reason", "Policy", "What it means", "What to change", "Controls")
    if not any(any(row[3:]) for row in rows):  # nobody said what the codes mean
        columns, rows = columns[:3], [row[:3] for row in rows]
    return table_section("Why requests were refused", columns, rows, note, counts=1)


def controls_section(tally: Tally, *, is_verified: bool) -> str:
    """Which records bear on which control, and what they don't show."""
    rows = [
        (
            f"{control.source.short}, {control.reference}",
            control.asks,
            _evidence_for(control, tally, is_verified=is_verified),
            control.limits,
        )
        for control in controls()
    ]
    note = (
        "Evidence and its limits: no control was assessed here, and nothing in this report says that one is met. "
        "What a control asks is told in our words; its text holds."
    )
    columns = ("Control", "What it asks", "Evidence in these records", "What they don't show")
    return table_section("Evidence by control", columns, rows, note, kind="controls")


def _evidence_for(control: Control, tally: Tally, *, is_verified: bool) -> str:
    found = "; ".join(tally.found(control, verified=is_verified)) or "nothing"
    missing = tally.missing(control)
    return f"{found}. No record of: {', '.join(missing)}." if missing else f"{found}."


def keys_and_checkpoint(summary: Summary, keys: Sequence[VerifierKey], note: str) -> str:
    """The keys at work, the signed head, and how to verify with other means."""
    rows = [("signs checkpoints", key.name, str(key)) for key in keys]
    rows += [("tags personal values", name, f"{count:,} records") for name, count in summary.tag_keys.items()]
    rows += [
        ("seals personal values and inputs", name, f"{count:,} parts") for name, count in summary.sealed_keys.items()
    ]
    return (
        f"<section><h2>Keys and checkpoint</h2>{table(('Purpose', 'Key', 'Value'), rows)}"
        f"<h3>The checkpoint</h3>{note_block(note)}<h3>To verify without this page</h3>"
        "<pre>bailiwick audit verify LOG --key KEY\nbailiwick audit export LOG --html again.html</pre>"
        '<p class="soft">The log is in the format of C2SP tlog-tiles: other tools read and verify it too.</p></section>'
    )


def decisions(summary: Summary) -> str:
    """The table that the script fills."""
    options = "".join(f"<option>{verdict}</option>" for verdict in VERDICTS if summary.verdicts[verdict])
    heads = ("Time (UTC)", "Verdict", "Namespace", "Kind", "Operation", "Class", "Jurisdiction", "Reasons", "Models")
    columns = "".join(f"<th>{head}</th>" for head in heads)
    lines = f'<table><thead><tr>{columns}</tr></thead><tbody id="rows"></tbody></table>'
    pager = (
        '<div class="pager"><span id="count"></span><button class="plain" id="back" type="button">newer</button>'
        '<button class="plain" id="next" type="button">older</button></div>'
    )
    return (
        '<section class="screen"><h2>Every decision</h2><div class="filters">'
        f'<select id="by-verdict" aria-label="Verdict"><option value="">all verdicts</option>{options}</select>'
        '<input id="by-namespace" aria-label="Namespace" placeholder="namespace">'
        '<input id="by-kind" aria-label="Kind" placeholder="kind">'
        '<input id="by-text" aria-label="Words" placeholder="words anywhere: a model, a reason, a class"></div>'
        f"{scrolling(lines, pager)}"
        '<div id="record" class="card" hidden><h3 id="record-title"></h3><pre id="record-text"></pre></div></section>'
        '<section class="print"><h2>Every decision</h2><p>The full list can be filtered in the electronic form of this '
        "report, which also verifies itself.</p></section>"
    )


def footer(generated: datetime | None) -> str:
    """When it was made, and what isn't in it."""
    when = generated.astimezone(UTC).strftime(" on %d %B %Y, %H:%M UTC") if generated else " from the checkpoint above"
    return (
        f"<footer><div>Made by Bailiwick{when}. Names of people, addresses and objects are not in this report: "
        "the log holds keyed tags of them, and their values sealed. It is evidence, no legal advice.</div></footer>"
    )


def _time(time: str, zone: str = " UTC") -> str:
    return time[:16].replace("T", " ") + zone if time else NONE
