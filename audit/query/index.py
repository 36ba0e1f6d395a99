"""The index of one log: runs in a folder, brought up to date before each question, written anew where it doesn't fit.

Guarantees that what is found is what stands in the log now: a run counts only when it follows on the one before and its
last record's hash is that of the log; a damaged, missing or foreign run, and all after it, are made again from the
leaves. Nothing depends on the folder: it may be deleted at any time, and lie on any disk. What isn't found is a run
that somebody forged on purpose, record hash and all: whoever doubts the folder names another one.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from audit.files.store import Disk
from audit.query.runs import WIDEST, Run, RunBroken, RunBuilder, write_run
from audit.query.terms import microseconds, terms_of
from audit.reading import LoggedRecord, read_records
from audit.tlog.tiles import TILE_WIDTH, tile_path

FOLDER = "query-index"  # beside the log

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Bounds:
    """How wide a run is."""

    widest: int = WIDEST
    fresh: int = 4_096  # records at the end that are read each time instead of written into a run
    narrow: int = 8  # runs within one run's width before they become one


class IndexUnwritable(Exception):
    """The folder can't be written; `hint` says what to do."""

    def __init__(self, folder: Path, error: OSError) -> None:
        super().__init__(f"the index in `{folder}` can't be written: {error.strerror or error}")
        self.hint = "name a folder of your own with --index"


class Index:
    """An up-to-date index. Made by `of`; close it."""

    @classmethod
    def of(
        cls,
        log: Path,
        folder: Path | None = None,
        *,
        bounds: Bounds | None = None,
        progress: Progress = lambda _done: None,
    ) -> "Index":
        """Read what is there, make what is missing. Raises IndexUnwritable, LogCorrupt for a log that can't be read."""
        index = cls(log, folder or log.parent / FOLDER, bounds or Bounds())
        try:
            index._refresh(progress)
        except OSError as error:
            raise IndexUnwritable(index.folder, error) from error
        return index

    def __init__(self, log: Path, folder: Path, bounds: Bounds) -> None:
        self.log = log
        self.folder = folder
        self._bounds = bounds
        self.runs: list[Run] = []
        self.fresh: list[tuple[int, LoggedRecord]] = []  # the newest records with their times, in no run yet
        self.made = 0  # records that were read to make runs

    @property
    def size(self) -> int:
        """Records that it covers."""
        return (self.runs[-1].end if self.runs else 0) + len(self.fresh)

    def close(self) -> None:
        for run in self.runs:
            run.close()

    def discard(self, path: Path) -> None:
        """A run turned out to be damaged: it and all after it go, and the next `of` makes them again."""
        for run in self.runs:
            if run.path.name >= path.name:
                run.path.unlink(missing_ok=True)

    def _refresh(self, progress: Progress) -> None:
        self.runs = list(self._fitting())
        self._widen()
        end = self.runs[-1].end if self.runs else 0
        builder = RunBuilder(end)
        fresh: list[tuple[int, LoggedRecord]] = []
        time = 0  # of the last record; one that can't be read counts at that of the one before it
        for record in read_records(self.log, end):
            time = time if record.unreadable else max(0, microseconds(record.fields["time"]))
            builder.add(record.hash, time, terms_of(record.fields))
            fresh.append((time, record))
            if (record.index + 1) % self._bounds.widest == 0:
                self._keep(builder)
                builder, fresh = RunBuilder(record.index + 1), []
            elif len(fresh) > 2 * self._bounds.fresh:
                fresh = []  # a run will be written for them in any case
            progress(record.index)
        if len(builder) > self._bounds.fresh:
            self._keep(builder)
            fresh = []
        self.fresh = fresh

    def _fitting(self) -> Iterator[Run]:
        """Runs from the beginning on that follow on each other, and of which each ends with a record of this log."""
        fitting: list[Run] = []
        for path in sorted(self.folder.glob("*.run")):
            try:
                run = Run(path)
            except (RunBroken, OSError):
                break
            if run.first != (fitting[-1].end if fitting else 0) or not run.count:
                run.close()
                continue  # left over from a run that became part of a wider one
            if not self._is_of_log(run):
                run.close()
                break
            fitting.append(run)
        known = {run.path for run in fitting}
        for path in self.folder.glob("*.run") if self.folder.exists() else ():
            if path not in known:
                path.unlink(missing_ok=True)
        return iter(fitting)

    def _is_of_log(self, run: Run) -> bool:
        """By the hash in a full tile, which is had at once, or by the record itself."""
        at = run.end - 1
        try:
            found = Disk().read(self.log / tile_path(0, at // TILE_WIDTH), at % TILE_WIDTH * 32, 32)
        except OSError:  # not full yet
            found = next((record.hash for record in read_records(self.log, at, run.end)), b"")
        return found == bytes(run.last_hash)

    def _widen(self) -> None:
        """Many narrow runs are dropped, so that one wide run is made of them."""
        begin = (self.runs[-1].end - 1) // self._bounds.widest * self._bounds.widest if self.runs else 0
        narrow = [run for run in self.runs if run.first >= begin]
        if len(narrow) > self._bounds.narrow:
            for run in narrow:
                run.close()
                run.path.unlink(missing_ok=True)
            self.runs = self.runs[: -len(narrow)]

    def _keep(self, builder: RunBuilder) -> None:
        self.made += len(builder)
        self.runs.append(Run(write_run(self.folder, builder)))
