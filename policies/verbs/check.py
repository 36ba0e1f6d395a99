"""`bailiwick check`: reads, judges, tells. The judging is `policies.checking`, the reading `policies.store`."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from policies.verbs.given import Told, told_options
from policies.verbs.waiting import waiting

if TYPE_CHECKING:
    from policies.checking import Case
    from policies.kinds import Problem
    from policies.manifests import Unreadable
    from policies.typecheck import Doubt

SLOW = 200  # objects: more take over a second with the start, and then progress is shown


@click.command()
@click.argument("paths", nargs=-1, required=True)
@told_options()
@click.option(
    "--openapi",
    multiple=True,
    metavar="PATH",
    help="OpenAPI v3 of further kinds, for checking policies: files or folders of what /openapi/v3 serves.",
)
@click.option("--packs/--no-packs", default=True, show_default=True, help="The built-in policies.")
@click.option("-o", "--output", type=click.Choice(["table", "json", "yaml"]), default="table", show_default=True)
def check(
    paths: Sequence[str],
    told: Told,
    openapi: Sequence[str],
    packs: bool,
    output: str,
) -> None:
    """Judge manifests as the webhook would.

    PATHS are files, folders, or `-` for standard input: multi-document YAML and JSON, Lists, and what kustomize and
    Helm print. Rules and namespaces found among them count as given by --rules and --cluster, unless those say
    otherwise: what is given outweighs what is judged, and so do the built-in rules once there are --rules. A rule that
    is outweighed is a warning, and so is what rules say and hardly mean: a place that nobody knows, a transfer that has
    lapsed or soon will, a namespace whose labels name no class or law.

    Policies among them, native and Kyverno's included, are type-checked against the kinds that they are about; what
    doesn't fit is a warning.

    Exits with 0 when everything holds, 1 when something is denied or can't be determined, 2 when something can't be
    read (the rest is judged all the same) or nothing was there to read.

    \b
    bailiwick check manifests/ --rules rules/ --cluster cluster/
    helm template chart | bailiwick check - --rules rules/ -o json
    """
    from policies.checking import check as judge
    from policies.misgivings import misbound, misgivings
    from policies.verbs.rendering import render

    with waiting("reading"):
        given = told.gathered(paths, packs=packs, openapi=openapi)
    if given.nothing:
        read = ", ".join("standard input" if path == "-" else f"`{path}`" for path in paths)
        raise click.UsageError(f"nothing to judge in {read}: did what should have written it fail?")
    now = datetime.now(UTC)
    judged = judge(given.documents, given.engine, given.snapshot, now, told.namespace, given.engine.law.catalogue)
    with _progress(judged, len(given.documents)) as cases:
        found = list(cases)
    odd = (*misgivings(given.engine.law, given.places, now.date()), *misbound(given.engine.law, given.namespaces))
    doubts: list[Doubt | Problem] = [*given.outweighed, *odd, *given.doubts]
    with waiting("writing"):
        report = render(found, given.unreadable, output, doubts)
    click.echo(report, nl=False)
    sys.exit(_exit_code(found, given.unreadable))


def _exit_code(cases: "Sequence[Case]", unreadable: "Sequence[Unreadable]") -> int:
    if unreadable:
        return 2
    return int(any(case.violated for case in cases))


@contextmanager
def _progress(cases: "Iterator[Case]", total: int) -> "Iterator[Iterator[Case]]":
    """Progress on standard error, for people, and only where it takes long enough to be missed."""
    if total < SLOW or not sys.stderr.isatty():
        yield cases
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        yield iter(bar.track(cases, total=total, description="judging"))
