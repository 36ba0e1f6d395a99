"""`bailiwick audit reconcile`: our records against the API server's own audit log."""

import math
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from audit.verbs.places import found_log
from audit.verbs.said import FORMATS
from audit.verbs.written import written

if TYPE_CHECKING:
    from audit.reconciling.reconcile import Progress, Reconciliation


@click.command(short_help="hold the log to kube-apiserver's own audit log")
@click.argument("logs", nargs=-1, required=True, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--kube-audit",
    "files",
    multiple=True,
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="kube-apiserver's audit log: audit.k8s.io/v1, a JSON object a line; repeatable, oldest first.",
)
@click.option("--webhooks", default="bailiwick.dev", show_default=True, help="What our webhooks' names end in.")
@click.option("--cluster", help="Whose records count; all by default.")
@click.option(
    "--skew",
    default=5.0,
    show_default=True,
    type=click.FloatRange(min=0, max=86_400),
    help="Seconds by which the clocks may differ.",
)
@click.option("-o", "--output", type=FORMATS, default="table", show_default=True)
def reconcile(
    logs: Sequence[Path], files: Sequence[Path], webhooks: str, cluster: str | None, skew: float, output: str
) -> None:
    """Compare the LOGS (one of each replica) with kube-apiserver's own audit log.

    Lists answers without a record, records without a request, requests that passed because a webhook failed open, and
    verdicts that differ. Exits with 1 when there is any.

    \b
    bailiwick audit reconcile state --kube-audit kube-audit.log
    """
    if math.isnan(skew):
        raise click.UsageError("--skew takes a number of seconds")
    from audit.files.shards import shard_directories
    from audit.reading import read_records
    from audit.reconciling.kube_audit import read_events
    from audit.reconciling.reconcile import reconcile as compared

    with _progress() as progress:
        found = compared(
            chain.from_iterable(read_events(path, webhooks) for path in files),
            {str(place): read_records(place) for log in logs for place in shard_directories(found_log(log))},
            cluster=cluster,
            skew=timedelta(seconds=skew),
            progress=progress,
        )
    if found.ok and not found.events:
        raise click.UsageError("the API server's log holds no event, so nothing was compared: is it the right file?")
    if output == "table":
        for line in _lines(found):
            click.echo(line)
    else:
        click.echo(written(_plain(found), output), nl=False)
    sys.exit(int(not found.ok))


def _lines(found: "Reconciliation") -> Iterator[str]:
    """What a person reads; values of others are shown so that they do nothing to a terminal."""
    from audit.exports.text import shown

    verdict = "agree" if found.ok else f"differ: {len(found.differences)} differences"
    yield f"{verdict}: {found.matched} of {found.answers} answers noted by the API server have their record"
    if found.begin and found.end:
        yield f"{found.events} events from {_when(found.begin)} to {_when(found.end)}"
    yield f"{found.joined} further records belong to the same requests; {found.dry_runs} dry runs"
    for one in found.differences:
        ids = [f"auditID {one.audit_id}"] if one.audit_id else []
        ids += [f"uid {one.uid}"] if one.uid else []
        ids += [f"decision {one.decision}"] if one.decision else []
        ids += [f"leaf {one.index}"] if one.index is not None else []
        yield shown(f"{one.kind}: {_when(one.time)} {', '.join(ids)}: {one.message}", 1000)
    for sort in found.unjudged:
        about = f"{sort.count} of {sort.what} in `{sort.namespace}`, first {_when(sort.first)} auditID {sort.audit_id}"
        yield shown(f"unjudged: {about}: passed without an answer of ours, while others like it had one")
    yield from (shown(f"note: {note}") for note in found.notes)


def _plain(found: "Reconciliation") -> dict[str, Any]:
    return {
        "ok": found.ok,
        "events": found.events,
        "begin": _when(found.begin),
        "end": _when(found.end),
        "answers": found.answers,
        "matched": found.matched,
        "joined": found.joined,
        "dryRuns": found.dry_runs,
        "differences": [
            {
                "kind": str(one.kind),
                "time": _when(one.time),
                "auditID": one.audit_id,
                "uid": one.uid,
                "decision": one.decision,
                "index": one.index,
                "message": one.message,
            }
            for one in found.differences
        ],
        "unjudged": [
            {
                "what": sort.what,
                "namespace": sort.namespace,
                "count": sort.count,
                "first": _when(sort.first),
                "auditID": sort.audit_id,
            }
            for sort in found.unjudged
        ],
        "notes": list(found.notes),
    }


def _when(time: datetime | None) -> str:
    return time.isoformat().replace("+00:00", "Z") if time else ""


@contextmanager
def _progress() -> "Iterator[Progress]":
    """A count on standard error for people; nothing where nobody looks."""
    if not sys.stderr.isatty():
        yield lambda _records: None
        return
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, SpinnerColumn

    with Progress(SpinnerColumn(), MofNCompleteColumn(), console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("comparing", total=None)
        yield lambda records: bar.advance(task, records)
