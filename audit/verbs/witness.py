"""`bailiwick audit witness`: vouches in another region that logs only grow, without ever seeing a record."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from audit.tlog.notes import NoteSigner, VerifierKey

SIGNER = "audit.witness.signer"  # in the context's meta: what opens a key of the region's keyring
OpenSigner = Callable[[Path, str, str], "NoteSigner"]  # state directory, region, name


@click.command(short_help="cosign checkpoints of logs, as a C2SP tlog-witness")
@click.option("--log", "logs", multiple=True, required=True, metavar="VKEY|FILE", help="A log to witness; repeatable.")
@click.option("--name", required=True, help="The witness's name, as policies have it: a host name with a path.")
@click.option(
    "--state",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("state"),
    show_default=True,
    help="Its key, and what it has seen.",
)
@click.option("--region", default="local", show_default=True, help="Whose key cosigns.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8481, show_default=True, type=click.IntRange(0, 65535), help="0 for any free one.")
@click.option("--certificate", type=click.Path(dir_okay=False, path_type=Path), help="Serve TLS with it (PEM).")
@click.option("--key", type=click.Path(dir_okay=False, path_type=Path), help="Its private key (PEM).")
@click.pass_context
def witness(
    ctx: click.Context,
    logs: Sequence[str],
    name: str,
    state: Path,
    region: str,
    host: str,
    port: int,
    certificate: Path | None,
    key: Path | None,
) -> None:
    """Cosign the checkpoints of logs (C2SP tlog-witness) until SIGTERM.

    The key lies in the region's keyring in the state directory, made when there is none. Printed first is the line for
    the policies of those who ask for this witness.

    \b
    bailiwick audit witness --name witness.fr.example --log log.vkeys \\
        --state witness
    """
    from audit.errors import NoteMalformed
    from audit.tlog.notes import COSIGNATURE_ED25519, VerifierKey
    from audit.web.running import Door, run
    from audit.web.witness import witness_app
    from audit.witness.rules import Witness
    from audit.witness.states import FileStates

    known = _logs(logs)
    try:
        VerifierKey.ed25519(name, bytes(32), COSIGNATURE_ED25519)
    except NoteMalformed as error:
        raise click.UsageError(f"--name: {error}") from error
    signer = _opener(ctx)(state, region, name)
    states = FileStates.open(state / "witness")
    vkey = VerifierKey.ed25519(name, signer.public_key, COSIGNATURE_ED25519)

    def started(number: int) -> None:
        click.echo(f"witness {name.replace('/', '-')} {vkey}")
        click.echo(f"cosigning on port {number}")

    rules = Witness(known, signer, states, lambda: int(time.time()))
    try:
        run(witness_app(rules), Door(host, port, certificate, key), started)
    finally:
        states.close()


def _logs(given: Sequence[str]) -> "dict[str, list[VerifierKey]]":
    from audit.verbs.places import verifier_keys

    known: dict[str, list[VerifierKey]] = {}
    for key in verifier_keys(Path(), given):
        known.setdefault(key.name, []).append(key)
    return known


def _opener(ctx: click.Context) -> OpenSigner:
    opener: OpenSigner | None = ctx.meta.get(SIGNER)
    if opener is None:
        raise click.UsageError("no keyring is at hand: run it as `bailiwick audit witness`")
    return opener
