"""Runs an application until SIGTERM, or for as long as a `with` block lasts.

Guarantees that no client holds the door by being slow or silent (`audit.web.connections`), and that requests under way
are answered before the end.
"""

import asyncio
import signal
import socket
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from ssl import PROTOCOL_TLS_SERVER, SSLContext

from audit.errors import AuditError
from audit.web.asgi import App
from audit.web.limits import ConnectionLimits

# a mirror has a minute for the largest bundle, and asks again within seconds
LIMITS = ConnectionLimits(connections=256, idle=30.0, answer=90.0, backlog=128)
GRACE = 5.0  # seconds for requests under way


class DoorUnusable(AuditError):
    """Nothing was served."""

    hint = "give the certificate and its private key as PEM files; without both the door has no TLS"


@dataclass(frozen=True, slots=True)
class Door:
    """Where to listen, and the certificate to show."""

    host: str = "127.0.0.1"
    port: int = 0  # any free one
    certificate: Path | None = None
    key: Path | None = None

    def context(self) -> SSLContext | None:
        """TLS with that certificate. Raises DoorUnusable for one that can't be shown, rather than show none."""
        if self.certificate is None:
            if self.key is not None:
                raise DoorUnusable(f"the private key `{self.key}` has no certificate with it")
            return None
        context = SSLContext(PROTOCOL_TLS_SERVER)
        try:
            context.load_cert_chain(self.certificate, self.key)
        except OSError as error:
            with_key = f" with the key `{self.key}`" if self.key else ""
            raise DoorUnusable(f"the certificate `{self.certificate}`{with_key} can't be used: {error}") from error
        return context


def run(app: App, door: Door, started: Callable[[int], None], limits: ConnectionLimits = LIMITS) -> None:
    """Serve until SIGTERM or SIGINT; `started` is told the port.

    Raises DoorUnusable, OSError when the port is taken.
    """
    context = door.context()

    async def until_signalled() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        started(listener.getsockname()[1])
        await _serve(app, listener, context, limits, stop)

    with socket.create_server((door.host, door.port), backlog=limits.backlog) as listener:
        _run(until_signalled())


@contextmanager
def served(app: App, door: Door | None = None, limits: ConnectionLimits = LIMITS) -> Iterator[int]:
    """The same in a thread of its own; gives the port."""
    door = door or Door()
    context = door.context()
    stopping: list[Callable[[], object]] = []
    begun = threading.Event()

    async def until_told() -> None:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        stopping.append(lambda: loop.call_soon_threadsafe(stop.set))
        begun.set()
        await _serve(app, listener, context, limits, stop)

    with socket.create_server((door.host, door.port), backlog=limits.backlog) as listener:
        thread = threading.Thread(target=lambda: _run(until_told()), name="audit-web", daemon=True)
        thread.start()
        begun.wait()
        try:
            yield listener.getsockname()[1]
        finally:
            stopping[0]()
            thread.join()


class _Unobserved:
    """Nobody counts the connections that are cut."""

    def connection_cut(self, reason: str) -> None: ...


async def _serve(
    app: App, listener: socket.socket, context: SSLContext | None, limits: ConnectionLimits, stop: asyncio.Event
) -> None:
    from audit.web.connections import Connections, protocol_factory

    connections = Connections(limits, _Unobserved())
    factory = protocol_factory(app, connections, (lambda: context) if context is not None else None)
    server = await asyncio.get_running_loop().create_server(factory, sock=listener, backlog=limits.backlog)
    watcher = asyncio.create_task(connections.watch())
    try:
        await stop.wait()
        server.close()
        await connections.drained(GRACE)
    finally:
        watcher.cancel()
        connections.abort()


def _run(serving: Coroutine[object, object, None]) -> None:
    import uvloop

    uvloop.run(serving)
