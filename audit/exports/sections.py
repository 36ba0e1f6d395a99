"""What others may say in a report, as data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from audit.checks.report import Report
from audit.exports.packing import LEAF_BUDGET
from audit.tlog.notes import VerifierKey
from audit.tlog.proofs import Subtrees


@dataclass(frozen=True, slots=True)
class ReasonText:
    """What a reason code means and what to do about it; whoever owns the codes gives these."""

    sentence: str
    fix: str = ""
    controls: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Table:
    """A further section that somebody else has something to say in."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Sections:
    """What goes into a report beside the records."""

    generated: datetime | None  # None: nothing but the checkpoint says when, so that the same log gives the same bytes
    keys: Sequence[VerifierKey]  # whose checkpoint signature the page may verify; the first is filled in
    title: str = "Decisions on sovereignty"
    scope: str = (
        "Every decision that the admission webhook recorded in this period, with the proof that none was changed."
    )
    reasons: Mapping[str, ReasonText] = field(default_factory=dict)
    verification: Report | None = None  # what a verification of the whole log found
    subtrees: Subtrees | None = None  # the tree, when the records are only a part of the log
    selected: str = ""  # in words, what was chosen; empty when the records follow each other
    is_narrow: bool = False  # somebody's part of the log: nothing about others may show
    warning: str = ""  # why nothing here may be relied on
    tables: Sequence[Table] = ()
    leaf_budget: int = LEAF_BUDGET  # bytes of whole records to embed
