"""`bailiwick keys break-glass`: a key opens in an emergency, once enough people want it and the audit log has it."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from keymgmt.verbs.approval import approved_action, for_tenant, vote_fields, vote_of, write_request
from keymgmt.verbs.ring import Mistake, keyring_options, told
from keymgmt.verbs.transfer import PLACE, bound_of
from webhook.verbs.stores import store_options

if TYPE_CHECKING:
    from keymgmt.emergency import Opening
    from keymgmt.verbs.ring import Chosen
    from webhook.verbs.stores import Store

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
LEDGER = "break-glass.jsonl"  # in the state directory, where the log is: uses are counted in one place


@click.group("break-glass", short_help="open under a key in an emergency; needs approvals")
def break_glass() -> None:
    """Open under a key in an emergency: approved, for hours at most, and in the audit log before it happens."""


@break_glass.command(short_help="write down what shall be opened and why, for approvers")
@click.option("--from", "source", type=FILE, required=True, help="The region's `.public.json`.")
@click.option("--key-id", required=True, help="The version that shall open, a revoked one too; see `keys list`.")
@click.option("--of", "bound", required=True, metavar=PLACE, help="What the data is bound to; tenant `*`: any.")
@click.option("--reason", required=True, help="Goes into the audit log in clear: no person's name.")
@click.option("--uses", type=click.IntRange(1, 1000), default=1, show_default=True, help="How many envelopes.")
@click.option("--hours", type=click.IntRange(1, 4), default=1, show_default=True, help="When it ends by itself.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="The request's file.")
def ask(source: Path, key_id: str, bound: str, reason: str, uses: int, hours: int, out: Path) -> None:
    """Write down what shall be opened and why, for approvers to sign with `bailiwick keys approve`.

    \b
    bailiwick keys break-glass ask --from eu-de.public.json --key-id KEY_ID \\
        --of DE/prod/clinic --reason 'ward 3 cannot read its records' \\
        --hours 2 --out request.json
    """
    from keymgmt.canonical import to_base64url
    from keymgmt.emergency import BreakGlass
    from keymgmt.public import PublicKeyring

    now = datetime.now(UTC).replace(microsecond=0)
    with told():
        ring = PublicKeyring.load(source)
        known = ring.keys()
        key = next((one for one in known if one.key_id == key_id), None)
        if key is None:
            raise Mistake(f"`{source}` has no key `{key_id}`", "see `bailiwick keys list`")
        until = now + timedelta(hours=hours)
        meant = bound_of(ring.region, key.purpose, bound)
        action = BreakGlass(meant, to_base64url(key.lineage), key_id, reason, uses, now, until).action()
    write_request(out, action)


@break_glass.command("open", short_help="open one envelope under an approved request")
@store_options
@keyring_options
@click.option("--in", "envelope", type=FILE, required=True, help="The envelope.")
@click.option("--request", "path", type=FILE, required=True, help="As `ask` wrote it.")
@click.option("--vote", "votes", multiple=True, type=FILE, help="Repeatable.")
@click.option("--tenant", help="What the envelope is bound to, where the request says `*`.")
@click.option("--wait", default=60.0, show_default=True, help="Seconds for a webhook that holds the log.")
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="The plaintext's file, 0600."
)
def open_envelope(
    chosen: "Chosen",
    envelope: Path,
    path: Path,
    votes: Sequence[Path],
    tenant: str | None,
    store: "Store",
    wait: float,
    out: Path,
) -> None:
    """Open one envelope under an approved request.

    The record in the audit LOG (or the state directory that holds one) is durable before anything is opened.

    \b
    bailiwick keys break-glass open state --keyring eu-de.yaml \\
        --request request.json --vote ada.vote --vote ben.vote --in envelope \\
        --out plaintext
    """
    from keymgmt.emergency import EmergencyDesk, parse_break_glass
    from keymgmt.ledger import FileLedger

    approvals, action = approved_action(chosen, path, out)
    glass = parse_break_glass(action)
    bound = for_tenant(glass.bound, tenant)
    alarm = LogAlarm(store, wait)
    desk = EmergencyDesk(chosen.ring, approvals, FileLedger(store.directory.parent / LEDGER), alarm)
    cast = [vote_of(one) for one in votes]
    plaintext = desk.open(envelope.read_bytes(), bound, glass, cast, datetime.now(UTC))
    with os.fdopen(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb") as file:
        file.write(plaintext)
    click.echo(f"opened under {glass.key_id}, until {glass.expires:%Y-%m-%d %H:%M} UTC; record {alarm.leaf}", err=True)


@dataclass
class LogAlarm:
    """`keymgmt.emergency.Alarm`: by whoever writes the log, or here where nobody does."""

    store: "Store"
    wait: float  # seconds
    leaf: int = -1  # where the last record lies

    def raised(self, opening: "Opening") -> None:
        """As the port says."""
        from keymgmt.emergency import NotAnnounced
        from webhook.keys.regional import Where
        from webhook.verbs.private import told as refusing

        order = {
            "do": "break-glass",
            "record": record_fields(opening),
            "votes": [vote_fields(v) for v in opening.votes],
        }
        try:
            with refusing():  # whatever the log or its keyring fails with
                said = self.store.ordered(order, Where(None, None), self.wait)
        except Mistake as refusal:
            advice = refusal.hint or "look at the log"
            raise NotAnnounced(f"not in the audit log, so nothing was opened: {refusal.message}; {advice}") from refusal
        self.leaf = said["leaves"][0]


def record_fields(opening: "Opening") -> dict[str, Any]:
    """What the audit log says of an opening, in clear."""
    from hashlib import sha256

    from audit.leaves.shapes import time_text

    glass = opening.glass
    return {
        "what": "key",
        "state": "opened",
        "names": [glass.key_id],
        "purpose": glass.bound.purpose,
        "key_state": opening.key.state.value,
        "reason": glass.reason,
        "until": time_text(glass.expires),
        "use": opening.number,
        "uses": glass.uses,
        "envelope": opening.envelope,
        "approvals": len(opening.quorum.approvers),
        "needed": opening.quorum.needed,
        "action": sha256(opening.quorum.action).hexdigest(),
    }
