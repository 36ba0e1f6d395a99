"""A question to a whole log: every shard has an index of its own; a damaged run is made anew and asked again."""

from dataclasses import dataclass
from pathlib import Path

from audit.leaves.readable import UNREADABLE
from audit.query.index import FOLDER, Bounds, Index, Progress
from audit.query.rows import leaves_at
from audit.query.runs import RunBroken
from audit.query.search import Found, Question, search
from audit.reading import LoggedRecord
from audit.whole import present_shards

MOST_UNREAD = 20  # of the records that nobody can read, those that are shown
_UNREAD = Question({"schema": (UNREADABLE,)})


@dataclass(frozen=True, slots=True)
class Answer:
    """How many records fit, and the newest of them, the newest first, each with the number of its shard."""

    count: int
    rows: tuple[tuple[int, LoggedRecord], ...]
    unread: int = 0  # records of the log that nobody can read, and that no question finds
    newest_unread: tuple[tuple[int, LoggedRecord], ...] = ()


def ask(
    log: Path,
    question: Question,
    limit: int = 100,
    *,
    folder: Path | None = None,
    bounds: Bounds | None = None,
    progress: Progress = lambda _done: None,
) -> Answer:
    """Bring the indexes up to date and answer. Raises IndexUnwritable, LogCorrupt for a log that can't be read."""
    base = folder or log.parent / FOLDER
    shards = present_shards(log)
    _forget_pruned(base, {number for number, _ in shards})
    count = unread = 0
    newest_unread: list[tuple[int, LoggedRecord]] = []
    rows: list[tuple[int, LoggedRecord]] = []
    for number, place in reversed(shards):
        found = _asked(place, _folder(base, number), question, limit - len(rows), bounds, progress)
        count += found.count
        rows += [(number, record) for record in leaves_at(place, found.newest)]
        hidden = _asked(place, _folder(base, number), _UNREAD, MOST_UNREAD - len(newest_unread), bounds, progress)
        unread += hidden.count
        newest_unread += [(number, record) for record in leaves_at(place, hidden.newest)]
    return Answer(count, tuple(rows), unread, tuple(newest_unread))


def _asked(
    place: Path, folder: Path, question: Question, limit: int, bounds: Bounds | None, progress: Progress
) -> Found:
    while True:
        index = Index.of(place, folder, bounds=bounds, progress=progress)
        try:
            return search(index, question, limit)
        except RunBroken as broken:
            index.discard(broken.path)
        finally:
            index.close()


def _folder(base: Path, number: int) -> Path:
    return base / f"{number:06d}" if number else base


def _forget_pruned(base: Path, present: set[int]) -> None:
    """What was removed from the log is removed from here too."""
    known = [int(path.name) for path in base.glob("??????") if path.name.isdecimal()] if base.is_dir() else []
    for number in {0, *known} - present:
        for path in _folder(base, number).glob("*.run"):
            path.unlink(missing_ok=True)
