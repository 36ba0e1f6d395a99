"""`bailiwick audit export`: evidence in the formats that auditors read."""

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from audit.verbs.places import found_log, one_shard, verifier_keys
from audit.verbs.progress import progress_bar
from audit.verbs.said import counted, in_order, moment, tell_unread
from audit.verbs.written import written

if TYPE_CHECKING:
    from audit.exports.population import Population
    from audit.exports.sections import ReasonText, Sections
    from audit.exports.selection import Selection
    from audit.tlog.notes import VerifierKey

Reasons = Callable[[], "Mapping[str, ReasonText]"]  # what codes mean is known above this package
FORMATS = {
    "html": "a report in one file, which verifies itself in a browser",
    "csv": "a line for each record, for spreadsheets",
    "ndjson": "a JSON object a line, with the records' own bytes",
    "parquet": "typed columns (needs bailiwick[parquet])",
    "ocsf": "OCSF 1.8 events, for a SIEM",
    "kube-audit": "audit.k8s.io/v1 events, as in the API server's log",
    "oscal": "OSCAL 1.2 assessment results and component definition, in this folder",
    "evidence": "a zip with records, proofs, reports and a verifier",
}


def _targets(command: Callable[..., None]) -> Callable[..., None]:
    """An option for each format."""
    for name, said in reversed(FORMATS.items()):
        metavar = "DIR|-" if name == "oscal" else "FILE|-"
        command = click.option(f"--{name}", f"at_{name.replace('-', '_')}", metavar=metavar, help=f"Write {said}.")(
            command
        )
    return command


@click.command(short_help="write evidence, in any number of formats at once")
@click.argument("log", type=click.Path(exists=True, file_okay=False, path_type=Path))
@_targets
@click.option("--since", metavar="TIME", help="Records of this time and later: a date or RFC 3339, in UTC.")
@click.option("--until", metavar="TIME", help="Records before this time.")
@click.option("--namespace", "namespaces", multiple=True, metavar="NAME", help="Only what is of it; repeatable.")
@click.option("--tenant", "tenants", multiple=True, metavar="TAG", help="The same by keyed tag; repeatable.")
@click.option("--shard", type=click.IntRange(min=0), help="Which shard, where there are several.")
@click.option("--unverified", is_flag=True, help="Export a log that doesn't verify; every export then says so.")
@click.option("--key", "keys", multiple=True, metavar="VKEY|FILE", help="Who may sign; repeatable.")
@click.option("--title", help="The report's title.")
@click.option("-o", "--output", type=click.Choice(["table", "json", "yaml"]), default="table", show_default=True)
@click.pass_obj
def export(
    obj: Reasons | None,
    /,
    log: Path,
    since: str | None,
    until: str | None,
    namespaces: Sequence[str],
    tenants: Sequence[str],
    shard: int | None,
    unverified: bool,
    keys: Sequence[str],
    title: str | None,
    output: str,
    **places: str | None,
) -> None:
    """Export the LOG (or the state directory that holds one) as evidence, in any number of formats at once.

    The log is verified first, and nothing is written when it doesn't verify. Records that no signed checkpoint covers
    yet are left out. An export by --namespace or --tenant holds nothing of others but hashes.

    \b
    bailiwick audit export state --html report.html --csv records.csv \\
        --since 2026-10-01
    bailiwick audit export state --evidence pack.zip --namespace clinic
    """
    from audit.exports.selection import Selection

    chosen = {name: place for name in FORMATS if (place := places[f"at_{name.replace('-', '_')}"])}
    _check(chosen)
    begin = moment(since, "--since") if since is not None else None
    end = moment(until, "--until") if until is not None else None
    in_order(begin, end)
    selection = Selection(begin, end, frozenset(namespaces), frozenset(_tags(tenants)))
    directory = found_log(log)
    chosen_shard, vkeys = _shard(directory, shard, verifier_keys(directory, keys))
    population = _population(chosen_shard, vkeys, selection, unverified=unverified)
    records = _written(population, chosen, title, obj)
    _tell(population, chosen, records, output)
    tell_unread([(one["record"], one.get("why", "is no record that a log writes")) for one in population.unread()])


def _check(chosen: Mapping[str, str]) -> None:
    if not chosen:
        raise click.UsageError(
            f"no format was chosen: give one or more of {', '.join(f'--{name}' for name in FORMATS)}"
        )
    if sum(place == "-" for place in chosen.values()) > 1:
        raise click.UsageError("only one export can go to standard output")
    places = [Path(place).resolve() for place in chosen.values() if place != "-"]
    twice = next((path for path in places if places.count(path) > 1), None)
    if twice is not None:
        raise click.UsageError(f"two exports can't go to `{twice}`: give each a place of its own")
    for name, place in chosen.items():
        if name != "oscal" and place != "-" and Path(place).is_dir():
            raise click.UsageError(f"`{place}` is a folder: --{name} takes a file")


def _tags(given: Sequence[str]) -> Sequence[str]:
    for tag in given:
        if not re.fullmatch("[0-9a-f]{32}", tag):
            told = f"`{tag[:80]}` is no tenant's tag: 32 hex digits, as `tags.tenant` of records has them"
            raise click.UsageError(f"{told}; by name: --namespace")
    return given


def _shard(log: Path, shard: int | None, keys: "Sequence[VerifierKey]") -> "tuple[Path, Sequence[VerifierKey]]":
    """A shard's place, and the keys under the names that they sign it with."""
    from audit.files.shards import keys_of_shards
    from audit.tlog.notes import COSIGNATURE_ED25519

    place, origin = one_shard(log, shard)
    if not origin:
        return place, keys
    named = keys_of_shards(tuple(keys), origin)
    return place, [key for key in named if key.name == origin or key.kind == COSIGNATURE_ED25519]


def _population(
    directory: Path, vkeys: "Sequence[VerifierKey]", selection: "Selection", *, unverified: bool
) -> "Population":
    from audit.exports.population import NotVerified, verified_population

    try:
        with progress_bar("verifying") as progress:
            return verified_population(directory, vkeys, selection=selection, unverified=unverified, progress=progress)
    except NotVerified as error:
        _refuse(error)


def _written(population: "Population", chosen: Mapping[str, str], title: str | None, reasons: Reasons | None) -> int:
    from audit.exports.population import NotVerified
    from audit.exports.runs import Wanted, write_exports

    wanted = [Wanted(name, place) for name, place in chosen.items()]
    try:
        with progress_bar("exporting") as progress:
            return write_exports(population, wanted, _sections(title, reasons), progress)
    except NotVerified as error:
        _refuse(error)


def _refuse(error: Any) -> NoReturn:
    click.echo(f"error: {error}\nhint: {error.hint}", err=True)
    sys.exit(1)


def _sections(title: str | None, reasons: Reasons | None) -> "Sections":
    from dataclasses import replace

    from audit.exports.sections import Sections

    known = reasons() if reasons else {}
    sections = Sections(generated=datetime.now(UTC), keys=(), reasons=known)
    return replace(sections, title=title) if title else sections


def _tell(population: "Population", chosen: Mapping[str, str], records: int, output: str) -> None:
    """What was written; on standard error when an export has standard output."""
    err = "-" in chosen.values()
    left_out = population.report.records - population.size
    told: dict[str, Any] = {**chosen, "records": records, "verified": population.is_verified, "newer": left_out}
    if output != "table":
        click.echo(written(told, output), err=err, nl=False)
    else:
        places = ", ".join(place for place in chosen.values() if place != "-") or "standard output"
        click.echo(f"{counted(records, 'record')} in {places}", err=err)
        if not records:
            click.echo("note: nothing in the log is of this selection", err=err)
        if left_out:
            click.echo(f"note: {left_out} newer records are under no checkpoint yet and were left out", err=err)
        if population.warning():
            click.echo(f"warning: {population.warning()}", err=True)


def write_html(
    log: Path, path: Path, *, keys: Sequence[str] = (), title: str | None = None, reasons: Reasons | None = None
) -> int:
    """Write the report of a log, at once or not at all. The number of records in it. Raises NotVerified."""
    from audit.exports.population import verified_population
    from audit.exports.runs import Wanted, write_exports

    population = verified_population(log, verifier_keys(log, keys))
    return write_exports(population, [Wanted("html", str(path))], _sections(title, reasons))
