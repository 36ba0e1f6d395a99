"""Runs an application until SIGTERM, or for as long as a `with` block lasts."""

import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from ssl import PROTOCOL_TLS_SERVER, SSLContext
from typing import TYPE_CHECKING

from audit.errors import AuditError
from audit.web.asgi import App

if TYPE_CHECKING:
    from uvicorn import Server

CONNECTIONS = 256  # at once; more get a 503
IDLE = 30  # seconds that a connection may stay open without a request


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

    def check(self) -> None:
        """Raise DoorUnusable for a certificate that can't be shown, rather than show none."""
        if self.certificate is None:
            if self.key is not None:
                raise DoorUnusable(f"the private key `{self.key}` has no certificate with it")
            return
        try:
            SSLContext(PROTOCOL_TLS_SERVER).load_cert_chain(self.certificate, self.key)
        except OSError as error:
            with_key = f" with the key `{self.key}`" if self.key else ""
            raise DoorUnusable(f"the certificate `{self.certificate}`{with_key} can't be used: {error}") from error


def run(app: App, door: Door, started: Callable[[int], None]) -> None:
    """Serve until SIGTERM or SIGINT; `started` is told the port.

    Raises DoorUnusable, OSError when the port is taken.
    """
    door.check()
    with socket.create_server((door.host, door.port), backlog=128) as listener:
        server = _server(app, door)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)  # uvicorn drains, then raises the signal again for whoever is left
        started(listener.getsockname()[1])
        server.run(sockets=[listener])


@contextmanager
def served(app: App, door: Door | None = None) -> Iterator[int]:
    """The same in a thread of its own; gives the port."""
    door = door or Door()
    with socket.create_server((door.host, door.port), backlog=128) as listener:
        server = _server(app, door)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="audit-web", daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join()


def _server(app: App, door: Door) -> "Server":
    from uvicorn import Config, Server

    config = Config(
        app,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        ws="none",
        limit_concurrency=CONNECTIONS,
        timeout_keep_alive=IDLE,
        timeout_graceful_shutdown=5,
        ssl_certfile=door.certificate,
        ssl_keyfile=door.key,
    )
    return Server(config)
