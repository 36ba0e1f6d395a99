"""`bailiwick keys reconcile`: our records of key uses against the key service's own audit log."""

import sys
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from keymgmt.reconcile import Reconciliation

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.option("--vault-audit", "logs", multiple=True, required=True, type=FILE, help="Of a file device; oldest first.")
@click.option("--uses", "files", multiple=True, required=True, type=FILE, help="Our records; repeatable.")
@click.option("--region", required=True, help="Whose key service it is.")
@click.option("--key", "keys", multiple=True, help="Names of keys that count; all by default.")
@click.option("--mount", default="transit", show_default=True)
@click.option("--namespace", default="", help="Of the mount.")
@click.option("--plugin-key", default="etcd", show_default=True, help="What the KMS plugin's key is called there.")
@click.option("--skew", default=5.0, show_default=True, help="Seconds by which the clocks may differ.")
@click.option("-o", "--output", type=click.Choice(["table", "json", "yaml"]), default="table", show_default=True)
def reconcile(
    logs: Sequence[Path],
    files: Sequence[Path],
    region: str,
    keys: Sequence[str],
    mount: str,
    namespace: str,
    plugin_key: str,
    skew: float,
    output: str,
) -> None:
    """Compare our records of key uses with the key service's own audit log.

    Lists uses without a record, records without a use, keys that were exported or backed up, and records that say
    another key, version, region or outcome. Exits with 1 when there is any.
    """
    from keymgmt.reconcile import reconcile as compared
    from keymgmt.use_lines import read_uses
    from keymgmt.vault_audit import read_events

    found = compared(
        chain.from_iterable(read_events(path, mount.strip("/"), namespace.strip("/")) for path in logs),
        chain.from_iterable(read_uses(path, plugin_key) for path in files),
        region,
        keys=frozenset(keys),
        skew=timedelta(seconds=skew),
    )
    click.echo(_shown(_plain(found), output), nl=False)
    sys.exit(int(not found.ok))


def _shown(found: dict[str, Any], output: str) -> str:
    if output == "json":
        import orjson

        return orjson.dumps(found, option=orjson.OPT_INDENT_2).decode() + "\n"
    if output == "yaml":
        import yaml

        return str(yaml.safe_dump(found, sort_keys=False))
    verdict = "agree" if found["ok"] else f"differ: {len(found['differences'])} differences"
    lines = [
        f"{verdict}: {found['matched']} of {found['records']} records are among {found['events']} uses",
        f"from {found['begin']} to {found['end']}; {found['outside']} records are of another time",
    ]
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
