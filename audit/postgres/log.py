"""The log in PostgreSQL: an append returns once its record is committed, in one order that many replicas share.

Guarantees: nothing is acknowledged before its transaction is durable as the server is set up (looked at when the log is
opened, and after every reconnection); a record is in the log at most once, also when an acknowledgement was lost; the
queue is bounded and nothing in it is dropped silently. While the server can't be reached, appends are refused at once,
and taken again by themselves. Like `files.log`, it has two threads: the writer, which commits whatever waits as one
batch, and the keeper (`audit.postgres.keeper`), which publishes and beats.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from datetime import datetime
from queue import Empty, SimpleQueue
from typing import Any

from audit.errors import LogBusy, LogClosed, LogFull, LogPoisoned, LogRefused, LogUnavailable
from audit.files.committer import Committed, Item
from audit.leaves.drafts import Seal, made
from audit.leaves.leaf import table_digest
from audit.leaves.record import Draft, Record, Unsealed, event_record
from audit.ports import Envelope, Position, Signer
from audit.postgres.address import Address
from audit.postgres.keeper import SharedKeeper
from audit.postgres.publisher import SharedPublisher
from audit.postgres.turns import Items, Turns
from audit.process.answers import acknowledge, refuse
from audit.settings import LogSettings, LogStatus, Writer
from audit.tlog.notes import VerifierKey

PATIENCE = 3.0  # seconds for a commit, a lost connection included; less than an admission's deadline
Clock = Callable[[], datetime]
_ROUND = 30.0  # seconds for a round of the keeper; its statements have ten each
_PROBE = object()


class PostgresLog:
    """One replica's side of a shared log. Made by `open`; for as many threads and event loops as there are."""

    @classmethod
    def open(
        cls,
        address: Address,
        *,
        origin: str,
        signer: Signer,
        clock: Clock,
        writer: Writer,
        settings: LogSettings | None = None,
        patience: float = PATIENCE,
        seal: Seal | None = None,
    ) -> "PostgresLog":
        """Connect, check and start; a start record is durable when this returns, in a new log after a genesis record.

        Blocks on the network. Raises LogUnsafe, LogLocked and LogRefused, LogUnavailable.
        """
        writer.check()
        log = cls(address, origin, signer, clock, writer, settings or LogSettings(), patience, seal)
        log._start()
        return log

    def __init__(
        self,
        address: Address,
        origin: str,
        signer: Signer,
        clock: Clock,
        writer: Writer,
        settings: LogSettings,
        patience: float,
        seal: Seal | None = None,
    ) -> None:
        self._address = address
        self.origin = origin
        self._signer = signer
        self._clock = clock
        self._writer = writer
        self._settings = settings
        self._patience = patience
        self._seal = seal
        self._writing = threading.Lock()  # one turn at a time
        self._vkey = str(VerifierKey.ed25519(signer.name, signer.public_key))
        self._turns = Turns(address, origin, self._vkey, writer, patience)
        self._queue: SimpleQueue[Any] = SimpleQueue()
        self._refusal: LogUnavailable | None = None  # why appends are refused for good
        self._down: LogUnavailable | None = None  # why they are refused for now
        self._refused = 0
        self._keeper: SharedKeeper | None = None
        self._thread = threading.Thread(target=self._run, name="audit-writer", daemon=True)
        self._watched = threading.Event()
        self._ended = False  # set before the writer looks into the queue for the last time

    # — appending —

    async def append(self, record: Record | Draft, sealed: Sequence[Envelope | Unsealed] = ()) -> Position:
        """Return once the record and its sealed parts are durable.

        Raises LogBusy, LogFull, LogPoisoned, LogClosed (all LogUnavailable), RecordInvalid for too many parts. A caller
        that stops waiting doesn't undo the append; one that is refused may find its record in the log all the same,
        when the server committed it and could not be asked in time.
        """
        if self._hindrance() is not None:
            raise self._refuse()
        record, parts = self.made(record, sealed)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Position] = loop.create_future()
        self._put((record, parts, future, loop))
        return await future

    def append_now(self, record: Record | Draft, sealed: Sequence[Envelope | Unsealed] = ()) -> Position:
        """The same for a thread without an event loop; blocks."""
        if self._hindrance() is not None:
            raise self._refuse()
        return self._append_own(*self.made(record, sealed)).result()

    def made(self, record: Record | Draft, sealed: Sequence[Envelope | Unsealed]) -> Item:
        """What `append_batch` takes. Raises RecordInvalid for too many parts, and for a draft that is no record."""
        return made(record, sealed, self._seal)

    def append_batch(self, items: Sequence[Item]) -> Committed:
        """Make these records durable in the caller's own thread, all or none. Blocks. Raises LogUnavailable."""
        if self._hindrance() is not None:
            raise self._refuse()
        return self._commit(lambda _size: items) if items else Committed(self._turns.size, [])

    def tend(self) -> None:
        """Nothing to do here: the keeper does."""

    def healthy(self) -> bool:
        """Whether an append may succeed now."""
        return self._hindrance() is None and self._thread.is_alive()

    def status(self) -> LogStatus:
        """The state of things, cheap enough for every scrape. `size` is what this replica has seen."""
        keeper = self._keeper
        return LogStatus(
            size=max(self._turns.size, keeper.published if keeper else 0),
            published=keeper.published if keeper else 0,
            signed=keeper.signed if keeper else 0,
            unsigned_seconds=keeper.unsigned_seconds() if keeper else 0.0,
            waiting=self._queue.qsize(),
            refused=self._refused,
            trouble=str(self._refusal or self._down or (keeper and (keeper.refuses or keeper.trouble)) or ""),
        )

    async def close(self) -> None:
        """Make durable what waits, write a stop record, publish, sign, let go. Appends from here on are LogClosed."""
        await asyncio.to_thread(self.close_now)

    def close_now(self) -> None:
        """The same for a thread without an event loop."""
        if isinstance(self._refusal, LogClosed):
            return
        poisoned = self._refusal is not None
        self._refusal = self._refusal or LogClosed("the log is closed")
        self._queue.put(None if poisoned else (self._event("stop", self._account("closed")), (), Future(), None))
        self._queue.put(None)
        self._thread.join()
        if self._keeper is not None:
            self._keeper.stop()
        self._watched.set()
        self._refusal = LogClosed("the log is closed")
        self._turns.close()

    # — what the keeper asks of the log —

    @property
    def size(self) -> int:
        """Records that this replica has seen."""
        return self._turns.size

    def look_after(self, unsigned_seconds: float, *, beat: bool) -> None:
        """Between the keeper's rounds: ask whether a lost server is back, beat."""
        if self._down is not None:
            self._queue.put(_PROBE)
        if beat and self._refusal is None and self._down is None:
            more = {"unsigned_s": int(unsigned_seconds)}
            self._append_own(self._event("heartbeat", {"refused": self._refused, **more}))

    def poison(self, error: Exception) -> None:
        """Acknowledge nothing any more."""
        if not isinstance(self._refusal, LogPoisoned):
            self._refusal = LogPoisoned(f"the log has stopped for good: {error}")

    def _watch(self) -> None:
        """Cut what hangs: a server that takes no notice of its own limits."""
        while not self._watched.wait(self._patience / 4):
            self._turns.cut(1.5 * self._patience)
            if self._keeper is not None:
                self._keeper.cut(_ROUND)

    # — starting —

    def _start(self) -> None:
        self._turns.open()
        publisher = SharedPublisher(self._turns.log, self.origin, self._signer)
        self._keeper = SharedKeeper(self, self._address, publisher, self._settings)
        try:
            last = self._turns.last_schema()
            clean = not last or last.startswith("bailiwick.stop/")
            self._turns.commit(lambda size: self._beginning(size, clean=clean))
        except BaseException:
            self._turns.close()
            raise
        self._thread.start()
        self._keeper.start()
        threading.Thread(target=self._watch, name="audit-watch", daemon=True).start()

    def _beginning(self, size: int, *, clean: bool) -> list[Item]:
        """The first records of this run: in a new log, what it is comes first."""
        items: list[Item] = []
        if size == 0:
            genesis = {"origin": self.origin, "log_key": self._vkey, "table": table_digest().hex()}
            items.append((self._event("genesis", genesis), ()))
        items.append((self._event("start", {"found": size, "clean": clean}), ()))
        return items

    def _event(self, schema: str, fields: dict[str, Any]) -> Record:
        who = {"cluster": self._writer.cluster, "region": self._writer.region, "engine": self._writer.engine}
        return event_record(schema, {"time": self._clock(), **who, **fields})

    def _account(self, reason: str) -> dict[str, Any]:
        return {"refused": self._refused, "reason": reason}

    # — the writer's thread —

    def _append_own(self, record: Record, parts: Sequence[Any] = ()) -> "Future[Position]":
        future: Future[Position] = Future()
        self._put((record, parts, future, None))
        return future

    def _put(self, item: Any) -> None:
        self._queue.put(item)
        if self._ended:  # the writer has looked for the last time
            refuse(self._drained(), LogClosed("the log is closed"))

    def _run(self) -> None:
        """Commit whatever waits, until None comes; INVARIANT: every item taken is answered."""
        queue, limit = self._queue, self._settings.batch
        while not self._ended:
            batch = [queue.get()]
            with contextlib.suppress(Empty):
                while len(batch) < limit and batch[-1] is not None:
                    batch.append(queue.get_nowait())
            if batch[-1] is None:
                self._ended = True
                refuse(self._drained(), LogClosed("the log is closed"))
            self._serve([item for item in batch if item is not None])

    def _drained(self) -> list[Any]:
        rest = []
        with contextlib.suppress(Empty):
            while True:
                rest.append(self._queue.get_nowait())
        return [item for item in rest if item is not None and item is not _PROBE]

    def _serve(self, batch: list[Any]) -> None:
        if _PROBE in batch and self._down is not None:
            self._probe()
        items = [item for item in batch if item is not _PROBE]
        if not items:
            return

        def make(_size: int) -> list[Item]:
            self._top_up(items)  # whoever came while we waited for our turn goes with it
            return [(item[0], item[1]) for item in items]

        try:
            committed = self._commit(make)
        except LogUnavailable as error:
            refuse(items, error)
        else:
            acknowledge(items, committed, self.origin)

    def _top_up(self, items: list[Any]) -> None:
        with contextlib.suppress(Empty):
            while len(items) < self._settings.batch and not self._ended:
                item = self._queue.get_nowait()
                if item is None:
                    self._ended = True
                    refuse(self._drained(), LogClosed("the log is closed"))
                elif item is not _PROBE:
                    items.append(item)

    def _commit(self, make: Items) -> Committed:
        """One batch, one turn. Raises LogUnavailable; what lasts is remembered, so that the next is refused at once."""
        with self._writing:
            lasting = self._refusal if isinstance(self._refusal, LogPoisoned) else self._down
            if lasting is not None:
                raise lasting
            try:
                committed = self._turns.commit(make)
            except LogFull:
                raise
            except LogPoisoned as error:
                self.poison(error)
                raise self._refusal or error from error
            except LogUnavailable as error:
                self._down = error
                raise
            except LogRefused as error:  # another server than before, or another process under our name
                self._down = LogBusy(str(error))
                raise self._down from error
            except Exception as error:  # whatever it is, nobody may be left waiting, and nothing acknowledged
                self.poison(error)
                raise self._refusal or LogUnavailable(str(error)) from error
        if self._keeper is not None:
            self._keeper.saw(self._turns.size)
        return committed

    def _probe(self) -> None:
        try:
            with self._writing:
                if self._turns.settle():
                    self._down = None
        except LogPoisoned as error:
            self.poison(error)
        except LogRefused as error:
            self._down = LogBusy(str(error))

    def _hindrance(self) -> LogUnavailable | None:
        """Why an append would be refused now."""
        if self._refusal is not None:
            return self._refusal
        if self._down is not None:
            return self._down
        if self._keeper is not None and self._keeper.refuses is not None:
            return self._keeper.refuses
        if self._queue.qsize() >= self._settings.waiting:
            return LogBusy(f"{self._settings.waiting} appends wait for the database already: try again")
        return None

    def _refuse(self) -> LogUnavailable:
        self._refused += 1
        why = self._hindrance() or LogBusy("try again")
        return type(why)(str(why))
