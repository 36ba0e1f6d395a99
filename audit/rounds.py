"""What the keepers of all logs share: the clock of their thread, and for how long records have been unsigned.

Rounds come in a rhythm, or sooner when woken; now and then one of them has to say that the log is alive; and there is
one last thing to do when it ends. What a round does, and that it raises nothing, is the keeper's.
"""

import threading
import time
from collections.abc import Callable
from typing import Protocol

from audit.settings import LogStatus

CATCH_UP_SECONDS = 0.2  # between two rounds at least, however many records come
FIRST_CHECKPOINT = 2.0  # seconds


class Rhythm(Protocol):
    """The settings that concern the clock."""

    @property
    def publish_seconds(self) -> float: ...
    @property
    def heartbeat_seconds(self) -> float: ...


class Published(Protocol):
    """A log that publishes by itself."""

    def publish_soon(self) -> None: ...

    def status(self) -> LogStatus: ...


def signed_once(log: Published) -> None:
    """Wait a little for a new shard's first checkpoint: without one, who verifies just now would find it unsigned."""
    log.publish_soon()
    until = time.monotonic() + FIRST_CHECKPOINT
    while log.status().signed == 0 and not log.status().trouble and time.monotonic() < until:
        time.sleep(0.005)


class Rounds:
    """Runs `work(beat)` again and again in a thread of its own, and `last()` at the end."""

    def __init__(
        self, rhythm: Rhythm, work: Callable[[bool], None], last: Callable[[], None], *, longest: float = 3600.0
    ) -> None:
        """`longest`: seconds between two rounds at most, whatever the rhythm is."""
        self._rhythm = rhythm
        self._work = work
        self._last = last
        self._longest = longest
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="audit-keeper", daemon=True)

    @property
    def is_ending(self) -> bool:
        """Whether `stop` was called."""
        return self._stopping.is_set()

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wake(self) -> None:
        """The next round comes as soon as it may."""
        if not self._wake.is_set():  # whoever wakes with every batch has the lock of it for nothing
            self._wake.set()

    def stop(self) -> None:
        """The last thing is done when this returns."""
        self._stopping.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        rhythm = self._rhythm
        beat_at = time.monotonic() + rhythm.heartbeat_seconds
        while not self._stopping.is_set():
            self._wake.wait(min(rhythm.publish_seconds, self._longest))
            self._wake.clear()
            begun = time.monotonic()
            beat = bool(rhythm.heartbeat_seconds) and begun >= beat_at
            beat_at = begun + rhythm.heartbeat_seconds if beat else beat_at
            self._work(beat)
            self._stopping.wait(min(CATCH_UP_SECONDS, rhythm.publish_seconds))
        self._last()


class Lag:
    """Since when there have been records that no signed checkpoint covers."""

    def __init__(self) -> None:
        self._since: float | None = None

    def grow(self) -> None:
        """There is a new record."""
        if self._since is None:
            self._since = time.monotonic()

    def settle(self, since: float | None) -> None:
        """After a round: what is still unsigned came at this time or later; None: nothing is."""
        self._since = since

    @property
    def since(self) -> float | None:
        """Monotonic seconds."""
        return self._since

    def seconds(self) -> float:
        """The age of the oldest such record, 0 when there is none."""
        since = self._since
        return time.monotonic() - since if since is not None else 0.0
