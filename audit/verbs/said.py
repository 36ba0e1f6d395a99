"""How the verbs of `audit` say what they found to programs."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import click

MOST_UNREAD = 20
FORMATS = click.Choice(["table", "json", "yaml"])


def said(value: Any, output: str) -> str:
    """A plain value as JSON or YAML."""
    if output == "json":
        import orjson

        return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode() + "\n"
    import yaml

    return str(yaml.safe_dump(value, sort_keys=False))


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
