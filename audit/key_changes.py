"""Which keys a log is written with, and which of them changed. Pure: where that is kept is the log's business."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from audit.errors import AuditError, LogRefused
from audit.tlog.notes import VerifierKey

SIGNING = "audit-checkpoint"  # the purpose of the key that signs checkpoints
RESTARTED = "another key than in the run before"  # why a key came into use,
ROTATED = "rotated"  # or this


class KeyringBehind(AuditError):
    """Another replica uses newer keys than this one has: bring its keyring up to date."""

    hint = "give all replicas the same keyring, as it is after the rotation"


class KeyringForeign(LogRefused):
    """The log is signed by keys of another keyring; the message says what to do."""


class KeyNotInUse(AuditError):
    """The key at hand signs no checkpoint of so many records: another one is in use."""


@dataclass(frozen=True, slots=True)
class KeysInUse:
    """A keyring's keys as records announce them: those that sign as verifier keys, others by their ids."""

    used: Mapping[str, str]  # by purpose
    signed_before: frozenset[str] = frozenset()  # the verifier keys that the same keyring signed with earlier


@dataclass(frozen=True, slots=True)
class Standing:
    """What a log knows of its keys."""

    used: Mapping[str, str]  # by purpose
    ever: Collection[str]  # all that are or were
    added: Collection[str] = ()  # those that the log's owner vouches for


@dataclass(frozen=True, slots=True)
class Change:
    """A key that comes into use in the place of another."""

    purpose: str
    new: str
    old: str

    def fields(self, reason: str) -> dict[str, object]:
        """As a `key-rotation` record says it."""
        return {"purpose": self.purpose, "new_key": self.new, "old_key": self.old, "reason": reason}


def changes(standing: Standing, keys: KeysInUse) -> list[Change]:
    """What is to be recorded before these keys are used; nothing, where it was recorded already.

    Raises KeyringBehind when one of them was in use before another was, KeyringForeign for keys of another keyring.
    """
    found = []
    for purpose, key in sorted(keys.used.items()):
        old = standing.used.get(purpose, key)
        if old == key:
            continue
        if key in standing.ever:
            raise KeyringBehind(f"the key of this replica for `{purpose}` is no longer in use: a newer one is")
        if purpose == SIGNING and old not in keys.signed_before and key not in standing.added:
            raise KeyringForeign(
                "the log is signed by another key than this replica has or ever had: give all replicas one keyring, "
                "or let the owner add the key to bailiwick.log_key"
            )
        found.append(Change(purpose, key, old))
    return found


def named_alike(key: str, other: str) -> str:
    """The verifier key under the name that another has: a shard's key is the log's. Raises NoteMalformed."""
    return str(VerifierKey.ed25519(VerifierKey.parse(other).name, VerifierKey.parse(key).public))
