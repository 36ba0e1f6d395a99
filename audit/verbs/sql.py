"""`bailiwick audit sql`: the tables and roles of a log in PostgreSQL."""

from pathlib import Path

import click

_VERSIONS = ("schema.sql", "schema_2.sql", "schema_3.sql")  # each adds to the one before


@click.command(short_help="print the tables and roles of a log in PostgreSQL")
@click.option(
    "--from", "have", type=click.IntRange(0, len(_VERSIONS) - 1), default=0, help="The version that is there."
)
def sql(have: int) -> None:
    """Print the tables and roles of a log in PostgreSQL, which its owner runs once.

    \b
    bailiwick audit sql | psql --single-transaction audit
    """
    click.echo(tables_since(have), nl=False)


def tables_since(have: int) -> str:
    """What makes the tables of this release where those of version `have` are; 0: none are."""
    folder = Path(__file__).parents[1] / "postgres"
    return "\n".join((folder / name).read_text() for name in _VERSIONS[have:])
