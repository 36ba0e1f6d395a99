"""Every use of the region's key by the plugin, as a value that somebody records before the result leaves.

Guarantees that a use that cannot be recorded has no result. What a record becomes (a line in a log, a leaf in the audit
log) is for whoever fills the port.
"""

import hashlib
import logging
from dataclasses import dataclass, fields
from typing import Protocol

from keymgmt.canonical import binding_bytes, json_bytes
from keymgmt.ports import Binding
from keymgmt.uses.use import UseUnrecorded

__all__ = ["KeyUse", "LoggedUses", "UseUnrecorded", "Uses", "bound_hash"]

log = logging.getLogger("bailiwick.kms.usage")


@dataclass(frozen=True, slots=True)
class KeyUse:
    """One operation: whose key, for what, how it ended. Holds no plaintext, ciphertext or token."""

    operation: str  # encrypt, decrypt, or probe: the watch's own opening
    region: str
    key_id: str  # empty when the request named none that is known
    version: int  # 0 likewise
    bound: str  # SHA-256 of the binding, in hex: region, jurisdiction, purpose, cluster
    uid: str  # as the API server chose it: joins with its own log
    at: str  # UTC, when it began
    seconds: float
    asked: bool  # whether the keyring's private half was asked: only then has a key service a record of its own
    outcome: str  # `ok`, or the reason it was refused
    request_id: str = ""  # the key service's own, where it was asked and gave one


NAMES = tuple(one.name for one in fields(KeyUse))


class Uses(Protocol):
    """Where uses are recorded."""

    def record(self, use: KeyUse) -> None:
        """Return when it is recorded. Raises UseUnrecorded."""
        ...


class LoggedUses:
    """A line of JSON for each use in the process's own log."""

    def record(self, use: KeyUse) -> None:
        """Write the line."""
        log.info("%s", json_bytes({name: getattr(use, name) for name in NAMES}).decode())


def bound_hash(bound: Binding) -> str:
    """What stands for a binding in a record."""
    return hashlib.sha256(binding_bytes(bound)).hexdigest()
