"""The file keyring: one region's keys in one directory, the embedded default. It declares `assurance: software`.

Guarantees: a revoked or destroyed key does nothing; no secret shows in repr or errors. That a change is whole, and that
a file which was tampered with or put back is refused, is `held`'s. Leaves to others: where the key-encrypting key lies,
and erasing old copies of the file from backups.
"""

import os
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Literal

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from keymgmt import material
from keymgmt.approvals import ApprovalPolicy
from keymgmt.canonical import from_base64url
from keymgmt.envelopes.envelope import UnverifiedEnvelope, Wrap
from keymgmt.envelopes.opening import RegionOpener
from keymgmt.envelopes.sealing import RegionSealer
from keymgmt.envelopes.wrapping import HpkeRecipient, Recipient, hpke_unwrap
from keymgmt.errors import (
    EnvelopeInvalid,
    KeyringInvalid,
    NoSuchKey,
    SignerUnavailable,
)
from keymgmt.file import changes
from keymgmt.file.changing import Apply, ChangingKeys, activating
from keymgmt.file.document import (
    LINEAGE_SIZE,
    EntryDoc,
    Head,
    KeyringDoc,
    entry_of,
    facts,
)
from keymgmt.file.held import HeldDocument, public_bytes
from keymgmt.file.locksmith import NONCE_SIZE, Locksmith
from keymgmt.file.store import KeyringFiles
from keymgmt.file.unlock import Derivation, Unlock
from keymgmt.keys import DEFAULT_PURPOSES, REGION_NAME, Algorithm, KeyFacts
from keymgmt.secret import Secret
from keymgmt.states import MAY, State, Use, check_opening
from keymgmt.uses.use import KeyUses, recorded

Entropy = Callable[[int], bytes]


class FileKeyring(ChangingKeys):
    """One region's keys. Make one with `create`, use one with `open`."""

    assurance: Literal["software"] = "software"

    def __init__(self, held: HeldDocument, entropy: Entropy, uses: KeyUses | None = None) -> None:
        self._uses = uses
        self._held = held
        self._entropy = entropy
        self._openers: dict[str, X25519PrivateKey] = {}

    def __repr__(self) -> str:
        return f"FileKeyring(file:{self.path})"

    @classmethod
    def create(
        cls,
        directory: Path,
        region: str,
        *,
        unlock: Unlock,
        now: datetime,
        jurisdiction: str = "",
        purposes: Mapping[str, Algorithm] = DEFAULT_PURPOSES,
        approvals: ApprovalPolicy | None = None,
        entropy: Entropy = os.urandom,
        uses: KeyUses | None = None,
    ) -> "FileKeyring":
        """Make a keyring with one active key for each purpose. Raises KeyringExists, KeyringUnsafe, UnlockFailed.

        Without `approvals` its keys can be rotated and never be revoked or destroyed.
        """
        _check_name(region)
        if not purposes:
            raise KeyringInvalid("a keyring needs at least one purpose")
        derivation = Derivation(salt=entropy(16)) if unlock.derives else None
        lineage = entropy(LINEAGE_SIZE)
        document = changes.new_document(
            region, jurisdiction, lineage, derivation=derivation, approvals=approvals, now=now
        )
        locksmith = Locksmith(unlock.key(derivation), lineage)
        held = HeldDocument(KeyringFiles(directory, region), locksmith, document, uses)
        keyring = cls(held, entropy, uses)
        for purpose, algorithm in purposes.items():
            made = keyring._made(purpose, algorithm, version=1, state=State.ACTIVE, now=now)
            held.document = changes.with_entry(held.document, made)
        held.write_first()
        return keyring

    @classmethod
    def open(
        cls,
        directory: Path,
        region: str,
        *,
        unlock: Unlock,
        seen: Head | None = None,
        entropy: Entropy = os.urandom,
        uses: KeyUses | None = None,
    ) -> "FileKeyring":
        """Open a keyring, checking every byte. `seen` is a `head` remembered elsewhere, to notice a restored file.

        `uses` gets a record of every use and change of a key, before its result leaves.
        Raises KeyringMissing, KeyringUnsafe, KeyringInvalid, KeyringRolledBack, UnlockFailed.
        """
        _check_name(region)
        return cls(HeldDocument.open(directory, region, unlock, seen, uses), entropy, uses)

    @property
    def region(self) -> str:
        """The only region whose keys these are."""
        return self._document.region

    @property
    def jurisdiction(self) -> str:
        """As declared when the keyring was made; informative."""
        return self._document.jurisdiction

    @property
    def generation(self) -> int:
        """Grows with every change."""
        return self._document.generation

    @property
    def approvals(self) -> ApprovalPolicy | None:
        """Who must agree to what can't be taken back; None when nobody was declared."""
        return changes.approvers_of(self._document)

    @property
    def head(self) -> Head:
        """Generation and digest: remember it elsewhere and give it to `open` as `seen`."""
        return self._held.head

    @property
    def path(self) -> Path:
        """The file that changes with every change of a key."""
        return self._held.files.keyring

    @property
    def public_path(self) -> Path:
        """The file from which others seal."""
        return self._held.files.public

    def keys(self) -> tuple[KeyFacts, ...]:
        """Every version of every key, oldest first."""
        return self._held.keys()

    def public_document(self) -> bytes:
        """What `<region>.public.json` holds: enough for `PublicKeyring` to seal without any secret."""
        return public_bytes(self._document)

    def signer(self, purpose: str, name: str) -> material.KeyringSigner:
        """Signs with the active version of now, under a note name. Raises NoSuchKey."""
        entry = self._active(purpose, Algorithm.ED25519)
        key = material.signing_key(self._held.locksmith.unwrap(self._document, entry))
        public, used = from_base64url(entry.public), self._used("sign", entry)
        return material.KeyringSigner(name, entry.key_id, public, key, lambda: self._allow(entry.key_id), used)

    def tagger(self, purpose: str) -> material.Tagger:
        """Tags with the active version of now. Raises NoSuchKey."""
        entry = self._active(purpose, Algorithm.HMAC)
        secret = self._held.locksmith.unwrap(self._document, entry)
        return material.Tagger(entry.key_id, secret, lambda: self._allow(entry.key_id), self._used("hmac", entry))

    def sealer(self) -> RegionSealer:
        """Seals to the active keys, following rotations."""
        return RegionSealer(self)

    def opener(self) -> RegionOpener:
        """Opens what was sealed to any version that is active or retired."""
        return RegionOpener(self)

    def recipient(self, purpose: str) -> Recipient:
        """The public key to seal to. Raises NoSuchKey."""
        key = facts(self._document, self._active(purpose, Algorithm.X25519))
        return HpkeRecipient(key.id_bytes, X25519PublicKey.from_public_bytes(key.public))

    def unwrap(self, envelope: UnverifiedEnvelope, purpose: str, info: bytes) -> Secret:
        """The data key of an envelope. Raises EnvelopeInvalid, KeyRevoked, KeyDestroyed."""
        entry = self._sealed_under(envelope, purpose)
        with self._used("decrypt", entry)():
            check_opening(entry.key_id, entry.state)
            return hpke_unwrap(self._opener(entry), envelope.wrapped, info)

    def unwrap_in_emergency(self, envelope: UnverifiedEnvelope, purpose: str, info: bytes) -> Secret:
        """As `unwrap`, by a revoked version too: for `emergency.EmergencyDesk` alone."""
        entry = self._sealed_under(envelope, purpose)
        with self._used("decrypt", entry)():
            if entry.state is not State.REVOKED:
                check_opening(entry.key_id, entry.state)
            key = material.opening_key(self._held.locksmith.unwrap(self._document, entry))
            return hpke_unwrap(key, envelope.wrapped, info)

    def _sealed_under(self, envelope: UnverifiedEnvelope, purpose: str) -> EntryDoc:
        for entry in self._document.keys:
            if facts(self._document, entry).id_bytes == envelope.key_id:
                break
        else:
            raise EnvelopeInvalid(f"region `{self.region}` never had the key that this envelope names")
        if entry.purpose != purpose or entry.algorithm != Algorithm.X25519 or envelope.wrap != Wrap.HPKE_X25519:
            raise EnvelopeInvalid(f"key `{entry.key_id}` is for `{entry.purpose}`, not for `{purpose}`")
        return entry

    def rotate(self, purpose: str, now: datetime) -> KeyFacts:
        """A new active version; the one before is retired. Raises NoSuchKey for a purpose never created."""
        return self._change("rotate", activating(lambda document: self._staged(document, purpose, now)))

    def stage(self, purpose: str, now: datetime) -> KeyFacts:
        """A new version that others can learn of before it is used. Raises NoSuchKey."""
        return self._change("stage", lambda document: self._staged(document, purpose, now))

    def refresh(self) -> bool:
        """Take up what another process changed; True if it did. Raises as `open` does."""
        changed = self._held.refresh()
        if changed:
            self._openers.clear()
        return changed

    def publish(self) -> None:
        """Write the public part again, as the keyring on disk says. Raises KeyringUnwritable."""
        self._held.publish()

    def _change(self, operation: str, apply: Apply) -> KeyFacts:
        try:
            return self._held.change(operation, apply)
        finally:
            self._openers.clear()

    def _listed(self) -> KeyringDoc:
        return self._document

    def _approvers(self, document: KeyringDoc) -> ApprovalPolicy | None:
        return changes.approvers_of(document)

    @property
    def _document(self) -> KeyringDoc:
        return self._held.document

    def _staged(self, document: KeyringDoc, purpose: str, now: datetime) -> tuple[KeyringDoc, str]:
        last = changes.latest(document, purpose)
        made = self._made(purpose, last.algorithm, version=last.version + 1, state=State.STAGED, now=now)
        return changes.with_entry(document, made), made.key_id

    def _made(self, purpose: str, algorithm: Algorithm, *, version: int, state: State, now: datetime) -> EntryDoc:
        secret, public = material.new_secret(algorithm, self._entropy)
        lineage = from_base64url(self._document.lineage)
        key = KeyFacts(lineage, self.region, purpose, algorithm, version, now.replace(microsecond=0), state, public)
        return entry_of(key, self._held.locksmith.wrap(secret, self._document, key, self._entropy(NONCE_SIZE)))

    def _active(self, purpose: str, algorithm: Algorithm) -> EntryDoc:
        for entry in self._document.keys:
            if entry.purpose == purpose and Use.PRODUCE in MAY[entry.state]:
                if entry.algorithm != algorithm:
                    raise NoSuchKey(f"key for `{purpose}` is {entry.algorithm}, and {algorithm} was asked for")
                return entry
        raise changes.no_key(self._document, purpose)

    def _used(self, operation: str, entry: EntryDoc) -> material.Used:
        """What is entered around a use of this key."""
        return (
            nullcontext
            if self._uses is None
            else partial(recorded, self._uses, operation, facts(self._document, entry))
        )

    def _allow(self, key_id: str) -> None:
        state = changes.entry_by_id(self._document, key_id).state
        if Use.PRODUCE not in MAY[state]:
            raise SignerUnavailable(f"key `{key_id}` is {state}; ask the keyring for the active one")

    def _opener(self, entry: EntryDoc) -> X25519PrivateKey:
        key = self._openers.get(entry.key_id)
        if key is None:
            key = material.opening_key(self._held.locksmith.unwrap(self._document, entry))
            self._openers[entry.key_id] = key
        return key


def _check_name(region: str) -> None:
    if not REGION_NAME.fullmatch(region):
        raise KeyringInvalid(f"`{region}` is no region name; use letters, digits, `.`, `_` and `-`")
