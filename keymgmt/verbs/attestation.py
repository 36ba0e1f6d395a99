"""`bailiwick keys attest`, `verify-attestation`: what a region's keys are, said under its own key, checked offline."""

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from keymgmt.verbs.ring import Mistake, keyring_options, told
from keymgmt.verbs.written import written

if TYPE_CHECKING:
    from keymgmt.attestation import Statement
    from keymgmt.verbs.ring import Chosen

FORMATS = click.Choice(["table", "json", "yaml"])


@click.command()
@keyring_options
@click.option("--nonce", required=True, help="8 to 128 characters that whoever asks has chosen just now.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="The statement's file; else printed.")
def attest(chosen: "Chosen", nonce: str, out: Path | None) -> None:
    """Make a signed statement of what a region's keys are, for somebody's NONCE.

    The verifier key is printed too: have it once, from somebody you trust, before you believe a statement.

    \b
    bailiwick keys attest --keyring eu-de.yaml \\
        --nonce "$(openssl rand -hex 16)" --out statement
    """
    from pydantic import ValidationError

    from keymgmt.attesting import attest as made
    from keymgmt.attesting import attester
    from keymgmt.notes import VerifierKey

    try:
        statement = made(chosen.ring, nonce=nonce, now=datetime.now(UTC), jurisdiction=chosen.jurisdiction)
    except ValidationError:
        raise Mistake("the nonce cannot be used", "give 8 to 128 visible ASCII characters without spaces") from None
    signer = attester(chosen.ring)
    click.echo(f"key: {VerifierKey(signer.name, signer.public_key)}", err=True)
    if out:
        out.write_bytes(statement)
    else:
        click.echo(statement, nl=False)


@click.command("verify-attestation")
@click.argument("path", metavar="FILE", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--key", required=True, metavar="VKEY", help="The region's verifier key, name+hash+base64.")
@click.option("--nonce", help="What you asked with; without it, only age tells old from new.")
@click.option("--region", help="Which region it must be of; the key's name says it, too.")
@click.option("--cluster-id", help="Which cluster of key servers it must name.")
@click.option(
    "--least",
    type=click.Choice(["software", "service", "hardware"]),
    default="software",
    show_default=True,
    help="How well keys are kept, at least.",
)
@click.option("--max-age", type=click.FloatRange(min=0), default=24.0, show_default=True, help="Hours.")
@click.option("-o", "--output", type=FORMATS, default="table", show_default=True)
def verify_attestation(
    path: Path,
    key: str,
    nonce: str | None,
    region: str | None,
    cluster_id: str | None,
    least: str,
    max_age: float,
    output: str,
) -> None:
    """Check the statement in FILE: signature, region, nonce, age, and that it fits together. Offline.

    Exits with 1 when it does not hold.

    \b
    bailiwick keys verify-attestation statement --key VKEY --nonce NONCE \\
        --region eu-de --least service
    """
    from typing import cast

    from keymgmt.attestation import AttestationInvalid, Expected
    from keymgmt.attestation import verify_attestation as verified
    from keymgmt.notes import parse_verifier_key
    from keymgmt.public import Assurance

    with told():
        pinned = parse_verifier_key(key)
    expected = Expected(
        region=region,
        nonce=nonce,
        cluster_id=cluster_id,
        least_assurance=cast("Assurance", least),
        age=timedelta(hours=max_age),
    )
    try:
        statement = verified(path.read_bytes(), pinned, expected, datetime.now(UTC))
    except AttestationInvalid as error:
        click.echo(f"refused: {error}", err=True)
        sys.exit(1)
    click.echo(_shown(statement, output), nl=False)


def _shown(statement: "Statement", output: str) -> str:
    if output != "table":
        return written(statement.model_dump(mode="json"), output)
    from keymgmt.verbs.listing import described, rendered

    where = "in a file"
    if statement.server is not None:
        where = f"{statement.server.url}, {statement.server.cluster_id}"
    elif statement.module is not None:
        device = "a device, as it says" if statement.module.hardware_slot else "no device"
        where = f"token {statement.module.token} of {statement.module.manufacturer}, {device}"
    head = f"holds: {statement.region}, assurance {statement.assurance}, {where}, issued {statement.issued}\n"
    return head + rendered([described(key, statement.assurance) for key in statement.facts()], "table")
