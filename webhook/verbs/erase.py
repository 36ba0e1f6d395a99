"""`bailiwick audit erase`, `hold`, `expire`: what is sealed beside the log goes, approved or when its time is over."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from audit.verbs.written import written
from keymgmt.verbs.ring import Mistake
from webhook.verbs.private import keyring_options, moving
from webhook.verbs.stores import Store, store_options

if TYPE_CHECKING:
    from audit.sealed.erasure_plan import Scope
    from audit.whole import Place
    from webhook.keys.regional import Where

REQUEST = "bailiwick.dev/approval-request/v1"
VOTE = "bailiwick.dev/approval/v1"
_WAIT = click.option("--wait", default=60.0, show_default=True, help="Seconds for a webhook that holds the log.")
_OUTPUT = click.option(
    "-o", "--output", type=click.Choice(["table", "json", "yaml"]), default="table", show_default=True
)


@click.command(short_help="erase sealed personal data, and record that it was")
@store_options
@click.option("--namespace", default="", help="Everything of this namespace.")
@click.option("--user", default="", help="Everything that this user asked for; needs the region's keyring.")
@click.option("--user-tag", default="", metavar="KEY:TAG", help="The same by the key's id and the user's tag.")
@click.option("--record", "records", multiple=True, type=click.IntRange(min=0), help="This record; repeatable.")
@click.option("--shard", default=0, help="The shard that these count in, where there are several.")
@click.option("--basis", default="", help="The legal basis, for example `GDPR 17(1)(b)`.")
@click.option("--request", "out", type=click.Path(dir_okay=False, path_type=Path), help="Write the request here.")
@click.option("--approved", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Do this request.")
@click.option("--vote", "votes", multiple=True, type=click.Path(exists=True, path_type=Path), help="Repeatable.")
@keyring_options
@_WAIT
@_OUTPUT
def erase(
    store: Store,
    namespace: str,
    user: str,
    user_tag: str,
    records: Sequence[int],
    shard: int,
    basis: str,
    out: Path | None,
    approved: Path | None,
    votes: Sequence[Path],
    where: "Where",
    wait: float,
    output: str,
) -> None:
    """Erase what is sealed beside the LOG, and record that it was erased.

    First with a scope, --basis and --request: it says what would go, and writes a request that approvers sign with
    `bailiwick keys approve`. Then with --approved and their votes: it is done. The records themselves stay and verify;
    `audit replay` says that they are erased. A legal hold stops it.

    \b
    bailiwick audit erase state --namespace clinic --basis 'GDPR 17(1)(b)' \\
        --request erase.json
    bailiwick audit erase state --approved erase.json --vote ada.vote \\
        --vote ben.vote
    """
    if approved is not None:
        asked = _read(approved, REQUEST)
        given = [_read(path, VOTE) for path in votes]
        order = {"do": "erase", "action": asked["action"], "votes": given}
        _tell(store.ordered(order, where, wait), "erased", output)
        return
    if out is None or not basis:
        raise click.UsageError("give --basis and --request FILE to ask for approval, or --approved FILE with its votes")
    scope = _scope(store, namespace, user, user_tag, [(shard, one) for one in records], where)
    _request(store, scope, basis, out)


def _scope(
    store: Store, namespace: str, user: str, user_tag: str, records: "Sequence[Place]", where: "Where"
) -> "Scope":
    from audit.sealed.erasure_plan import Scope

    if sum(map(bool, (namespace, user, user_tag, records))) != 1:
        raise click.UsageError("give one of --namespace, --user, --user-tag, --record")
    if user:
        tag, key = tag_of(store, user, where)
        return Scope("user", user=tag, key=key)
    if user_tag:
        key, _, tag = user_tag.rpartition(":")
        return Scope("user", user=tag, key=key)
    return Scope("namespace", namespace=namespace) if namespace else Scope("records", records=frozenset(records))


def tag_of(store: Store, user: str, where: "Where") -> tuple[str, str]:
    """A user's tag under the active key, and that key's id."""
    from audit.leaves.tags import Tagger
    from keymgmt.file.keyring import FileKeyring
    from webhook.keys.regional import keyring_for

    keyring = keyring_for(where, store.directory, store.options().region)
    if not isinstance(keyring, FileKeyring):
        raise Mistake("a key service makes no tags", "give --user-tag, from a record of that user")
    tagger = Tagger(keyring.tagger("audit-tags"))
    return tagger.tag("user", user), tagger.key_id


def _request(store: Store, scope: "Scope", basis: str, out: Path) -> None:
    import orjson

    from audit.exports.text import shown
    from audit.sealed.erasure import plan
    from keymgmt.canonical import to_base64url

    with moving("reading") as progress:
        planned = plan(store.whole(), scope, basis, progress=progress)
    asked = {"schema": REQUEST, "action": planned.action.decode(), "nonce": to_base64url(os.urandom(16))}
    out.write_bytes(orjson.dumps(asked, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    click.echo(f"{planned.parts} sealed parts of {planned.records} records would go; approvers sign `{out}`")

    for hold, count in sorted(planned.held.items()):
        click.echo(f"held: `{shown(hold)}` stands on {count} of these records; lift it first")
    if planned.unread:
        which = ", ".join(f"{shard}/{index}" if shard else f"{index}" for shard, index in planned.unread[:20])
        click.echo(f"note: {len(planned.unread)} records can't be read, and stay: {which}; give them with --record")


@click.command(short_help="place a legal hold, or lift it")
@store_options
@click.argument("name")
@click.option("--lift", is_flag=True, help="Lift it.")
@click.option("--basis", required=True, help="Why, for example `GDPR 17(3)(e)`.")
@click.option("--namespace", default="", help="Hold this namespace.")
@click.option("--user", default="", help="Hold what this user asked for.")
@click.option("--records", default="", metavar="FIRST-LAST", help="Hold these records.")
@keyring_options
@_WAIT
@_OUTPUT
def hold(
    store: Store,
    name: str,
    lift: bool,
    basis: str,
    namespace: str,
    user: str,
    records: str,
    where: "Where",
    wait: float,
    output: str,
) -> None:
    """Place a legal hold of this NAME (a case number, no person's name) on the LOG, or lift it.

    Without a scope it holds everything. What is held is neither erased nor expired.

    \b
    bailiwick audit hold state case-7 --namespace clinic \\
        --basis 'GDPR 17(3)(e)'
    bailiwick audit hold state case-7 --lift --basis 'closed'
    """
    if sum(map(bool, (namespace, user, records))) > 1:
        raise click.UsageError("a hold has one scope: place one of each name for --namespace, --user, --records")
    _check_name(store, name, lift=lift)
    fields: dict[str, Any] = {"hold": name, "state": "lifted" if lift else "placed", "basis": basis, "scope": "all"}
    if namespace:
        fields |= {"scope": "namespace", "namespace": namespace}
    elif user:
        tag, key = tag_of(store, user, where)
        fields |= {"scope": "user", "tags": {"user": tag, "key": key}}
    elif records:
        first, _, last = records.partition("-")
        if not (first.isdecimal() and (last or first).isdecimal()):
            raise click.UsageError("--records takes FIRST-LAST, for example 100-250")
        if int(last or first) < int(first):
            raise click.UsageError(f"--records {records} holds nothing: the last comes before the first")
        fields |= {"scope": "records", "first": int(first), "end": int(last or first) + 1}
    _tell(store.ordered({"do": "hold", "hold": fields}, where, wait), fields["state"], output)


@click.command(short_help="erase sealed parts whose retention time is over")
@store_options
@click.option("--days", type=click.IntRange(min=1), required=True, help="How long sealed parts are kept.")
@click.option("--class", "classes", multiple=True, metavar="NAME=DAYS", help="Another time for a data class.")
@click.option("--basis", default="retention time", show_default=True, help="Why; stands in the log.")
@keyring_options
@_WAIT
@_OUTPUT
def expire(
    store: Store, days: int, classes: Sequence[str], basis: str, where: "Where", wait: float, output: str
) -> None:
    """Erase the sealed parts of decisions in the LOG that are older than their retention time, unless held.

    No time can be shorter than what the webhook was started with (`serve --keep-days`, 180 by default).

    What decisions share (rules, objects of the cluster) goes when the longest of these times is over for it.

    \b
    bailiwick audit expire state --days 365 --class restricted=3650
    """
    times = {}
    for one in classes:
        name, _, number = one.partition("=")
        if not name or not number.isdecimal() or int(number) < 1:
            raise click.UsageError("--class takes NAME=DAYS, for example restricted=3650")
        times[name] = int(number)
    order = {"do": "expire", "days": days, "classes": times, "basis": basis}
    _tell(store.ordered(order, where, wait), "expired", output)


def _check_name(store: Store, name: str, *, lift: bool) -> None:
    """A name that people can read and type, and that stands where it is to be lifted. Raises Mistake."""
    from audit.exports.text import INVISIBLE, shown

    if not lift and (not name.strip() or INVISIBLE.search(name)):
        raise Mistake(f"`{shown(name)}` is no name for a hold", "give a case number, without control characters")
    if lift:
        standing = store.standing_holds()
        if name not in standing:
            which = ", ".join(f"`{shown(one)}`" for one in sorted(standing)) or "none"
            raise Mistake(f"no hold `{shown(name)}` stands on this log", f"those that stand: {which}")


def _read(path: Path, schema: str) -> dict[str, Any]:
    import orjson

    try:
        value = orjson.loads(path.read_bytes())
    except ValueError:
        value = None
    if not isinstance(value, dict) or value.get("schema") != schema:
        made_by = "bailiwick audit erase --request" if schema == REQUEST else "bailiwick keys approve"
        raise Mistake(f"`{path}` is not a file of `{schema}`", f"make it with `{made_by}`")
    return value


def _tell(said: Mapping[str, Any], done: str, output: str) -> None:
    if output == "table":
        leaves = ", ".join(map(str, said["leaves"])) or "none"
        what = f"{said['parts']} sealed parts of {said['records']} records {done}; " if "parts" in said else f"{done}; "
        click.echo(f"{what}recorded as {leaves}")
        return
    click.echo(written(dict(said), output), nl=False)
