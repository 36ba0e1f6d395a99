"""`bailiwick keys list`: every version of every key in a directory of keyrings, from their public parts."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from keymgmt.verbs.ring import Mistake, told
from keymgmt.verbs.written import written

if TYPE_CHECKING:
    from keymgmt.keys import KeyFacts

COLUMNS = ("region", "purpose", "version", "state", "algorithm", "created", "keyId", "assurance")


@click.command("list")
@click.argument("directory", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--region", help="Only this region's.")
@click.option("-o", "--output", type=click.Choice(["table", "json", "yaml"]), default="table", show_default=True)
def listing(directory: Path, region: str | None, output: str) -> None:
    """Show the keys in DIRECTORY: whose, for what, in which state. Reads public parts only, so it unlocks nothing.

    \b
    bailiwick keys list keys/ --region eu-de
    """
    paths = sorted(directory.glob(f"{region or '*'}.public.json"))
    if not paths:
        raise Mistake(f"no keyring in `{directory}`", "make one with `bailiwick keys init`")
    with told():
        rows = [row for path in paths for row in _rows(path)]
    click.echo(rendered(rows, output), nl=False)


def rendered(rows: Sequence[dict[str, Any]], output: str) -> str:
    """For people (table) or programs (json, yaml)."""
    if output != "table":
        return written(list(rows), output)
    cells = [tuple(name.upper() for name in COLUMNS), *(tuple(str(row[name]) for name in COLUMNS) for row in rows)]
    widths = [max(len(line[at]) for line in cells) for at in range(len(COLUMNS))]
    padded = ("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in cells)
    return "".join(f"{line.rstrip()}\n" for line in padded)


def described(key: "KeyFacts", assurance: str) -> dict[str, Any]:
    """One version of a key as a row."""
    from keymgmt.canonical import stamp

    return {
        "region": key.region,
        "purpose": key.purpose,
        "version": key.version,
        "state": key.state.value,
        "algorithm": str(key.algorithm),
        "created": stamp(key.created),
        "keyId": key.key_id,
        "assurance": assurance,
    }


def _rows(path: Path) -> list[dict[str, Any]]:
    from keymgmt.public import PublicKeyring

    ring = PublicKeyring.load(path)
    known = ring.keys()
    return [described(key, ring.assurance) for key in known]
