"""How the verbs of `audit` say what they found to programs."""

from typing import Any

import click

FORMATS = click.Choice(["table", "json", "yaml"])


def said(value: Any, output: str) -> str:
    """A plain value as JSON or YAML."""
    if output == "json":
        import orjson

        return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode() + "\n"
    import yaml

    return str(yaml.safe_dump(value, sort_keys=False))
