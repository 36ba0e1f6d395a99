"""`bailiwick keys reconcile`: our records of key uses against the key service's own audit log."""

import sys
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import click

from keymgmt.verbs.written import written

if TYPE_CHECKING:
    from keymgmt.uses.reconcile import Due, Reconciliation

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
PATH = click.Path(exists=True, path_type=Path)
LOGGED = (
    "keymgmt.uses.log"  # of the command's context: reads records of an audit log, of which this package knows nothing
)


class Logged(Protocol):
    """Verified records of one kind, with their numbers."""

    @property
    def leaves(self) -> Sequence[tuple[int, Mapping[str, Any]]]: ...

    @property
    def until(self) -> datetime:
        """The newest record's time."""
        ...

    @property
    def since(self) -> datetime | None:
        """The oldest record's, where older ones were pruned."""
        ...


@click.command()
@click.option("--vault-audit", "logs", multiple=True, required=True, type=FILE, help="Of a file device; oldest first.")
@click.option("--log", "ours", multiple=True, metavar="DIR|URL", help="An audit log of ours; repeatable.")
@click.option("--log-key", multiple=True, metavar="VKEY|FILE", help="Who signs it; by default what lies beside it.")
@click.option("--token-file", type=FILE, help="What the server of a log asks for.")
@click.option("--ca", type=FILE, help="The authority of its certificate (PEM).")
@click.option("--uses", "files", multiple=True, type=PATH, help="Our records in a file, or a book; repeatable.")
@click.option("--region", required=True, help="Whose key service it is.")
@click.option("--key", "keys", multiple=True, help="Names of keys that count; all by default.")
@click.option("--mount", default="transit", show_default=True, help="Of the Transit engine.")
@click.option("--namespace", default="", help="Of the mount.")
@click.option("--plugin-key", default="etcd", show_default=True, help="What the KMS plugin's key is called there.")
@click.option("--skew", default=5.0, show_default=True, help="Seconds by which the clocks may differ.")
@click.option("--grace", default=600.0, show_default=True, help="Seconds that a log has for taking up a use.")
@click.option("-o", "--output", type=click.Choice(["table", "json", "yaml"]), default="table", show_default=True)
def reconcile(
    logs: Sequence[Path],
    ours: Sequence[str],
    log_key: Sequence[str],
    token_file: Path | None,
    ca: Path | None,
    files: Sequence[Path],
    region: str,
    keys: Sequence[str],
    mount: str,
    namespace: str,
    plugin_key: str,
    skew: float,
    grace: float,
    output: str,
) -> None:
    """Compare our records of key uses with the key service's own audit log.

    Lists uses without a record, records without a use, keys that were exported or backed up, and records that say
    another key, version, region, count or outcome. Exits with 1 when there is any, and when a log does not verify.
    What a log has not taken up yet lies in a book (`<region>.uses` beside the keyring): give that with --uses.

    \b
    bailiwick keys reconcile --vault-audit vault-audit.log --log state \\
        --region eu-de
    """
    from keymgmt.uses.leaves import logged_uses
    from keymgmt.uses.lines import read_uses
    from keymgmt.uses.reconcile import reconcile as compared
    from keymgmt.uses.vault_audit import read_events

    if not ours and not files:
        raise click.UsageError("nothing to compare with: give --log, --uses, or both")
    meta = click.get_current_context().meta
    known: list[Logged] = [meta[LOGGED](place, "key-use", log_key, token_file, ca) for place in ours]
    leaves = chain.from_iterable(one.leaves for one in known)
    found = compared(
        chain.from_iterable(read_events(path, mount.strip("/"), namespace.strip("/")) for path in logs),
        chain(logged_uses(leaves), chain.from_iterable(read_uses(path, plugin_key) for path in files)),
        region,
        keys=frozenset(keys),
        skew=timedelta(seconds=skew),
        due=_due(known, grace),
    )
    click.echo(_shown(_plain(found), output), nl=False)
    sys.exit(int(not found.ok))


def _due(known: "Sequence[Logged]", grace: float) -> "Due | None":
    """What our logs must have by now."""
    from keymgmt.uses.reconcile import Due

    if not known:
        return None
    pruned = [one.since for one in known if one.since]
    return Due(max(one.until for one in known), timedelta(seconds=grace), max(pruned, default=None))


def _shown(found: dict[str, Any], output: str) -> str:
    if output != "table":
        return written(found, output)
    verdict = "agree" if found["ok"] else f"differ: {len(found['differences'])} differences"
    lines = [
        f"{verdict}: {found['matched']} of {found['records']} records are among {found['events']} uses",
        f"from {found['begin']} to {found['end']}; {found['outside']} records are of another time",
    ]
    if found["open"]:
        lines.append(f"{found['open']} uses are of a time that our log has not taken up yet, or no longer has")
    if found["unshown"]:
        hint = "vault secrets tune -audit-non-hmac-request-keys=ciphertext"
        lines.append(f"{found['unshown']} uses do not show their version; tune the mount: {hint}")
    lines += [f"{one['kind']}: {one['time']} {one['requestId']}: {one['message']}" for one in found["differences"]]
    lines += [f"note: {note}" for note in found["notes"]]
    return "".join(f"{_printable(line)}\n" for line in lines)


def _printable(text: str) -> str:
    """What others wrote does nothing to a terminal."""
    return "".join(sign if sign.isprintable() else "?" for sign in text)


def _plain(found: "Reconciliation") -> dict[str, Any]:
    return {
        "ok": found.ok,
        "events": found.events,
        "records": found.records,
        "matched": found.matched,
        "unshown": found.unshown,
        "outside": found.outside,
        "open": found.open,
        "begin": _when(found.begin),
        "end": _when(found.end),
        "differences": [
            {"kind": str(one.kind), "time": _when(one.time), "requestId": one.request_id, "message": one.message}
            for one in found.differences
        ],
        "notes": found.notes,
    }


def _when(time: datetime | None) -> str:
    return time.isoformat() if time else "-"
