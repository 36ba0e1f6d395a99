"""Single leaves by their numbers: from the published bundles where they reach, else from the segments."""

from collections.abc import Sequence
from pathlib import Path

from audit.errors import AuditError
from audit.files.store import Disk
from audit.reading import LoggedRecord, bundle_leaves, read_checkpoint, read_records, record_of


def leaves_at(log: Path, indices: Sequence[int]) -> list[LoggedRecord]:
    """The records with these numbers, in the order in which they are asked for. Raises LogCorrupt."""
    files = Disk()
    try:
        published = read_checkpoint(log, files).size
    except AuditError:
        published = 0
    found: dict[int, LoggedRecord] = {}
    for index in sorted(set(indices)):
        if index in found:
            continue
        if index < published:
            number, leaf = next(bundle_leaves(files, log, index, published))
            found[index] = record_of(number, leaf)
        else:
            found |= {record.index: record for record in read_records(log, index, max(indices) + 1, files)}
    return [found[index] for index in indices if index in found]
