"""Clients that are slow, many, or greedy."""

import resource
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.audit.worlds import until
from tests.webhook.parts import Parts, running
from tests.webhook.process import Process
from tests.webhook.reviews import behaving, encoded
from tests.webhook.test_review import MALFORMED
from tests.webhook.wire import POSTED, Connection, HungUp, request_bytes

TIGHT = {"first_request": 0.4, "idle": 0.6, "headers": 0.4, "body": 0.4, "closing": 0.3, "handshake": 0.5}
HEAD = b"POST /validate/fail HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Parts]:
    """A webhook that waits for nothing longer than half a second."""
    with running(tmp_path_factory.mktemp("hasty"), connections=TIGHT) as parts:
        yield parts


def dribble(connection: Connection, data: bytes, seconds: float = 5.0) -> None:
    """Send a byte now and then, until the server has had enough."""
    until = time.monotonic() + seconds
    for position in range(len(data)):
        connection.send(data[position : position + 1])
        time.sleep(0.05)
        if time.monotonic() > until:
            return


def cut(parts: Parts, reason: str) -> bool:
    return f'connections_cut_total{{reason="{reason}"}}'.encode() in parts.metrics.exposition()


def test_slow_headers(hasty: Parts) -> None:
    """A client that dribbles its headers is cut off."""
    with hasty.connect() as loris, pytest.raises(HungUp):
        dribble(loris, HEAD * 10)
        assert loris.response().status == 408
        loris.response()
    assert cut(hasty, "headers-timeout")


def test_slow_headers_are_told(hasty: Parts) -> None:
    """A client whose headers never end reads 408, and then the end; meanwhile others are served."""
    with hasty.connect() as loris:
        loris.send(HEAD)
        with hasty.connect() as other:
            assert other.post("/validate/fail", encoded()).answer["allowed"]
        response = loris.response()
        assert (response.status, response.body) == (408, b"the headers took too long")
        assert loris.ended()


def test_slow_body(hasty: Parts) -> None:
    """A client whose body never ends reads 408, and then the end."""
    with hasty.connect() as loris:
        loris.send(HEAD + b"Content-Length: 1000\r\n\r\n{")
        response = loris.response()
        assert (response.status, response.body) == (408, b"the body took too long")
        assert loris.ended()
    assert cut(hasty, "body-timeout")


def test_dribbled_body(hasty: Parts) -> None:
    """Sending a byte of the body now and then buys no time."""
    with hasty.connect() as loris, pytest.raises(HungUp):
        loris.send(HEAD + b"Content-Length: 1000\r\n\r\n")
        dribble(loris, b"x" * 1000)
        assert loris.response().status == 408
        loris.response()


def test_no_request(hasty: Parts) -> None:
    """A connection that never asks anything is ended."""
    with hasty.connect() as silent:
        assert silent.ended()


def test_blank_lines_are_no_request(hasty: Parts) -> None:
    """Blank lines before a request buy no time either."""
    with hasty.connect() as loris, pytest.raises(HungUp):
        dribble(loris, b"\r\n" * 500)
        loris.response()


def test_idle(hasty: Parts) -> None:
    """A connection at rest between two requests is ended after its time, not before."""
    with hasty.connect() as connection:
        assert connection.post("/validate/fail", encoded()).status == 200
        time.sleep(0.3)
        assert connection.post("/validate/fail", encoded()).status == 200
        assert connection.ended()


def test_no_handshake(hasty: Parts) -> None:
    """A client that opens a socket and never begins TLS is ended, and keeps nobody waiting."""
    assert hasty.server is not None
    with socket.create_connection(("127.0.0.1", hasty.server.port), timeout=10) as silent:
        with hasty.connect() as other:
            assert other.post("/mutate", encoded()).answer["allowed"]
        assert silent.recv(1) == b""


def test_plain_http(hasty: Parts) -> None:
    """Plain HTTP on the TLS port ends at once."""
    assert hasty.server is not None
    with socket.create_connection(("127.0.0.1", hasty.server.port), timeout=10) as plain:
        plain.sendall(HEAD + b"\r\n")
        try:
            data = plain.recv(100)
        except ConnectionError:
            data = b""
        assert not data.startswith(b"HTTP/1.1 200")


def test_large_headers(hasty: Parts) -> None:
    """Headers without end are refused at a bound."""
    with hasty.connect() as greedy, pytest.raises(HungUp):
        greedy.send(HEAD)
        for _ in range(2000):
            greedy.send(b"X-Filler: " + b"x" * 1000 + b"\r\n")
        assert greedy.response().status == 431
        greedy.response()
    assert cut(hasty, "headers-too-large")


def test_room_for_the_next(tmp_path: Path) -> None:
    """At the limit of connections, a new one takes the place of the one that has been idle longest."""
    with running(tmp_path, connections={"connections": 3}) as parts, ExitStack() as stack:
        first, second, third = (stack.enter_context(parts.connect()) for _ in range(3))
        for connection in (first, second, third, first):
            assert connection.post("/mutate", encoded()).status == 200
        fourth = stack.enter_context(parts.connect())
        assert fourth.post("/mutate", encoded()).status == 200
        assert second.ended()
        for connection in (first, third):
            assert connection.post("/mutate", encoded()).status == 200


@pytest.mark.parametrize(
    "begun", [b"", HEAD, HEAD + b"Content-Length: 1000\r\n\r\n{"], ids=["silent", "headers", "body"]
)
def test_slow_clients_shut_nobody_out(tmp_path: Path, begun: bytes) -> None:
    """However many connections are held open by clients that don't go on, a review is answered at once."""
    with running(tmp_path, connections={"connections": 8}) as parts, ExitStack() as stack:
        for _ in range(40):
            stack.enter_context(parts.connect()).send(begun)
        with parts.connect() as other:
            assert other.post("/validate/fail", encoded()).answer["allowed"]
        assert cut(parts, "too-many")


def test_who_is_owed_an_answer_makes_no_room(tmp_path: Path) -> None:
    """A crowd of connections takes none away from a review that is being decided."""
    with running(tmp_path, connections={"connections": 4}) as parts, ExitStack() as stack:
        waiting = stack.enter_context(parts.connect())
        parts.resolver.delay = 2.0  # seconds
        waiting.send(request_bytes("POST", "/validate/fail", behaving("ask"), POSTED))
        until(lambda: parts.resolver.asked != [])
        for _ in range(20):
            stack.enter_context(parts.connect()).send(HEAD)
        assert waiting.response().answer["allowed"]


def test_bodies_are_bounded_together(tmp_path: Path) -> None:
    """Many half-read bodies together have a bound too: what goes beyond is refused, what fits goes on."""
    with running(tmp_path, body={"buffered": 1 << 20}) as parts:
        with parts.connect() as first, parts.connect() as second:
            body = encoded(object={"filler": "x" * (800 << 10)})
            first.send(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body[:-1])
            time.sleep(0.3)
            refused = second.post("/validate/fail", body)
            first.send(body[-1:])
            assert first.response().answer["allowed"]
            assert (refused.status, refused.headers["connection"]) == (503, "close")
        with parts.connect() as third:
            assert third.post("/validate/fail", body).status == 200


@pytest.fixture
def many_files() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 4096:
        pytest.skip(f"this machine allows {hard} open files, and 1,000 connections need more")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 4096), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextmanager
def crowd(process: Process, size: int) -> Iterator[list[Connection]]:
    with ExitStack() as stack:
        yield [stack.enter_context(process.connect()) for _ in range(size)]


def test_thousand_idle_connections(tmp_path: Path, many_files: None) -> None:
    """A thousand idle connections keep nobody waiting, and a second thousand costs no memory that the first didn't."""
    with Process(tmp_path, connections={"first_request": 60.0}) as process:
        with crowd(process, 1000) as idle:
            with process.connect() as busy:
                for _ in range(20):
                    assert busy.post("/validate/fail", encoded()).answer["allowed"]
            assert idle[0].post("/validate/fail", encoded()).answer["allowed"]
            first = process.memory
        with crowd(process, 1000) as idle:
            assert idle[-1].post("/validate/fail", encoded()).answer["allowed"]
            second = process.memory
        assert process.alive
        assert second - first < 16 << 20


def test_memory_under_bad_input(tmp_path: Path) -> None:
    """Bad input of every kind, again and again, leaves memory flat and the process alive."""

    def round_of_bad_input(process: Process) -> None:
        for body in MALFORMED.values():
            with process.connect() as connection:
                assert connection.post("/validate/fail", body).status == 400
        for _ in range(5):
            with process.connect() as connection:
                assert connection.post("/validate/fail", b"x" * (12 << 20)).status == 413
            with process.connect() as connection:
                connection.send(HEAD + b"Content-Length: 7000000\r\n\r\n" + b"x" * 6_000_000)

    with Process(tmp_path) as process:
        round_of_bad_input(process)
        before = process.memory
        for _ in range(3):
            round_of_bad_input(process)
        assert process.memory - before < 24 << 20
        with process.connect() as connection:
            assert connection.post("/validate/fail", encoded()).answer["allowed"]
