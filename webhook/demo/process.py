"""The webhook as a process of its own, the one a cluster would call: started, waited for, and told to go."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from webhook.demo.client import Asker, WebhookFailed

START = 30.0  # seconds until it must be ready
STOP = 15.0  # seconds for draining and flushing


class Process:
    """`bailiwick serve` on a free port of this machine, its state in `directory`."""

    def __init__(self, directory: Path, arguments: Sequence[str]) -> None:
        self.directory = directory
        self.port = _free_port()
        self.ca = directory / "tls" / "ca.crt"
        self._asker: Asker | None = None
        self._output = (directory / "serve.log").open("wb")
        command = [sys.executable, "-m", "bailiwick", "serve", "--port", str(self.port), "--state", str(directory)]
        self._process = subprocess.Popen(  # noqa: S603  # our own command, no shell
            [*command, *arguments], stdout=self._output, stderr=subprocess.STDOUT
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def ready(self) -> Asker:
        """A connection, once the webhook says that it is ready. Raises WebhookFailed with what it wrote."""
        if self._asker is not None:
            return self._asker
        until = time.monotonic() + START
        while time.monotonic() < until and self._process.poll() is None:
            if (asker := self._connected()) is not None:
                self._asker = asker
                return asker
            time.sleep(0.05)
        self.stop()
        raise WebhookFailed(f"the webhook did not become ready:\n{self.written()}")

    def _connected(self) -> Asker | None:
        try:
            asker = Asker(self.port, self.ca)
        except OSError:  # no CA yet
            return None
        try:
            if asker.get("/readyz")[0] == 200:
                return asker
        except OSError:  # not listening yet
            pass
        asker.close()
        return None

    def stop(self) -> int:
        """SIGTERM: it drains, flushes its log and leaves. The exit code."""
        if self._asker is not None:
            self._asker.close()
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            code = self._process.wait(STOP)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        self._output.close()
        return code

    def written(self) -> str:
        return (self.directory / "serve.log").read_text(errors="replace")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
