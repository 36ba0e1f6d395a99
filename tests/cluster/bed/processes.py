"""The bed's servers as processes: started in groups of their own, their output in log files, none left behind.

A server that ends when it shouldn't is reported with the last lines of what it wrote. Orphans are the
reaper's business.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

TAIL_LINES = 20  # of a log, in an error
GRACE = 10.0  # seconds between asking a server to stop and killing it


class BedError(Exception):
    """The test bed doesn't work; the message holds the log of what failed."""


class Server:
    """One running server; its group dies with it."""

    def __init__(self, name: str, command: Sequence[str | Path], log: Path, *, folder: Path) -> None:
        self.name, self.log = name, log
        with log.open("a") as sink:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                cwd=folder,
                env=_environment(folder),
                start_new_session=True,
            )
        self.group = self._process.pid

    @property
    def pid(self) -> int:
        """The process number."""
        return self._process.pid

    def check(self) -> None:
        """Raise BedError with the end of the log when the server has ended."""
        status = self._process.poll()
        if status is not None:
            raise BedError(f"{self.name} ended with status {status}; its last words:\n{self.tail()}")

    def tail(self) -> str:
        """The last lines of the log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-TAIL_LINES:])

    def stop(self, *, grace: float = GRACE) -> None:
        """Ask the server to end, then make it; returns when it and its children are gone."""
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(grace)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.group, signal.SIGKILL)
        self._process.wait()


class Household:
    """All servers of one bed, stopped in reverse order.

    If this process dies before that, the reaper stops them and removes the folder `remove`.
    """

    def __init__(self, folder: Path, *, remove: Path) -> None:
        self.folder = folder
        self._servers: dict[str, Server] = {}
        self._reaper = subprocess.Popen(
            [sys.executable, "-S", Path(__file__).with_name("reaper.py"), remove],
            stdin=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def start(self, name: str, command: Sequence[str | Path]) -> Server:
        """Start a server and list it for the reaper."""
        server = Server(name, command, self.folder / f"{name}.log", folder=self.folder)
        self._servers[name] = server
        self._tell(server.group)
        return server

    def stop(self, name: str, *, grace: float = GRACE) -> None:
        """Stop one server, if it is there."""
        if server := self._servers.pop(name, None):
            server.stop(grace=grace)
            self._tell(-server.group)

    def stop_all(self, *, grace: float = GRACE) -> None:
        """Stop everything, last started first, and then the reaper; harmless when done twice."""
        for name in reversed(list(self._servers)):
            self.stop(name, grace=grace)
        if self._reaper.stdin:
            self._reaper.stdin.close()
        self._reaper.wait()

    def check(self) -> None:
        """Raise BedError when any server has ended."""
        for server in self._servers.values():
            server.check()

    def __getitem__(self, name: str) -> Server:
        return self._servers[name]

    def _tell(self, number: int) -> None:
        assert self._reaper.stdin
        self._reaper.stdin.write(f"{number}\n")
        self._reaper.stdin.flush()


def _environment(folder: Path) -> dict[str, str]:
    """What a server may know of the machine: no proxies, no home folder with settings in it."""
    return {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(folder)}


class Port:
    """A TCP port of the loopback address, kept ours for as long as this object is open.

    The socket is bound but never listens; a server that allows port sharing (SO_REUSEPORT) can bind beside it, today
    and after a restart, and no other process can take the port in between.
    """

    def __init__(self) -> None:
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self._socket.bind(("127.0.0.1", 0))
        self.number: int = self._socket.getsockname()[1]

    def close(self) -> None:
        """Give the port back; a server that doesn't share ports can bind it now."""
        self._socket.close()


def wait_until(
    probe: Callable[[], bool], *, seconds: float, what: str, check: Callable[[], None] | None = None
) -> None:
    """Return when `probe` answers true; raise BedError after `seconds`, or at once when `check` raises."""
    deadline = time.monotonic() + seconds
    pause = 0.02
    while not probe():
        if check:
            check()
        if time.monotonic() > deadline:
            raise BedError(f"waited {seconds:g} s in vain for {what}")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.25)  # quick at first, then kind to the servers that share the cores
