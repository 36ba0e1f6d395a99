"""`bailiwick keys grant`, `transfer`: sealed data goes to another region, if enough people want exactly that."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from keymgmt.verbs.approval import approved_action, for_tenant, vote_of, write_request
from keymgmt.verbs.ring import Mistake, keyring_options, told

if TYPE_CHECKING:
    from keymgmt.ports import Binding
    from keymgmt.verbs.ring import Chosen

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
PLACE = "JURISDICTION/CLUSTER/TENANT"


@click.command()
@click.option("--from", "source", type=FILE, required=True, help="The source's `.public.json`.")
@click.option("--to", "destination", type=FILE, required=True, help="The destination's `.public.json`.")
@click.option("--purpose", required=True, help="What it was sealed for, and stays sealed for.")
@click.option("--of", "bound", required=True, metavar=PLACE, help="What it is bound to; tenant `*`: any.")
@click.option("--as", "becomes", required=True, metavar=PLACE, help="What it is bound to there.")
@click.option("--reason", required=True, help="Why; it is signed, too.")
@click.option("--legal-basis", required=True, help="For example `GDPR 6(1)(c)`.")
@click.option("--uses", type=click.IntRange(min=1), default=1, show_default=True, help="How many envelopes.")
@click.option("--hours", type=click.IntRange(1, 168), default=24, show_default=True, help="How long it lasts.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="The request's file.")
def grant(
    source: Path,
    destination: Path,
    purpose: str,
    bound: str,
    becomes: str,
    reason: str,
    legal_basis: str,
    uses: int,
    hours: int,
    out: Path,
) -> None:
    """Write down a transfer between two regions, for approvers to sign with `bailiwick keys approve`.

    \b
    bailiwick keys grant --from eu-de.public.json --to eu-fr.public.json \\
        --purpose audit-archive --of DE/prod/clinic --as FR/prod/clinic \\
        --reason 'a court asks' --legal-basis 'GDPR 6(1)(c)' --out grant.json
    """
    from keymgmt.canonical import to_base64url
    from keymgmt.envelopes.envelope import key_id_text
    from keymgmt.public import PublicKeyring
    from keymgmt.transfer import TransferGrant

    now = datetime.now(UTC).replace(microsecond=0)
    with told():
        ours, theirs = PublicKeyring.load(source), PublicKeyring.load(destination)
        action = TransferGrant(
            source=bound_of(ours.region, purpose, bound),
            lineage=to_base64url(ours.keys()[0].lineage),
            destination=bound_of(theirs.region, purpose, becomes),
            destination_key=key_id_text(theirs.recipient(purpose).key_id),
            reason=reason,
            legal_basis=legal_basis,
            uses=uses,
            begins=now,
            expires=now + timedelta(hours=hours),
        ).action()
    write_request(out, action)


@click.command()
@keyring_options
@click.option("--in", "envelope", type=FILE, required=True, help="The envelope.")
@click.option("--grant", "path", type=FILE, required=True, help="As `grant` wrote it.")
@click.option("--vote", "votes", multiple=True, type=FILE, help="Repeatable.")
@click.option("--to", "destination", type=FILE, required=True, help="The destination's `.public.json`.")
@click.option("--tenant", help="What the envelope is bound to, where the grant says `*`.")
@click.option(
    "--ledger", type=click.Path(dir_okay=False, path_type=Path), required=True, help="Where uses are counted."
)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="The new envelope's file.")
def transfer(
    chosen: "Chosen",
    envelope: Path,
    path: Path,
    votes: Sequence[Path],
    destination: Path,
    tenant: str | None,
    ledger: Path,
    out: Path,
) -> None:
    """Open an envelope and seal it for another region, under a grant and its votes. Each call spends one use.

    \b
    bailiwick keys transfer --keyring eu-de.yaml --grant grant.json \\
        --vote ada.vote --vote ben.vote --to eu-fr.public.json \\
        --ledger uses.jsonl --in envelope --out envelope.fr
    """
    from keymgmt.ledger import FileLedger
    from keymgmt.public import PublicKeyring
    from keymgmt.transfer import TransferDesk, parse_grant

    approvals, action = approved_action(chosen, path, out)
    allowed = parse_grant(action)
    bound = for_tenant(allowed.source, tenant)
    desk = TransferDesk(chosen.ring, approvals, FileLedger(ledger))
    cast = [vote_of(one) for one in votes]
    theirs = PublicKeyring.load(destination)
    sealed = desk.transfer(envelope.read_bytes(), bound, allowed, cast, theirs, datetime.now(UTC))
    chosen.sealed(allowed.destination_key, theirs.keys())
    out.write_bytes(sealed.to_bytes())
    click.echo(f"{envelope.name}: from {bound.region} to {sealed.region}, {len(cast)} votes")


def bound_of(region: str, purpose: str, text: str) -> "Binding":
    """A binding as it is written on the command line."""
    from keymgmt.ports import Binding

    parts = text.split("/")
    if len(parts) != 3:
        raise Mistake(f"`{text}` is no binding", f"write {PLACE}; a part may be empty")
    jurisdiction, cluster, tenant = parts
    return Binding(region, jurisdiction, purpose, cluster, tenant)
