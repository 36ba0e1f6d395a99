"""m-of-n approvals: people sign one exact action, for a limited time, with keys of their own.

A vote is Ed25519 over
    u16be-prefixed fields: "bailiwick/approval/v1", approver, nonce, issued, expires   ‖   u32be length ‖ action
with times as `2026-11-20T08:00:00Z`. Pure. That an approved action happens once is for whoever performs it: the
quorum carries the request's nonce to remember.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from keymgmt.canonical import fields, long_field, stamp
from keymgmt.errors import NotApproved
from keymgmt.ports import Approval, Quorum

LABEL = b"bailiwick/approval/v1"
SMALLEST_NONCE = 16


def approval_bytes(action: bytes, approver: str, nonce: bytes, issued: datetime, expires: datetime) -> bytes:
    """What an approver signs. Raises ValueError for times that have no zone or a fraction of a second."""
    if issued.microsecond or expires.microsecond:
        raise ValueError("times of an approval are whole seconds")
    head = fields(LABEL, approver.encode(), nonce, stamp(issued).encode(), stamp(expires).encode())
    return head + long_field(action)


def approve(
    action: bytes, approver: str, key: Ed25519PrivateKey, *, nonce: bytes, issued: datetime, expires: datetime
) -> Approval:
    """One person's vote. Every vote for one request carries the request's nonce, 16 bytes or more."""
    signature = key.sign(approval_bytes(action, approver, nonce, issued, expires))
    return Approval(approver=approver, nonce=nonce, issued=issued, expires=expires, signature=signature)


@dataclass(frozen=True, slots=True)
class ApprovalPolicy:
    """Who may approve, and how many must. Raises ValueError for a policy that cannot work."""

    approvers: Mapping[str, bytes]  # name to raw Ed25519 public key
    needed: int
    longest: timedelta = timedelta(days=7)  # a vote that lives longer counts for nothing

    def __post_init__(self) -> None:
        if not 1 <= self.needed <= len(self.approvers):
            raise ValueError(f"{self.needed} of {len(self.approvers)} approvers cannot be a quorum")
        if len(set(self.approvers.values())) != len(self.approvers):
            raise ValueError("two approvers share a key; one person would count twice")
        for name, key in self.approvers.items():
            if len(key) != 32 or not name:
                raise ValueError(f"approver `{name}` needs a name and 32 bytes of Ed25519 public key")

    def verify(self, action: bytes, votes: Sequence[Approval], now: datetime) -> Quorum:
        """Who approved exactly this action, now. Raises NotApproved, naming what is missing."""
        if len({vote.nonce for vote in votes}) > 1:
            raise NotApproved("votes belong to different requests; collect all of them for one nonce")
        counted: set[str] = set()
        faults: list[str] = []
        for vote in votes:
            fault = self._fault(action, vote, now) or ("duplicate vote" if vote.approver in counted else None)
            if fault:
                faults.append(f"`{vote.approver}`: {fault}")
            else:
                counted.add(vote.approver)
        if len(counted) < self.needed:
            raise NotApproved(self._missing(counted, faults))
        return Quorum(action=action, nonce=votes[0].nonce, approvers=tuple(sorted(counted)), needed=self.needed)

    def _missing(self, counted: set[str], faults: Sequence[str]) -> str:
        waiting = ", ".join(f"`{name}`" for name in sorted(set(self.approvers) - counted))
        said = "".join(f"; {fault}" for fault in faults)
        return f"{len(counted)} of {self.needed} needed approvals{said}; may still approve: {waiting}"

    def _fault(self, action: bytes, vote: Approval, now: datetime) -> str | None:
        key = self.approvers.get(vote.approver)
        if key is None:
            return "unknown approver"
        try:
            signed = approval_bytes(action, vote.approver, vote.nonce, vote.issued, vote.expires)
            Ed25519PublicKey.from_public_bytes(key).verify(vote.signature, signed)
        except InvalidSignature:
            return "signature is not for this action"
        except ValueError as error:
            return f"malformed vote: {error}"
        return self._untimely(vote, now)

    def _untimely(self, vote: Approval, now: datetime) -> str | None:
        if len(vote.nonce) < SMALLEST_NONCE:
            return f"nonce is shorter than {SMALLEST_NONCE} bytes"
        if now < vote.issued:
            return f"not valid before {stamp(vote.issued)}; check the clocks"
        if now >= vote.expires:
            return f"expired at {stamp(vote.expires)}"
        if vote.expires - vote.issued > self.longest:
            return f"lives longer than {self.longest}"
        return None
