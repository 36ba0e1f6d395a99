"""The process that listens: one TLS listener for the doors, one plain one for probes where wanted.

Guarantees that SIGTERM turns readiness false at once, that requests under way are answered, and that `serve` then
returns, so that whoever composed the parts can close the log and exit with 0. SIGHUP loads the certificate files again.
"""

import asyncio
import logging
import resource
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import uvloop

from audit.web.connections import Connections, protocol_factory
from webhook.serving.memory import settle, trimmer
from webhook.serving.metrics import Metrics
from webhook.serving.probes import Probes
from webhook.serving.settings import Settings
from webhook.serving.tls import LiveTls

logger = logging.getLogger("bailiwick.webhook")
Application = Callable[..., Any]


class Server:
    """Serves an application until it is told to stop. Make it inside the event loop it is to run in."""

    def __init__(
        self,
        app: Application,
        settings: Settings,
        tls: LiveTls,
        probes: Probes,
        metrics: Metrics,
        *,
        probes_app: Application | None = None,
    ) -> None:
        self._app = app
        self._probes_app = probes_app
        self._settings = settings
        self._tls = tls
        self._probes = probes
        self._connections = Connections(settings.connections, metrics, trimmer())
        self._probe_connections = Connections(settings.connections, metrics, trimmer())
        self._stop = asyncio.Event()
        self._hurry = asyncio.Event()
        self.port = 0  # where the doors are, once it listens
        self.probes_port = 0
        metrics.gauge("connections", "open connections to the doors", lambda: len(self._connections.open))

    async def serve(self, started: Callable[["Server"], None] | None = None) -> None:
        """Listen, call `started`, go on until `stop` or a signal, answer what is under way, return."""
        _allow_files(2 * self._settings.connections.connections + 256)
        watches = (self._connections.watch, self._probe_connections.watch, self._tls.watch)
        watchers = [asyncio.create_task(watch()) for watch in watches]
        listeners = await self._listen()
        try:
            with self._signals():
                settle()
                if started is not None:
                    started(self)
                await self._stop.wait()
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._hurry.wait(), self._settings.stopping.linger)
                listeners[0].close()
                await self._connections.drained(self._settings.stopping.grace)
        finally:
            for listener in listeners:
                listener.close()
            for watcher in watchers:
                watcher.cancel()
            self._probe_connections.abort()

    def stop(self, *, linger: bool = True) -> None:
        """Not ready from now on, and connections end with their next answer; without `linger`, no new ones either."""
        if self._stop.is_set() or not linger:
            self._hurry.set()
        self._probes.stop()
        self._connections.keep_none()
        self._stop.set()

    async def _listen(self) -> list[asyncio.Server]:
        loop, settings, limits = asyncio.get_running_loop(), self._settings, self._settings.connections
        doors = await loop.create_server(
            protocol_factory(self._app, self._connections, self._tls.context),
            settings.host,
            settings.port,
            backlog=limits.backlog,
        )
        self.port = doors.sockets[0].getsockname()[1]
        if self._probes_app is None or settings.probes_port is None:
            return [doors]
        factory = protocol_factory(self._probes_app, self._probe_connections)
        probes = await loop.create_server(factory, settings.host, settings.probes_port)
        self.probes_port = probes.sockets[0].getsockname()[1]
        return [doors, probes]

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """Signals belong to the main thread; a server in another one is stopped by `stop`."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        loop = asyncio.get_running_loop()
        handlers: dict[int, Callable[[], object]] = {
            signal.SIGTERM: self.stop,
            signal.SIGINT: lambda: self.stop(linger=False),  # a person at a terminal doesn't wait for endpoints
            signal.SIGHUP: self._tls.reload,
        }
        for number, handler in handlers.items():
            loop.add_signal_handler(number, handler)
        try:
            yield
        finally:
            for number in handlers:
                loop.remove_signal_handler(number)


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine, from opening the parts to closing them, on the event loop that the server is made for."""
    uvloop.run(main)


def _allow_files(wanted: int) -> None:
    """Each connection is a file. Raise the soft limit as far as the hard one lets us."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
