"""The webhook in a process of its own, for what only a process shows: signals, exit codes, memory."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import orjson

from tests.webhook.parts import issue
from tests.webhook.wire import Connection, client_context


class Process:
    """Started and listening; killed at the end if it hasn't ended by then."""

    def __init__(self, directory: Path, *, environment: Mapping[str, str] | None = None, **changes: Any) -> None:
        issue(directory)
        command = [sys.executable, "-m", "tests.webhook.parts", str(directory), orjson.dumps(changes).decode()]
        root = Path(__file__).parents[2]
        environment = {**os.environ, **(environment or {})}
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=root, env=environment)
        self._context = client_context(directory / "ca.crt")
        assert self._process.stdout is not None
        self._said = self._process.stdout
        ports = self._said.readline().split()
        assert ports, "the process left before it listened"
        self.port, self.probes_port = map(int, ports)

    def connect(self) -> Connection:
        return Connection(self.port, self._context)

    @property
    def memory(self) -> int:
        """Resident bytes."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
        return int(line.split()[1]) * 1024

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def end(self) -> tuple[int, str]:
        """Wait for the end: the exit code and what was said last."""
        code = self._process.wait(20)
        return code, self._said.read().decode()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.alive:
            self._process.kill()
        self._process.wait()
        self._said.close()
