"""A report as one HTML file that needs nothing else: charts, tables, and its own verification in the browser.

Guarantees: no network request (a content security policy forbids them and allows just this page's own script and style
by their hashes); every value of a record is text, with what is invisible written out; what the page shows can be
checked against the embedded checkpoint. Leaves to others: whether the embedded key is the right one, which nobody can
learn from the report itself.
"""

import base64
from collections.abc import Iterable
from pathlib import Path

from audit.exports import parts
from audit.exports.markup import data_block, page, table_section
from audit.exports.packing import LeafSampler, deflated, outside, packed_hashes, packed_leaves, packed_rows
from audit.exports.sections import ReasonText, Sections, Table
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
    summary, sampler = Summary(), LeafSampler(sections.leaf_budget)
    for record in records:
        summary.add(record)
        sampler.add(record.index, record.leaf, urgent=record.fields.get("verdict") in ("denied", "undetermined"))
    note = parse_note(checkpoint)
    claimed = Checkpoint.parse(note.text)
    leaves = sampler.kept()
    body = (
        parts.header(summary, claimed, sections),
        "<main>",
        parts.glance(summary, sections.verification),
        parts.verification(summary, sections.keys, len(leaves)),
        parts.decided(summary),
        parts.refusals(summary, sections.reasons),
        parts.waivers(summary),
        parts.completeness(summary, sections.verification, claimed),
        parts.keys_and_checkpoint(summary, sections.keys, str(note)),
        *(table_section(one.title, one.columns, one.rows, one.note) for one in sections.tables),
        parts.decisions(summary),
        "</main>",
        parts.footer(sections.generated),
        data_block("proof", deflated(_proof(summary, claimed, sections))),
        data_block("packed-rows", deflated(packed_rows(summary.rows))),
        data_block("leaves", deflated(packed_leaves(leaves))),
        data_block("hashes", packed_hashes(summary.hashes)),
    )
    return page(sections.title, "".join(body))


def _proof(summary: Summary, checkpoint: Checkpoint, sections: Sections) -> dict[str, object]:
    """What leads from the report's hashes to the root."""
    end = max(summary.first, min(summary.last, checkpoint.size))
    nodes = outside(summary.first, end, checkpoint.size, sections.subtrees)
    encoded = [[node.begin, node.end, base64.b64encode(node.hash).decode()] for node in nodes]
    return {"first": summary.first, "size": checkpoint.size, "outside": encoded}
