"""The log in a process of its own: hashing, syncs and publishing take no turn of the interpreter that answers reviews.

`LogProcess` starts it and is the `Log` that the judge appends to; a process that dies is started again and recovers
what is durable, and meanwhile every append is LogGone. The other side is this module run as a program: it opens
keyring and log as `webhook.composition` does, serves the socket it was given, and closes the log when that ends.
"""

import asyncio
import logging
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from audit.errors import AuditError, LogGone, LogLocked, LogRefused
from audit.leaves.record import Draft, Record, Unsealed
from audit.ports import Envelope, Position
from audit.process.remote import RemoteLog
from audit.settings import LogStatus
from keymgmt.uses.book import UseBook

if TYPE_CHECKING:
    from collections.abc import Callable

    from audit.files.sharded_log import ShardedLog
    from audit.key_changes import KeysInUse
    from audit.postgres.sharded_log import SharedShards
    from keymgmt.file.keyring import FileKeyring
    from webhook.keys.live import LiveKeys
    from webhook.log.key_uses import Bookkeeper
    from webhook.options import Options

logger = logging.getLogger("bailiwick.webhook")

_AGAIN = 0.5  # seconds before a log's process that died is started again, twice as long each time
_AT_MOST = 30.0  # seconds
_LOCKED = 10.0  # seconds that a process before us has for letting go of the log
_TURN = 0.0005  # seconds: whoever waits for a batch shall not wait for the publisher's arithmetic
_CHECKPOINT = "checkpoint"  # what its key is used for


class LogProcess:
    """`Log`, kept by another process. Made by `start`; `close` ends that process. For one event loop."""

    @classmethod
    async def start(cls, options: "Options") -> "LogProcess":
        """Start it and return once the log is open. Raises what opening it raised (LogRefused, ...)."""
        remote, process = await _started(options)
        return cls(options, remote, process)

    def __init__(self, options: "Options", remote: RemoteLog, process: "subprocess.Popen[bytes]") -> None:
        self._options = options
        self._remote = remote
        self._process = process
        self._keeping = asyncio.create_task(self._keep())

    async def append(self, record: Record | Draft, sealed: Sequence[Envelope | Unsealed] = ()) -> Position:
        """As `RemoteLog.append`."""
        return await self._remote.append(record, sealed)

    def healthy(self) -> bool:
        """Whether an append may succeed now."""
        return self._remote.healthy()

    def status(self) -> LogStatus:
        """As the log last told."""
        return self._remote.status()

    @property
    def pid(self) -> int:
        """Of the log's process."""
        return self._process.pid

    async def close(self) -> None:
        """What waits becomes durable, the log is closed and signed, and its process has ended when this returns."""
        self._keeping.cancel()
        await self._remote.close()
        await asyncio.to_thread(self._process.wait)

    async def _keep(self) -> None:
        """Start the process again whenever it ends."""
        while True:
            await asyncio.shield(self._remote.lost)
            status = await asyncio.to_thread(self._process.wait)
            logger.critical("the log's process has ended with status %d; nothing is recorded until it is back", status)
            self._remote, self._process = await self._restarted()
            logger.warning("the log's process is back")

    async def _restarted(self) -> tuple[RemoteLog, "subprocess.Popen[bytes]"]:
        pause = _AGAIN
        while True:
            await asyncio.sleep(pause)
            try:
                return await _started(self._options)
            except (AuditError, OSError) as error:
                logger.critical("the log can't be opened again: %s", error)
                pause = min(2 * pause, _AT_MOST)


async def _started(options: "Options") -> tuple[RemoteLog, "subprocess.Popen[bytes]"]:
    ours, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen(  # noqa: S603  # ourselves
            [sys.executable, "-P", "-m", "webhook.log.process", str(theirs.fileno())],
            stdin=subprocess.PIPE,
            pass_fds=[theirs.fileno()],
        )
    assert process.stdin is not None
    with suppress(BrokenPipeError), process.stdin:  # it ended at once: the socket tells
        process.stdin.write(orjson.dumps(asdict(options)))
    try:
        return await RemoteLog.over(ours), process
    except AuditError as error:
        status = await asyncio.to_thread(process.wait)
        if isinstance(error, LogGone):
            raise LogRefused(f"the log's process ended with status {status} before the log was open") from None
        raise


# — the other side —


def main(descriptor: int) -> None:
    """Open the log, serve the socket until its other end is gone, close the log."""
    from audit.process.serving import serve
    from audit.process.wire import failed_message
    from webhook.log.key_uses import kept
    from webhook.log.shared import witnessed
    from webhook.log.state import uses_folder
    from webhook.log.telling import Telling
    from webhook.options import Options
    from webhook.serving.memory import settle

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # meant for the webhook, which ends us in its time
        signal.signal(number, signal.SIG_IGN)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    sys.setswitchinterval(_TURN)
    options = Options(**orjson.loads(sys.stdin.buffer.read()))
    with socket.socket(fileno=descriptor) as channel, ExitStack() as stack:
        book = UseBook(uses_folder(options), _CHECKPOINT)
        try:
            log, following = _opened(options, book)
            stack.callback(log.close_now)
            served = stack.enter_context(witnessed(log, options))
        except AuditError as error:
            channel.sendall(failed_message(error))
            return
        keeper = _bookkeeper(log, options)
        settle()
        try:
            with (
                _attended(log, options),
                kept(keeper, [book]),
                following,
                suppress(BrokenPipeError, ConnectionResetError),
            ):
                serve(Telling(served, keeper.account), channel, log.tend)
        finally:
            log.close_now()  # and then the witnesses get its last checkpoint


def _attended(log: "ShardedLog | SharedShards", options: "Options") -> AbstractContextManager[None]:
    """Orders are for a log on files: what is sealed beside a shared one is its database's business."""
    from audit.files.sharded_log import ShardedLog
    from webhook.log.attending import attended

    return attended(log, options) if isinstance(log, ShardedLog) else nullcontext()


def _bookkeeper(log: "ShardedLog | SharedShards", options: "Options") -> "Bookkeeper":
    """Uses of keys become records: our own signatures, and what commands on the same keyring did."""
    from audit.sealed.inputs import Origin
    from webhook.log.key_uses import Bookkeeper
    from webhook.log.state import uses_folder

    origin = Origin(options.cluster_name, options.region, options.version)
    folders = (uses_folder(options), *map(Path, options.key_uses))
    directory = options.directory / "log" if options.log is None else None
    return Bookkeeper(log, origin, folders, directory=directory)


def _opened(options: "Options", uses: UseBook) -> "tuple[ShardedLog | SharedShards, AbstractContextManager[None]]":
    """The log, and the following of its keys; a process before us may need a moment to let go of it.

    On files the webhook writes the record of a new key, and we go over once it is there. In a log that replicas share
    the record is ours to write: in our turn we see whether another replica was first.
    """
    from webhook.log.state import IN_USE, is_recorded, live_keys, open_keyring, open_log

    until = time.monotonic() + _LOCKED
    while True:
        try:
            keyring = open_keyring(options, uses)
            if options.keyring is not None:
                return _in_service(options, options.keyring, uses)
            if options.log is not None:
                return _shared(options, live_keys(options, keyring, uses=uses))
            keys = live_keys(options, keyring, options.directory / IN_USE, uses)
            log = open_log(options, keys, apart=True)
            return log, keys.followed(lambda fresh: is_recorded(options, fresh))
        except LogLocked:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)


def _shared(
    options: "Options", keys: "LiveKeys[FileKeyring]"
) -> "tuple[ShardedLog | SharedShards, AbstractContextManager[None]]":
    """The log that replicas share, with the keys of the state directory."""
    from webhook.log.shared import is_announced, open_shared
    from webhook.log.state import known_keys, show_signer

    log = open_shared(options, keys, lambda: known_keys(options, keys.keyring))

    def ready(fresh: "FileKeyring") -> bool:
        return is_announced(options, log, known_keys(options, fresh)) and bool(show_signer(options, fresh))

    return log, keys.followed(ready)


def _in_service(
    options: "Options", keyring: str, uses: UseBook
) -> "tuple[ShardedLog | SharedShards, AbstractContextManager[None]]":
    """The log, signed and sealed by keys of the region's key service. Raises LogRefused when they can't be had."""
    from keymgmt.errors import KeyManagementError
    from webhook.keys.live import LiveKeys
    from webhook.keys.service import ServiceKeys, watched
    from webhook.log.shared import is_announced, open_shared
    from webhook.log.state import (
        IN_USE,
        is_recorded,
        known_keys,
        open_keyring,
        open_log,
        service_public,
        show_signer,
    )

    def opened() -> ServiceKeys:
        return ServiceKeys.open(Path(keyring), options.region, service_public(options), uses)

    @contextmanager
    def following(live: LiveKeys[ServiceKeys], ready: "Callable[[ServiceKeys], bool]") -> Iterator[None]:
        shown = watched(Path(keyring), options.region, service_public(options))
        with shown, live.followed(ready):
            yield

    def known() -> "KeysInUse":
        return known_keys(options, open_keyring(options))  # tags are made by keys of the file

    try:
        keys = opened()
        if options.log is not None:
            paths = [service_public(options), open_keyring(options).path]
            live = LiveKeys(keys, paths, lambda _before: opened(), others=True)
            shared = open_shared(options, live, known)
            return shared, following(
                live, lambda fresh: is_announced(options, shared, known()) and bool(show_signer(options, fresh))
            )
        live = LiveKeys(keys, [options.directory / IN_USE], lambda _before: opened())
        return open_log(options, live, apart=True), following(live, lambda fresh: is_recorded(options, fresh))
    except KeyManagementError as error:
        raise LogRefused(f"the keys of `{keyring}` can't be used: {error}") from error


if __name__ == "__main__":
    main(int(sys.argv[1]))
