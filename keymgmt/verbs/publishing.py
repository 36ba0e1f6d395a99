"""`bailiwick keys publish`: a region's public part, for whoever seals or writes grants, from any keyring."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from keymgmt.verbs.ring import keyring_options

if TYPE_CHECKING:
    from keymgmt.verbs.ring import Chosen


@click.command()
@keyring_options
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="For example eu-de.public.json."
)
def publish(chosen: "Chosen", out: Path) -> None:
    """Write the public part: every version of every key, in whatever state, and nothing secret.

    \b
    bailiwick keys publish --keyring eu-de.yaml --out eu-de.public.json
    """
    out.write_bytes(chosen.ring.public_document())
    known = chosen.ring.keys()
    click.echo(f"{len(known)} versions of {chosen.ring.region}, generation {chosen.ring.generation}")
