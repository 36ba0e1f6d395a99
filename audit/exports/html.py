"""A report as one HTML file that needs nothing else: charts, tables, and its own verification in the browser.

Guarantees: no network request (a content security policy forbids them and allows just this page's own script and style
by their hashes); every value of a record is text, with what is invisible written out; what the page shows can be
checked against the embedded checkpoint. Leaves to others: whether the embedded key is the right one, which nobody can
learn from the report itself.
"""

import base64
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from audit.exports import completeness, exceptions, key_uses, parts
from audit.exports.chains import Chains
from audit.exports.controls import Tally
from audit.exports.markup import data_block, page, table_section
from audit.exports.packing import LeafSampler, deflated, outside, packed_hashes, packed_leaves, packed_rows, runs
from audit.exports.population import Population
from audit.exports.sections import ReasonText, Sections, Table
from audit.exports.sinks import Writes
from audit.exports.summary import Summary
from audit.reading import LoggedRecord, checkpoint_bytes, read_records
from audit.tlog.checkpoints import Checkpoint
from audit.tlog.notes import parse_note

__all__ = ["ReasonText", "Sections", "Table", "html_report", "report_of_log"]


def report_of_log(directory: Path, sections: Sections) -> str:
    """The report of a whole log. Raises LogCorrupt where it can't be read to its end, or has no checkpoint."""
    checkpoint = checkpoint_bytes(directory)  # first: a log that is being written only grows beyond it
    return html_report(read_records(directory), checkpoint, sections)


def html_report(records: Iterable[LoggedRecord], checkpoint: bytes, sections: Sections) -> str:
    """The report of these records, which follow each other in the log, under this checkpoint (a signed note).

    Raises ValueError when a record is left out between, or the tree is needed and not given; NoteMalformed.
    """
    report = HtmlReport(sections)
    for record in records:
        report.add(record)
    return report.rendered(checkpoint)


class HtmlReport:
    """A report that grows by its records. Holds a row and a hash of each."""

    def __init__(self, sections: Sections) -> None:
        self._sections = sections
        self._summary = Summary(is_part=bool(sections.selected))
        self._sampler = LeafSampler(sections.leaf_budget)
        self._tally = Tally()
        self._chains = Chains()

    def add(self, record: LoggedRecord) -> None:
        """The next record. Raises ValueError when one is left out between and no selection was declared."""
        self._summary.add(record)
        self._tally.add(record)
        if record.unreadable:
            return  # its hash is in the tree, and the section on completeness says why there is no more
        self._chains.add(record)
        urgent = record.fields.get("verdict") in ("denied", "undetermined")
        self._sampler.add(record.index, record.leaf, urgent=urgent)

    def rendered(self, checkpoint: bytes) -> str:
        """The whole page, under this checkpoint (a signed note). Raises NoteMalformed, ValueError without a tree."""
        note = parse_note(checkpoint)
        claimed = Checkpoint.parse(note.text)
        leaves = self._sampler.kept()
        body = (
            *self._sections_of(claimed, str(note), len(leaves)),
            data_block("proof", deflated(_proof(self._summary, claimed, self._sections))),
            data_block("packed-rows", deflated(packed_rows(self._summary.rows))),
            data_block("leaves", deflated(packed_leaves(leaves))),
            data_block("hashes", packed_hashes(self._summary.hashes)),
        )
        return page(self._sections.title, "".join(body))

    def _sections_of(self, claimed: Checkpoint, note: str, embedded: int) -> Iterator[str]:
        sections, summary = self._sections, self._summary
        yield parts.header(summary, claimed, sections)
        yield "<main>"
        yield parts.glance(summary, sections.verification)
        yield parts.verification(summary, sections.keys, embedded)
        yield parts.decided(summary)
        yield parts.refusals(summary, sections.reasons)
        yield exceptions.waivers(summary)
        yield exceptions.break_glass(summary)
        yield completeness.section(summary, sections, claimed, self._chains)
        yield parts.keys_and_checkpoint(summary, sections.keys, note)
        yield key_uses.section(summary.key_uses)
        yield from (table_section(one.title, one.columns, one.rows, one.note) for one in sections.tables)
        holds = sections.verification is not None and sections.verification.is_intact
        yield parts.controls_section(self._tally, is_verified=holds)
        yield parts.decisions(summary)
        yield "</main>"
        yield parts.footer(sections.generated)


class HtmlExport:
    """The report as an export. Holds a row, a hash and up to 4 MB of leaves."""

    def __init__(self, population: Population, at: Writes, sections: Sections) -> None:
        self._at = at
        self._note = population.signed()[1]
        self._report = HtmlReport(
            replace(
                sections,
                keys=population.keys,
                verification=population.report,
                subtrees=population.subtrees(),
                selected=population.selection.said(),
                is_narrow=population.selection.is_narrow,
                warning=population.warning(),
            )
        )

    def add(self, record: LoggedRecord) -> None:
        self._report.add(record)

    def finish(self) -> None:
        self._at.write(self._report.rendered(self._note).encode())


def _proof(summary: Summary, checkpoint: Checkpoint, sections: Sections) -> dict[str, object]:
    """What leads from the report's hashes to the root."""
    beside = outside(summary.numbers, checkpoint.size, sections.subtrees)
    encoded = base64.b64encode(beside).decode()
    return {"runs": runs(summary.numbers), "size": checkpoint.size, "outside": encoded}
