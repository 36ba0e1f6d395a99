"""A bar for people who wait."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

PATIENCE = 1.0  # seconds before a bar appears


@contextmanager
def progress_bar(what: str, patience: float = PATIENCE) -> Iterator[Callable[[int, int], None]]:
    """`progress(done, total)`: a bar on standard error after `patience` seconds; nothing where nobody looks."""
    if not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    from rich.console import Console
    from rich.progress import Progress

    begun = time.monotonic()
    with Progress(console=Console(stderr=True), transient=True, auto_refresh=False) as bar:
        task = bar.add_task(what, total=None, visible=False)

        def told(done: int, total: int) -> None:
            late = time.monotonic() - begun > patience
            bar.update(task, completed=done, total=total, visible=late, refresh=late)

        yield told
