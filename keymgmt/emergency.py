"""Break-glass: one version of a key opens what it otherwise would not, or not here, for a few hours at most.

The same approvals as for everything that takes several people, with a short life and a mandatory reason. Guarantees:
every opening is checked against what was signed, counted durably, and announced in the audit log before anything is
opened; without that record nothing opens; nothing is remembered, so that it ends by itself with its time. What it adds
is a revoked version whose secret is still there. A destroyed one is gone, and a key service that withdrew a version
does not give it back. It binds this program: who holds a file keyring and its key can open with others.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Protocol

import orjson

from keymgmt.approvals import ApprovalPolicy
from keymgmt.canonical import binding_bytes, json_bytes, moment, stamp, to_base64url
from keymgmt.envelopes.envelope import KEY_ID_PREFIX, UnverifiedEnvelope, parse_envelope
from keymgmt.envelopes.opening import Memory, RegionOpener
from keymgmt.errors import BindingInvalid, KeyManagementError
from keymgmt.keys import KeyFacts
from keymgmt.ports import Approval, Binding, Quorum
from keymgmt.secret import Secret
from keymgmt.transfer import Ledger, Use, with_tenant

ACTION = "bailiwick.dev/keys/break-glass"
LONGEST = timedelta(hours=4)  # of a permission, and of the votes for it
MOST_USES = 1000
LONGEST_REASON = 512  # characters: a record has room for so many


class BreakGlassInvalid(KeyManagementError):
    """The permission has no meaning, or one that must not be. Write another."""


class BreakGlassRefused(KeyManagementError):
    """The permission does not allow this opening; the message says why. Ask for one that does."""


class NotAnnounced(KeyManagementError):
    """The opening could not be recorded in the audit log, so it did not happen. Look at the log."""


@dataclass(frozen=True, slots=True)
class BreakGlass:
    """What may be opened. Raises BreakGlassInvalid for a permission that says too little or too much."""

    bound: Binding  # tenant may be `*`
    lineage: str  # of the keyring: one of the same name is not meant
    key_id: str
    reason: str  # goes into the audit log in clear: no person's name
    uses: int
    begins: datetime
    expires: datetime

    def __post_init__(self) -> None:
        if not self.reason.strip() or len(self.reason) > LONGEST_REASON:
            raise BreakGlassInvalid(f"break-glass needs a reason, of {LONGEST_REASON} characters at most; write one")
        if not timedelta() < self.expires - self.begins <= LONGEST:
            raise BreakGlassInvalid(f"break-glass is for {LONGEST.seconds // 3600} hours at most; ask again after that")
        if not 1 <= self.uses <= MOST_USES:
            raise BreakGlassInvalid(f"break-glass is for 1 to {MOST_USES} openings; say how many")
        if not self.key_id.startswith(KEY_ID_PREFIX):
            raise BreakGlassInvalid("break-glass names one key by its id; see `bailiwick keys list`")

    def action(self) -> bytes:
        """What approvers sign: canonical JSON that a person can read."""
        return json_bytes(
            {
                "action": ACTION,
                "region": self.bound.region,
                "lineage": self.lineage,
                "key_id": self.key_id,
                "purpose": self.bound.purpose,
                "jurisdiction": self.bound.jurisdiction,
                "cluster": self.bound.cluster,
                "tenant": self.bound.tenant,
                "reason": self.reason,
                "uses": self.uses,
                "begins": stamp(self.begins),
                "expires": stamp(self.expires),
            }
        )


def parse_break_glass(action: bytes) -> BreakGlass:
    """The inverse of `action`. Raises BreakGlassInvalid for any other bytes."""
    try:
        said: dict[str, Any] = orjson.loads(action)
        names = ("region", "jurisdiction", "purpose", "cluster", "tenant")
        bound = Binding(*(said[name] for name in names))
        binding_bytes(bound)  # texts alone have that form
        times = moment(said["begins"]), moment(said["expires"])
        glass = BreakGlass(bound, said["lineage"], said["key_id"], said["reason"], said["uses"], *times)
        same = glass.action() == action and type(glass.uses) is int
    except (BindingInvalid, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BreakGlassInvalid("this is no break-glass; make one with `bailiwick keys break-glass ask`") from error
    if not same:
        raise BreakGlassInvalid("this is no break-glass in its one form; make it with `keys break-glass ask`")
    return glass


@dataclass(frozen=True, slots=True)
class Opening:
    """One opening, as it is announced before it happens. Holds names of people: `quorum`, `votes`."""

    glass: BreakGlass
    key: KeyFacts
    number: int  # which of the permitted uses
    quorum: Quorum
    votes: tuple[Approval, ...]
    envelope: str  # SHA-256 of what is to be opened
    at: datetime


class Alarm(Protocol):
    """The audit log, as far as break-glass goes."""

    def raised(self, opening: Opening) -> None:
        """Return once the record is durable. Raises NotAnnounced."""
        ...


class EmergencyRing(Protocol):
    """The keyring that is to open."""

    @property
    def region(self) -> str: ...

    @property
    def generation(self) -> int: ...

    def keys(self) -> tuple[KeyFacts, ...]: ...

    def unwrap_in_emergency(self, envelope: UnverifiedEnvelope, purpose: str, info: bytes) -> Secret:
        """As `unwrap`, and by a revoked version too where its secret is still there."""
        ...


class EmergencyDesk:
    """Opens under permissions. The approvers are the region's own; their votes live as shortly as a permission."""

    def __init__(self, ring: EmergencyRing, approvals: ApprovalPolicy, ledger: Ledger, alarm: Alarm) -> None:
        self._ring = ring
        self._approvals = replace(approvals, longest=LONGEST)
        self._ledger = ledger
        self._alarm = alarm

    def open(
        self, envelope: bytes, bound: Binding, glass: BreakGlass, votes: Sequence[Approval], now: datetime
    ) -> bytes:
        """The plaintext. A use that fails later is spent.

        Raises NotApproved, BreakGlassRefused, GrantRefused (no use is left), LedgerUnusable, NotAnnounced before
        anything is opened; ForeignRegion, EnvelopeInvalid and what the keyring fails with.
        """
        key = self._key(glass)
        _check_bound(glass, bound)
        if not glass.begins <= now < glass.expires:
            times = f"from {stamp(glass.begins)} until {stamp(glass.expires)}"
            raise BreakGlassRefused(f"the permission counts {times}; ask for a new one")
        quorum = self._approvals.verify(glass.action(), votes, now)
        if parse_envelope(envelope).key_id != key.id_bytes:
            raise BreakGlassRefused(f"the envelope is not under key `{key.key_id}`, which the permission is for")
        here = ""  # in clear, in no other region
        use = Use.of(quorum, envelope, glass.bound.region, here, glass.key_id, now)
        number = self._ledger.spend(use, glass.uses)
        self._alarm.raised(Opening(glass, key, number, quorum, tuple(votes), use.envelope, now))
        return RegionOpener(_InEmergency(self._ring), memory=Memory(uses=0)).open(envelope, bound)

    def _key(self, glass: BreakGlass) -> KeyFacts:
        if glass.bound.region != self._ring.region:
            raise BreakGlassRefused(
                f"the permission is of `{glass.bound.region}`, and these are keys of `{self._ring.region}`"
            )
        known = self._ring.keys()
        for key in known:
            if key.key_id == glass.key_id and to_base64url(key.lineage) == glass.lineage:
                return key
        raise BreakGlassRefused(f"this keyring has no key `{glass.key_id}`, which the permission is for")


@dataclass(frozen=True, slots=True)
class _InEmergency:
    """A keyring as its opener sees it now."""

    ring: EmergencyRing

    @property
    def region(self) -> str:
        return self.ring.region

    @property
    def generation(self) -> int:
        return self.ring.generation

    def unwrap(self, envelope: UnverifiedEnvelope, purpose: str, info: bytes) -> Secret:
        return self.ring.unwrap_in_emergency(envelope, purpose, info)


def _check_bound(glass: BreakGlass, bound: Binding) -> None:
    if bound != with_tenant(glass.bound, bound.tenant):
        raise BreakGlassRefused("the permission is for data that is bound to something else; ask for another")
