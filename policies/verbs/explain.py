"""`bailiwick explain`: reads and tells. Explaining is `policies.explaining`, showing `policies.verbs.explained`."""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime

import click

from policies.verbs.given import Told, told_options
from policies.verbs.waiting import waiting


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="FILE...")
@told_options()
@click.option("--packs/--no-packs", default=True, show_default=True, help="The built-in policies.")
@click.option("-o", "--output", type=click.Choice(["table", "json", "yaml"]), default="table", show_default=True)
def explain(
    paths: Sequence[str],
    told: Told,
    packs: bool,
    output: str,
) -> None:
    """Show what each object boils down to, where its pods could run, and why not elsewhere.

    FILE is a file, a folder, or `-` for standard input, as for `bailiwick check`. Everything is shown with the line it
    stands on: pods, images, models, devices, destinations, keys, identities, each constraint on places and what it
    leaves. Under the jurisdiction of the namespace: which places are refused and why, and what the webhook would add.

    Exits with 0 when everything could be explained, whatever the verdict is (`bailiwick check` judges), and with 2
    when something can't be read.

    \b
    bailiwick explain deployment.yaml --rules rules/ --cluster cluster/
    """
    from policies.explaining import explain as explained
    from policies.verbs.explained import render

    with waiting("reading"):
        given = told.gathered(paths, packs=packs)
    if given.nothing:
        raise click.UsageError("nothing to explain: did what should have written it fail?")
    for outweighed in given.outweighed:
        click.echo(f"warning: {outweighed} (fix: {outweighed.hint})", err=True)
    now = datetime.now(UTC)
    with waiting("explaining"):
        found = [explained(document, given.engine, given.snapshot, now, told.namespace) for document in given.documents]
        report = render(found, given.unreadable, output)
    click.echo(report, nl=False)
    sys.exit(2 if given.unreadable else 0)
