"""A log's server that drips, breaks off, never ends, or answers nonsense: the mirror says so, and isn't held by it."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner

from audit.mirror import Mirror
from audit.web.client import Access, HttpClient, Unreachable
from audit.web.far_log import FarLog
from bailiwick import command
from tests.audit.worlds import NoteKey, filled

KEY = NoteKey().verifier()
Misbehaviour = Callable[[BaseHTTPRequestHandler, bytes], None]


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("served") / "log"
    filled(directory, 20)
    return directory


@contextmanager
def _server(log: Path, what: str, misbehave: Misbehaviour) -> Iterator[str]:
    """The log's files over HTTP, and misbehaviour for those whose path begins so."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = log / self.path.lstrip("/")
            if not path.is_file():
                self.send_error(404)
                return
            with suppress(OSError):
                (misbehave if self.path.startswith(what) else _honest)(self, path.read_bytes())

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _begin(handler: BaseHTTPRequestHandler, size: int) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(size))
    handler.end_headers()


def _honest(handler: BaseHTTPRequestHandler, body: bytes) -> None:
    _begin(handler, len(body))
    handler.wfile.write(body)


def _drips(handler: BaseHTTPRequestHandler, body: bytes) -> None:
    _begin(handler, len(body))
    for byte in body:
        handler.wfile.write(bytes([byte]))
        handler.wfile.flush()
        time.sleep(0.05)


def _drips_headers(handler: BaseHTTPRequestHandler, body: bytes) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
    for number in range(90):
        handler.wfile.write(b"X-%d: y\r\n" % number)
        handler.wfile.flush()
        time.sleep(0.05)


def _drips_until_closed(handler: BaseHTTPRequestHandler, body: bytes) -> None:
    handler.send_response(200)
    handler.send_header("Connection", "close")
    handler.end_headers()
    for _ in range(200):
        handler.wfile.write(b"x")
        handler.wfile.flush()
        time.sleep(0.05)


def _breaks_off(handler: BaseHTTPRequestHandler, body: bytes) -> None:
    _begin(handler, len(body))
    handler.wfile.write(body[:-1])
    handler.close_connection = True


def _endless(handler: BaseHTTPRequestHandler, body: bytes) -> None:
    _begin(handler, 1 << 40)
    while True:
        handler.wfile.write(bytes(1 << 16))


@pytest.mark.parametrize("misbehave", [_drips, _drips_headers, _drips_until_closed])
@pytest.mark.parametrize("what", ["/checkpoint", "/tile"])
def test_a_server_that_drips_is_left(tmp_path: Path, log: Path, what: str, misbehave: Misbehaviour) -> None:
    """Each byte comes in good time, all of them would take for ever: the exchange ends, and counts for nothing."""
    with _server(log, what, misbehave) as url:
        client = HttpClient(url, Access(whole=0.3))
        copy = Mirror(FarLog(client), tmp_path / "copy", [KEY])
        copy.open()
        with pytest.raises(Unreachable, match=f"{url}.*took longer than 0.3 seconds"):
            copy.round()
        copy.close()
    assert not (tmp_path / "copy" / "checkpoint").exists()


@pytest.mark.parametrize("misbehave", [_breaks_off, _endless])
@pytest.mark.parametrize("what", ["/checkpoint", "/tile/0", "/tile/entries"])
def test_a_body_that_is_cut_or_has_no_end(tmp_path: Path, log: Path, what: str, misbehave: Misbehaviour) -> None:
    """Less than was announced isn't taken for all of it, and more than can be is not read: try again later."""
    with _server(log, what, misbehave) as url:
        copy = Mirror(FarLog(HttpClient(url)), tmp_path / "copy", [KEY])
        copy.open()
        with pytest.raises(Unreachable):
            copy.round()
        copy.close()
    with _server(log, "/none", _honest) as url:
        again = Mirror(FarLog(HttpClient(url)), tmp_path / "copy", [KEY])
        again.open()
        assert again.round().size == 23
        again.close()


def test_a_checkpoint_that_is_none_is_a_problem_of_the_log(tmp_path: Path, log: Path) -> None:
    """An empty one, a proxy's page, one with bytes after it: `audit mirror` says so and exits with 1."""
    for body in (b"", b"<html>sign in</html>\n", (log / "checkpoint").read_bytes() + b"\x00"):

        def nonsense(handler: BaseHTTPRequestHandler, _: bytes, body: bytes = body) -> None:
            _honest(handler, body)

        with _server(log, "/checkpoint", nonsense) as url:
            asked = ["audit", "mirror", url, str(tmp_path / "copy"), "--key", str(KEY), "--once"]
            shown = CliRunner().invoke(command, asked, standalone_mode=False)
        assert (shown.exit_code, "problem: a note" in shown.output) == (1, True), shown.output
