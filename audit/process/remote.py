"""The log in another process, as the process that waits for it sees it: `Log` over a socket.

Guarantees what `files.log` guarantees, since that is what stands at the other end: an append returns once its record is
durable. The records of one turn of the event loop travel as one message, and what piles up at the other end becomes one
batch there. When the other end is gone, whoever waits and whoever comes gets LogGone. For one event loop.
"""

import asyncio
import socket
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

from audit.errors import LogBusy, LogClosed, LogGone, LogUnavailable, RecordInvalid, WireBroken
from audit.leaves.record import Draft, Record, Unsealed
from audit.ports import Envelope, Position
from audit.process.wire import LENGTH, Done, Failed, State, batch_message, item_bytes, read_answer
from audit.settings import LogStatus

WAITING = 4096  # appends that wait for an answer; one more is LogBusy
SILENCE = 10.0  # seconds without a word after which the log counts as unwell


class RemoteLog(asyncio.Protocol):
    """One connection to a log's process. Made by `over`."""

    @classmethod
    async def over(cls, channel: socket.socket, *, waiting: int = WAITING) -> "RemoteLog":
        """The log at the other end of a connected socket. Raises what opening it there raised, LogGone, WireBroken."""
        loop = asyncio.get_running_loop()
        _, log = await loop.create_unix_connection(lambda: cls(waiting), sock=channel)
        try:
            await log._opened
        except BaseException:
            log.drop()
            await log.lost
            raise
        return log

    def __init__(self, waiting: int) -> None:
        self._most = waiting
        loop = asyncio.get_running_loop()
        self.lost: asyncio.Future[None] = loop.create_future()  # done once the other end is gone
        self._opened: asyncio.Future[None] = loop.create_future()
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._state: State | None = None
        self._heard = 0.0  # monotonic seconds
        self._refusal: LogUnavailable | None = None
        self._refused = 0
        self._pieces: list[bytes] = []  # what goes with the next batch,
        self._next: list[asyncio.Future[Position]] = []  # and who waits for it
        self._sent: deque[asyncio.Future[Position]] = deque()  # who waits for what is on its way, in order
        self._scheduled = False
        self._buffer = b""

    # — Log —

    async def append(self, record: Record | Draft, sealed: Sequence[Envelope | Unsealed] = ()) -> Position:
        """Return once the record and its sealed parts are durable. Raises LogUnavailable, RecordInvalid."""
        if self._refusal is not None or len(self._next) + len(self._sent) >= self._most:
            raise self._refuse()
        self._pieces += item_bytes(record, sealed)
        future: asyncio.Future[Position] = self._loop.create_future()
        self._next.append(future)
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._send)  # the other appends of this turn come along
        return await future

    def healthy(self) -> bool:
        """Whether an append may succeed now."""
        told = self._state is not None and self._state.takes and time.monotonic() - self._heard < SILENCE
        return told and self._refusal is None

    def status(self) -> LogStatus:
        """As the log last told, at most about a second ago."""
        assert self._state is not None, "`over` waits for the first account"
        told = self._state.status
        return replace(
            told,
            waiting=len(self._next) + len(self._sent),
            refused=told.refused + self._refused,
            trouble=str(self._refusal or told.trouble),
        )

    async def close(self) -> None:
        """Let the other end close the log: what waits is durable first. Returns when the other end has let go."""
        while self._next or self._sent:
            await asyncio.wait([*self._next, *self._sent])
        self._refusal = self._refusal or LogClosed("the log is closed")
        if self._transport is not None and not self.lost.done():
            self._transport.write_eof()
        await asyncio.wait([self.lost])

    def drop(self) -> None:
        """Cut the connection."""
        if self._transport is not None:
            self._transport.abort()

    # — asyncio.Protocol —

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are of no class of asyncio's

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        try:
            while len(self._buffer) >= LENGTH.size:
                end = LENGTH.size + LENGTH.unpack_from(self._buffer)[0]
                if len(self._buffer) < end:
                    return
                message, self._buffer = self._buffer[LENGTH.size : end], self._buffer[end:]
                self._take(message)
        except WireBroken as error:
            self._end(error)
            self.drop()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # as asyncio has it
        self._end(LogGone("the log's process has ended"))
        self.lost.set_result(None)

    # — what the other end says —

    def _take(self, message: bytes) -> None:
        said = read_answer(message)
        if isinstance(said, State):
            self._state, self._heard = said, time.monotonic()
            if not self._opened.done():
                self._opened.set_result(None)
        elif not self._opened.done() and isinstance(said, Failed):
            self._opened.set_exception(said.error)
        else:
            self._answered(said)

    def _answered(self, said: Done | Failed) -> None:
        if said.count > len(self._sent):
            raise WireBroken(f"{said.count} records were answered where {len(self._sent)} were sent")
        waiting = [self._sent.popleft() for _ in range(said.count)]
        if isinstance(said, Failed):
            _reject(waiting, said.error)
            return
        if said.refused:
            for place, why in said.refused.items():
                _reject([waiting[place]], RecordInvalid(why))
            waiting = [future for place, future in enumerate(waiting) if place not in said.refused]
        assert self._state is not None
        for index, (future, digest) in enumerate(zip(waiting, said.hashes, strict=True), said.first):
            if not future.done():  # else nobody waits any more; the record stays
                future.set_result(Position(self._state.origin, index, digest))

    def _send(self) -> None:
        assert self._transport is not None
        self._scheduled = False
        if self._next:  # a connection lost in this very turn has answered them already
            self._transport.write(batch_message(self._pieces))
            self._sent.extend(self._next)
            self._pieces, self._next = [], []

    def _end(self, error: LogUnavailable) -> None:
        self._refusal = self._refusal or error
        waiting: list[asyncio.Future[Any]] = [*self._sent, *self._next, self._opened]
        self._sent.clear()
        self._next, self._pieces = [], []
        _reject(waiting, error)

    def _refuse(self) -> LogUnavailable:
        self._refused += 1
        if self._refusal is not None:
            return type(self._refusal)(str(self._refusal))
        return LogBusy(f"{self._most} appends wait for the disk already: try again")


def _reject(waiting: Sequence["asyncio.Future[Any]"], error: Exception) -> None:
    """Give everybody an error of their own."""
    for future in waiting:
        if not future.done():
            future.set_exception(type(error)(str(error)))
