"""Checks the archive against the records: every part that they name is there, in its size, or is declared erased."""

from collections.abc import Sequence
from pathlib import Path

from audit.checks.crew import Crew
from audit.checks.findings import Findings
from audit.checks.record_check import RecordCheck
from audit.checks.stretches import Ground, check_parts
from audit.files.recovery import segment_paths
from audit.files.segments import segment_first, segment_name
from audit.files.store import FileSystem


def check_archive(
    ground: Ground, firsts: Sequence[int], records: RecordCheck, findings: Findings, crew: Crew
) -> tuple[int, int]:
    """How many of the parts that `records` name are there, and how many are declared erased."""
    present = _archived(ground, firsts, findings, crew)
    missing = 0
    for digest, (size, index) in records.sealed.items():
        if digest not in present:
            missing += 1
            if digest not in records.erased:
                findings.problem(f"record {index}", f"names the sealed part {digest.hex()}, which is gone", index)
        elif present[digest] != size:
            findings.problem(f"record {index}", f"names the sealed part {digest.hex()} with another size", index)
    if left := len(present.keys() & records.erased):
        findings.note("archive", f"still holds {left} sealed parts that are declared erased")
    if orphans := len(present.keys() - records.sealed.keys()):
        findings.note("archive", f"holds {orphans} sealed parts of appends that were never acknowledged")
    return len(records.sealed) - missing, len(records.sealed.keys() & records.erased)


def segment_firsts(files: FileSystem, directory: Path) -> list[int]:
    """The first number of each segment, by its name."""
    found = [segment_first(path.name) for path in segment_paths(files, directory)]
    return [first for first in found if first is not None]


def _archived(ground: Ground, firsts: Sequence[int], findings: Findings, crew: Crew) -> dict[bytes, int]:
    """Size by digest of every sealed part, each segment checked against the one before."""
    present: dict[bytes, int] = {}
    expected = 0
    for stretch in crew.work(check_parts, [(ground, first, first == firsts[-1]) for first in firsts]):
        if stretch.first is not None and stretch.first != expected:
            where = f"archive/{segment_name(stretch.first)}"
            findings.problem(where, f"should begin with {expected}: a segment is missing, or one was cut")
            break
        findings.take(stretch.findings)
        present |= stretch.parts
        expected = stretch.next
        if stretch.lost:
            break
    return present
