"""The log on files: an append returns once its record is durable, in one order, with one writer.

Guarantees: nothing is acknowledged before `fdatasync` of the record and its sealed parts; a failed sync ends all
acknowledging for good; what was acknowledged is found again by the next `open`, or that refuses with the reason. Who
appends does the writing, one batch at a time; a thread of the log's own, the keeper (`audit.files.keeper`), publishes.
Leaves to others: which records are written, who waits in which queue (`audit.process`), what a caller does when an
append is refused, and where the head is kept for good.
"""

import contextlib
import errno
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from audit.errors import LogClosed, LogFull, LogLocked, LogPoisoned, LogRefused, LogUnavailable
from audit.files.apart import Apart
from audit.files.archive_end import check_archive_end
from audit.files.committer import Committed, Committer, Item, Late, nobody
from audit.files.heads import FileHead, Head
from audit.files.keeper import Keeper
from audit.files.layout import HEAD, LOCK, archive_of, wal_of
from audit.files.publisher import Publisher
from audit.files.recovery import recover_segments
from audit.files.segment_writer import SyncFailed
from audit.files.signing import Signing, Source
from audit.files.store import Disk, FileSystem, make_durable_directory
from audit.leaves.counters import Counters
from audit.leaves.drafts import Seal, made
from audit.leaves.leaf import table_digest
from audit.leaves.readable import read_leaf
from audit.leaves.record import Draft, Record, Unsealed, event_record
from audit.ports import Envelope, Position, Signer
from audit.sealed.erasing import finish_erasing
from audit.settings import LogSettings, LogStatus, Writer
from audit.tlog.notes import VerifierKey

__all__ = ["FileLog", "LogSettings", "LogStatus", "Writer"]

Clock = Callable[[], datetime]


class FileLog:
    """A log in a directory. Made by `open`; one per directory, for as many threads as there are."""

    @classmethod
    def open(
        cls,
        directory: Path,
        *,
        origin: str,
        signer: Signer,
        clock: Clock,
        writer: Writer,
        settings: LogSettings | None = None,
        files: FileSystem | None = None,
        head: Head | None = None,
        seal: Seal | None = None,
        genesis: Mapping[str, object] | None = None,
    ) -> "FileLog":
        """Recover, lock and start; a start record is durable when this returns, in a new log after a genesis record.

        `genesis`: what else the genesis record of a new log says, for example which shard it follows (`files.shards`).
        Blocks on the disk. Raises LogLocked, LogCorrupt, LogRolledBack, LogUnavailable, and LogRefused for the rest.
        """
        writer.check()
        files = files or Disk()
        head = head or FileHead(files, directory / HEAD)
        source = Source(files, directory, origin, signer, head)
        log = cls(source, clock, writer, settings or LogSettings(), seal, genesis)
        try:
            log._start()
        except BaseException:
            log._release()
            raise
        return log

    def __init__(
        self,
        source: Source,
        clock: Clock,
        writer: Writer,
        settings: LogSettings,
        seal: Seal | None = None,
        genesis: Mapping[str, object] | None = None,
    ) -> None:
        self._source = source
        self._clock = clock
        self._writer = writer
        self._settings = settings
        self._seal = seal
        self._genesis = genesis or {}
        self._counters = Counters(writer.name, writer.boot)
        self._committer = Committer(
            source.files, source.directory, source.origin, settings.segment_bytes, self._counters
        )
        self._lock: int | None = None
        self._refusal: LogUnavailable | None = None  # why appends are refused for good
        self._refused = 0
        self._size = 0
        self._writing = threading.Lock()  # one batch at a time
        self._publisher = Publisher(source.files, source.directory, source.head)
        self._signing = Signing(source)
        self._keeper = Keeper(
            self,
            self._publishing(),
            self._signing,
            prepare=self._committer.prepare,
            files=source.files,
            directory=source.directory,
            rhythm=settings,
        )

    def _publishing(self) -> Publisher | Apart:
        source = self._source
        is_real = isinstance(source.files, Disk) and isinstance(source.head, FileHead)
        if not (self._settings.apart and is_real):
            return self._publisher
        return Apart(source.directory, self._publisher, lambda: self._lock or 0)

    # — appending —

    def append_now(self, record: Record | Draft, sealed: Sequence[Envelope | Unsealed] = ()) -> Position:
        """Return once the record and its sealed parts are durable; blocks.

        Raises LogBusy, LogFull, LogPoisoned, LogClosed (all LogUnavailable), RecordInvalid for too many parts.
        """
        committed = self.append_batch([self.made(record, sealed)])
        return Position(self.origin, committed.first, committed.pairs[0][0])

    def made(self, record: Record | Draft, sealed: Sequence[Envelope | Unsealed]) -> Item:
        """What `append_batch` takes. Raises RecordInvalid for too many parts, and for a draft that is no record."""
        return made(record, sealed, self._seal)

    def append_batch(self, items: Sequence[Item], late: Late = nobody) -> Committed:  # noqa: ARG002  # nobody waits here
        """Make these records durable in the caller's own thread, all or none. Blocks. Raises LogUnavailable.

        `late` is not asked: a log with one writer waits for no turn.
        """
        with self._writing:
            if self._refusal is not None or self._keeper.refuses:
                raise self._refuse()
            return self._commit(items) if items else Committed(self._size, [])

    @property
    def origin(self) -> str:
        """The log's name."""
        return self._source.origin

    def healthy(self) -> bool:
        """Whether an append may succeed now."""
        return self._refusal is None and not self._keeper.refuses

    def status(self) -> LogStatus:
        """The state of things, cheap enough for every scrape."""
        keeper = self._keeper
        trouble = str(self._refusal or keeper.refuses or keeper.trouble or "")
        return LogStatus(
            self._size,
            keeper.published,
            keeper.signed,
            keeper.unsigned_seconds(),
            0,
            self._refused,
            trouble,
            keeper.free,
            keeper.warning,
        )

    def publish_soon(self) -> None:
        """Have what is durable published and signed now rather than in the next round."""
        self._keeper.hurry()

    def close_now(self, *, successor: str = "") -> None:
        """Write a stop record, publish, sign, let go; appends from here on are LogClosed.

        With a `successor` this log has ended: that shard goes on.
        """
        with self._writing:
            if isinstance(self._refusal, LogClosed):
                return
            said = {"reason": "the next shard goes on", "next": successor} if successor else {"reason": "closed"}
            if self._refusal is None:
                with contextlib.suppress(LogUnavailable):
                    self._commit([(self._event("stop", {"refused": self._refused, **said}), ())])
            self._refusal = LogClosed("the log is closed")
        self._keeper.stop()
        self._release()

    # — what the keeper asks of the log —

    def beat(self, unsigned_seconds: float) -> None:
        """Record a heartbeat; one that is refused is no trouble of its own."""
        said: dict[str, object] = {"refused": self._refused, "unsigned_s": int(unsigned_seconds)}
        with contextlib.suppress(LogUnavailable):
            self.append_now(self._event("heartbeat", said))

    def poison(self, error: Exception) -> None:
        """Acknowledge nothing any more."""
        if not isinstance(self._refusal, LogPoisoned):
            self._refusal = LogPoisoned(f"the log has stopped for good: {error}; restart to recover what is durable")

    # — starting —

    def _start(self) -> None:
        files, directory, origin = self._source.files, self._source.directory, self._source.origin
        try:
            make_durable_directory(files, directory)
            self._take_lock()
            finish_erasing(files, directory)
            boundary = self._publisher.boundary()
            self._signing.resume(self._publisher.head)
            records = recover_segments(files, wal_of(directory), "log", origin, begin=boundary, counters=self._counters)
            parts = recover_segments(files, archive_of(directory), "archive", origin)
            if successor := successor_in(records.last_leaf):
                raise LogRefused(f"the log in `{directory.name}` has ended: it goes on as `{successor}`, open that")
            check_archive_end(files, directory, origin, records, parts)
            self._publisher.resume(records.size)
            self._keeper.resume(records.size)
            self._committer.create()
            files.sync_directory(directory)
            self._committer.resume(records, parts)
            self._committer.prepare()
            self._keeper.check_space()
        except (OSError, SyncFailed) as error:
            raise LogRefused(f"the log in `{directory.name}` can't be opened: {error}") from error
        if self._keeper.refuses:
            raise self._keeper.refuses
        self._size = records.size
        self._say_start(records.size, records.last.torn if records.last else 0, records.last_leaf)
        self._keeper.start()

    def _say_start(self, size: int, torn: int, last_leaf: bytes) -> None:
        if size == 0:
            key = VerifierKey.ed25519(self._source.signer.name, self._source.signer.public_key)
            genesis: dict[str, object] = {
                "origin": self._source.origin,
                "log_key": str(key),
                "table": table_digest().hex(),
                **self._genesis,
            }
            self._commit([(self._event("genesis", genesis), ())])
        clean = size == 0 or read_leaf(last_leaf)[0]["schema"].startswith("bailiwick.stop/")
        self._commit([(self._event("start", {"found": size, "torn": torn, "clean": clean}), ())])

    def _take_lock(self) -> None:
        self._lock = self._source.files.open(self._source.directory / LOCK, create=True)
        if not self._source.files.lock(self._lock):
            raise LogLocked(f"another process writes the log in `{self._source.directory.name}`: stop it first")

    def _release(self) -> None:
        with contextlib.suppress(OSError):  # all that was promised is durable already
            self._committer.close()
        if self._lock is not None:
            with contextlib.suppress(OSError):
                self._source.files.close(self._lock)
            self._lock = None

    def _event(self, schema: str, fields: dict[str, object]) -> Record:
        who = {"cluster": self._writer.cluster, "region": self._writer.region, "engine": self._writer.engine}
        return event_record(schema, {"time": self._clock(), **who, **fields})

    # — writing —

    def _commit(self, items: Sequence[Item]) -> Committed:
        """One batch, by whoever holds `_writing`. Raises LogUnavailable; nothing of the batch counts then."""
        try:
            committed = self._committer.commit(items)
        except OSError as error:
            if error.errno not in _TRANSIENT:
                self.poison(error)
            raise self._refusal or LogFull(f"the disk is full: {error}") from error
        except Exception as error:  # whatever it is, nobody may be left waiting, and nothing acknowledged
            self.poison(error)
            raise self._refusal or LogUnavailable(str(error)) from error
        self._size = committed.first + len(committed.pairs)
        self._keeper.take(self._size)
        return committed

    def _refuse(self) -> LogUnavailable:
        self._refused += 1
        why = self._refusal or self._keeper.refuses or LogClosed("the log is closed")
        return type(why)(str(why))


def successor_in(leaf: bytes) -> str:
    """The origin of the shard that follows, when this last record of one says so."""
    if b'"schema":"bailiwick.stop/' not in leaf:
        return ""
    return str(read_leaf(leaf)[0].get("next", ""))


_TRANSIENT = frozenset({errno.ENOSPC, errno.EDQUOT})
