"""How a command is told where a log lies, and its secrets: by file or environment, never on the command line."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from audit.postgres.published import PublishedTables

_SCHEMES = ("postgres://", "postgresql://")


def is_postgres(address: str) -> bool:
    """Whether it is the address of a database."""
    return address.startswith(_SCHEMES)


def is_http(address: str) -> bool:
    """Whether it is the address of a server."""
    return address.startswith(("http://", "https://"))


def secret_of(path: Path | None) -> str:
    """The one line of a secret's file; empty without a file."""
    if path is None:
        return ""
    lines = path.read_text().splitlines()
    if len(lines) != 1 or not lines[0]:
        raise click.UsageError(f"`{path}` holds no secret: expected one line")
    return lines[0]


def published_in(database: str, origin: str | None, password: Path | None) -> "PublishedTables":
    """The public side of a log in a database."""
    try:
        from audit.postgres.published import PublishedTables
    except ImportError as error:
        raise click.UsageError("a log in PostgreSQL needs more software: pip install 'bailiwick[postgres]'") from error
    return PublishedTables.open(database, origin, secret_of(password))
