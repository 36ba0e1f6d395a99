"""`bailiwick audit verify`: checks a whole log offline and says what it found."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from audit.verbs.places import log_directory, verifier_keys

if TYPE_CHECKING:
    from audit.verify import Progress, Report


@click.command()
@click.argument("log", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--key", "keys", multiple=True, metavar="VKEY|FILE", help="Who may sign; repeatable.")
@click.option("--origin", help="Whose log it must be.")
@click.option("-o", "--output", type=click.Choice(["table", "json", "yaml"]), default="table", show_default=True)
def verify(log: Path, keys: Sequence[str], origin: str | None, output: str) -> None:
    """Verify the LOG (or the state directory that holds one): every record, hash, tile, signature and counter.

    Without --key, the keys that lie beside the log are used: good against accidents, no evidence against whoever wrote
    both. Exits with 1 when anything doesn't fit.
    """
    from audit.verify import verify_log

    directory = log_directory(log)
    with _progress() as progress:
        report = verify_log(directory, verifier_keys(directory, keys), origin=origin, progress=progress)
    click.echo(rendered(report, output), nl=False)
    sys.exit(int(not report.ok))


def rendered(report: "Report", output: str) -> str:
    """The report for people (table) or programs (json, yaml)."""
    if output == "table":
        return "".join(f"{line}\n" for line in lines(report))
    if output == "json":
        import orjson

        return orjson.dumps(_plain(report), option=orjson.OPT_INDENT_2).decode() + "\n"
    import yaml

    return str(yaml.safe_dump(_plain(report), sort_keys=False))


def lines(report: "Report") -> Iterator[str]:
    """What a person reads: the result first, then everything that doesn't fit."""
    if report.ok:
        yield f"holds: {report.records} records, {report.unsigned} of them not yet under a signed checkpoint"
    else:
        yield f"broken: {report.total_problems} problems in {report.records} records"
    if report.checkpoint is not None:
        yield f"checkpoint of {report.checkpoint.size} records, signed by {', '.join(report.signed_by)}"
    if report.writers:
        yield "writers: " + ", ".join(f"{name} up to {seq}" for name, seq in sorted(report.writers.items()))
    yield f"sealed parts: {report.sealed} there, {report.erased} erased; tenants: {report.tenants}"
    yield from (f"problem: {problem}" for problem in report.problems)
    if report.total_problems > len(report.problems):
        yield f"... and {report.total_problems - len(report.problems)} problems more"
    yield from (f"note: {note}" for note in report.notes)


def _plain(report: "Report") -> dict[str, Any]:
    checkpoint = report.checkpoint
    return {
        "ok": report.ok,
        "records": report.records,
        "unsigned": report.unsigned,
        "checkpoint": {"origin": checkpoint.origin, "size": checkpoint.size, "root": checkpoint.root.hex()}
        if checkpoint
        else None,
        "signedBy": list(report.signed_by),
        "writers": report.writers,
        "tenants": report.tenants,
        "sealed": report.sealed,
        "erased": report.erased,
        "totalProblems": report.total_problems,
        "problems": [{"where": one.where, "message": one.message, "index": one.index} for one in report.problems],
        "notes": [{"where": one.where, "message": one.message, "index": one.index} for one in report.notes],
    }


@contextmanager
def _progress() -> "Iterator[Progress]":
    """A bar on standard error for people; nothing where nobody looks."""
    if not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("verifying", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
