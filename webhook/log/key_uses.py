"""Books of key uses are taken up by whoever owns a log: every line counted in a `key-use` record, once.

Guarantees: a page of a book goes only when the records of all its lines are durable, in one batch; should a crash come
between the two, the next start finds them in the log and does not count them again (in a log that replicas share, the
record's `source` says so to whoever counts). A log that takes no records loses no use: pages stay. What signs this
log's checkpoints has its own signatures counted an interval later, so that no record asks for another without end.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from audit.errors import AuditError, RecordInvalid
from audit.files.committer import nobody
from audit.files.shards import shard_numbers
from audit.leaves.record import Record, event_record
from audit.process.serving import Served
from audit.reading import read_records
from audit.sealed.inputs import Origin
from audit.settings import LogStatus
from audit.whole import present_shards
from keymgmt.uses.book import PAGE, UseBook, remove, taken, waiting
from keymgmt.uses.tallies import UNREADABLE, tallied
from webhook.rounds import rounds

logger = logging.getLogger("bailiwick.webhook")

INTERVAL = 60.0  # seconds between records of what was used meanwhile


class Bookkeeper:
    """Takes up finished pages into one log. For one thread."""

    def __init__(
        self,
        log: Served,
        origin: Origin,
        folders: Sequence[Path],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        *,
        directory: Path | None = None,
    ) -> None:
        """`directory`: where the log lies, when it lies in files."""
        self._log = log
        self._origin = origin
        self._folders = folders
        self._clock = clock
        self._directory = directory
        self.trouble = ""  # why something could not be taken up

    def take_up(self) -> int:
        """Everything that is finished; how many records that made. Never raises: what fails is tried again."""
        made, self.trouble = 0, ""
        for page in [page for folder in self._folders for page in waiting(folder)]:
            try:
                made += self._take_up(page)
            except (AuditError, OSError) as error:
                self.trouble = f"uses of keys in `{page.parent}` are not in the log yet: {error}"
                logger.error("%s", self.trouble)  # noqa: TRY400  # what is wrong is said, where is not our fault
        return made

    def left(self) -> int:
        """Pages that wait, those that are being written too."""
        return sum(len(waiting(folder)) for folder in self._folders)

    def _take_up(self, page: Path) -> int:
        with taken(page) as lines:
            if lines is None:
                return 0
            name, at = _marked(page)
            if at is not None and self._is_logged(name, *at):
                remove(page)
                return 0
            items = [self._log.made(self._record(fields), ()) for fields in tallied(lines, name)]
            if items:
                page = self._mark(page, name)
                self._log.append_batch(items, nobody)
            remove(page)
            return len(items)

    def account(self, told: LogStatus) -> LogStatus:
        """The log's account, which warns of uses that could not be taken up."""
        return replace(told, warning=told.warning or self.trouble)

    def _record(self, fields: Mapping[str, object]) -> Record:
        who = self._origin.fields(self._clock())
        try:
            return event_record("key-use", {**who, **fields})
        except RecordInvalid:  # of another release, or of no one: counted all the same
            said = {"key_operation": UNREADABLE, "outcome": UNREADABLE}
            return event_record("key-use", {**who, **said, "count": fields["count"], "source": fields["source"]})

    def _mark(self, page: Path, name: str) -> Path:
        """Say on the page from where on its records would be found. Raises OSError."""
        if self._directory is None:
            return page
        marked = page.with_name(f"{name}.{shard_numbers(self._directory)[-1]}-{self._log.status().size}{PAGE}")
        return page.rename(marked)

    def _is_logged(self, name: str, shard: int, begin: int) -> bool:
        """Whether a page's records are in the log, from that record on. Raises AuditError, OSError."""
        if self._directory is None:
            return False
        for number, place in present_shards(self._directory):
            if number >= shard:
                for record in read_records(place, begin if number == shard else 0):
                    if str(record.fields.get("source", "")).startswith(f"{name}/"):
                        return True
        return False


def _marked(page: Path) -> tuple[str, tuple[int, int] | None]:
    """A page's own name, and shard and record from which on its records may lie in the log."""
    name, _, mark = page.name.removesuffix(PAGE).partition(".")
    shard, _, begin = mark.partition("-")
    return name, (int(shard), int(begin)) if shard.isdecimal() and begin.isdecimal() else None


@contextmanager
def kept(keeper: Bookkeeper, own: Sequence[UseBook], interval: float = INTERVAL) -> Iterator[None]:
    """Within, finished pages are taken up in every interval, this process's `own` too; and once more at the end."""
    left = keeper.take_up  # what the run before left
    try:
        with rounds("key-uses", interval, lambda: _round(keeper, own), first=left):
            yield
    finally:
        _round(keeper, own)


def _round(keeper: Bookkeeper, own: Sequence[UseBook]) -> None:
    for book in own:
        book.turn()
    keeper.take_up()
