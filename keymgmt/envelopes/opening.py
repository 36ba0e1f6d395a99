"""Opening envelopes of one region.

The region is compared before anything else happens; then the key service unwraps the data key, and the AEAD checks
every byte and every field of the binding. Data keys are kept for minutes, never longer than the keyring's generation.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from keymgmt.canonical import binding_bytes
from keymgmt.envelopes.envelope import UnverifiedEnvelope, parse_envelope, wrap_info
from keymgmt.errors import EnvelopeInvalid, ForeignRegion
from keymgmt.ports import Binding
from keymgmt.secret import Secret


class Unwrapper(Protocol):
    """The private half of a region's sealing keys; the only part that may need a network."""

    @property
    def region(self) -> str: ...

    @property
    def generation(self) -> int:
        """Grows with every change of a key; remembered data keys are then dropped."""
        ...

    def unwrap(self, envelope: UnverifiedEnvelope, purpose: str, info: bytes) -> Secret:
        """The data key. Raises EnvelopeInvalid, KeyRevoked, KeyDestroyed, or what the key service fails with."""
        ...


@dataclass(frozen=True, slots=True)
class Memory:
    """How long an unwrapped data key is remembered."""

    seconds: float = 300.0  # at most five minutes, so that a revocation elsewhere takes effect
    uses: int = 1 << 20
    keys: int = 256


@dataclass(slots=True)
class _Known:
    cipher: AESGCM
    ends: float
    uses: int


class RegionOpener:
    """Opens one region's envelopes."""

    def __init__(
        self, unwrapper: Unwrapper, *, memory: Memory | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._unwrapper = unwrapper
        self._memory = memory or Memory()
        self._clock = clock
        self._generation = unwrapper.generation
        self._known: dict[bytes, _Known] = {}

    def __repr__(self) -> str:
        return f"RegionOpener({self.region})"

    @property
    def region(self) -> str:
        """The only region whose envelopes it opens."""
        return self._unwrapper.region

    def open(self, envelope: bytes, bound: Binding) -> bytes:
        """The plaintext. Raises ForeignRegion before any I/O, EnvelopeInvalid when bytes or binding don't fit."""
        return self.open_parsed(parse_envelope(envelope), bound)

    def open_parsed(self, unverified: UnverifiedEnvelope, bound: Binding) -> bytes:
        """As `open`, for an envelope that was taken apart already."""
        if unverified.region != self.region:
            raise ForeignRegion(f"sealed for region `{unverified.region}`, and this is `{self.region}`; open it there")
        if bound.region != self.region:
            raise ForeignRegion(f"asked to open for region `{bound.region}` with the keys of `{self.region}`")
        binding = binding_bytes(bound)
        associated = binding + unverified.header
        cipher = self._remembered(associated) or self._unwrap(unverified, bound.purpose, binding, associated)
        try:
            return cipher.decrypt(unverified.nonce, unverified.ciphertext, associated)
        except InvalidTag:
            raise EnvelopeInvalid("the envelope does not open: changed, or sealed for something else") from None

    def _remembered(self, associated: bytes) -> AESGCM | None:
        if self._generation != self._unwrapper.generation:
            self._known.clear()
            self._generation = self._unwrapper.generation
        known = self._known.get(associated)
        if known is None:
            return None
        known.uses += 1
        if known.uses > self._memory.uses or self._clock() >= known.ends:
            self._known.pop(associated, None)
            return None
        return known.cipher

    def _unwrap(self, unverified: UnverifiedEnvelope, purpose: str, binding: bytes, associated: bytes) -> AESGCM:
        generation = self._unwrapper.generation
        data_key = self._unwrapper.unwrap(unverified, purpose, wrap_info(unverified.key_id, binding))
        cipher = AESGCM(data_key.reveal())
        if generation == self._generation:
            while len(self._known) >= self._memory.keys:
                self._known.pop(next(iter(self._known)), None)
            self._known[associated] = _Known(cipher, self._clock() + self._memory.seconds, 1)
        return cipher
