"""`bailiwick transfers`: the lawful ways over a border, and what relies on each. Finding it is `policies.reliance`."""

import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import click

from policies.verbs.given import Told, told_options
from policies.verbs.terminal import folded, visible, width
from policies.verbs.waiting import waiting

if TYPE_CHECKING:
    from policies.geography import Transfer
    from policies.manifests import Document
    from policies.reliance import Reliance, Relying


def _day(_context: click.Context, _option: click.Parameter, text: str | None) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError as fault:
        raise click.BadParameter(f"`{text}` is no day of the calendar: write it like 2027-01-31") from fault


@click.command()
@click.argument("paths", nargs=-1, metavar="[FILE]...")
@told_options(required=True)
@click.option("--on", "day", metavar="DATE", callback=_day, help="As of this day; today if left out.")
@click.option("-o", "--output", type=click.Choice(["table", "json", "yaml"]), default="table", show_default=True)
def transfers(
    paths: Sequence[str],
    told: Told,
    day: date | None,
    output: str,
) -> None:
    """List the transfers of the jurisdictions, and which objects send data over a border by them.

    FILE is a file, a folder, or `-` for standard input: manifests, or what `kubectl get -o yaml` prints. An object
    relies on a transfer when a rule that holds with it fails without it. With --on a day to come it shows what will
    have lapsed by then.

    Exits with 0 when everything that relies on a transfer relies on one in force, 1 when something relies on one that
    has lapsed, 2 when something can't be read.

    \b
    bailiwick transfers --rules rules/ --on 2027-01-01
    bailiwick transfers manifests/ --rules rules/ --cluster cluster/
    """
    from policies.reliance import reliances

    on = day or datetime.now(UTC).date()
    with waiting("looking for what relies on transfers"):
        given = told.gathered(paths)
        if paths and given.nothing:
            raise click.UsageError("nothing to look through: did what should have written it fail?")
        found = list(reliances(given.documents, given.engine, given.snapshot, on, told.namespace))
    for outweighed in given.outweighed:
        click.echo(f"warning: {outweighed} (fix: {outweighed.hint})", err=True)
    for broken in given.unreadable:
        click.echo(f"{broken.where}: {broken.message}", err=True)
    click.echo(_shown(found, on, output), nl=False)
    sys.exit(2 if given.unreadable else int(any(one.findings for one in found)))


def _shown(found: "Sequence[Reliance]", on: date, output: str) -> str:
    if output == "table":
        return "".join(f"{line}\n" for line in folded(map(visible, _table(found, on)), width()))
    from audit.verbs.written import written

    return written({"on": on.isoformat(), "transfers": [_entry(one) for one in found]}, output)


def _table(found: "Sequence[Reliance]", on: date) -> Iterator[str]:
    for one in found:
        transfer = one.transfer
        yield f"{one.jurisdiction}/{transfer.name}: {', '.join(sorted(transfer.what))} to {_to(transfer)}"
        yield f"  {transfer.basis}{', ' + transfer.reference if transfer.reference else ''}; {_state(transfer, on)}"
        yield from (f"  {_line(relying)}" for relying in one.relying)
        if not one.relying:
            yield "  nothing relies on it"
    lapsed = sum(len(one.findings) for one in found)
    yield f"{len(found)} transfer{'s' * (len(found) != 1)} on {on}, {lapsed} relied on although not in force"


def _to(transfer: "Transfer") -> str:
    return ", ".join([*(members.name for members in transfer.sets), *sorted(transfer.countries | transfer.places)])


def _state(transfer: "Transfer", on: date) -> str:
    if transfer.last_day is None:
        return "without an end of its own"
    left = (transfer.last_day - on).days
    return f"lapsed after {transfer.last_day}" if left < 0 else f"in force to {transfer.last_day} ({left} days left)"


def _line(relying: "Relying") -> str:
    document, (name, kind) = relying.document, _named(relying.document)
    where = f"{document.source}:{_lines(relying)[0]}"
    until = f" after {relying.until}" if relying.until else ""
    if relying.in_force:
        return f"relied on   {kind} {name}  {where}" + (f"  to {relying.until}" if relying.until else "")
    return f"FINDING     {kind} {name}  {where}  lapsed{until}: renew the transfer, or move what it sends"


def _entry(one: "Reliance") -> dict[str, Any]:
    transfer = one.transfer
    return {
        "jurisdiction": one.jurisdiction,
        "name": transfer.name,
        "to": _to(transfer).split(", "),
        "what": sorted(transfer.what),
        "basis": transfer.basis,
        "reference": transfer.reference,
        "lastDay": transfer.last_day.isoformat() if transfer.last_day else None,
        "relying": [_relying(relying) for relying in one.relying],
    }


def _relying(relying: "Relying") -> dict[str, Any]:
    name, kind = _named(relying.document)
    return {
        "kind": kind,
        "name": name,
        "source": relying.document.source,
        "paths": list(relying.paths),
        "lines": _lines(relying),
        "inForce": relying.in_force,
        "until": relying.until.isoformat() if relying.until else None,
    }


def _lines(relying: "Relying") -> list[int]:
    from policies.checking import asked
    from policies.positions import line_of

    _, document, _ = asked(relying.document, "")
    return [line_of(document, path) for path in relying.paths]


def _named(document: "Document") -> tuple[str, str]:
    from policies.checking import asked
    from policies.verbs.rendering import resource

    request, _, reviewed = asked(document, "")
    if reviewed:
        named = f"{request.namespace}/{request.name}" if request.namespace else request.name
        return named, f"{request.operation} {resource(request)}"
    found = document.value
    metadata = found["metadata"] if isinstance(found.get("metadata"), dict) else {}
    name = str(metadata.get("name") or metadata.get("generateName") or "")
    namespace = str(metadata.get("namespace") or "")
    return f"{namespace}/{name}" if namespace else name, str(found.get("kind") or "")
