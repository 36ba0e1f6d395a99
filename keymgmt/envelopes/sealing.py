"""Sealing to a region's public key, without any network.

A data key is wrapped once per binding and period; each record then costs one AES-256-GCM. Every envelope carries the
wrapped key, so any single one can be opened alone. A key serves at most `Limits.uses` records with random nonces:
at 2^16 the chance that two coincide is below 2^-64.
"""

import itertools
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from keymgmt.canonical import binding_bytes, is_common
from keymgmt.envelopes.envelope import NONCE_SIZE, SealedEnvelope, header_bytes, key_id_text, wrap_info
from keymgmt.envelopes.wrapping import DATA_KEY_SIZE, Recipient
from keymgmt.errors import ForeignRegion
from keymgmt.ports import Binding
from keymgmt.secret import Secret


class Recipients(Protocol):
    """Where a sealer finds the key to seal to."""

    @property
    def region(self) -> str: ...

    @property
    def generation(self) -> int:
        """Grows with every change of a key; a sealer then wraps anew."""
        ...

    def recipient(self, purpose: str) -> Recipient:
        """The active key for a purpose. Raises NoSuchKey."""
        ...


@dataclass(frozen=True, slots=True)
class Limits:
    """How long one data key serves."""

    seconds: float = 600.0  # the most that one leaked data key can open
    uses: int = 1 << 16  # far below the 2^32 that NIST SP 800-38D allows for random nonces
    bindings: int = 4096  # tenants times purposes kept warm; the oldest falls out


@dataclass(slots=True)
class _Period:
    """One data key in use."""

    cipher: AESGCM
    key_id: str
    header: bytes
    associated: bytes
    ends: float
    generation: int
    used: Iterator[int]  # `next` on a counter is atomic in CPython, so threads may share a sealer


class RegionSealer:
    """Seals for one region; fails only when the region has no active key for the purpose."""

    def __init__(
        self,
        recipients: Recipients,
        *,
        limits: Limits | None = None,
        clock: Callable[[], float] = time.monotonic,
        entropy: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._recipients = recipients
        self._limits = limits or Limits()
        self._clock = clock
        self._entropy = entropy
        self._periods: dict[Binding, _Period] = {}

    def __repr__(self) -> str:
        return f"RegionSealer({self.region})"

    @property
    def region(self) -> str:
        """The only region it seals for."""
        return self._recipients.region

    def seal(self, data: bytes, bound: Binding) -> SealedEnvelope:
        """Seal. Raises ForeignRegion for another region's binding, NoSuchKey without a key for its purpose."""
        period = self._periods.get(bound)
        if period is None or self._over(period):
            period = self._begin(bound)
        nonce = self._entropy(NONCE_SIZE)  # random, not counted: a forked process must not repeat one
        sealed = period.cipher.encrypt(nonce, data, period.associated)
        return SealedEnvelope(bound.region, b"".join((period.header, nonce, sealed)), period.key_id)

    def _over(self, period: _Period) -> bool:
        return (
            next(period.used) >= self._limits.uses
            or period.generation != self._recipients.generation
            or self._clock() >= period.ends
        )

    def _begin(self, bound: Binding) -> _Period:
        if bound.region != self.region:
            raise ForeignRegion(f"cannot seal for region `{bound.region}` with the key of `{self.region}`")
        generation = self._recipients.generation  # read first: a change in between only ends the period early
        recipient = self._recipients.recipient(bound.purpose)
        binding = binding_bytes(bound)
        data_key = Secret(self._entropy(DATA_KEY_SIZE))
        wrapped = recipient.wrap_key(data_key, wrap_info(recipient.key_id, binding))
        header = header_bytes(self.region, recipient.key_id, recipient.wrap, wrapped)
        ends = self._clock() + self._limits.seconds
        named = key_id_text(recipient.key_id)
        period = _Period(
            AESGCM(data_key.reveal()), named, header, binding + header, ends, generation, itertools.count(1)
        )
        self._keep(bound, period)
        return period

    def _keep(self, bound: Binding, period: _Period) -> None:
        if not is_common(bound):
            return
        self._periods.pop(bound, None)
        while len(self._periods) >= self._limits.bindings:
            self._periods.pop(next(iter(self._periods)), None)
        self._periods[bound] = period
