"""From SIGTERM to the end."""

import signal
import socket
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.webhook.process import Process
from tests.webhook.reviews import behaving, encoded
from tests.webhook.wire import HungUp


def probe(process: Process, path: str) -> int:
    with socket.create_connection(("127.0.0.1", process.probes_port), timeout=10) as plain:
        plain.sendall(b"GET %b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % path.encode())
        return int(plain.recv(4096).split(b" ")[1])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_idle_process_ends(tmp_path: Path, number: signal.Signals) -> None:
    """Asked to stop, an idle process ends with 0 and has gone on to close its log."""
    with Process(tmp_path) as process:
        with process.connect() as connection:
            assert connection.post("/validate/fail", encoded()).answer["allowed"]
            process.signal(number)
            assert connection.ended()
        assert process.end() == (0, "flushed 1\n")


def test_request_under_way_is_answered(tmp_path: Path) -> None:
    """A request that is being judged when SIGTERM comes is judged, recorded and answered."""
    with Process(tmp_path, resolver={"delay": 1.0}) as process, process.connect() as connection:
        answers = []
        thread = threading.Thread(target=lambda: answers.append(connection.post("/validate/fail", behaving("ask"))))
        thread.start()
        time.sleep(0.4)
        process.signal(signal.SIGTERM)
        thread.join(10)
        assert answers[0].answer["allowed"]
        assert answers[0].headers["connection"] == "close"
        assert process.end() == (0, "flushed 1\n")


def test_readiness_turns_false_at_once(tmp_path: Path) -> None:
    """While endpoints follow, the process is live, not ready, and still answers; each answer ends its connection."""
    with Process(tmp_path, stopping={"linger": 1.5}) as process:
        assert (probe(process, "/readyz"), probe(process, "/livez")) == (200, 200)
        with process.connect() as kept:
            assert "connection" not in kept.post("/validate/fail", encoded()).headers
            process.signal(signal.SIGTERM)
            time.sleep(0.3)
            assert (probe(process, "/readyz"), probe(process, "/livez")) == (503, 200)
            with process.connect() as late:
                assert late.post("/validate/fail", encoded()).answer["allowed"]
            last = kept.post("/validate/fail", encoded())
            assert last.answer["allowed"]
            assert last.headers["connection"] == "close"
        assert process.end() == (0, "flushed 3\n")


def test_second_signal_hurries(tmp_path: Path) -> None:
    """A second SIGTERM ends the wait for endpoints."""
    with Process(tmp_path, stopping={"linger": 60.0}) as process:
        process.signal(signal.SIGTERM)
        time.sleep(0.2)
        assert process.alive
        process.signal(signal.SIGTERM)
        assert process.end()[0] == 0


def test_grace_is_bounded(tmp_path: Path) -> None:
    """A request that doesn't end keeps the process no longer than the grace period."""
    settings: dict[str, Any] = {"stopping": {"grace": 0.5}, "resolver": {"delay": 60.0}, "deadlines": {"longest": 60.0}}
    with Process(tmp_path, **settings) as process, process.connect() as connection:
        threading.Thread(target=_post_and_forget, args=(connection,), daemon=True).start()
        time.sleep(0.3)
        process.signal(signal.SIGTERM)
        assert process.end()[0] == 0


def _post_and_forget(connection: object) -> None:
    try:
        connection.post("/validate/fail?timeout=60s", behaving("ask"))  # type: ignore[attr-defined]
    except HungUp:
        return


def test_new_connections_are_refused_while_draining(tmp_path: Path) -> None:
    """After the linger nobody new is let in, while a request under way still is answered."""
    with Process(tmp_path, resolver={"delay": 1.5}) as process, process.connect() as connection:
        answers = []
        thread = threading.Thread(target=lambda: answers.append(connection.post("/validate/fail", behaving("ask"))))
        thread.start()
        time.sleep(0.4)
        process.signal(signal.SIGTERM)
        time.sleep(0.3)
        with pytest.raises(OSError):  # refused, or ended before the handshake
            process.connect()
        thread.join(10)
        assert answers[0].answer["allowed"]
        assert process.end()[0] == 0


def test_hangup_loads_certificates(tmp_path: Path) -> None:
    """SIGHUP loads the certificate files again and ends nothing."""
    with Process(tmp_path, tls={"watch": 60.0}) as process, process.connect() as connection:
        process.signal(signal.SIGHUP)
        assert connection.post("/validate/fail", encoded()).answer["allowed"]
        until = time.monotonic() + 5
        while b'certificate_reloads_total{outcome="loaded"} 2.0' not in connection.get("/metrics").body:
            assert time.monotonic() < until
            time.sleep(0.05)
