"""`bailiwick audit replay`: old decisions made again from the archive."""

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from audit.verbs.places import found_log, one_shard
from audit.verbs.written import json_text, yaml_text
from keymgmt.verbs.ring import Mistake
from webhook.verbs.private import keyring_options

if TYPE_CHECKING:
    from policies.ports import Engine
    from webhook.keys.regional import Where
    from webhook.replaying.cases import Parts
    from webhook.replaying.replay import Asked, Line

SHOWN = 200  # lines for people; programs get all


@click.command(short_help="decide records again, and compare bit for bit")
@click.argument("log", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--rules", multiple=True, metavar="PATH", help="Compare with what these would say today; repeatable.")
@click.option("--regions", metavar="FILE", help="With regions of your own, as of today.")
@click.option("--catalogue", metavar="FILE", help="With kinds of workloads of your own, as of today.")
@click.option("--packs/--no-packs", default=True, show_default=True, help="With the built-in policies of today.")
@click.option("--shard", type=click.IntRange(min=0), default=None, help="Only this shard, where there are several.")
@click.option("--from", "begin", type=click.IntRange(min=0), default=0, help="The first record.")
@click.option("--to", "end", type=click.IntRange(min=0), default=None, help="The record after the last one.")
@click.option("--namespace", default="", help="Only records of this namespace.")
@click.option("--parts", metavar="URL", help="Sealed parts lie in this database (postgres://...), LOG is its mirror.")
@click.option("--password-file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="For --parts.")
@keyring_options
@click.option("-o", "--output", type=click.Choice(["table", "json", "yaml"]), default="table", show_default=True)
def replay(
    log: Path,
    rules: Sequence[str],
    regions: str | None,
    catalogue: str | None,
    packs: bool,
    shard: int | None,
    begin: int,
    end: int | None,
    namespace: str,
    parts: str | None,
    password_file: Path | None,
    where: "Where",
    output: str,
) -> None:
    """Decide the records of the LOG again from its archive: bit for bit under the rules of then.

    With --rules (and your own --regions and --catalogue, where there are some), also say which would come out otherwise
    today: decisions are made again with what was archived with them. Needs the region's private keyring, since what was
    archived is sealed to it. Exits with 1 when a decision differs, or when something archived is missing or changed.

    \b
    bailiwick audit replay state
    bailiwick audit replay state --namespace clinic --rules new-rules/
    """
    from webhook.replaying.replay import Asked

    if not rules and (regions or catalogue):
        raise click.UsageError("--regions and --catalogue say what today's rules are judged with: give --rules, too")
    if end is not None and end <= begin:
        raise click.UsageError(f"a range from {begin} to {end} holds no record")
    today = _engine(rules, regions, catalogue, packs=packs) if rules else None
    directory = found_log(log)
    if shard is not None:
        one_shard(directory, shard)
    kept = _tables(directory, parts, password_file) if parts else None
    lines = replayed(directory, where, Asked(shard, begin, end, namespace, today), kept)
    first = list(islice(lines, 1))  # what can't be opened is told before anything else is
    told = Told(output)
    for line in chain(first, lines):
        told.take(line)
    told.end()
    if not told.decisions:
        click.echo("note: no decision of this log was asked for", err=True)
    sys.exit(int(told.failing > 0))


def _tables(log: Path, url: str, password_file: Path | None) -> "Parts":
    """The sealed parts of a log that replicas share."""
    from audit.postgres.published import PublishedTables
    from audit.reading import read_checkpoint
    from audit.sealed.archive import StoredParts
    from audit.verbs.secrets import is_postgres, secret_of

    if not is_postgres(url):
        raise Mistake(f"`{url}` is no database", "give its address as postgres://user@host/database")
    return StoredParts(PublishedTables.open(url, read_checkpoint(log).origin, secret_of(password_file)).sealed)


def replayed(log: Path, where: "Where", asked: "Asked", parts: "Parts | None" = None) -> "Iterator[Line]":
    """Line after line, with progress for people."""
    from audit.reading import read_records
    from audit.whole import present_shards
    from webhook.keys.regional import jurisdiction_of, keyring_for
    from webhook.replaying.replay import Replay
    from webhook.verbs.private import moving

    records = read_records(present_shards(log)[-1][1])
    first = next((record for record in records if not record.unreadable), None)
    if first is None:
        return
    keyring = keyring_for(where, log, first.fields["region"])
    with moving("replaying") as progress:
        yield from Replay(log, keyring.opener(), jurisdiction_of(keyring), parts).run(asked, progress)


def _engine(rules: Sequence[str], regions: str | None, catalogue: str | None, *, packs: bool) -> "Engine":
    from policies.gathering import engine_of, load_rules
    from policies.version import version

    return engine_of((load_rules(rules, regions, catalogue),), version(), packs=packs)


class Told:
    """Tells of lines as they come, so that a log of any length is replayed in the same memory.

    For people: counts, and what isn't simply the same. For programs: every line.
    """

    def __init__(self, output: str) -> None:
        self._output = output
        self._then: Counter[str] = Counter()
        self._today: Counter[str] = Counter()
        self._texts: list[str] = []
        self._left = 0  # texts for people that there are too many of
        self.failing = 0
        if output == "json":
            click.echo('{"records": [', nl=False)
        elif output == "yaml":
            click.echo("records:")

    def take(self, line: "Line") -> None:
        """The next one."""
        first = not self._then
        self._then[str(line.then.outcome)] += 1
        if line.today is not None:
            self._today[str(line.today.outcome)] += 1
        self.failing += line.fails
        if self._output == "json":
            import orjson

            click.echo(("\n" if first else ",\n") + json_text(orjson.dumps(_plain(line)).decode()), nl=False)
        elif self._output == "yaml":
            click.echo(yaml_text([[_plain(line)]]), nl=False)
        else:
            texts = _told(line)
            room = SHOWN - len(self._texts)
            self._texts += texts[:room]
            self._left += len(texts[room:])

    @property
    def decisions(self) -> int:
        """So many lines were taken."""
        return self._then.total()

    def end(self) -> None:
        """The sums."""
        decisions = self._then.total()
        if self._output == "json":
            click.echo(f'\n], "decisions": {decisions}, "failing": {self.failing}}}')
        elif self._output == "yaml":
            click.echo(f"decisions: {decisions}\nfailing: {self.failing}")
        else:
            click.echo(f"{decisions} decisions: {_counts(self._then)} under the rules of then")
            if self._today:
                click.echo(f"{self._today.total()} compared: {_counts(self._today)} under today's rules")
            from audit.exports.text import shown

            lines = (shown(line, 4_000) for text in self._texts for line in text.split("\n"))
            click.echo("".join(f"{line}\n" for line in lines), nl=False)
            if self._left:
                click.echo(f"... and {self._left} more: -o json has all")


def _told(line: "Line") -> list[str]:
    from audit.exports.text import shown

    number = f"{line.shard}/{line.index}" if line.shard else f"{line.index}"
    what = f"record {number}"
    if line.id:
        what += f" ({line.time[:19]}Z, {line.namespace or 'cluster'}, {line.kind})"
    told = []
    if line.then.outcome != "same":
        detail = shown(f": {line.then.detail}" if line.then.detail else "")
        told.append(f"{line.then.outcome}: {what}{detail}")
    if line.today is not None and line.today.outcome != "same":
        told.append(f"today {line.today.outcome}: {what}: {line.today.detail}")
    return told


def _counts(counted: "Counter[str]") -> str:
    return ", ".join(f"{count} {name}" for name, count in counted.most_common()) or "none"


def _plain(line: "Line") -> dict[str, Any]:
    row: dict[str, Any] = {"shard": line.shard, "index": line.index, "id": line.id, "time": line.time}
    row |= {"namespace": line.namespace, "kind": line.kind, "verdict": line.verdict}
    row["then"] = {"outcome": str(line.then.outcome), "detail": line.then.detail}
    if line.today is not None:
        row["today"] = {"outcome": str(line.today.outcome), "detail": line.today.detail}
    return row
