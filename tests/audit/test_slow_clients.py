"""Clients of a served log and of a witness that are slow, silent or many: each is let go, and nobody else waits."""

import http.client
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from audit.published import PublishedFiles
from audit.tlog.tiles import ENTRIES
from audit.web.asgi import App
from audit.web.reading import reading_app
from audit.web.running import LIMITS, Door, served
from audit.web.witness import witness_app
from audit.witness.rules import Witness
from audit.witness.states import FileStates
from tests.audit.disks import SimulatedDisk
from tests.audit.worlds import ORIGIN, NoteKey, filled
from webhook.serving.certificates import Authority

HASTY = replace(LIMITS, handshake=0.2, first_request=0.2, idle=0.2, headers=0.2, body=0.2, answer=0.4, closing=0.2)
HASTY = replace(HASTY, sweep=0.02)
HALF = b"GET /checkpoint HTTP/1.1\r\nHost: localhost\r\nX-And-So-On: "
HALF_BODY = b"POST /add-checkpoint HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nold "


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> PublishedFiles:
    directory = tmp_path_factory.mktemp("served") / "log"
    filled(directory, 20)
    return PublishedFiles(directory)


@contextmanager
def _witness() -> Iterator[App]:
    states = FileStates.open(Path("/witness"), SimulatedDisk())
    yield witness_app(Witness({ORIGIN: [NoteKey().verifier()]}, NoteKey("w.example"), states, lambda: 1))
    states.close()


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Door:
    """A door with a certificate."""
    place = tmp_path_factory.mktemp("tls")
    Authority("test", datetime.now(UTC)).server(["localhost"], datetime.now(UTC)).write(place)
    return Door(certificate=place / "tls.crt", key=place / "tls.key")


def _connected(stack: ExitStack, port: int, said: bytes = b"") -> socket.socket:
    """A client that has said so much, and waits."""
    client = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10))
    client.sendall(said)
    return client


def _status(port: int, method: str, path: str, body: bytes | None = None) -> int:
    """What another client is answered."""
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        client.request(method, path, body)
        return client.getresponse().status
    finally:
        client.close()


def _last_words(client: socket.socket) -> bytes:
    """All that comes until the server ends the connection."""
    said = b""
    try:
        while more := client.recv(65536):
            said += more
    except ConnectionError:
        pass
    return said


@pytest.mark.parametrize("said", [b"", HALF, HALF_BODY], ids=["silent", "headers", "body"])
def test_three_hundred_that_are_half_open_shut_nobody_out(log: PublishedFiles, said: bytes) -> None:
    """More of them than there may be connections: a log is served, and a witness cosigns, as if nobody was there."""
    assert LIMITS.connections < 300
    with ExitStack() as stack:
        reading = stack.enter_context(served(reading_app(log)))
        witness = stack.enter_context(served(stack.enter_context(_witness())))
        for port in (reading, witness):
            for _ in range(300):
                _connected(stack, port, said)
        assert _status(reading, "GET", "/checkpoint") == 200
        assert _status(witness, "POST", "/add-checkpoint", b"nonsense") == 400


@pytest.mark.parametrize(
    ("said", "answered"),
    [(b"", b""), (HALF, b"the headers took too long"), (HALF_BODY, b"the body took too long")],
    ids=["silent", "headers", "body"],
)
def test_who_does_not_go_on_is_let_go(said: bytes, answered: bytes) -> None:
    """Silence, headers without end and bodies without end have a time each; who began to ask is told so."""
    with _witness() as app, served(app, limits=HASTY) as port, ExitStack() as stack:
        assert _last_words(_connected(stack, port, said)).endswith(answered)


def test_between_two_requests(log: PublishedFiles) -> None:
    """A connection that was answered and then rests is ended too."""
    with served(reading_app(log), limits=HASTY) as port, ExitStack() as stack:
        client = _connected(stack, port, b"GET /checkpoint HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert _last_words(client).startswith(b"HTTP/1.1 200 OK")


def test_dripping_buys_no_time(log: PublishedFiles) -> None:
    """A byte of a header now and then doesn't keep a connection open."""
    with served(reading_app(log), limits=HASTY) as port, ExitStack() as stack:
        client = _connected(stack, port, HALF)
        client.settimeout(0.02)
        for _ in range(500):
            try:
                client.sendall(b"x")
                if client.recv(100).startswith(b"HTTP/1.1 408"):
                    return
            except TimeoutError:
                continue
        pytest.fail("500 bytes of a header, and still listened to")


def test_tls_that_never_begins(log: PublishedFiles, tls: Door) -> None:
    """Who connects to a door with TLS and doesn't say hello is ended as well."""
    with served(reading_app(log), tls, HASTY) as port, ExitStack() as stack:
        assert _last_words(_connected(stack, port)) == b""


class Large:
    """A log whose bundles are very large."""

    def note(self, name: str = "checkpoint") -> bytes:
        return name.encode()

    def tile(self, level: int | str, index: int, width: int) -> bytes:
        assert (level, index, width) == (ENTRIES, 0, 256)
        return bytes(16 << 20)

    def close(self) -> None:
        """Nothing is held."""


def test_who_does_not_read_is_let_go() -> None:
    """An answer has a time in which it must be read, and while it isn't, others are answered."""
    asked = b"GET /tile/entries/000 HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with served(reading_app(Large()), limits=replace(HASTY, connections=4)) as port, ExitStack() as stack:
        clients = [_connected(stack, port, asked) for _ in range(8)]
        assert _status(port, "GET", "/checkpoint") == 200
        time.sleep(HASTY.answer + HASTY.closing + 0.2)
        assert [client for client in clients if len(_last_words(client)) >= 16 << 20] == []
    with served(reading_app(Large()), limits=replace(HASTY, answer=10.0)) as port, ExitStack() as stack:
        client = _connected(stack, port, asked)
        assert len(_last_words(client)) > 16 << 20, "who reads has all of it"
