"""The log's second thread: publishes and signs in its rhythm, makes space in advance, watches the disk, beats.

Guarantees that its failures never touch an acknowledged record: what can't be published is kept and tried again, what
can't be signed now is signed later, and only a disk that reads back something else, or a second history, stops the log.
"""

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from audit.errors import HeadMoved, LogBusy, LogCorrupt, LogFull, LogUnavailable
from audit.files.heads import TreeHead
from audit.files.signing import Signing
from audit.files.store import FileSystem
from audit.rounds import Lag, Rounds

logger = logging.getLogger("bailiwick.audit")


class Rhythm(Protocol):
    """The settings that concern the keeper."""

    @property
    def reserve_bytes(self) -> int: ...
    @property
    def alarm_bytes(self) -> int: ...
    @property
    def publish_seconds(self) -> float: ...
    @property
    def publish_leaves(self) -> int: ...
    @property
    def heartbeat_seconds(self) -> float: ...
    @property
    def unpublished(self) -> int: ...


class Kept(Protocol):
    """The log, as its keeper sees it."""

    def beat(self, unsigned_seconds: float) -> None: ...

    def poison(self, error: Exception) -> None: ...


class Publishing(Protocol):
    """Publishes records, here (`files.publisher`) or in a process of its own (`files.apart`)."""

    @property
    def head(self) -> TreeHead | None: ...

    def begin(self) -> None: ...

    def publish(self, durable: int) -> TreeHead | None:
        """Publish some of the next records, at most up to `durable`; the head after that. May be tried again."""
        ...

    def close(self) -> None: ...


class Keeper:
    """Looks after one log. `refuses` is why appends must wait, `trouble` what lags behind without harm yet."""

    def __init__(
        self,
        log: Kept,
        publisher: Publishing,
        signing: Signing,
        *,
        prepare: Callable[[], None],
        files: FileSystem,
        directory: Path,
        rhythm: Rhythm,
    ) -> None:
        self._publisher = publisher
        self._signing = signing
        self.refuses: LogUnavailable | None = None
        self.trouble: Exception | None = None
        self.warning = ""  # little space, and still enough
        self.free = -1  # bytes, when it was last looked at
        self._prepare = prepare
        self._files = files
        self._directory = directory
        self._rhythm = rhythm
        self._log = log
        self._durable = 0
        self._guard = threading.Lock()
        self._lag = Lag()
        self._rounds = Rounds(rhythm, self._round, self._work)

    @property
    def published(self) -> int:
        """Records under the head."""
        head = self._publisher.head
        return head.size if head else 0

    @property
    def signed(self) -> int:
        """Records under the signed checkpoint."""
        return self._signing.size

    def unsigned_seconds(self) -> float:
        """Age of the oldest record that no signed checkpoint covers; 0 when all are covered."""
        return self._lag.seconds()

    def resume(self, durable: int) -> None:
        """Begin where the log stands."""
        self._durable = durable
        if self._signing.size < durable:
            self._lag.grow()

    def start(self) -> None:
        """Begin to work."""
        self._publisher.begin()
        self._rounds.start()

    def stop(self) -> None:
        """Publish and sign what there is, then end. For the log, once nothing is appended any more."""
        self._rounds.stop()
        self._publisher.close()

    def take(self, durable: int) -> None:
        """So many records are durable and are to be published; for the writer's thread, never blocks for long."""
        with self._guard:
            self._durable = durable
            self._lag.grow()
        waiting = durable - self.published
        if waiting >= self._rhythm.unpublished:
            self.refuses = LogBusy(f"{waiting} records wait to be published: {self.trouble or 'the disk is slow'}")
        if waiting >= self._rhythm.publish_leaves:
            self._rounds.wake()

    def hurry(self) -> None:
        """Publish and sign now rather than in the next round."""
        self._rounds.wake()

    def check_space(self) -> None:
        """Warn early, and refuse appends while free space is below the reserve. Also forgets a backlog that is gone."""
        self.free = free = self._files.free_bytes(self._directory)
        reserve = self._rhythm.reserve_bytes
        self._warn(free)
        if free < reserve:
            self.refuses = LogFull(f"{free >> 20} MiB are free, the reserve is {reserve >> 20} MiB")
        elif self._durable - self.published < self._rhythm.unpublished:
            self.refuses = None

    def _warn(self, free: int) -> None:
        alarm, reserve = self._rhythm.alarm_bytes, self._rhythm.reserve_bytes
        warning = (
            f"{free >> 20} MiB are free on the log's disk, less than {alarm >> 20} MiB; "
            f"below {reserve >> 20} MiB nothing is recorded any more"
        )
        if free >= alarm:
            if self.warning:
                logger.warning("there is space on the log's disk again: %d MiB", free >> 20)
            self.warning = ""
        elif not self.warning:
            logger.warning("%s: make space, or prune old shards", warning)
            self.warning = warning
        else:
            self.warning = warning

    def _round(self, beat: bool) -> None:
        self._work()
        if beat:
            self._log.beat(self.unsigned_seconds())

    def _work(self) -> None:
        """One round. What fails for now is `trouble`, and is tried again in the next."""
        try:
            self.check_space()
            self._publish()
            self._sign()
            if not self._rounds.is_ending:
                self._prepare()
        except (LogCorrupt, HeadMoved) as error:
            self._log.poison(error)
        except Exception as error:  # noqa: BLE001 — a signer may raise anything; nothing of it harms durable records
            self.trouble = error
        else:
            self.trouble = None

    def _publish(self) -> None:
        durable = self._durable
        while self.published < durable:
            self._publisher.publish(durable)

    def _sign(self) -> None:
        begun = time.monotonic()
        self._signing.sign(self._publisher.head)
        with self._guard:
            self._lag.settle(begun if self._signing.size < self._durable else None)
