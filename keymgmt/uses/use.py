"""Every use of a key, as a value that somebody records before its result leaves.

Guarantees, through the keyrings, that a result leaves only when its use is recorded, refusals too, and that a change of
a key is recorded before it is made and again when it was. Sealing needs no key of ours, so what is sealed names its key
itself. Where records go is the port's business: a book (`keymgmt.uses.book`) that a log takes up, a file, nowhere.
"""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from keymgmt.canonical import json_bytes, to_base64url
from keymgmt.errors import KeyManagementError
from keymgmt.keys import KeyFacts

BEGUN = "begun"  # of a change: it was about to be made


class UseUnrecorded(KeyManagementError):
    """The use could not be recorded, so its result was dropped. Look at where records go."""


@dataclass(frozen=True, slots=True)
class KeyUse:
    """One use of a key, or one change of it. Holds no plaintext, ciphertext or token."""

    operation: str  # sign, decrypt, encrypt, hmac; of changes create, stage, activate, rotate, revoke, destroy
    region: str
    key: str  # as a key service calls it; empty for keys that lie in none
    key_id: str
    version: int
    request_id: str  # the key service's; empty when no answer came, or none was asked
    at: str  # UTC, when it began
    seconds: float
    outcome: str  # `ok`, `begun`, or the kind of refusal
    purpose: str = ""
    lineage: str = ""  # of the keyring
    task: str = ""  # what for; whoever keeps the book knows
    asked: bool = True  # whether the private half was needed: only then has a key service a record of its own


def stamp_now() -> str:
    """The time of a record, to the millisecond: it is joined with the service's own."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class KeyUses(Protocol):
    """Where uses are recorded."""

    def record(self, use: KeyUse) -> None:
        """Return when it is recorded. Raises UseUnrecorded."""
        ...


class NoUses:
    """Records nothing: for keyrings that only read, and whose tags and seals stand in records that name their keys."""

    def record(self, use: KeyUse) -> None:
        """Forget it."""


@dataclass(frozen=True, slots=True)
class BothUses:
    """Recorded in two places, or it has no result."""

    first: KeyUses
    second: KeyUses

    def record(self, use: KeyUse) -> None:
        """As `KeyUses` says."""
        self.first.record(use)
        self.second.record(use)


def use_of(key: KeyFacts, operation: str, outcome: str, *, asked: bool = True, seconds: float = 0.0) -> KeyUse:
    """A use that ends now, of a key that lies in no key service."""
    return KeyUse(
        operation=operation,
        region=key.region,
        key="",
        key_id=key.key_id,
        version=key.version,
        request_id="",
        at=stamp_now(),
        seconds=seconds,
        outcome=outcome,
        purpose=key.purpose,
        lineage=to_base64url(key.lineage),
        asked=asked,
    )


@contextmanager
def recorded(
    uses: KeyUses, operation: str, key: KeyFacts, clock: Callable[[], float] = time.monotonic
) -> Iterator[None]:
    """Within, the key is used; at the end that is recorded, whatever came of it. Raises UseUnrecorded."""
    began, outcome = clock(), "interrupted"
    try:
        yield
        outcome = "ok"
    except KeyManagementError as error:
        outcome = type(error).__name__
        raise
    finally:
        uses.record(use_of(key, operation, outcome, seconds=round(clock() - began, 6)))


@contextmanager
def recorded_change(uses: KeyUses, operation: str, key: KeyFacts) -> Iterator[None]:
    """Within, the key is changed on disk: recorded before, and again with what came of it. Raises UseUnrecorded."""
    uses.record(use_of(key, operation, BEGUN))
    with recorded(uses, operation, key):
        yield


class FileUses:
    """A line of JSON for each use, in a file that only grows, mode 0600; synced before the result leaves."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __repr__(self) -> str:
        return f"FileUses({self.path})"

    def record(self, use: KeyUse) -> None:
        """As `KeyUses` says."""
        line = json_bytes(asdict(use)) + b"\n"
        try:
            handle = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX)
                written = os.write(handle, line)
                os.fsync(handle)
            finally:
                os.close(handle)
        except OSError as error:
            raise UseUnrecorded(f"cannot record a use in `{self.path}`: {error.strerror}") from error
        if written != len(line):
            raise UseUnrecorded(f"`{self.path}` took half a line; free the disk, and look at its end")
