"""How the verbs of `audit` say what they found to programs."""

from collections.abc import Sequence
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
