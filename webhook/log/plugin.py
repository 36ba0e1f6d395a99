"""The KMS plugin's own log: its uses of the region's key as `key-use` records, signed like those of any other log.

The directory is laid out like a webhook's state: a file keyring that signs, the log, its verifier key, the book.
Guarantees that a use is written into the book before its result leaves, in space that was set aside, and that nothing
else about the log ever stops the plugin: while the log can't be opened or takes no records, uses wait in the book, and
`trouble` says so. A crash of the process loses nothing; a power loss may, what was used in the last `SYNC` seconds.
"""

import logging
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from audit.errors import AuditError
from audit.files.sharded_log import ShardedLog
from audit.leaves.shapes import shape
from audit.sealed.inputs import Origin
from keymgmt.errors import KeyManagementError
from keymgmt.uses.book import UseBook, waiting
from keymgmt.uses.use import KeyUse, UseUnrecorded
from webhook.log.key_uses import Bookkeeper
from webhook.log.state import open_keyring, open_log, uses_folder
from webhook.options import Options

logger = logging.getLogger("bailiwick.kms")

INTERVAL = 300.0  # seconds between records
SYNC = 5.0  # seconds
ROOM = 4 << 20  # bytes that are set aside: more than 10,000 uses, more than a day's
RESERVE, ALARM = 64, 256  # MiB free on the disk


class PluginLog:
    """The log and its book; made by `plugin_log`."""

    def __init__(self, options: Options, interval: float = INTERVAL) -> None:
        self._options = options
        self._interval = interval
        self._folder = uses_folder(options)
        self._book = UseBook(self._folder, sync=False, room=ROOM)
        self._own = UseBook(self._folder, "checkpoint")
        self._log: ShardedLog | None = None
        self._keeper: Bookkeeper | None = None
        self._unopened = ""
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work, name="kms-log", daemon=True)

    def record(self, use: KeyUse) -> None:
        """Write it down. Raises UseUnrecorded."""
        self._book.record(use)

    @property
    def waiting(self) -> int:
        """Pages that are not in the log yet; the one that is written is not counted."""
        return max(0, len(waiting(self._folder)) - 1)

    @property
    def trouble(self) -> str:
        """Why the log takes nothing; empty when all is well."""
        return self._unopened or (self._keeper.trouble if self._keeper else "")

    def start(self) -> None:
        """Set space aside, and open the log; whether that works or not is told by `trouble`."""
        with suppress(OSError):
            self._folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with suppress(UseUnrecorded):  # every use will say so itself
            self._book.prepare()
        for kind in ("genesis", "start", "heartbeat", "key-use"):  # reading the table takes a while: not beside answers
            shape(kind)
        self._thread.start()

    def stop(self) -> None:
        """What was used is in the log, as far as it takes anything."""
        self._ended.set()
        self._thread.join()

    def _work(self) -> None:
        self._round()
        due = time.monotonic() + self._interval
        while not self._ended.wait(min(SYNC, self._interval)):
            with suppress(UseUnrecorded):
                self._book.sync()
            if self._book.filled > ROOM // 2:
                self._book.turn()
            if self._log is not None:
                self._log.tend()
            if time.monotonic() >= due:
                self._round()
                due = time.monotonic() + self._interval
        self._round()
        self._book.close()
        if self._keeper is not None:
            self._keeper.take_up()
        if self._log is not None:
            self._log.close_now()
        self._own.close()

    def _round(self) -> None:
        if self._keeper is None:
            self._open()
        if self._keeper is not None:
            self._book.turn()
            self._own.turn()
            self._keeper.take_up()

    def _open(self) -> None:
        options = self._options
        try:
            self._log = open_log(options, open_keyring(options, self._own))
        except (AuditError, KeyManagementError, OSError) as error:
            self._unopened = f"the log in `{options.directory}` can't be opened: {error}"
            logger.error("%s; uses wait in the book", self._unopened)  # noqa: TRY400  # it is tried again
            return
        self._unopened = ""
        origin = Origin(options.cluster_name, options.region, options.version)
        self._keeper = Bookkeeper(self._log, origin, [self._folder], directory=options.directory / "log")


@contextmanager
def plugin_log(directory: Path, region: str, cluster: str, version: str) -> Iterator[PluginLog]:
    """The log of one plugin in this directory, for as long as it runs. Raises nothing: see `PluginLog.trouble`."""
    options = Options(
        version=version,
        state=str(directory),
        region=region,
        cluster_name=cluster,
        writer=f"kms-{socket.gethostname()}",
        log_reserve=RESERVE,
        log_alarm=ALARM,
        shard_days=30,
    )
    kept = PluginLog(options)
    kept.start()
    try:
        yield kept
    finally:
        kept.stop()
