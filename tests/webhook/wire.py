"""A client that puts exactly the bytes on the wire that a test wants, over a real TLS socket."""

import socket
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, Self

import orjson

PATIENCE = 20.0  # seconds until a test gives up on an answer
POSTED = {"Content-Type": "application/json"}


class Response(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)

    @property
    def answer(self) -> Any:
        """The response of an AdmissionReview."""
        review = self.json
        assert (review["apiVersion"], review["kind"]) == ("admission.k8s.io/v1", "AdmissionReview")
        return review["response"]


class HungUp(Exception):
    """The server ended the connection before it had answered."""


def client_context(ca: Path, pair: tuple[Path, Path] | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=ca)
    if pair is not None:
        context.load_cert_chain(*pair)
    return context


class Connection:
    """One keep-alive connection."""

    def __init__(self, port: int, context: ssl.SSLContext, name: str = "localhost") -> None:
        plain = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        try:
            self.tls = context.wrap_socket(plain, server_hostname=name)
        except BaseException:
            plain.close()
            raise
        self._rest = b""

    def send(self, data: bytes) -> None:
        """Raises HungUp when the server has ended the connection."""
        try:
            self.tls.sendall(data)
        except (ConnectionError, ssl.SSLError) as cause:
            raise HungUp(str(cause)) from cause

    def post(self, path: str, body: bytes, headers: Mapping[str, str] = POSTED) -> Response:
        self.send(request_bytes("POST", path, body, headers))
        return self.response()

    def get(self, path: str) -> Response:
        self.send(request_bytes("GET", path, b"", {}))
        return self.response()

    def response(self) -> Response:
        """The next response. Raises HungUp at the end of the connection."""
        while b"\r\n\r\n" not in self._rest:
            self._more()
        head, _, self._rest = self._rest.partition(b"\r\n\r\n")
        first, *lines = head.decode("ascii").split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        size = int(headers.get("content-length", "0"))
        while len(self._rest) < size:
            self._more()
        body, self._rest = self._rest[:size], self._rest[size:]
        return Response(int(first.split(" ")[1]), headers, body)

    def ended(self) -> bool:
        """Wait for the server to end the connection; False when it still says something."""
        try:
            return self.tls.recv(1) == b""
        except (ConnectionError, ssl.SSLError):
            return True

    def close(self) -> None:
        self.tls.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _more(self) -> None:
        try:
            found = self.tls.recv(65536)
        except (ConnectionError, ssl.SSLError) as cause:
            raise HungUp(str(cause)) from cause
        if not found:
            raise HungUp("end of the connection")
        self._rest += found


def request_bytes(method: str, path: str, body: bytes, headers: Mapping[str, str]) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", *(f"{name}: {value}" for name, value in headers.items())]
    if method == "POST":
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
