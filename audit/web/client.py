"""A small HTTP client: GET and POST of bounded bodies over kept connections, without redirects or proxies.

Every failure is Unreachable, with the address and what to do. Safe to be used by several threads. Certificates are
verified, against a given authority where there is one.
"""

import http.client
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from audit.errors import AuditError

TIMEOUT = 10.0  # seconds for each step of a request
WHOLE = 60.0  # seconds for all of them: the largest bundle at 300 kB/s
BODY_LIMIT = 1 << 20  # bytes
BUNDLE_LIMIT = 256 * (2 + 65_535)  # bytes of the largest entry bundle


class Unreachable(AuditError):
    """The other end didn't answer as it should: try again later."""

    hint = "check the address, the network, the token and the certificate authority; then try again"


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP status, the body and its type."""

    status: int
    body: bytes
    kind: str


@dataclass(frozen=True, slots=True)
class Access:
    """How to get in: seconds of patience, a bearer token, an authority's certificates (PEM)."""

    timeout: float = TIMEOUT
    whole: float = WHOLE
    token: str = field(default="", repr=False)
    authority: Path | None = None


class HttpClient:
    """One server under a base URL."""

    def __init__(self, url: str, access: Access | None = None) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise Unreachable(f"`{url}` is no address of a server: expected http://host/path or https://host/path")
        if parts.username or parts.password:
            raise Unreachable(f"the address of `{parts.hostname}` carries a password: give a token by file")
        self._access = access or Access()
        self.url = url.rstrip("/")
        self._secure = parts.scheme == "https"
        self._host, self._port, self._base = parts.hostname, parts.port, parts.path.rstrip("/")
        self._context = self._tls() if self._secure else None
        self._guard = threading.Lock()
        self._free: list[http.client.HTTPConnection] = []

    def get(self, path: str, limit: int = BODY_LIMIT) -> Reply:
        """The reply, whatever its status. Raises Unreachable, also for a body over the limit."""
        return self._request("GET", path, None, limit)

    def post(self, path: str, body: bytes, limit: int = BODY_LIMIT) -> Reply:
        """The same for a POST."""
        return self._request("POST", path, body, limit)

    def _tls(self) -> ssl.SSLContext:
        try:
            return ssl.create_default_context(cafile=self._access.authority)
        except (OSError, ssl.SSLError) as error:
            raise Unreachable(f"no certificates in `{self._access.authority}`: {error}") from error

    def __enter__(self) -> "HttpClient":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connections that wait for a next request."""
        with self._guard:
            free, self._free = self._free, []
        for connection in free:
            connection.close()

    def _request(self, method: str, path: str, body: bytes | None, limit: int) -> Reply:
        """One exchange; once more on a fresh connection when a kept one turns out to be closed."""
        with self._guard:
            kept = self._free.pop() if self._free else None
        try:
            if kept is not None:
                try:
                    return self._exchange(kept, method, path, body, limit)
                except (ConnectionError, http.client.CannotSendRequest):
                    pass  # closed while nobody looked
            return self._exchange(self._connection(), method, path, body, limit)
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(f"`{self.url}/{path}`: {error or type(error).__name__}") from error

    def _exchange(
        self, connection: http.client.HTTPConnection, method: str, path: str, body: bytes | None, limit: int
    ) -> Reply:
        headers = {"User-Agent": "bailiwick"}
        if self._access.token:
            headers["Authorization"] = f"Bearer {self._access.token}"
        try:
            with _within(connection, self._access.whole):
                connection.request(method, f"{self._base}/{path}", body, headers)
                response = connection.getresponse()
                data = _bounded(response, limit)
        except BaseException:
            connection.close()
            raise
        with self._guard:
            self._free.append(connection)
        return Reply(response.status, data, response.headers.get("Content-Type", ""))

    def _connection(self) -> http.client.HTTPConnection:
        if self._context is not None:
            return http.client.HTTPSConnection(
                self._host, self._port, timeout=self._access.timeout, context=self._context
            )
        return http.client.HTTPConnection(self._host, self._port, timeout=self._access.timeout)


def _bounded(response: http.client.HTTPResponse, limit: int) -> bytes:
    data = response.read(limit + 1)
    if len(data) > limit:
        raise http.client.HTTPException(f"the body is over {limit} bytes")
    if response.length:  # read() with a size is silent about an end that comes early
        raise http.client.IncompleteRead(data, response.length)
    return data


@contextmanager
def _within(connection: http.client.HTTPConnection, seconds: float) -> Iterator[None]:
    """An exchange that takes longer is cut: each step has its own time, and a byte now and then would last for ever."""

    if connection.sock is None:
        connection.connect()
    held: socket.socket = connection.sock  # which the connection lets go of before a body that ends with it
    is_over = threading.Event()

    def cut() -> None:
        is_over.set()
        with suppress(OSError):  # it ended just now
            held.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    except (OSError, http.client.HTTPException):
        if not is_over.is_set():
            raise
    finally:
        timer.cancel()
    if is_over.is_set():  # also when what came looks whole: a body may end with its connection
        raise http.client.HTTPException(f"the exchange took longer than {seconds:g} seconds")
