"""What commands share that need the region's private keyring: how it is named, and how its errors are told."""

import functools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from keymgmt.verbs.ring import Mistake
from keymgmt.verbs.ring import told as keys_told


def keyring_options(call: Callable[..., Any]) -> Callable[..., Any]:
    """--keyring and --key-file, given to the verb as `where`; errors of both packages become messages with hints."""

    @click.option("--keyring", type=click.Path(exists=True, path_type=Path), help="By default `keys` beside the log.")
    @click.option("--key-file", type=click.Path(exists=True, path_type=Path), help="Unlocks it; by default in there.")
    @functools.wraps(call)
    def wrapped(keyring: Path | None, key_file: Path | None, **more: Any) -> Any:
        from webhook.keys.regional import Where

        with told():
            return call(where=Where(keyring, key_file), **more)

    return wrapped


@contextmanager
def told(*kept: type[Exception]) -> Iterator[None]:
    """Our packages' errors for people, but for those that are `kept` as they are."""
    from audit.errors import AuditError

    try:
        with keys_told():
            yield
    except kept:
        raise
    except AuditError as error:
        raise Mistake(str(error), getattr(error, "hint", None) or None) from error


@contextmanager
def moving(what: str) -> Iterator[Callable[[int], None]]:
    """A line on standard error for people that says how far it is; nothing where nobody looks."""
    if not sys.stderr.isatty():
        yield lambda _done: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done: bar.update(task, completed=done)
