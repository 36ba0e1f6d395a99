"""`bailiwick keys request`, `approve`, `revoke`, `destroy`: what more than one person must want.

A request is a file with the exact action and a nonce; each approver signs it into a vote, another file; whoever revokes
or destroys brings the votes. Request and votes hold nothing secret.
"""

import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from keymgmt.verbs.ring import Mistake, opened, ring_options

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from keymgmt.approvals import ApprovalPolicy
    from keymgmt.file.unlock import Unlock
    from keymgmt.ports import Approval, Binding, Quorum
    from keymgmt.verbs.ring import Chosen

REQUEST = "bailiwick.dev/approval-request/v1"
VOTE = "bailiwick.dev/approval/v1"


@click.command()
@ring_options
@click.argument("change", type=click.Choice(["revoke", "destroy"]))
@click.argument("key_id")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="The request's file.")
def request(directory: Path, region: str, unlock: "Unlock", change: str, key_id: str, out: Path) -> None:
    """Write down that KEY_ID shall be revoked or destroyed, for approvers to sign.

    \b
    bailiwick keys request keys/ revoke KEY_ID --region eu-de \\
        --key-file unlock.key --out revoke.json
    """
    from keymgmt.states import Change

    write_request(out, opened(directory, region, unlock).action(Change(change), key_id))


@click.command("approve")
@click.argument("path", metavar="REQUEST", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--as", "name", required=True, help="The approver's name in the keyring.")
@click.option(
    "--key", "key_path", type=click.Path(exists=True, path_type=Path), required=True, help="Ed25519 private, PEM."
)
@click.option("--hours", type=click.IntRange(1, 168), help="How long the vote counts: 24; for break-glass 4.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="The vote's file.")
def approve_request(path: Path, name: str, key_path: Path, hours: int | None, out: Path) -> None:
    """Sign the REQUEST as an approver. What is signed is shown first: read it.

    \b
    bailiwick keys approve revoke.json --as ada --key ada.pem --out ada.vote
    """
    from keymgmt.approvals import approve
    from keymgmt.canonical import from_base64url
    from keymgmt.emergency import ACTION, LONGEST

    asked = read_file(path, REQUEST, ("action", "nonce"))
    click.echo(asked["action"])
    now = datetime.now(UTC).replace(microsecond=0)
    usual = LONGEST if f'"action":"{ACTION}"' in asked["action"] else timedelta(days=1)
    ends = now + (timedelta(hours=hours) if hours else usual)
    nonce = from_base64url(asked["nonce"])
    vote = approve(asked["action"].encode(), name, _private(key_path), nonce=nonce, issued=now, expires=ends)
    write_file(out, {"schema": VOTE, **vote_fields(vote)})


@click.command()
@ring_options
@click.argument("key_id")
@click.option("--vote", "votes", multiple=True, type=click.Path(exists=True, path_type=Path), help="Repeatable.")
def revoke(directory: Path, region: str, unlock: "Unlock", key_id: str, votes: Sequence[Path]) -> None:
    """Never use the version KEY_ID again: it neither seals nor opens, nor does it verify.

    \b
    bailiwick keys revoke keys/ KEY_ID --region eu-de --key-file unlock.key \\
        --vote ada.vote --vote ben.vote
    """
    ring = opened(directory, region, unlock)
    done("revoked", key_id, ring.revoke(key_id, [vote_of(path) for path in votes], datetime.now(UTC)))


@click.command()
@ring_options
@click.argument("key_id")
@click.option("--vote", "votes", multiple=True, type=click.Path(exists=True, path_type=Path), help="Repeatable.")
def destroy(directory: Path, region: str, unlock: "Unlock", key_id: str, votes: Sequence[Path]) -> None:
    """Drop the secret part of the version KEY_ID, and with it all that was sealed to it. There is no way back.

    \b
    bailiwick keys destroy keys/ KEY_ID --region eu-de --key-file unlock.key \\
        --vote ada.vote --vote ben.vote
    """
    ring = opened(directory, region, unlock)
    done("destroyed", key_id, ring.destroy(key_id, [vote_of(path) for path in votes], datetime.now(UTC)))


def write_request(out: Path, action: bytes) -> None:
    """A request for approvals of this action, shown too."""
    from keymgmt.canonical import to_base64url

    write_file(out, {"schema": REQUEST, "action": action.decode(), "nonce": to_base64url(os.urandom(16))})
    click.echo(action.decode())


def done(what: str, key_id: str, quorum: "Quorum") -> None:
    click.echo(f"{key_id} {what}, approved by {', '.join(quorum.approvers)}")


def approved_action(chosen: "Chosen", path: Path, out: Path) -> tuple["ApprovalPolicy", bytes]:
    """Who may approve, and what they were asked; before anything is opened into a file that mustn't be there yet."""
    if chosen.approvals is None:
        raise Mistake("nobody is declared who could approve", "give the keyring approvers")
    if out.exists():
        raise Mistake(f"`{out}` is there already", "name another file")
    return chosen.approvals, read_file(path, REQUEST, ("action", "nonce"))["action"].encode()


def for_tenant(allowed: "Binding", tenant: str | None) -> "Binding":
    """What is asked for: what is allowed, or that for this tenant; whether it may be is for whoever opens."""
    from dataclasses import replace

    from keymgmt.transfer import ANY

    if allowed.tenant == ANY and tenant is None:
        raise Mistake("the request is for any tenant", "give --tenant")
    return allowed if tenant is None else replace(allowed, tenant=tenant)


def vote_of(path: Path) -> "Approval":
    from keymgmt.canonical import from_base64url, moment
    from keymgmt.ports import Approval

    found = read_file(path, VOTE, ("approver", "nonce", "issued", "expires", "signature"))
    try:
        return Approval(
            found["approver"],
            from_base64url(found["nonce"]),
            moment(found["issued"]),
            moment(found["expires"]),
            from_base64url(found["signature"]),
        )
    except ValueError as error:
        raise _unreadable(path, VOTE) from error


def vote_fields(vote: "Approval") -> dict[str, str]:
    """A vote as its file has it, and as it is kept."""
    from keymgmt.canonical import stamp, to_base64url

    return {
        "approver": vote.approver,
        "nonce": to_base64url(vote.nonce),
        "issued": stamp(vote.issued),
        "expires": stamp(vote.expires),
        "signature": to_base64url(vote.signature),
    }


def write_file(path: Path, content: dict[str, Any]) -> None:
    import orjson

    path.write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


def read_file(path: Path, schema: str, names: Sequence[str]) -> dict[str, str]:
    import orjson

    try:
        value = orjson.loads(path.read_bytes())
    except ValueError as error:
        raise _unreadable(path, schema) from error
    fits = isinstance(value, dict) and value.get("schema") == schema
    if not fits or not all(isinstance(value.get(name), str) for name in names):
        raise _unreadable(path, schema)
    return dict(value)


def _unreadable(path: Path, schema: str) -> Mistake:
    made_by = "request" if schema == REQUEST else "approve"
    return Mistake(f"`{path}` is not a file of `{schema}`", f"make it with `bailiwick keys {made_by}`")


def _private(path: Path) -> "Ed25519PrivateKey":
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise Mistake(f"`{path}` is no Ed25519 private key", "make one with `openssl genpkey -algorithm ed25519`")
    return key
