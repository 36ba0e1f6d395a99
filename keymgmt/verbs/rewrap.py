"""`bailiwick keys rewrap`: envelopes in files are moved to the newest version of their key."""

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from keymgmt.verbs.ring import keyring_options
from keymgmt.verbs.transfer import PLACE, bound_of
from keymgmt.verbs.written import written

if TYPE_CHECKING:
    from keymgmt.envelopes.rewrap import Rewrapped
    from keymgmt.verbs.ring import Chosen


@click.command()
@keyring_options
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--purpose", required=True, help="What they were sealed for.")
@click.option("--of", "bound", required=True, metavar=PLACE, help="What they are bound to.")
@click.option("--dry-run", is_flag=True, help="Change nothing, and say what would be done.")
@click.option("-o", "--output", type=click.Choice(["table", "json", "yaml"]), default="table", show_default=True)
def rewrap(chosen: "Chosen", paths: Sequence[Path], purpose: str, bound: str, dry_run: bool, output: str) -> None:
    """Move the envelopes in PATHS to the newest version of their key, so that older ones can be withdrawn.

    Exits with 1 when one of them was refused; it stays as it was, and the others are moved.

    \b
    bailiwick keys rewrap envelopes/ --keyring eu-de.yaml \\
        --purpose audit-archive --of DE/prod/clinic --dry-run
    """
    from keymgmt.envelopes.rewrap import Outcome, Rewrapper

    work = Rewrapper(chosen.ring, bound_of(chosen.ring.region, purpose, bound))
    done, told = [], time.monotonic()
    for one in work.files(paths, dry=dry_run):
        done.append(one)
        if one.outcome is Outcome.REWRAPPED:
            chosen.sealed(one.after)
        if time.monotonic() - told > 1:
            click.echo(f"{len(done)} of {len(paths)}", err=True)
            told = time.monotonic()
    _show(done, output)
    refused = sum(one.outcome is Outcome.REFUSED for one in done)
    moved = sum(one.outcome in {Outcome.REWRAPPED, Outcome.WOULD} for one in done)
    click.echo(
        f"{moved} moved to {work.newest}, {len(done) - moved - refused} there already, {refused} refused", err=True
    )
    sys.exit(int(refused > 0))


def _show(done: "Sequence[Rewrapped]", output: str) -> None:
    rows: list[dict[str, Any]] = [
        {"path": str(one.path), "outcome": str(one.outcome), "before": one.before, "after": one.after}
        | ({"reason": one.reason} if one.reason else {})
        for one in done
    ]
    if output != "table":
        click.echo(written(rows, output), nl=False)
    else:
        for row in rows:
            click.echo("  ".join(str(value) for value in row.values()))
