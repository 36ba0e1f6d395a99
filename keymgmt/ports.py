"""The seams of this package. A key is an address, never a value; sealing needs no network, opening may."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Binding:
    """What a ciphertext is bound to as associated data: opening under any other binding fails."""

    region: str
    jurisdiction: str
    purpose: str  # for example `audit-archive`
    cluster: str
    tenant: str  # namespace, or empty


class Envelope(Protocol):
    @property
    def region(self) -> str: ...

    def to_bytes(self) -> bytes: ...


class Signer(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def public_key(self) -> bytes: ...

    def sign(self, message: bytes) -> bytes:
        """64 bytes of Ed25519. Raises SignerUnavailable; never an empty signature."""
        ...


class Sealer(Protocol):
    def seal(self, data: bytes, bound: Binding) -> Envelope:
        """To the region's public key, never over the network."""
        ...


class Opener(Protocol):
    def open(self, envelope: bytes, bound: Binding) -> bytes:
        """Raises ForeignRegion before any I/O, EnvelopeInvalid when the bytes or the binding don't fit."""
        ...


@dataclass(frozen=True, slots=True)
class Approval:
    """One person's signed vote for exactly one action."""

    approver: str
    nonce: bytes  # of the request; votes of different requests never add up
    issued: datetime  # whole seconds, with a time zone
    expires: datetime
    signature: bytes


@dataclass(frozen=True, slots=True)
class Quorum:
    """Who approved, out of how many needed. Whoever acts once on it remembers the nonce."""

    action: bytes
    nonce: bytes
    approvers: tuple[str, ...]
    needed: int


class Approvals(Protocol):
    def verify(self, action: bytes, votes: Sequence[Approval], now: datetime) -> Quorum:
        """Raises NotApproved, naming what is missing."""
        ...
