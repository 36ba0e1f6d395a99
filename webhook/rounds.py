"""Work that comes round: in a thread of its own, for as long as something else lasts."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def rounds(
    name: str,
    seconds: float,
    work: Callable[[], object],
    *,
    first: Callable[[], object] | None = None,
    patience: float | None = None,
) -> Iterator[None]:
    """Within, `work` is done after every so many seconds, and `first` before them; neither may raise.

    The round under way has ended when this does, or `patience` seconds later at the latest.
    """
    ended = threading.Event()

    def run() -> None:
        if first is not None:
            first()
        while not ended.wait(seconds):
            work()

    thread = threading.Thread(target=run, name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(patience)
