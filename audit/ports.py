"""The seams of this package: what it offers (`Log`) and what it needs of others (`Signer`, sealed parts)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from audit.leaves.record import Draft, Record, Unsealed


@dataclass(frozen=True, slots=True)
class Position:
    """Where a durable record lies: the log's origin, the leaf's index, and its RFC 6962 leaf hash."""

    origin: str
    index: int
    leaf_hash: bytes


class Envelope(Protocol):
    """A sealed part of a record: ciphertext that this package stores and never opens.

    One with a `key_id` (text) has it named in the leaf, so that it can be told what is under a key without the archive.
    """

    def to_bytes(self) -> bytes: ...


class Signer(Protocol):
    """Signs checkpoints. `name` is the key's note name, `public_key` its 32 raw Ed25519 bytes."""

    @property
    def name(self) -> str: ...

    @property
    def public_key(self) -> bytes: ...

    def sign(self, message: bytes) -> bytes:
        """64 bytes of Ed25519. Raises SignerUnavailable of the keyring; never an empty signature."""
        ...


class Log(Protocol):
    async def append(self, record: Record | Draft, sealed: Sequence[Envelope | Unsealed]) -> Position:
        """Return once the record and its sealed parts are durable. Raises LogUnavailable, RecordInvalid."""
        ...
