"""`bailiwick audit sql`: the tables and roles of a log in PostgreSQL."""

from pathlib import Path

import click


@click.command()
def sql() -> None:
    """Print the tables and roles of a log in PostgreSQL, which its owner runs once: `bailiwick audit sql | psql`."""
    click.echo((Path(__file__).parents[1] / "postgres" / "schema.sql").read_text(), nl=False)
