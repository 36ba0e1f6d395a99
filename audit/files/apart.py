"""Publishing in a process of its own: its hashing and its files take no turn of the interpreter that answers appends.

That process reads the log's segments as far as they are durable, and says what it published; what is signed, and when,
is said here. Guarantees that it ends when the log's process does, that the log stays locked until then (the lock is
its too), and that one which dies is started again where the head stands.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import orjson

from audit import errors
from audit.errors import AuditError
from audit.files.heads import FileHead, TreeHead
from audit.files.layout import HEAD
from audit.files.publisher import Publisher
from audit.files.store import Disk

_NICER = 10  # who waits for an answer comes before whoever waits for a checkpoint, who has to come in time all the same


class Apart:
    """`files.keeper.Publishing` by another process; for one thread."""

    def __init__(self, directory: Path, resumed: Publisher, lock: Callable[[], int]) -> None:
        """`resumed`: has found the tree in order, and says where it stands; `lock`: the log's lock, once it is held."""
        self._directory = directory
        self._resumed = resumed
        self._lock = lock
        self._head: TreeHead | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def head(self) -> TreeHead | None:
        """What is published."""
        return self._head or self._resumed.head

    def begin(self) -> None:
        """Have the process ready before there is something to publish."""
        with suppress(OSError):  # it is tried again then
            self._process = self._started()

    def publish(self, durable: int) -> TreeHead | None:
        """As `Publisher.publish`; ChildProcessError when the process has died, which is started again the next time."""
        process = self._process = self._process or self._started()
        assert process.stdin is not None and process.stdout is not None
        try:
            process.stdin.write(b"%d\n" % durable)
            process.stdin.flush()
            answer = process.stdout.readline()
        except BrokenPipeError:
            answer = b""
        if not answer:
            self.close()
            raise ChildProcessError(f"the publisher's process has ended with status {process.returncode}")
        self._head = _head(orjson.loads(answer))
        return self._head

    def close(self) -> None:
        """End the process; it has ended when this returns."""
        process, self._process = self._process, None
        if process is not None:
            process.communicate()

    def _started(self) -> "subprocess.Popen[bytes]":
        lock = self._lock()
        command = [sys.executable, "-P", "-m", "audit.files.apart", str(self._directory)]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=[lock])  # noqa: S603  # ourselves


def _head(said: dict[str, str]) -> TreeHead:
    """Raises what the other process has raised."""
    if "error" in said:
        raise getattr(errors, said["error"], OSError)(said["message"])
    return TreeHead(int(said["size"]), bytes.fromhex(said["root"]))


# — the other side —


def main(directory: Path) -> None:
    """Publish as far as is said on the standard input, until that ends."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # meant for the log's process, which ends us
        signal.signal(number, signal.SIG_IGN)
    os.nice(_NICER)
    publisher: Publisher | None = None
    for line in sys.stdin.buffer:
        try:
            publisher = publisher or _resumed(directory, int(line))
            head = publisher.publish(int(line))
        except (AuditError, OSError) as error:
            said: dict[str, object] = {"error": type(error).__name__, "message": str(error)}
        else:
            assert head is not None, "nobody asks for nothing to be published"
            said = {"size": head.size, "root": head.root.hex()}
        with suppress(BrokenPipeError):  # nobody waits any more
            os.write(sys.stdout.fileno(), orjson.dumps(said) + b"\n")


def _resumed(directory: Path, durable: int) -> Publisher:
    publisher = Publisher(Disk(), directory, FileHead(Disk(), directory / HEAD))
    publisher.boundary()
    publisher.resume(durable)
    return publisher


if __name__ == "__main__":
    main(Path(sys.argv[1]))
