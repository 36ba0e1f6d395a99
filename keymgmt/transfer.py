"""Transfer grants: the only way of sealed data from one region to another.

A grant says what may leave, where to, why, under which legal basis, how often and until when; at least two people sign
exactly that. It is checked before anything is opened, each use is on disk before anything is opened, and the data is
sealed again, to the one key of the destination that the grant names. Opening itself stays as it is: an opener knows
only its own region, so there is no second way that forgets to ask.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Protocol

import orjson

from keymgmt.approvals import ApprovalPolicy
from keymgmt.canonical import binding_bytes, json_bytes, moment, stamp, to_base64url
from keymgmt.envelopes.envelope import KEY_ID_PREFIX, SealedEnvelope, key_id_text, parse_envelope
from keymgmt.envelopes.sealing import RegionSealer
from keymgmt.envelopes.wrapping import Recipient
from keymgmt.errors import BindingInvalid, ForeignRegion, KeyManagementError
from keymgmt.keys import KeyFacts
from keymgmt.ports import Approval, Binding, Opener, Quorum

ACTION = "bailiwick.dev/keys/transfer"
ANY = "*"  # as a tenant: whatever the envelope is bound to, and the same at the destination
LEAST_APPROVALS = 2
LONGEST = timedelta(days=7)  # of a grant; votes live no longer either


def with_tenant(allowed: Binding, tenant: str) -> Binding:
    """What is allowed for that tenant: itself, and where it says `*` the same with the tenant in its place."""
    return replace(allowed, tenant=tenant) if allowed.tenant == ANY else allowed


class GrantInvalid(KeyManagementError):
    """The grant has no meaning, or one that must not be. Write another."""


class GrantRefused(KeyManagementError):
    """The grant does not allow this transfer; the message says why. Ask for one that does."""


class LedgerUnusable(KeyManagementError):
    """Uses cannot be counted, so nothing is transferred. Look at the file; restore it, never start a new one."""


@dataclass(frozen=True, slots=True)
class Use:
    """One use of a grant, as the ledger keeps it."""

    grant: str  # SHA-256 of the action and the approvals' nonce
    envelope: str  # SHA-256 of what left
    source: str
    destination: str
    key_id: str  # that it was sealed under
    approvers: tuple[str, ...]
    at: str

    @classmethod
    def of(cls, quorum: Quorum, envelope: bytes, source: str, destination: str, key_id: str, now: datetime) -> "Use":
        """What those who approved allow to be done once with the envelope."""
        grant = sha256(sha256(quorum.action).digest() + quorum.nonce).hexdigest()
        return cls(grant, sha256(envelope).hexdigest(), source, destination, key_id, quorum.approvers, stamp(now))


class Ledger(Protocol):
    """Where uses are counted."""

    def spend(self, use: Use, limit: int) -> int:
        """Keep the use, durably, unless its grant has `limit` already; how many there are now.

        Raises GrantRefused for one too many, LedgerUnusable when it cannot be known or kept.
        """
        ...


@dataclass(frozen=True, slots=True)
class TransferGrant:
    """What may go where. Raises GrantInvalid for a grant that says too little or too much."""

    source: Binding  # tenant may be `*`
    lineage: str  # of the source's keyring: a keyring of the same name is not meant
    destination: Binding
    destination_key: str  # id of the one key to seal to
    reason: str
    legal_basis: str
    uses: int
    begins: datetime
    expires: datetime

    def __post_init__(self) -> None:
        if not self.reason.strip() or not self.legal_basis.strip():
            raise GrantInvalid("a grant needs a reason and a legal basis; write both")
        if self.source.region == self.destination.region:
            raise GrantInvalid(f"`{self.source.region}` is source and destination; nothing needs a grant there")
        if self.source.purpose != self.destination.purpose:
            raise GrantInvalid("a grant keeps the purpose; what was sealed for one is not opened for another")
        if (self.source.tenant == ANY) != (self.destination.tenant == ANY):
            raise GrantInvalid("tenant `*` stands for the same tenant on both sides; write it on both or none")
        if self.uses < 1 or not timedelta() < self.expires - self.begins <= LONGEST:
            raise GrantInvalid(f"a grant is for one use or more, and for {LONGEST.days} days at most")
        if not self.destination_key.startswith(KEY_ID_PREFIX):
            raise GrantInvalid("a grant names the key of the destination by its id; see `bailiwick keys list`")

    def action(self) -> bytes:
        """What approvers sign: canonical JSON that a person can read."""
        return json_bytes(
            {
                "action": ACTION,
                "source": {**_plain(self.source), "lineage": self.lineage},
                "destination": {**_plain(self.destination), "key_id": self.destination_key},
                "purpose": self.source.purpose,
                "reason": self.reason,
                "legal_basis": self.legal_basis,
                "uses": self.uses,
                "begins": stamp(self.begins),
                "expires": stamp(self.expires),
            }
        )


def _plain(bound: Binding) -> dict[str, str]:
    return {
        "region": bound.region,
        "jurisdiction": bound.jurisdiction,
        "cluster": bound.cluster,
        "tenant": bound.tenant,
    }


def parse_grant(action: bytes) -> TransferGrant:
    """The inverse of `action`. Raises GrantInvalid for any other bytes."""
    try:
        said = orjson.loads(action)
        grant = TransferGrant(
            source=_binding(said["source"], said["purpose"]),
            lineage=said["source"]["lineage"],
            destination=_binding(said["destination"], said["purpose"]),
            destination_key=said["destination"]["key_id"],
            reason=said["reason"],
            legal_basis=said["legal_basis"],
            uses=said["uses"],
            begins=moment(said["begins"]),
            expires=moment(said["expires"]),
        )
        same = grant.action() == action and type(grant.uses) is int
    except (BindingInvalid, ValueError, KeyError, TypeError, AttributeError) as error:
        raise GrantInvalid("this is no transfer grant; make one with `bailiwick keys grant`") from error
    if not same:
        raise GrantInvalid("this is no transfer grant in its one form; make one with `bailiwick keys grant`")
    return grant


def _binding(said: dict[str, Any], purpose: str) -> Binding:
    bound = Binding(said["region"], said["jurisdiction"], purpose, said["cluster"], said["tenant"])
    binding_bytes(bound)  # texts alone have that form
    return bound


class Source(Protocol):
    """The keyring whose data leaves."""

    @property
    def region(self) -> str: ...

    def keys(self) -> tuple[KeyFacts, ...]: ...

    def opener(self) -> Opener: ...


class Destination(Protocol):
    """The public keys of the region that it goes to."""

    @property
    def region(self) -> str: ...

    def recipient(self, purpose: str) -> Recipient: ...

    def sealer(self) -> RegionSealer: ...


class TransferDesk:
    """Takes sealed data of one region to others, under grants."""

    def __init__(self, source: Source, approvals: ApprovalPolicy, ledger: Ledger) -> None:
        if approvals.needed < LEAST_APPROVALS:
            raise GrantRefused(f"transfers take {LEAST_APPROVALS} approvers or more; this policy asks for one")
        self._source = source
        self._opener = source.opener()
        self._approvals = approvals
        self._ledger = ledger

    def transfer(
        self,
        envelope: bytes,
        bound: Binding,
        grant: TransferGrant,
        votes: Sequence[Approval],
        destination: Destination,
        now: datetime,
    ) -> SealedEnvelope:
        """The data, sealed for the destination; bound to what the grant says of it.

        Raises NotApproved, GrantRefused, LedgerUnusable before anything is opened; ForeignRegion, EnvelopeInvalid and
        what the keyrings fail with. A use that fails later is spent.
        """
        self._check_source(grant, bound)
        _check_time(grant, now)
        _check_destination(grant, destination)
        quorum = self._approvals.verify(grant.action(), votes, now)
        unverified = parse_envelope(envelope)
        if unverified.region != grant.source.region:
            raise ForeignRegion(
                f"sealed for `{unverified.region}`; the grant is for what `{grant.source.region}` holds"
            )
        becomes, sealer = with_tenant(grant.destination, bound.tenant), destination.sealer()
        sealer.seal(b"", becomes)  # what cannot be sealed is not opened: no error then holds the data
        leaves = key_id_text(unverified.key_id)
        use = Use.of(quorum, envelope, grant.source.region, grant.destination.region, leaves, now)
        self._ledger.spend(use, grant.uses)
        return sealer.seal(self._opener.open(envelope, bound), becomes)

    def _check_source(self, grant: TransferGrant, bound: Binding) -> None:
        if grant.source.region != self._source.region:
            raise GrantRefused(
                f"the grant is of `{grant.source.region}`, and these are keys of `{self._source.region}`"
            )
        known = self._source.keys()
        if grant.lineage not in {to_base64url(key.lineage) for key in known}:
            raise GrantRefused(f"the grant is of another keyring of `{grant.source.region}`; ask for a new one")
        allowed = with_tenant(grant.source, bound.tenant)
        if bound != allowed:
            raise GrantRefused(f"the grant is for {_named(grant.source)}, and {_named(bound)} is asked for")


def _check_time(grant: TransferGrant, now: datetime) -> None:
    if not grant.begins <= now < grant.expires:
        raise GrantRefused(
            f"the grant counts from {stamp(grant.begins)} until {stamp(grant.expires)}; ask for a new one"
        )


def _check_destination(grant: TransferGrant, destination: Destination) -> None:
    if destination.region != grant.destination.region:
        raise GrantRefused(
            f"the grant is to `{grant.destination.region}`, and these are keys of `{destination.region}`"
        )
    found = key_id_text(destination.recipient(grant.destination.purpose).key_id)
    if found != grant.destination_key:
        raise GrantRefused(f"the grant is to key `{grant.destination_key}`, and `{found}` is active; ask for a new one")


def _named(bound: Binding) -> str:
    return f"`{bound.region}/{bound.jurisdiction}/{bound.purpose}/{bound.cluster}/{bound.tenant}`"
