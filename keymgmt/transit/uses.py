"""Every use of a key inside a key service, with the service's own id of the request: what its audit log is held to.

Guarantees, through the keyring, that a result leaves only when its use is recorded.
"""

import fcntl
import os
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from keymgmt.canonical import json_bytes
from keymgmt.errors import KeyManagementError


class ServiceUseUnrecorded(KeyManagementError):
    """The use could not be recorded, so its result was dropped. Look at where records go."""


@dataclass(frozen=True, slots=True)
class ServiceUse:
    """One request to a key service. Holds no plaintext, ciphertext or token."""

    operation: str  # sign, decrypt
    region: str
    key: str  # as the service calls it
    key_id: str
    version: int
    request_id: str  # the service's; empty when no answer came
    at: str  # UTC, when it began
    seconds: float
    outcome: str  # `ok`, or the kind of refusal


def stamp_now() -> str:
    """The time of a record, to the millisecond: it is joined with the service's own."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class ServiceUses(Protocol):
    """Where uses are recorded."""

    def record(self, use: ServiceUse) -> None:
        """Return when it is recorded. Raises ServiceUseUnrecorded."""
        ...


class NoUses:
    """Records nothing: for keyrings that only read."""

    def record(self, use: ServiceUse) -> None:
        """Forget it."""


class FileUses:
    """A line of JSON for each use, in a file that only grows, mode 0600; synced before the result leaves."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __repr__(self) -> str:
        return f"FileUses({self.path})"

    def record(self, use: ServiceUse) -> None:
        """As `ServiceUses` says."""
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
            raise ServiceUseUnrecorded(f"cannot record a use in `{self.path}`: {error.strerror}") from error
        if written != len(line):
            raise ServiceUseUnrecorded(f"`{self.path}` took half a line; free the disk, and look at its end")
