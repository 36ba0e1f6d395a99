"""`bailiwick audit export`: evidence in the formats that auditors read."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from audit.verbs.places import log_directory, verifier_keys

if TYPE_CHECKING:
    from audit.exports.sections import ReasonText

Reasons = Callable[[], "Mapping[str, ReasonText]"]  # what codes mean is known above this package


@click.command()
@click.argument("log", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), required=True, help="Write a report here.")
@click.option("--key", "keys", multiple=True, metavar="VKEY|FILE", help="Who may sign; repeatable.")
@click.option("--title", help="The report's title.")
@click.option("-o", "--output", type=click.Choice(["table", "json", "yaml"]), default="table", show_default=True)
@click.pass_obj
def export(obj: Reasons | None, log: Path, html: Path, keys: Sequence[str], title: str | None, output: str) -> None:
    """Write a self-contained HTML report of the LOG, with its proofs, to open offline.

    The log is verified on the way, and the report says what was found.
    """
    records = write_html(log_directory(log), html, keys=keys, title=title, reasons=obj)
    if output == "table":
        click.echo(f"{records} records in {html}")
        return
    import orjson

    told = {"html": str(html), "records": records}
    click.echo(orjson.dumps(told).decode() if output == "json" else f"html: {html}\nrecords: {records}")


def write_html(
    log: Path, path: Path, *, keys: Sequence[str] = (), title: str | None = None, reasons: Reasons | None = None
) -> int:
    """Write the report of a log, at once or not at all. The number of records in it."""
    from audit.exports.html import report_of_log
    from audit.exports.sections import Sections
    from audit.verify import verify_log

    vkeys = verifier_keys(log, keys)
    report = verify_log(log, vkeys)
    known = reasons() if reasons else {}
    sections = Sections(generated=datetime.now(UTC), keys=vkeys, verification=report, reasons=known)
    if title:
        sections = replace(sections, title=title)
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(report_of_log(log, sections), encoding="utf-8")
    fresh.replace(path)
    return report.records
