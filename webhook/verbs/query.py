"""`bailiwick audit query`: finds records by what stands in their leaves, with an index that makes itself."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from audit.verbs.places import found_log
from audit.verbs.said import counted, in_order, moment
from audit.verbs.written import written
from keymgmt.verbs.ring import Mistake
from webhook.verbs.private import keyring_options, moving

if TYPE_CHECKING:
    from audit.query import Answer, Question
    from audit.reading import LoggedRecord
    from webhook.keys.regional import Where


_AROUND = 2_000_000  # microseconds around an id's moment: its record's time is taken right after it
WIDEST = 2_000  # characters of a line
_CANDIDATES = 1 << 20  # records of such a moment
Verb = TypeVar("Verb", bound=Callable[..., Any])


def _many(name: str, told: str, key: str = "", known: Sequence[str] = ()) -> Callable[[Verb], Verb]:
    kind = click.Choice(known, case_sensitive=False) if known else None
    return click.option(f"--{name}", key or name, multiple=True, help=told, type=kind)


@click.command(short_help="find records: how many fit, and the newest of them")
@click.argument("log", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--from", "begin", default="", metavar="TIME", help="RFC 3339, or a date; UTC without an offset.")
@click.option("--to", "end", default="", metavar="TIME", help="The time itself is not included.")
@_many("namespace", "Of this namespace; repeatable, as all that follow: any of several.")
@_many("user", "Asked for by this user: found by the tag, which needs the region's keyring.")
@_many("user-tag", "The same by the tag.", "user_tag")
@_many("policy", "This policy matched.")
@_many("verdict", "With this answer.", known=("allowed", "mutated", "warned", "denied", "undetermined"))
@_many("reason", "With this reason code.")
@_many("model", "With this model, with or without its revision.")
@_many("region", "Signed in this region.")
@_many("kind", "Of this kind of object.")
@_many("operation", "What was asked for.", known=("CREATE", "UPDATE", "DELETE", "CONNECT"))
@_many("class", "Of this data class.", "data_class")
@_many("jurisdiction", "Bound to this jurisdiction.")
@_many("place", "Could run in this place.")
@_many("schema", "Another kind of record than `decision`, such as `policy-load` or `break-glass`.")
@click.option("--id", "decision_id", default="", help="The decision with this id, as in the audit annotation.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(min=0), help="Newest records shown.")
@click.option("--count", is_flag=True, help="Only say how many.")
@click.option("--index", "folder", type=click.Path(file_okay=False, path_type=Path), help="Where the index lies.")
@keyring_options
@click.option("-o", "--output", type=click.Choice(["table", "json", "yaml"]), default="table", show_default=True)
def query(
    log: Path,
    begin: str,
    end: str,
    user: Sequence[str],
    user_tag: Sequence[str],
    data_class: Sequence[str],
    decision_id: str,
    limit: int,
    count: bool,
    folder: Path | None,
    where: "Where",
    output: str,
    **asked: Sequence[str],
) -> None:
    """Find records of the LOG: how many fit, and the newest of them.

    The index beside the log is derived from the leaves, brought up to date first, and may be deleted at any time.
    Different options are all required, values of one option are alternatives.

    \b
    bailiwick audit query state --verdict denied --reason image-not-pinned \\
        --from 2026-11-01
    bailiwick audit query state --user ada@clinic.example \\
        --kind Secret -o json
    """
    from audit.exports.text import shown
    from audit.leaves.leaf import schemas
    from audit.leaves.readable import UNREADABLE
    from audit.query import Question
    from audit.query.terms import microseconds

    directory = found_log(log)
    values = {name: given for name, given in (*asked.items(), ("class", data_class)) if given}
    tags = [*user_tag, *(_tag(directory, one, where) for one in user)]
    if tags:
        values["user"] = tags
    values.setdefault("schema", ("decision",))
    for name in values["schema"]:
        if name not in (*schemas(), UNREADABLE):
            click.echo(
                f"note: this release knows no records `{shown(name, 80)}`: {', '.join(sorted(schemas()))}", err=True
            )
    if decision_id:
        answer = _with_id(directory, values, decision_id, folder)
    else:
        times = [moment(text, option) if text else None for text, option in ((begin, "--from"), (end, "--to"))]
        in_order(times[0], times[1])
        question = Question(values, *(microseconds(one.isoformat()) if one else None for one in times))
        answer = answered(directory, question, 0 if count else limit, folder)
    click.echo(rendered(answer, output), nl=False)


def _with_id(log: Path, values: Mapping[str, Sequence[str]], decision_id: str, folder: Path | None) -> "Answer":
    """Ids are not in the index: an id says when it was made, and the records of that moment are looked at."""
    from audit.query import Answer, Question
    from audit.query.terms import moment_of_id

    made = moment_of_id(decision_id)
    if made is None:
        raise Mistake(f"`{decision_id}` is no decision id", "it is the UUID in the audit annotation `decision-id`")
    candidates = answered(log, Question(values, made - _AROUND, made + _AROUND), _CANDIDATES, folder)
    rows = tuple(row for row in candidates.rows if row[1].fields.get("id") == decision_id)
    return Answer(len(rows), rows, candidates.unread, candidates.newest_unread)


def answered(log: Path, question: "Question", limit: int, folder: Path | None) -> "Answer":
    """What fits and the newest of it, with progress for people while the index is made."""
    from audit.query import ask

    with moving("indexing") as progress:
        return ask(log, question, limit, folder=folder, progress=progress)


def rendered(answer: "Answer", output: str) -> str:
    """A line for each record, or the leaves as they are; and which records no question finds."""
    if output == "table":
        from audit.exports.text import shown

        rows = (shown(_line(shard, row), WIDEST) for shard, row in answer.rows)
        return "".join(f"{line}\n" for line in (_summary(answer), *rows, *_unread(answer)))
    records = [{"shard": shard, "index": row.index, "leaf": row.fields} for shard, row in answer.rows]
    unread = [{"shard": shard, "index": row.index, "reason": row.unreadable} for shard, row in answer.newest_unread]
    plain = {"count": answer.count, "records": records, "unreadable": {"count": answer.unread, "records": unread}}
    return written(plain, output)


def _summary(answer: "Answer") -> str:
    shown = len(answer.rows)
    return counted(answer.count, "record") + (f", the newest {shown} of them" if 0 < shown < answer.count else "")


def _unread(answer: "Answer") -> list[str]:
    """What no question finds."""
    from audit.exports.text import shown

    told = []
    for shard, row in answer.newest_unread:
        number = f"{shard}/{row.index}" if shard else f"{row.index}"
        told.append(
            f"note: record {number} can't be read, and is found by --schema unreadable: it {shown(row.unreadable)}"
        )
    left = answer.unread - len(told)
    return [*told, f"note: nor can {left} more"] if left else told


def _line(shard: int, row: "LoggedRecord") -> str:
    leaf = row.fields
    number = f"{shard}/{row.index}" if shard else f"{row.index}"
    schema = str(leaf["schema"]).removeprefix("bailiwick.").partition("/")[0]
    if row.unreadable:
        return f"{number:>9}  {'-':<20}  {schema}"
    if schema != "decision":
        if schema == "key-use":
            return f"{number:>9}  {leaf['time'][:19]}Z  {schema}  {_used(leaf)}"
        told = leaf.get("outcome") or leaf.get("state") or leaf.get("reason") or leaf.get("what") or ""
        return f"{number:>9}  {leaf['time'][:19]}Z  {schema}  {told}"
    why = _codes(leaf)
    place = leaf.get("namespace", "-")
    what = f"{leaf['operation'].lower()} {leaf['gvk'].rpartition('/')[2]}"
    return f"{number:>9}  {leaf['time'][:19]}Z  {leaf['verdict']:<12}  {place:<20}  {what}{why}"


def _used(leaf: Mapping[str, Any]) -> str:
    """How often which key was used for what."""
    key = leaf.get("service_key") or leaf.get("purpose") or ""
    named = " ".join(str(one) for one in (leaf["key_operation"], key, leaf.get("task", "")) if one)
    return f"{leaf['count']} x {named}: {leaf['outcome']}"


def _codes(leaf: Mapping[str, Any]) -> str:
    codes = ", ".join(dict.fromkeys(reason["code"] for reason in leaf.get("reasons") or ()))
    return f"  {codes}" if codes else ""


def _tag(log: Path, user: str, where: "Where") -> str:
    from webhook.verbs.erase import tag_of
    from webhook.verbs.stores import Store

    return tag_of(Store(log, None), user, where)[0]
