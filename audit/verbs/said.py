"""What the verbs of `audit` have in common: formats, times, and how they say what they found to people."""

from collections.abc import Sequence
from datetime import UTC, datetime

import click

MOST_UNREAD = 20
FORMATS = click.Choice(["table", "json", "yaml"])


def tell_unread(unread: Sequence[tuple[int, str]]) -> None:
    """A line on standard error for each record that nobody can read, as far as people want to know them."""
    from audit.exports.text import shown

    for index, why in unread[:MOST_UNREAD]:
        click.echo(f"note: record {index} can't be read: it {shown(why)}", err=True)
    if len(unread) > MOST_UNREAD:
        click.echo(f"note: nor can {len(unread) - MOST_UNREAD} more; `audit verify` names them", err=True)


def counted(number: int, noun: str) -> str:
    """`1 record`, `2 records`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def moment(text: str, option: str) -> datetime:
    """A time as people give it, in UTC without an offset. Raises a usage error."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        refused = click.UsageError(f"`{text[:80]}` is no time for {option}")
        refused.hint = "write it like 2026-11-21 or 2026-11-21T12:00:00Z"  # type: ignore[attr-defined]
        raise refused from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def in_order(begin: datetime | None, end: datetime | None) -> None:
    """Raises a usage error for a time that ends before it begins: nothing lies in it, whatever the log holds."""
    if begin is not None and end is not None and end <= begin:
        raise click.UsageError(f"nothing lies between {begin.isoformat()} and {end.isoformat()}: the end comes first")
