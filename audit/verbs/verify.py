"""`bailiwick audit verify`: checks a log, or a range of it, offline and says what it found."""

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from audit.verbs.places import found_log, verifier_keys
from audit.verbs.policies import Demand
from audit.verbs.progress import progress_bar
from audit.verbs.said import FORMATS, counted
from audit.verbs.written import written

if TYPE_CHECKING:
    from audit.checks.chain_check import ChainReport
    from audit.checks.report import Report
    from audit.tlog.checkpoints import Checkpoint
    from audit.tlog.notes import VerifierKey

WIDEST = 20_000  # characters of a line: writers may be many
WORTH_SHARING = 32  # segments; fewer are verified before other processes have started


@click.command(short_help="verify every record, hash, signature and counter")
@click.argument("log", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--key", "keys", multiple=True, metavar="VKEY|FILE", help="Who may sign; repeatable.")
@click.option("--origin", help="Whose log it must be.")
@click.option("--from", "begin", type=click.IntRange(min=0), default=0, help="Number of the first record of a range.")
@click.option("--to", "end", type=click.IntRange(min=1), help="Number after the last record of a range.")
@click.option("--shard", type=click.IntRange(min=0), help="Which shard a range is of, where there are several.")
@click.option(
    "--remembered",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A checkpoint seen before, which the log must extend; repeatable.",
)
@click.option(
    "--policy", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="A tlog-policy to satisfy."
)
@click.option("--jobs", type=click.IntRange(min=1), help="Processes to share the work.  [default: as many as cores]")
@click.option("--quick", is_flag=True, help="Only hashes, signatures and counters: don't read what records say.")
@click.option("-o", "--output", type=FORMATS, default="table", show_default=True)
def verify(
    log: Path,
    keys: Sequence[str],
    origin: str | None,
    begin: int,
    end: int | None,
    shard: int | None,
    remembered: Sequence[Path],
    policy: Path | None,
    jobs: int | None,
    quick: bool,
    output: str,
) -> None:
    """Verify the LOG (or the state directory that holds one): every record, hash, tile, signature and counter.

    Of a range, whole tiles of 256 records are verified, and that they lie under the checkpoint. Without --key, the keys
    that lie beside the log are used: good against accidents, no evidence against whoever wrote both. With --policy a
    checkpoint must carry the policy's quorum of witnesses, and the records must be those under it. Exits with 1 when
    anything doesn't fit.

    \b
    bailiwick audit verify state --key log.vkeys
    bailiwick audit verify mirror/ --key log.vkeys --policy witnesses.policy
    """
    from audit.checks.chain_check import verify_chain
    from audit.files.shards import shard_directories, shard_numbers

    if end is not None and end <= begin:
        raise click.UsageError(f"a range from {begin} to {end} holds no record")
    directory = found_log(log)
    is_part = bool(begin or end is not None or shard is not None)
    if is_part and shard is None and len(shard_numbers(directory)) > 1:
        raise click.UsageError(
            f"the log has the shards {_listed(shard_numbers(directory))}: say with --shard which one"
        )
    place = _place(directory, shard or 0) if is_part else shard_directories(directory)[-1]
    demand = Demand(place, policy)
    vkeys = (*demand.keys, *(verifier_keys(directory, keys) if keys or policy is None else ()))
    seen = [*demand.remembered, *(_remembered(path, vkeys) for path in remembered)]
    jobs = jobs or _cores(directory)
    with progress_bar("verifying", patience=0.0) as progress:
        if is_part:
            part = _part(directory, shard or 0, vkeys, origin)
            report = demand.told(part(begin=begin, end=end, remembered=seen, jobs=jobs, quick=quick, progress=progress))
            text, holds = rendered(report, output), report.ok
        else:
            chain = verify_chain(
                directory, vkeys, origin=origin, remembered=seen, jobs=jobs, quick=quick, progress=progress
            )
            last = chain.shards[-1]
            chain = replace(chain, shards=(*chain.shards[:-1], replace(last, report=demand.told(last.report))))
            text, holds = rendered_chain(chain, output), chain.ok
    click.echo(text, nl=False)
    sys.exit(int(not holds))


def _place(directory: Path, shard: int) -> Path:
    """Where a shard's records lie."""
    from audit.files.shards import is_pruned, shard_directory, shard_numbers

    place = shard_directory(directory, shard)
    if shard not in shard_numbers(directory):
        raise click.UsageError(f"there is no shard {shard}: there are {_listed(shard_numbers(directory))}")
    if is_pruned(place):
        raise click.UsageError(f"the records of shard {shard} are pruned: what is left is verified with the whole log")
    return place


def _part(directory: Path, shard: int, keys: "tuple[VerifierKey, ...]", origin: str | None) -> "Callable[..., Report]":
    """The verification of one shard without its neighbours, whole or a range."""
    from audit.checks.verify import verify_log
    from audit.files.shards import keys_of_shards, shard_directory, shard_origin
    from audit.reading import read_checkpoint

    if shard:
        origin = shard_origin(origin or read_checkpoint(directory).origin, shard)
        keys = keys_of_shards(keys, origin)
    return partial(verify_log, shard_directory(directory, shard), keys, origin=origin)


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))


def _remembered(path: Path, keys: "tuple[VerifierKey, ...]") -> "Checkpoint":
    """A checkpoint that was kept, of any shard of this log. Raises a usage error for anything else."""
    from audit.errors import MerkleError
    from audit.files.shards import keys_of_shards
    from audit.tlog.checkpoints import Checkpoint, verified_checkpoint
    from audit.tlog.notes import parse_note

    try:
        data = path.read_bytes()
        return verified_checkpoint(data, keys_of_shards(keys, Checkpoint.parse(parse_note(data).text).origin))[0]
    except MerkleError as error:
        raise click.UsageError(f"`{path}` is no checkpoint of this log: {error}") from error


def _cores(log: Path) -> int:
    """As many as may be used, and one for a log that is verified before another process has started."""
    import os

    from audit.files.layout import wal_of
    from audit.files.recovery import segment_paths
    from audit.files.store import Disk

    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return usable if len(segment_paths(Disk(), wal_of(log))) > WORTH_SHARING else 1


def rendered(report: "Report", output: str) -> str:
    """The report for people (table) or programs (json, yaml)."""
    if output == "table":
        return _told(lines(report))
    return written(_plain(report), output)


def rendered_chain(chain: "ChainReport", output: str) -> str:
    """The reports of all shards; for a log without shards, the report as it always was."""
    if len(chain.shards) == 1 and not (chain.problems or chain.notes):
        return rendered(chain.shards[0].report, output)
    if output == "table":
        return _told(_chain_lines(chain))
    shards = [
        {"number": one.shard.number, "pruned": one.pruned, "origin": one.shard.origin, **_plain(one.report)}
        for one in chain.shards
    ]
    problems = [{"where": one.where, "message": one.message} for one in chain.problems]
    notes = [{"where": one.where, "message": one.message} for one in chain.notes]
    return written({"ok": chain.ok, "problems": problems, "notes": notes, "shards": shards}, output)


def _told(lines: Iterator[str]) -> str:
    """What is shown to people: names in a log are somebody's, and do nothing to a terminal."""
    from audit.exports.text import shown

    return "".join(f"{shown(line, WIDEST)}\n" for line in lines)


def _chain_lines(chain: "ChainReport") -> Iterator[str]:
    total = sum(one.report.records for one in chain.shards)
    broken = len(chain.problems) + sum(one.report.total_problems for one in chain.shards)
    unread = sum(len(one.report.unreadable) for one in chain.shards)
    verdict = "holds" if chain.ok else f"broken: {counted(broken, 'problem')}"
    if chain.is_intact and not chain.ok:
        verdict = f"unreadable: {counted(unread, 'record')}; nothing was changed or removed"
    yield f"{verdict}: {len(chain.shards)} shards, {total} records"
    yield from (f"problem: {problem}" for problem in chain.problems)
    yield from (f"note: {note}" for note in chain.notes)
    for one in chain.shards:
        yield f"shard {one.shard.number}, `{one.shard.origin}`" + (", pruned" if one.pruned else "")
        yield from (f"  {line}" for line in lines(one.report))


def lines(report: "Report") -> Iterator[str]:
    """What a person reads: the result first, then everything that doesn't fit."""
    last = report.first + report.records - 1
    which = f"records {report.first} to {last}" if report.first and report.records else f"{report.records} records"
    if report.ok:
        yield f"holds: {which}, {report.unsigned} of them not yet under a signed checkpoint"
    elif report.problems[0].where == "origin":  # another log than was meant: there is nothing else to say
        yield f"broken: {report.problems[0].message}"
        return
    elif report.is_intact:
        yield f"unreadable: {len(report.unreadable)} of {which}; nothing was changed or removed"
    else:
        yield f"broken: {counted(report.total_problems, 'problem')} in {which}"
    if report.checkpoint is not None:
        yield f"checkpoint of {report.checkpoint.size} records, signed by {', '.join(report.signed_by)}"
    if report.writers:
        yield "writers: " + ", ".join(f"{name} up to {seq}" for name, seq in sorted(report.writers.items()))
    if not report.first:
        yield f"sealed parts: {report.sealed} there, {report.erased} erased; tenants: {report.tenants}"
    yield from (f"problem: {problem}"[:1000] for problem in report.problems)
    if report.total_problems > len(report.problems):
        yield f"... and {counted(report.total_problems - len(report.problems), 'problem')} more"
    yield from (f"note: {note}"[:1000] for note in report.notes)


def _plain(report: "Report") -> dict[str, Any]:
    checkpoint = report.checkpoint
    return {
        "ok": report.ok,
        "intact": report.is_intact,
        "unreadable": [{"index": index, "reason": why} for index, why in sorted(report.unreadable.items())],
        "first": report.first,
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
