"""A whole log's records, once it verifies: what those who draw conclusions from records start from.

Guarantees that every record handed out lies under a checkpoint that a known key signed, in a log that verifies shard by
shard, and that what is read is what was verified, also when somebody writes into the directory meanwhile. Records newer
than the checkpoints are left out.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from audit.checks.chain_check import ChainReport, ShardReport, verify_chain
from audit.errors import AuditError
from audit.files.shards import shard_numbers
from audit.reading import LoggedRecord, read_records
from audit.tlog.merkle import Frontier
from audit.tlog.notes import VerifierKey

Progress = Callable[[int, int], None]


class LogNotVerified(AuditError):
    """The log doesn't verify: find out why before anything is made of it."""

    hint = "run `bailiwick audit verify` for the details"


class VerifiedLog:
    """A log that verified a moment ago, `unread` being the records that nobody can read. Raises LogNotVerified."""

    def __init__(
        self, directory: Path, keys: Sequence[VerifierKey], progress: Progress = lambda _done, _total: None
    ) -> None:
        report = verify_chain(directory, keys, progress=progress)
        if not report.is_intact:
            raise LogNotVerified(f"`{directory}` does not verify: {_first(report)}")
        self._shards = [one for one in report.shards if not one.pruned]
        self.unread = [(index, why) for one in report.shards for index, why in sorted(one.report.unreadable.items())]
        self.is_pruned = len(self._shards) < len(shard_numbers(directory))  # older records are gone, lawfully

    @property
    def size(self) -> int:
        """Records under checkpoints."""
        return sum(one.report.checkpoint.size for one in self._shards if one.report.checkpoint)

    def records(self) -> Iterator[LoggedRecord]:
        """All of them, in order. Raises LogNotVerified at the end of a shard that has changed since."""
        for one in self._shards:
            yield from _read(one)


def _read(shard: ShardReport) -> Iterator[LoggedRecord]:
    checkpoint = shard.report.checkpoint
    assert checkpoint is not None  # it verified
    frontier = Frontier()
    for record in read_records(shard.shard.directory, 0, checkpoint.size):
        frontier.append(record.hash)
        yield record
    if (frontier.size, frontier.root()) != (checkpoint.size, checkpoint.root):
        raise LogNotVerified(f"`{shard.shard.origin}` was changed between its verification and its reading")


def _first(report: ChainReport) -> str:
    problems = [*report.problems, *(one for shard in report.shards for one in shard.report.problems)]
    return str(problems[0]) if problems else "nothing in it is signed"
