"""What a keyring of any kind says of itself, as one statement. The rim of `keymgmt.attestation`.

A key service is asked anew: nothing that was remembered is attested.
"""

from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime
from typing import Any, Protocol

from keymgmt.approvals import ApprovalPolicy
from keymgmt.attestation import (
    PURPOSE,
    ApproversClaim,
    AttributesClaim,
    KeyClaim,
    ModuleClaim,
    Statement,
    attester_name,
    sign_statement,
    version_claims,
)
from keymgmt.canonical import stamp, to_base64url
from keymgmt.choosing import AnyKeyring
from keymgmt.errors import NoSuchKey
from keymgmt.file.keyring import FileKeyring
from keymgmt.hardware.keyring import Pkcs11Keyring
from keymgmt.keys import Algorithm, KeyFacts
from keymgmt.ports import Signer
from keymgmt.transit.keyring import TransitKeyring

NONE = "make one: `bailiwick keys init ... --purpose attestation=ed25519`, or a Transit key of type ed25519"


class Attesting(Protocol):
    """A keyring that can sign."""

    @property
    def region(self) -> str: ...

    def signer(self, purpose: str, name: str) -> Signer: ...


def attester(keyring: Attesting) -> Signer:
    """Who signs the region's statements. Raises NoSuchKey."""
    try:
        return keyring.signer(PURPOSE, attester_name(keyring.region))
    except NoSuchKey as error:
        raise NoSuchKey(f"region `{keyring.region}` has no active key to attest with; {NONE}") from error


def attest(keyring: AnyKeyring, *, nonce: str, now: datetime, jurisdiction: str = "") -> bytes:
    """The signed statement. Raises NoSuchKey, KeyServiceError, KeyUnfit, SignerUnavailable, AttestationInvalid."""
    if isinstance(keyring, FileKeyring):
        statement = file_statement(keyring, nonce, now)
    elif isinstance(keyring, TransitKeyring):
        statement = transit_statement(keyring, nonce, now, jurisdiction)
    else:
        statement = module_statement(keyring, nonce, now, jurisdiction)
    return sign_statement(statement, attester(keyring))


def file_statement(keyring: FileKeyring, nonce: str, now: datetime) -> Statement:
    """What a file can say: whoever has it and its key has the keys."""
    keyring.refresh()
    claims = [_copyable(purpose, purpose, versions) for purpose, versions in _by_purpose(keyring.keys()).items()]
    said = _said(keyring, keyring.jurisdiction, claims, nonce, now)
    return Statement(**said, approvals=_approvers(keyring.approvals), server=None, module=None)


def transit_statement(keyring: TransitKeyring, nonce: str, now: datetime, jurisdiction: str) -> Statement:
    """What the key service says, now."""
    server, settings = keyring.described()
    claims = [
        KeyClaim(
            purpose=purpose,
            name=settings[purpose].name,
            algorithm=Algorithm(versions[0].algorithm),
            exportable=settings[purpose].exportable,
            plaintext_backup=settings[purpose].plaintext_backup,
            deletion_allowed=settings[purpose].deletion_allowed,
            imported=settings[purpose].imported,
            oldest_opening=settings[purpose].oldest_opening,
            versions=version_claims(versions),
        )
        for purpose, versions in _by_purpose(keyring.keys()).items()
    ]
    said = _said(keyring, jurisdiction, claims, nonce, now)
    return Statement(**said, approvals=None, server=server, module=None)


def module_statement(keyring: Pkcs11Keyring, nonce: str, now: datetime, jurisdiction: str) -> Statement:
    """What the module says, now. One that does not say that it is a device is software: its keys can be copied."""
    about, attributes = keyring.described()
    labels = keyring.labels
    make = _kept if about.hardware_slot else _copyable
    claims = [make(purpose, labels[purpose], versions) for purpose, versions in _by_purpose(keyring.keys()).items()]
    described = {key_id: AttributesClaim(**asdict(one)) for key_id, one in attributes.items()}
    said = _said(keyring, jurisdiction, claims, nonce, now)
    module = ModuleClaim(**asdict(about), keys=described)
    return Statement(**said, approvals=_approvers(keyring.approvals), server=None, module=module)


def _said(keyring: AnyKeyring, jurisdiction: str, claims: list[KeyClaim], nonce: str, now: datetime) -> dict[str, Any]:
    """What keyrings of all kinds say."""
    return {
        "region": keyring.region,
        "jurisdiction": jurisdiction,
        "assurance": keyring.assurance,
        "lineage": to_base64url(keyring.keys()[0].lineage),
        "generation": keyring.generation,
        "keys": claims,
        "nonce": nonce,
        "issued": stamp(now),
    }


def _approvers(policy: ApprovalPolicy | None) -> ApproversClaim | None:
    if policy is None:
        return None
    approvers = {name: to_base64url(key) for name, key in policy.approvers.items()}
    return ApproversClaim(needed=policy.needed, approvers=approvers)


def _kept(purpose: str, name: str, versions: list[KeyFacts]) -> KeyClaim:
    """A key that stays where it was made; whoever has the PIN can end it, and the token says so by itself."""
    return _copyable(purpose, name, versions).model_copy(
        update={"exportable": False, "plaintext_backup": False, "deletion_allowed": False}
    )


def _copyable(purpose: str, name: str, versions: list[KeyFacts]) -> KeyClaim:
    return KeyClaim(
        purpose=purpose,
        name=name,
        algorithm=Algorithm(versions[-1].algorithm),
        exportable=True,
        plaintext_backup=True,
        deletion_allowed=True,
        imported=False,
        oldest_opening=0,
        versions=version_claims(versions),
    )


def _by_purpose(keys: Iterable[KeyFacts]) -> dict[str, list[KeyFacts]]:
    found: dict[str, list[KeyFacts]] = {}
    for key in keys:
        found.setdefault(key.purpose, []).append(key)
    return found
