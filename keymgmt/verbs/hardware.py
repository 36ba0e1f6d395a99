"""`bailiwick keys hardware`: keys in a PKCS#11 module, made so that they cannot leave it."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from keymgmt.verbs.ring import told

if TYPE_CHECKING:
    from keymgmt.hardware.keyring import Pkcs11Keyring


@click.group()
def hardware() -> None:
    """Make and show keys in a PKCS#11 module."""


def token_options(call: Callable[..., Any]) -> Callable[..., Any]:
    """The options that name a key in a token; the verb gets its keyring."""

    @click.option("--region", required=True, help="Whose token.")
    @click.option("--module", type=click.Path(exists=True, path_type=Path), required=True, help="The module's library.")
    @click.option("--token", required=True, help="The token's label.")
    @click.option("--pin-file", type=click.Path(path_type=Path), required=True, help="Holds the user's PIN.")
    @click.option("--purpose", default="etcd", show_default=True, help="What the key is for.")
    @click.option("--label", help="The key pairs' label; as the purpose by default.")
    @functools.wraps(call)
    def wrapped(
        region: str, module: Path, token: str, pin_file: Path, purpose: str, label: str | None, **more: Any
    ) -> Any:
        from keymgmt.hardware.keyring import Pkcs11Keyring
        from keymgmt.hardware.token import TokenSite

        with told():
            site = TokenSite(region, module, token, pin_file, {purpose: label or purpose})
            return call(Pkcs11Keyring.connect(site), purpose, **more)

    return wrapped


@hardware.command()
@token_options
@click.option("--signing", is_flag=True, help="The first version is to sign (Ed25519), not to seal (RSA-4096).")
def rotate(ring: "Pkcs11Keyring", purpose: str, signing: bool) -> None:
    """Make a new version, the first one too: from now on the active one. Older versions still open."""
    from datetime import UTC, datetime

    from keymgmt.keys import Algorithm

    key = ring.rotate(purpose, datetime.now(UTC), Algorithm.ED25519 if signing else Algorithm.RSA_OAEP)
    click.echo(f"{key.key_id} {key.purpose} version {key.version} {key.state.value}")


@hardware.command("list")
@token_options
@click.option("-o", "--output", type=click.Choice(["table", "json", "yaml"]), default="table", show_default=True)
def listing(ring: "Pkcs11Keyring", purpose: str, output: str) -> None:  # noqa: ARG001  # every version is of it
    """Show every version of a key in the token, each of them checked: made there, and never able to leave."""
    from keymgmt.verbs.listing import described, rendered

    known = ring.keys()
    click.echo(rendered([described(key, ring.assurance) for key in known], output), nl=False)
