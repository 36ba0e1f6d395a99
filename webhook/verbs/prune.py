"""`bailiwick audit prune`: the records of old shards go, unless a legal hold keeps them or they are too young."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from audit.verbs.said import FORMATS
from audit.verbs.written import written
from keymgmt.verbs.ring import Mistake
from webhook.verbs.private import keyring_options
from webhook.verbs.stores import Database, Store, store_options

if TYPE_CHECKING:
    from webhook.keys.regional import Where


@dataclass(frozen=True, slots=True)
class Seen:
    """A shard as it looks from outside. State: written, pruned, held, young or prunable."""

    number: int
    origin: str
    records: int
    last: datetime | None
    state: str
    why: str = ""


@click.command(short_help="remove records of shards that are old enough")
@store_options
@click.option("--older-than", default=365, show_default=True, type=click.IntRange(min=0), help="Days.")
@click.option("--shard", "only", type=click.IntRange(min=0), help="This shard alone.")
@click.option("--basis", default="retention time", show_default=True, help="Why they may go: stands in the record.")
@click.option("--yes", is_flag=True, help="Do it. Without, nothing is changed.")
@keyring_options
@click.option("--wait", default=60.0, show_default=True, help="Seconds for a webhook that holds the log.")
@click.option("-o", "--output", type=FORMATS, default="table", show_default=True)
def prune(
    store: Store, older_than: int, only: int | None, basis: str, yes: bool, where: "Where", wait: float, output: str
) -> None:
    """Show which shards of the LOG are old enough to go; with --yes remove their records.

    Hashes, checkpoints and the record of the pruning stay: proofs hold, and the chain of shards verifies. Exits with 1
    when a shard that was named, or that seemed to be prunable, is refused.

    \b
    bailiwick audit prune state --older-than 400
    bailiwick audit prune state --older-than 400 --yes
    """
    found = _shared_shards(store.database, older_than) if store.database else _shards(store.directory, older_than)
    seen = [one for one in found if only is None or one.number == only]
    if not seen:
        raise click.UsageError(f"there is no shard {only}")
    wanted = [one for one in seen if one.state == "prunable"]
    results: dict[int, str] = {}
    for one in wanted if yes else ():
        order = {"do": "prune", "shard": one.number, "older_than": older_than, "basis": basis}
        try:
            store.ordered(order, where, wait)
        except Mistake as refusal:
            results[one.number] = str(refusal)
        else:
            results[one.number] = ""
    if output == "table":
        for line in _lines(seen, results):
            click.echo(line)
        if wanted and not yes:
            click.echo("nothing was changed: with --yes the prunable ones are removed")
    else:
        click.echo(written([_plain(one, results) for one in seen], output), nl=False)
    sys.exit(int((only is not None and not wanted) or any(results.values())))


def _shards(directory: Path, older_than: int) -> Iterator[Seen]:
    from audit.files.holds import standing_holds
    from audit.files.pruning import Pruning
    from audit.files.shards import Shard, is_pruned, shard_directory, shard_numbers, shard_origin
    from audit.files.store import Disk
    from audit.reading import read_checkpoint

    files, now, base = Disk(), datetime.now(UTC), read_checkpoint(directory).origin
    numbers, holds = shard_numbers(directory, files), sorted(standing_holds(files, directory))
    for number in numbers:
        shard = Shard(number, shard_origin(base, number), shard_directory(directory, number))
        records = _records(shard.directory)
        if is_pruned(shard.directory, files):
            yield Seen(number, shard.origin, records, None, "pruned")
            continue
        pruning = Pruning(files, shard)
        last = pruning.last_time()
        if number == numbers[-1]:
            yield Seen(number, shard.origin, records, last, "written")
        else:
            young = pruning.too_young(now, timedelta(days=older_than))
            yield _judged(Seen(number, shard.origin, records, last, ""), holds, young)


def _shared_shards(database: Database, older_than: int) -> Iterator[Seen]:
    from audit.files.shards import too_young
    from audit.postgres.errors import reading
    from audit.postgres.pruning import last_time
    from audit.postgres.published import PublishedTables
    from audit.postgres.registry import shards_of
    from audit.postgres.shards import standing_holds
    from audit.postgres.tables import Tables

    address, now = database.address(), datetime.now(UTC)
    published = PublishedTables(address, database.origin)
    published.close()
    with reading("the log's shards"), address.connect("bailiwick", write=False) as session:
        shards = shards_of(session, published.origin)
        holds = sorted(standing_holds(session, shards))
        for shard in shards:
            if not shard.ended:
                yield Seen(shard.number, shard.origin, Tables(session, shard.log).size(), None, "written")
            elif shard.pruned:
                yield Seen(shard.number, shard.origin, shard.ended, None, "pruned")
            else:
                last = last_time(session, shard)
                young = too_young(shard.origin, last, now, timedelta(days=older_than))
                yield _judged(Seen(shard.number, shard.origin, shard.ended, last, ""), holds, young)


def _judged(seen: Seen, holds: Sequence[str], young: str) -> Seen:
    """A shard that has ended: whether it may go."""
    if holds:
        return replace(seen, state="held", why=f"by {', '.join(holds)}")
    return replace(seen, state="young", why=young) if young else replace(seen, state="prunable")


def _records(directory: Path) -> int:
    from audit.errors import LogCorrupt
    from audit.reading import read_checkpoint

    try:
        return read_checkpoint(directory).size
    except LogCorrupt:
        return 0  # it has just begun


def _lines(seen: Sequence[Seen], results: Mapping[int, str]) -> Iterator[str]:
    for one in seen:
        last = f", last {one.last.isoformat(timespec='seconds')}" if one.last else ""
        yield f"{one.number:>6}  {one.origin}  {one.records} records{last}: {_state(one, results)}"


def _state(one: Seen, results: Mapping[int, str]) -> str:
    if one.number in results:
        return f"refused: {results[one.number]}" if results[one.number] else "pruned"
    return f"{one.state}, {one.why}" if one.why else one.state


def _plain(one: Seen, results: Mapping[int, str]) -> dict[str, Any]:
    is_done = results.get(one.number) == ""
    return {
        "number": one.number,
        "origin": one.origin,
        "records": one.records,
        "last": one.last.isoformat() if one.last else None,
        "state": "pruned" if is_done else one.state,
        "message": results.get(one.number) or one.why,
    }
