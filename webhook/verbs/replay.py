"""`bailiwick audit replay`: old decisions made again from the archive."""

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from audit.verbs.places import log_directory
from webhook.verbs.private import keyring_options

if TYPE_CHECKING:
    from policies.ports import Engine
    from webhook.regional import Where
    from webhook.replay import Line

SHOWN = 200  # lines for people; programs get all


@click.command()
@click.argument("log", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--rules", multiple=True, metavar="PATH", help="Compare with what these would say today; repeatable.")
@click.option("--packs/--no-packs", default=True, show_default=True, help="With the built-in policies of today.")
@click.option("--shard", type=click.IntRange(min=0), default=None, help="Only this shard, where there are several.")
@click.option("--from", "begin", type=click.IntRange(min=0), default=0, help="The first record.")
@click.option("--to", "end", type=click.IntRange(min=0), default=None, help="The record after the last one.")
@click.option("--namespace", default="", help="Only records of this namespace.")
@keyring_options
@click.option("-o", "--output", type=click.Choice(["table", "json", "yaml"]), default="table", show_default=True)
def replay(
    log: Path,
    rules: Sequence[str],
    packs: bool,
    shard: int | None,
    begin: int,
    end: int | None,
    namespace: str,
    where: "Where",
    output: str,
) -> None:
    """Decide the records of the LOG again from its archive: bit for bit under the rules of then.

    With --rules, also say which would come out otherwise today. Needs the region's private keyring, since what was
    archived is sealed to it. Exits with 1 when a decision differs, or when something archived is missing or changed.
    """
    from webhook.replay import Asked

    today = _engine(rules, packs) if rules else None
    lines = replayed(log_directory(log), where, Asked(shard, begin, end, namespace, today))
    click.echo(rendered(lines, output), nl=False)
    sys.exit(int(any(line.fails for line in lines)))


def replayed(log: Path, where: "Where", asked: Any) -> "list[Line]":
    """Every line, with progress for people."""
    from audit.reading import read_records
    from audit.whole import present_shards
    from webhook.regional import jurisdiction_of, keyring_for
    from webhook.replay import Replay
    from webhook.verbs.private import moving

    first = next(iter(read_records(present_shards(log)[-1][1], 0, 1)), None)
    if first is None:
        return []
    keyring = keyring_for(where, log, first.fields["region"])
    with moving("replaying") as progress:
        return list(Replay(log, keyring.opener(), jurisdiction_of(keyring)).run(asked, progress))


def _engine(rules: Sequence[str], packs: bool) -> "Engine":
    from policies.gathering import engine_of, load_rules
    from policies.version import version

    return engine_of((load_rules(rules),), version(), packs=packs)


def rendered(lines: "Sequence[Line]", output: str) -> str:
    """For people: counts, then what isn't simply the same. For programs: every line."""
    if output == "table":
        return "".join(f"{text}\n" for text in _texts(lines))
    if output == "json":
        import orjson

        return orjson.dumps(_plain(lines), option=orjson.OPT_INDENT_2).decode() + "\n"
    import yaml

    return str(yaml.safe_dump(_plain(lines), sort_keys=False))


def _texts(lines: "Sequence[Line]") -> list[str]:
    texts = [f"{len(lines)} decisions: {_counts(line.then.outcome for line in lines)} under the rules of then"]
    others = [line.today.outcome for line in lines if line.today is not None]
    if others:
        texts.append(f"{len(others)} compared: {_counts(others)} under today's rules")
    told = [text for line in lines for text in _told(line)]
    texts += told[:SHOWN]
    if len(told) > SHOWN:
        texts.append(f"... and {len(told) - SHOWN} more: -o json has all")
    return texts


def _told(line: "Line") -> list[str]:
    number = f"{line.shard}/{line.index}" if line.shard else f"{line.index}"
    what = f"record {number} ({line.time[:19]}Z, {line.namespace or 'cluster'}, {line.kind})"
    told = []
    if line.then.outcome != "same":
        told.append(f"{line.then.outcome}: {what}" + (f": {line.then.detail}" if line.then.detail else ""))
    if line.today is not None and line.today.outcome != "same":
        told.append(f"today {line.today.outcome}: {what}: {line.today.detail}")
    return told


def _counts(outcomes: Any) -> str:
    counted = Counter(str(outcome) for outcome in outcomes)
    return ", ".join(f"{count} {name}" for name, count in counted.most_common()) or "none"


def _plain(lines: "Sequence[Line]") -> dict[str, Any]:
    rows = []
    for line in lines:
        row: dict[str, Any] = {
            "shard": line.shard,
            "index": line.index,
            "id": line.id,
            "time": line.time,
            "namespace": line.namespace,
        }
        row |= {"kind": line.kind, "verdict": line.verdict}
        row["then"] = {"outcome": str(line.then.outcome), "detail": line.then.detail}
        if line.today is not None:
            row["today"] = {"outcome": str(line.today.outcome), "detail": line.today.detail}
        rows.append(row)
    return {"decisions": len(rows), "failing": sum(line.fails for line in lines), "records": rows}
