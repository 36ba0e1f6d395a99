"""A webhook that allows everything and keeps what it was sent, byte for byte.

Speaks TLS under a certificate of its own authority. What it guarantees is that a recorded body is what the API server
put on the wire; which reviews are worth keeping is decided in `record`.
"""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

from tests.cluster.bed.certificates import Authority
from tests.cluster.bed.cluster import Json

Answer = Callable[[Json], Json]


class Recorded(NamedTuple):
    """One review as it came in."""

    path: str  # with the query, such as /validate?timeout=10s
    body: bytes

    @property
    def request(self) -> Json:
        """The review's request."""
        request: Json = json.loads(self.body)["request"]
        return request


def allow(review: Json) -> Json:
    """The shortest answer that admits."""
    return {"uid": review["request"]["uid"], "allowed": True}


class Recorder:
    """Serves from the moment it is made until it is closed, which also ends the connections that are kept alive."""

    def __init__(self, folder: Path, *, host: str = "127.0.0.1", answer: Answer = allow) -> None:
        authority = Authority(folder, "recorder authority")
        self.ca_bundle = authority.bundle
        pair = authority.serve("recorder", [host])
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair.certificate, pair.key)
        self._server = _Server("127.0.0.1" if host == "127.0.0.1" else "0.0.0.0", context, answer)
        self.url = f"https://{host}:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()

    @property
    def reviews(self) -> tuple[Recorded, ...]:
        """Everything recorded so far, in order of arrival."""
        return tuple(self._server.recorded)

    def close(self) -> None:
        """Stop serving; returns when every thread has ended."""
        self._server.shutdown()
        self._server.hang_up()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # joined on closing, so that no socket is left to the garbage collector

    def __init__(self, address: str, context: ssl.SSLContext, answer: Answer) -> None:
        super().__init__((address, 0), _Handler)
        self.recorded: list[Recorded] = []
        self.answer = answer
        self._context = context
        self._open: set[socket.socket] = set()

    def get_request(self) -> tuple[socket.socket, Any]:
        plain, address = super().get_request()
        # the handshake is left to the connection's own thread: a slow client shall not stop the others
        secure = self._context.wrap_socket(plain, server_side=True, do_handshake_on_connect=False)
        self._open.add(secure)
        return secure, address

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is not worth a line."""

    def hang_up(self) -> None:
        for connection in tuple(self._open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # it was quicker


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        review = json.loads(body)
        self.server.recorded.append(Recorded(self.path, body))
        answer = {
            "apiVersion": "admission.k8s.io/v1",
            "kind": "AdmissionReview",
            "response": self.server.answer(review),
        }
        content = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """The recording is log enough."""
