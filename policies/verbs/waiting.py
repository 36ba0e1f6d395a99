"""A word for people who wait: what is being done, once it takes longer than a moment."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

PATIENCE = 1.0  # seconds before anything is said


@contextmanager
def waiting(what: str, patience: float = PATIENCE) -> Iterator[None]:
    """A line on standard error that moves, gone when it is done; nothing where nobody looks."""
    if not sys.stderr.isatty():
        yield
        return
    done = threading.Event()
    teller = threading.Thread(target=_tell, args=(what, patience, done), daemon=True)
    teller.start()
    try:
        yield
    finally:
        done.set()
        teller.join()


def _tell(what: str, patience: float, done: threading.Event) -> None:
    if done.wait(patience):
        return
    from rich.console import Console

    with Console(stderr=True).status(what):
        done.wait()
