"""`bailiwick keys hardware`: keys in a PKCS#11 module, made so that they cannot leave it, and their life there."""

import functools
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from keymgmt.verbs.approval import done, vote_of, write_request
from keymgmt.verbs.ring import Mistake, book_of, told

if TYPE_CHECKING:
    from keymgmt.hardware.keyring import Pkcs11Keyring
    from keymgmt.keys import KeyFacts

_FORMATS = click.Choice(["table", "json", "yaml"])
_VOTE = click.option("--vote", "votes", multiple=True, type=click.Path(exists=True, path_type=Path), help="Repeatable.")
_SIGNING = click.option("--signing", is_flag=True, help="The first version is to sign (Ed25519), not seal (RSA-4096).")


@click.group()
def hardware() -> None:
    """Make and show keys in a PKCS#11 module."""


def token_options(call: Callable[..., Any]) -> Callable[..., Any]:
    """The options that name a token, and a key in it; the verb gets its keyring, and the purpose."""

    @click.option("--keyring", type=click.Path(path_type=Path), metavar="FILE", help="Settings, `kind: Keyring`; or:")
    @click.option("--region", help="Whose token.")
    @click.option("--module", type=click.Path(exists=True, path_type=Path), help="The module's library.")
    @click.option("--token", help="The token's label.")
    @click.option("--pin-file", type=click.Path(path_type=Path), help="The PIN; uses are written down beside it.")
    @click.option("--purpose", default="etcd", show_default=True, help="What the key is for.")
    @click.option("--label", help="The key pairs' label; as the purpose by default.")
    @functools.wraps(call)
    def wrapped(purpose: str, **named: Any) -> Any:
        more = {name: named.pop(name) for name in list(named) if name not in _NAMES}
        with told():
            return call(_chosen(purpose=purpose, **named), purpose, **more)

    return wrapped


_NAMES = {"keyring", "region", "module", "token", "pin_file", "label"}


def _chosen(
    keyring: Path | None,
    region: str | None,
    module: Path | None,
    token: str | None,
    pin_file: Path | None,
    label: str | None,
    purpose: str,
) -> "Pkcs11Keyring":
    from keymgmt.hardware.keyring import Pkcs11Keyring
    from keymgmt.hardware.token import TokenSite
    from keymgmt.uses.book import uses_beside

    if keyring is not None:
        return _by_settings(keyring)
    if region is None or module is None or token is None or pin_file is None:
        raise Mistake("no token is named", "give --keyring FILE, or --region, --module, --token and --pin-file")
    site = TokenSite(region, module, token, pin_file, {purpose: label or purpose})
    return Pkcs11Keyring.connect(site, uses=book_of(uses_beside(pin_file.parent, region)))


def _by_settings(path: Path) -> "Pkcs11Keyring":
    from keymgmt.choosing import load_keyring_file
    from keymgmt.hardware.keyring import Pkcs11Keyring

    settings = load_keyring_file(path)
    ring = settings.connect(os.environ, book_of(settings.book_folder(path.parent)))
    if not isinstance(ring, Pkcs11Keyring):
        raise Mistake(f"`{path}` names no module", "write its settings under `pkcs11`")
    return ring


@hardware.command(short_help="make a new active version; older ones still open")
@token_options
@_SIGNING
def rotate(ring: "Pkcs11Keyring", purpose: str, signing: bool) -> None:
    """Make a new version, the first one too: from now on the active one. Older versions still open.

    \b
    bailiwick keys hardware rotate --keyring eu-de.yaml \\
        --purpose audit-checkpoint --signing
    """
    from datetime import UTC, datetime

    from keymgmt.keys import Algorithm

    _show(ring.rotate(purpose, datetime.now(UTC), Algorithm.ED25519 if signing else Algorithm.RSA_OAEP))


@hardware.command(short_help="make a new version that is not used yet")
@token_options
@_SIGNING
def stage(ring: "Pkcs11Keyring", purpose: str, signing: bool) -> None:
    """Make a new version that others can learn of before it is used.

    \b
    bailiwick keys hardware stage --keyring eu-de.yaml --purpose etcd
    """
    from datetime import UTC, datetime

    from keymgmt.keys import Algorithm

    _show(ring.stage(purpose, datetime.now(UTC), Algorithm.ED25519 if signing else Algorithm.RSA_OAEP))


@hardware.command(short_help="use a staged version from now on")
@token_options
@click.argument("key_id")
def activate(ring: "Pkcs11Keyring", purpose: str, key_id: str) -> None:  # noqa: ARG001  # the key is named by its id
    """Use the staged version KEY_ID from now on; the one before is retired.

    \b
    bailiwick keys hardware activate KEY_ID --keyring eu-de.yaml \\
        --purpose audit-checkpoint
    """
    _show(ring.activate(key_id))


@hardware.command(short_help="write down what approvers are asked to sign")
@token_options
@click.argument("change", type=click.Choice(["revoke", "destroy"]))
@click.argument("key_id")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="The request's file.")
def request(ring: "Pkcs11Keyring", purpose: str, change: str, key_id: str, out: Path) -> None:  # noqa: ARG001  # as above
    """Write down that KEY_ID shall be revoked or destroyed, for approvers to sign with `bailiwick keys approve`.

    \b
    bailiwick keys hardware request destroy KEY_ID --keyring eu-de.yaml \\
        --purpose etcd --out destroy.json
    """
    from keymgmt.states import Change

    write_request(out, ring.action(Change(change), key_id))


@hardware.command(short_help="never use a version again; needs approvals")
@token_options
@click.argument("key_id")
@_VOTE
def revoke(ring: "Pkcs11Keyring", purpose: str, key_id: str, votes: Sequence[Path]) -> None:  # noqa: ARG001  # as above
    """Never use the version KEY_ID again. It stays in the token; the register there says that it is revoked.

    \b
    bailiwick keys hardware revoke KEY_ID --keyring eu-de.yaml --purpose etcd \\
        --vote ada.vote --vote ben.vote
    """
    from datetime import UTC, datetime

    done("revoked", key_id, ring.revoke(key_id, [vote_of(path) for path in votes], datetime.now(UTC)))


@hardware.command(short_help="remove a version from the token for good")
@token_options
@click.argument("key_id")
@_VOTE
def destroy(ring: "Pkcs11Keyring", purpose: str, key_id: str, votes: Sequence[Path]) -> None:  # noqa: ARG001  # as above
    """Remove the version KEY_ID from the token, and with it all that was sealed to it. There is no way back.

    \b
    bailiwick keys hardware destroy KEY_ID --keyring eu-de.yaml --purpose etcd \\
        --vote ada.vote --vote ben.vote
    """
    from datetime import UTC, datetime

    done("destroyed", key_id, ring.destroy(key_id, [vote_of(path) for path in votes], datetime.now(UTC)))


@hardware.command("list", short_help="show every version in the token, each checked")
@token_options
@click.option("-o", "--output", type=_FORMATS, default="table", show_default=True)
def listing(ring: "Pkcs11Keyring", purpose: str, output: str) -> None:  # noqa: ARG001  # every version is of it
    """Show every version of a key in the token, each of them checked: made there, and never able to leave.

    \b
    bailiwick keys hardware list --keyring eu-de.yaml --purpose etcd
    """
    from keymgmt.verbs.listing import described, rendered

    known = ring.keys()
    click.echo(rendered([described(key, ring.assurance) for key in known], output), nl=False)


def _show(key: "KeyFacts") -> None:
    click.echo(f"{key.key_id} {key.purpose} version {key.version} {key.state.value}")
