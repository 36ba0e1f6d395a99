"""A log that serves one other process over a socket: batches in, positions out.

The log's writing, hashing and publishing then share no interpreter with whoever waits for an answer. Guarantees that a
batch is answered only once it is durable, that batches are answered in their order, and that `serve` returns when the
other end goes away, for whatever reason, so that the log can be closed in good order.
"""

import select
import socket
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from audit.errors import LogUnavailable, RecordInvalid
from audit.files.committer import Committed, Item, Late
from audit.leaves.record import Draft, Record, Unsealed
from audit.ports import Envelope
from audit.process.wire import LENGTH, Sent, done_message, failed_message, read_batch, state_message
from audit.settings import LogStatus

AT_ONCE = 256  # records of one batch, or a message more
STATE_SECONDS = 1.0  # between two accounts of how the log is doing


class Served(Protocol):
    """An open log, on files or in a database."""

    @property
    def origin(self) -> str: ...

    def healthy(self) -> bool: ...

    def status(self) -> LogStatus: ...

    def made(self, record: Record | Draft, sealed: Sequence[Envelope | Unsealed]) -> Item: ...

    def append_batch(self, items: Sequence[Item], late: Late) -> Committed: ...


def serve(log: Served, channel: socket.socket, tend: Callable[[], None] = lambda: None) -> None:
    """Answer until the other end is gone; the log is left open. Raises WireBroken for what can't be read.

    `tend` is called before each account of the log, so that whoever waits hears of a new shard before its first record.
    """
    channel.setblocking(True)
    readable = _readable(channel)
    due = time.monotonic()
    while True:
        if time.monotonic() >= due:
            tend()
            if not _sent(channel, state_message(log.healthy(), log.origin, log.status())):
                return
            due = time.monotonic() + STATE_SECONDS
        if readable(max(due - time.monotonic(), 0)):
            first = _received(channel)
            if first is None:
                return  # nobody waits any more, not even for what came of half a message
            if not _sent(channel, _Turn(log, channel, readable).answer(first)):
                return


class _Turn:
    """One batch: what waited when it began, and who comes while the log waits for its own turn.

    Nothing is made before all that waits is taken: else who comes meanwhile would be waited for, and the batch's
    callers and the log would take turns at doing nothing.
    """

    def __init__(self, log: Served, channel: socket.socket, readable: Callable[[float], bool]) -> None:
        self._log = log
        self._channel = channel
        self._readable = readable
        self._sent = 0
        self._refused: dict[int, str] = {}

    def answer(self, message: bytes) -> bytes:
        """What becomes of the records, as a message."""
        items = self._made([*read_batch(message), *self._waiting(AT_ONCE)])
        try:
            committed = self._log.append_batch(items, self._late)
        except LogUnavailable as error:
            return failed_message(error, self._sent)
        return done_message(committed.first, [digest for digest, _ in committed.pairs], self._refused)

    def _late(self) -> list[Item]:
        return self._made(self._waiting(AT_ONCE - self._sent))

    def _waiting(self, most: int) -> list[Sent]:
        """Whatever waits, so many or a message more."""
        waiting: list[Sent] = []
        while len(waiting) < most and self._readable(0):
            message = _received(self._channel)
            if message is None:
                break  # gone: nobody will read the answer, and the next look finds the end again
            waiting += read_batch(message)
        return waiting

    def _made(self, sent: Sequence[Sent]) -> list[Item]:
        items: list[Item] = []
        for place, (record, parts) in enumerate(sent, self._sent):
            if not parts and isinstance(record, Record):  # finished
                items.append((record, ()))
                continue
            try:
                items.append(self._log.made(record, parts))
            except RecordInvalid as error:
                self._refused[place] = str(error)
        self._sent += len(sent)
        return items


def _readable(channel: socket.socket) -> Callable[[float], bool]:
    """Whether something comes within so many seconds."""
    poll = select.poll()
    poll.register(channel, select.POLLIN)
    return lambda seconds: bool(poll.poll(seconds * 1e3))


def _sent(channel: socket.socket, message: bytes) -> bool:
    """Whether somebody is still there to be told."""
    try:
        channel.sendall(message)
    except ConnectionError:
        return False
    return True


def _received(channel: socket.socket) -> bytes | None:
    """The next message, or None when the other end is gone."""
    try:
        head = _exactly(channel, LENGTH.size)
        return head and _exactly(channel, LENGTH.unpack(head)[0])
    except ConnectionError:
        return None


def _exactly(channel: socket.socket, size: int) -> bytes | None:
    data = channel.recv(size, socket.MSG_WAITALL)
    while 0 < len(data) < size:  # a signal came in between
        more = channel.recv(size - len(data), socket.MSG_WAITALL)
        if not more:
            return None
        data += more
    return data or None
