"""`bailiwick audit export`: evidence in the formats that auditors read."""

from collections.abc import Sequence
from pathlib import Path

import click

from audit.verbs.places import log_directory


@click.command()
@click.argument("log", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), required=True, help="Write a report here.")
@click.option("--key", "keys", multiple=True, metavar="VKEY|FILE", help="Who may sign; repeatable.")
@click.option("-o", "--output", type=click.Choice(["table", "json", "yaml"]), default="table", show_default=True)
def export(log: Path, html: Path, keys: Sequence[str], output: str) -> None:
    """Write a self-contained HTML report of the LOG, with its proofs, to open offline."""
    written = write_html(log_directory(log), keys, html)
    if output == "json":
        click.echo(f'{{"html": "{html}", "records": {written}}}')
    elif output == "yaml":
        click.echo(f"html: {html}\nrecords: {written}")
    else:
        click.echo(f"{written} records in {html}")


def write_html(log: Path, keys: Sequence[str], path: Path) -> int:
    """Write the report of a log. The number of records in it. The log is verified on the way, and the report says so."""
    raise NotImplementedError
