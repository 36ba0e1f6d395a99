"""`bailiwick keys init`, `rotate`, `stage`, `activate`: a file keyring is made, and its keys are replaced."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from keymgmt.verbs.ring import Mistake, book_beside, opened, ring_options

if TYPE_CHECKING:
    from keymgmt.approvals import ApprovalPolicy
    from keymgmt.file.unlock import Unlock
    from keymgmt.keys import Algorithm, KeyFacts


@click.command()
@ring_options
@click.option("--jurisdiction", default="", help="As your policies name it; informative.")
@click.option("--purpose", "purposes", multiple=True, metavar="NAME=ALGORITHM", help="More keys than the usual five.")
@click.option("--approver", "approvers", multiple=True, metavar="NAME=FILE", help="May approve; Ed25519 public, PEM.")
@click.option("--needed", type=click.IntRange(min=1), help="How many approvers revoking and destroying takes.")
@click.option("--new-key-file", is_flag=True, help="Make the key file first.")
def init(
    directory: Path,
    region: str,
    unlock: "Unlock",
    jurisdiction: str,
    purposes: Sequence[str],
    approvers: Sequence[str],
    needed: int | None,
    new_key_file: bool,
) -> None:
    """Make the keyring of a region in DIRECTORY: keys that sign, seal and tag its audit log, seal etcd, and attest.

    Without approvers its keys can be rotated and never be revoked or destroyed.

    \b
    bailiwick keys init keys/ --region eu-de --key-file unlock.key \\
        --new-key-file --approver ada=ada.pem --approver ben=ben.pem \\
        --needed 2
    """
    from keymgmt.file.keyring import FileKeyring
    from keymgmt.file.unlock import KeyFile

    wanted, policy = _purposes(purposes), _policy(approvers, needed)
    if new_key_file:
        if not isinstance(unlock, KeyFile):
            raise Mistake("there is no key file to make", "give --key-file FILE")
        KeyFile.create(unlock.path)
    ring = FileKeyring.create(
        directory,
        region,
        unlock=unlock,
        now=datetime.now(UTC),
        jurisdiction=jurisdiction,
        purposes=wanted,
        approvals=policy,
        uses=book_beside(directory, region),
    )
    made = ring.keys()
    for key in made:
        _show(key)
    click.echo(f"head: {ring.head.generation} {ring.head.digest}")


@click.command()
@ring_options
@click.argument("purpose")
def rotate(directory: Path, region: str, unlock: "Unlock", purpose: str) -> None:
    """Make a new active version of PURPOSE's key; the one before still opens and verifies.

    \b
    bailiwick keys rotate keys/ audit-checkpoint --region eu-de \\
        --key-file unlock.key
    """
    _show(opened(directory, region, unlock).rotate(purpose, datetime.now(UTC)))


@click.command()
@ring_options
@click.argument("purpose")
def stage(directory: Path, region: str, unlock: "Unlock", purpose: str) -> None:
    """Make a new version of PURPOSE's key that others can learn of before it is used.

    \b
    bailiwick keys stage keys/ etcd --region eu-de --key-file unlock.key
    """
    _show(opened(directory, region, unlock).stage(purpose, datetime.now(UTC)))


@click.command()
@ring_options
@click.argument("key_id")
def activate(directory: Path, region: str, unlock: "Unlock", key_id: str) -> None:
    """Use the staged version KEY_ID from now on; the one before is retired.

    \b
    bailiwick keys activate keys/ KEY_ID --region eu-de --key-file unlock.key
    """
    _show(opened(directory, region, unlock).activate(key_id))


def _show(key: "KeyFacts") -> None:
    click.echo(f"{key.key_id} {key.purpose} version {key.version} {key.state.value}")


def _purposes(given: Sequence[str]) -> "Mapping[str, Algorithm]":
    from keymgmt.attestation import PURPOSE as ATTESTATION
    from keymgmt.keys import DEFAULT_PURPOSES, PURPOSE_NAME, Algorithm
    from keymgmt.kms.annotations import PURPOSE

    made = dict(DEFAULT_PURPOSES) | {PURPOSE: Algorithm.X25519, ATTESTATION: Algorithm.ED25519}
    for one in given:
        name, _, algorithm = one.partition("=")
        known = [kind.value for kind in Algorithm if kind is not Algorithm.RSA_OAEP]
        if not PURPOSE_NAME.fullmatch(name) or algorithm not in known:
            raise Mistake(f"`{one}` is no purpose", f"write name=algorithm, with one of: {', '.join(known)}")
        made[name] = Algorithm(algorithm)
    return made


def _policy(given: Sequence[str], needed: int | None) -> "ApprovalPolicy | None":
    if not given:
        if needed:
            raise Mistake("nobody is named who could approve", "give --approver NAME=FILE")
        return None
    from keymgmt.approvals import ApprovalPolicy

    keys = dict(_approver(one) for one in given)
    try:
        return ApprovalPolicy(keys, needed or len(keys))
    except ValueError as error:
        raise Mistake(str(error), "name as many approvers as are needed, each with a key of their own") from error


def _approver(given: str) -> tuple[str, bytes]:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    name, _, path = given.partition("=")
    try:
        key = load_pem_public_key(Path(path).read_bytes()) if name and path else None
    except (OSError, ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise Mistake(f"`{given}` names no approver", "write name=file, the file an Ed25519 public key in PEM")
    return name, key.public_bytes_raw()
