"""HTTP/1.1 on one connection, with a limit on everything a client can be slow or greedy with.

uvicorn speaks the protocol; what is added here is that each state a connection can be in has a deadline, kept by one
sweep over all connections instead of timers for each request, and that headers and connections are bounded.
"""

import asyncio
import logging
import ssl
import time
from collections.abc import Callable
from enum import Enum
from typing import Any, Protocol

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from audit.web.limits import ConnectionLimits
from audit.web.tls_transport import TlsTransport

logger = logging.getLogger("bailiwick.web")

_GOODBYE = 0.2  # seconds for clients to read what was written last
_BURST = 256  # closed connections whose memory is worth some milliseconds
_TIMED_OUT = (
    b"HTTP/1.1 408 Request Timeout\r\ncontent-type: text/plain\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b"
)
_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class Observer(Protocol):
    def connection_cut(self, reason: str) -> None: ...


class State(Enum):
    """What a connection waits for."""

    HANDSHAKE = "handshake"
    FIRST = "first-request"
    IDLE = "idle"
    HEADERS = "headers"
    BODY = "body"
    ANSWER = "answer"
    CLOSING = "closing"


_RESTING = (State.HANDSHAKE, State.FIRST, State.IDLE)
# who makes room first: those that are leaving, that never asked, that began and don't go on, that rest; whoever waits
# for us does only where they don't read what we have for them
_LEAVING = (State.CLOSING, State.HANDSHAKE, State.FIRST, State.HEADERS, State.IDLE, State.BODY, State.ANSWER)


class Connections:
    """All open connections of one listener. `trim` gives free memory back to the system, where that is worth it."""

    def __init__(self, limits: ConnectionLimits, observer: Observer, trim: Callable[[], None] = lambda: None) -> None:
        self.limits = limits
        self.observer = observer
        self.draining = False
        self.open: set[GuardedProtocol] = set()
        self.tasks: set[asyncio.Task[None]] = set()  # requests under way, also those whose client has gone
        self._closed = 0  # since free memory was given back
        self._trim = trim

    def opened(self, connection: "GuardedProtocol") -> None:
        """Admit a connection; at the limit one that keeps us waiting makes room: nobody is shut out by slow clients."""
        if len(self.open) >= self.limits.connections:
            waiting = [other for other in self.open if other.keeps_us_waiting]
            leaving = min(waiting, key=lambda other: (_LEAVING.index(other.state), other.since), default=connection)
            leaving.make_room()
        self.open.add(connection)

    def closed(self, connection: "GuardedProtocol") -> None:
        """Forget a connection."""
        self.open.discard(connection)
        self._closed += 1

    def sweep(self, now: float) -> None:
        """End every connection whose deadline has passed."""
        for connection in [found for found in self.open if found.deadline <= now]:
            try:
                connection.expire()
            except Exception:  # one connection's trouble must not end the watch over all others
                logger.exception("a connection could not be ended in good order")
                connection.transport.abort()
        if self._closed >= _BURST:
            self._closed = 0
            self._trim()

    def keep_none(self) -> None:
        """From now on every connection ends with its next answer."""
        self.draining = True
        for connection in self.open:
            if connection.cycle is not None:
                connection.cycle.keep_alive = False

    def drain(self) -> None:
        """End connections at rest; the others end with their answer."""
        self.keep_none()
        for connection in [found for found in self.open if found.state in _RESTING]:
            connection.end()

    @property
    def busy(self) -> bool:
        """Whether somebody still waits for an answer, or for the rest of one."""
        return bool(self.tasks) or any(
            found.state is not State.CLOSING or found.transport.get_write_buffer_size() for found in self.open
        )

    async def drained(self, grace: float) -> None:
        """End what rests, wait for what is under way, and cut what is left after so many seconds of grace."""
        self.drain()
        until = time.monotonic() + grace
        while self.busy and time.monotonic() < until:
            await asyncio.sleep(0.02)
        if self.busy:
            logger.warning("%d connections cut: the grace period is over", len(self.open))
        elif self.open:
            await asyncio.sleep(_GOODBYE)
        self.abort()

    def abort(self) -> None:
        """End everything now."""
        for connection in tuple(self.open):
            connection.transport.abort()

    async def watch(self) -> None:
        """Sweep until cancelled."""
        while True:
            await asyncio.sleep(self.limits.sweep)
            self.sweep(time.monotonic())


class GuardedProtocol(HttpToolsProtocol):
    """One connection. `deadline` and `since` are monotonic seconds."""

    def __init__(self, config: Config, server_state: ServerState, connections: Connections) -> None:
        super().__init__(config, server_state, {})
        self.guard = connections
        self._header_bytes = 0
        self._enter(State.HANDSHAKE, connections.limits.handshake)

    def accepted(self, transport: asyncio.Transport) -> None:
        """A socket has been accepted; TLS comes first."""
        self.transport = transport
        self.guard.opened(self)

    def refused(self, reason: str) -> None:
        """TLS came to nothing."""
        self.guard.observer.connection_cut(f"tls-{reason}")
        self._enter(State.CLOSING, self.guard.limits.closing)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        if self not in self.guard.open:  # no TLS before
            self.guard.opened(self)
        if self.state is State.HANDSHAKE:
            self._enter(State.FIRST, self.guard.limits.first_request)

    def connection_lost(self, exc: Exception | None) -> None:
        self.guard.closed(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        in_headers = self.state is State.HEADERS
        try:
            self.parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self.guard.observer.connection_cut("no-http")
            self.send_400_response("Invalid HTTP request received.")
            self._enter(State.CLOSING, self.guard.limits.closing)
            return
        if in_headers and self.state is State.HEADERS:
            self._header_bytes += len(data)
            if self._header_bytes > self.guard.limits.header_bytes:
                self.cut("headers-too-large", _TOO_LARGE)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._header_bytes = 0
        self._enter(State.HEADERS, self.guard.limits.headers)

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.state is State.HEADERS:  # trailers behind a chunked body are of no use to anybody here
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._enter(State.BODY, self.guard.limits.body)
        super().on_headers_complete()
        if self.guard.draining:
            self.cycle.keep_alive = False

    def on_message_complete(self) -> None:
        super().on_message_complete()
        if self.cycle.response_complete:
            self._rest()
        else:
            self._enter(State.ANSWER, self.guard.limits.answer)

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            self._enter(State.CLOSING, self.guard.limits.closing)
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        elif self.state is State.ANSWER:
            self._rest()

    def expire(self) -> None:
        """The deadline has passed: say so where somebody may be listening, and end."""
        if self.state is State.CLOSING:
            self.transport.abort()
        elif self.state in _RESTING:
            self.end()
        else:
            said = f"the {self.state.value} took too long".encode("ascii")
            self.cut(f"{self.state.value}-timeout", _TIMED_OUT % (len(said), said))

    @property
    def keeps_us_waiting(self) -> bool:
        """Whether it is the client's turn: to leave, to ask, to go on asking, to read."""
        return self.state is not State.ANSWER or self.transport.get_write_buffer_size() > 0

    def make_room(self) -> None:
        """Go, for another; one that was told to go already, and doesn't, at once."""
        if self.state is State.CLOSING:
            self.guard.open.discard(self)
            self.transport.abort()
        else:
            self.cut("too-many")

    def cut(self, reason: str, last_words: bytes = b"") -> None:
        """End the connection for something its client did or didn't do."""
        self.guard.observer.connection_cut(reason)
        answering = self.cycle is not None and self.cycle.response_started and not self.cycle.response_complete
        if last_words and not answering:
            self.transport.write(last_words)
        self.end()

    def end(self) -> None:
        """Close in good order; what the peer doesn't end in time is aborted by the sweep."""
        self._enter(State.CLOSING, self.guard.limits.closing)
        self.transport.close()

    def _rest(self) -> None:
        self._enter(State.IDLE, self.guard.limits.idle)

    def _enter(self, state: State, seconds: float) -> None:
        self.state = state
        self.since = time.monotonic()
        self.deadline = self.since + seconds


def protocol_factory(
    app: Callable[..., Any], connections: Connections, context: Callable[[], ssl.SSLContext] | None = None
) -> Callable[[], asyncio.Protocol]:
    """For `create_server`, which is given no TLS of its own.

    No access log, no headers of uvicorn's own, no lifespan: they cost time on every request.
    """
    config = Config(
        app,
        http=GuardedProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
    )
    config.load()
    state = ServerState()
    state.tasks = connections.tasks
    if context is None:
        return lambda: GuardedProtocol(config, state, connections)
    return lambda: TlsTransport(GuardedProtocol(config, state, connections), context())
