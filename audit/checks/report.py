"""What a verification says of a log, or of a shard: problems, notes, and what was verified and counted on the way."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from audit.checks.findings import Finding
from audit.tlog.checkpoints import Checkpoint, Cosignature

Progress = Callable[[int, int], None]
"""`progress(done, total)` in records; the total may grow."""


@dataclass(frozen=True, slots=True)
class Report:
    """The result. `ok` when nothing is wrong; an unsigned tail and other notes leave it so."""

    problems: tuple[Finding, ...]
    notes: tuple[Finding, ...]
    total_problems: int  # more than are listed, when there are very many
    checkpoint: Checkpoint | None  # verified under one of the keys, None when it isn't
    signed_by: tuple[str, ...]
    cosignatures: tuple[Cosignature, ...]
    records: int  # verified
    unsigned: int  # records at the end that no verified checkpoint covers
    writers: dict[str, int]  # each writer's last number
    tenants: int
    sealed: int  # sealed parts that records name and the archive holds
    erased: int  # sealed parts that are gone and declared erased
    first: int = 0  # number of the first verified record; not 0 for a range
    erasures: frozenset[bytes] = frozenset()  # hashes of all sealed parts that are declared erased
    unreadable: Mapping[int, str] = field(default_factory=dict)  # records that nobody can read, and why
    about_unreadable: int = 0  # problems that are nothing else

    @property
    def ok(self) -> bool:
        return self.total_problems == 0

    @property
    def is_intact(self) -> bool:
        """Whether nothing is wrong but that records can't be read: all are there, as they were appended and signed."""
        return self.total_problems == self.about_unreadable
