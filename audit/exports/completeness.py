"""The section on completeness: why no record is missing, or which; what happened to the log itself.

A report of somebody's part of the log says of the whole only that it was verified: the counters, tenants and writers of
others are not its reader's business. Its own completeness it shows by the tenant's counter.
"""

from collections.abc import Sequence

from audit.checks.report import Report
from audit.exports.chains import Chains
from audit.exports.exceptions import MOST, details, moment, told
from audit.exports.markup import table
from audit.exports.sections import Sections
from audit.exports.summary import NONE, Event, Summary
from audit.exports.text import escaped
from audit.tlog.checkpoints import Checkpoint

AT_ONCE = 60  # seconds by which records may be out of order: no answer takes longer


def section(summary: Summary, sections: Sections, checkpoint: Checkpoint, chains: Chains) -> str:
    """The whole section."""
    said = "".join(f"<p>{escaped(line, 4000)}</p>" for line in _statement(summary, sections, checkpoint, chains))
    found = f"{_problems(sections)}{_unread(summary, sections)}{_events(summary.events)}"
    return (
        f"<section><h2>Completeness</h2>{said}{found}"
        '<p class="soft">A decision is not yet an outcome: what another webhook or the API server did afterwards '
        "stands in the API server's own audit log, whose annotations name each record.</p></section>"
    )


def _statement(summary: Summary, sections: Sections, checkpoint: Checkpoint, chains: Chains) -> list[str]:
    lines = []
    if summary.is_part:
        lines.append(
            f"{len(summary.hashes):,} records were chosen ({sections.selected}); each lies under the checkpoint of "
            f"{checkpoint.size:,} records, the others of which show here as hashes only."
        )
    elif summary.hashes:
        lines.append(f"Records {summary.first:,} to {summary.last - 1:,} follow each other without one left out.")
        lines.append(_silence(*summary.silence))
        lines += _setback(*summary.setback)
    if sections.is_narrow:
        return lines + chains.said()
    if (later := summary.last - checkpoint.size) > 0:
        lines.append(f"The last {later:,} are newer than the checkpoint: only their counters vouch for them yet.")
    if (report := sections.verification) is not None:
        writers = ", ".join(f"{name} up to {seq:,}" for name, seq in report.writers.items()) or NONE
        lines.append(f"Writers and their counters: {writers}. Tenants with a chain of their own: {report.tenants:,}.")
        lines.append(f"Sealed parts present: {report.sealed:,}; erased and declared so: {report.erased:,}.")
    return lines


def _silence(length: int, since: str) -> str:
    if not length:
        return "There is a record of every second."
    return f"The longest time without any record, heartbeats included, was {_long(length)}, from {moment(since)} on."


def _setback(length: int, index: int) -> list[str]:
    """A decision may wait for its record as long as any answer does; what is further back is a clock's doing."""
    if length < AT_ONCE:
        return []
    return [f"A clock went back: record {index:,} is dated {_long(length)} before one that stands earlier in the log."]


def _long(length: int) -> str:
    told = f"{length:,} seconds" if length < 600 else f"{length / 3600:,.1f} hours" if length >= 36_000 else ""
    return told or f"{length // 60:,} minutes"


def _problems(sections: Sections) -> str:
    report = sections.verification
    if report is None:
        return '<p class="soft">The log was not verified for this report.</p>'
    if sections.is_narrow:
        return _in_short(report)
    listed = [problem for problem in report.problems if problem.index not in report.unreadable]
    found = [(problem.where, problem.message) for problem in listed[:MOST]]
    found += [(note.where, f"note: {note.message}") for note in report.notes[:MOST]]
    if not found:
        return '<p class="good">No gap, no damage, nothing unsigned.</p>' if report.ok else ""
    return table(("Where", "What was found"), found)


def _unread(summary: Summary, sections: Sections) -> str:
    """Records that nobody can read: which, and why. In somebody's part of the log only which: whose is unknown."""
    report = sections.verification
    if sections.is_narrow:
        numbers = sorted(report.unreadable) if report is not None else []
        if not numbers:
            return ""
        which = ", ".join(f"{number:,}" for number in numbers[:MOST]) + (", …" * (len(numbers) > MOST))
        return f'<p class="bad">Of the whole log nobody can read {which}, nor say whose that is.</p>'
    if not summary.unread:
        return ""
    rows = [(f"{index:,}", why) for index, why in summary.unread[:MOST]]
    left = len(summary.unread) - len(rows)
    note = f'<p class="soft">{left:,} more are left out.</p>' if left else ""
    told = "<p>They are in the log as they were appended, under its root, and are counted nowhere in this report.</p>"
    return f"<h3>Records that can't be read</h3>{told}{table(('Record', 'Why'), rows, counts=1)}{note}"


def _in_short(report: Report) -> str:
    if report.ok:
        return '<p class="good">The whole log was verified: no gap, no damage.</p>'
    if report.is_intact:
        return '<p class="good">The whole log was verified: nothing in it was changed or removed.</p>'
    return '<p class="bad">The whole log was verified and does not hold.</p>'


def _events(events: Sequence[Event]) -> str:
    shown = told(list(events))
    if not shown:
        return ""
    rows = [(f"{event.index:,}", moment(event.time), event.name, details(event.fields)) for event in shown[-MOST:]]
    left = len(shown) - len(rows)
    note = f'<p class="soft">{left:,} earlier ones are left out.</p>' if left else ""
    columns = ("Record", "Time", "What", "Details")
    return f"<h3>Runs, policies, keys, erasures</h3>{table(columns, rows, counts=1, kind='events')}{note}"
