"""A log behind a socket, as the webhook has it: the log's own loop in a thread, and the end of whoever waits."""

import socket
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from audit.leaves.record import Record
from audit.process.remote import WAITING, RemoteLog
from audit.process.serving import serve


@contextmanager
def served(log: Any) -> Iterator[socket.socket]:
    """A thread that serves the log; what is given is the other end."""
    ours, theirs = socket.socketpair()
    thread = threading.Thread(target=serve, args=(log, theirs))
    thread.start()
    try:
        yield ours
    finally:
        ours.close()
        thread.join(30)
        theirs.close()


@asynccontextmanager
async def wired(log: Any, *, waiting: int = WAITING) -> AsyncIterator[RemoteLog]:
    """The log as a process with an event loop sees it."""
    with served(log) as channel:
        remote = await RemoteLog.over(channel, waiting=waiting)
        try:
            yield remote
        finally:
            remote.drop()
            await remote.lost


def fill(log: Any, records: Sequence[Record], at_once: int = 500) -> None:
    """Append all of them, so many with one sync."""
    for begin in range(0, len(records), at_once):
        log.append_batch([(record, ()) for record in records[begin : begin + at_once]])
