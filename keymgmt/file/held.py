"""A keyring's document as it is known here, and as it lies on disk: read back, checked, and changed under its lock.

Guarantees: a change is made to what lies on disk now, is whole or absent after a crash, and is known here only once it
is on disk; a file that was replaced, changed without the key, or is older than what was already seen is refused. What
a change means is for `changes`, and what the keys do is for the keyring.
"""

import contextlib
from contextlib import AbstractContextManager, ExitStack, nullcontext
from pathlib import Path

from keymgmt.canonical import from_base64url
from keymgmt.errors import KeyringInvalid, KeyringRolledBack, KeyringUnwritable, UnlockFailed
from keymgmt.file import changes
from keymgmt.file.changing import Apply
from keymgmt.file.document import (
    Head,
    KeyringDoc,
    derivation_of,
    encode_document,
    extends,
    facts,
    head_of,
    parse_document,
)
from keymgmt.file.locksmith import Locksmith
from keymgmt.file.store import KeyringFiles
from keymgmt.file.unlock import Unlock
from keymgmt.keys import KeyFacts
from keymgmt.public import encode_public
from keymgmt.uses.use import KeyUses, recorded_change


class HeldDocument:
    """The document in these files. `document` is what is known of it now."""

    def __init__(self, files: KeyringFiles, locksmith: Locksmith, document: KeyringDoc, uses: KeyUses | None) -> None:
        self.files = files
        self.locksmith = locksmith
        self.document = document
        self._uses = uses

    @classmethod
    def open(
        cls, directory: Path, region: str, unlock: Unlock, seen: Head | None, uses: KeyUses | None
    ) -> "HeldDocument":
        """Every byte checked. Raises KeyringMissing, KeyringUnsafe, KeyringInvalid, KeyringRolledBack, UnlockFailed."""
        files = KeyringFiles(directory, region)
        document = parse_document(files.read(), str(files.keyring))
        if document.region != region:
            raise KeyringInvalid(f"`{files.keyring}` holds the keys of `{document.region}`, not of `{region}`")
        locksmith = Locksmith(unlock.key(derivation_of(document)), from_base64url(document.lineage))
        if not locksmith.is_authentic(document):
            raise UnlockFailed(f"`{files.keyring}` does not open: wrong key, or the file was changed without it")
        if seen is not None and not extends(document, seen):
            raise _rolled_back(files, document)
        held = cls(files, locksmith, document, uses)
        if files.published() != public_bytes(document):  # a crash came between the two files
            with contextlib.suppress(KeyringUnwritable):  # sealers that use a retired key do no harm
                held.publish()
        return held

    def write_first(self) -> None:
        """The first generation, each of its keys recorded. Raises KeyringExists, KeyringUnsafe."""
        self.document = self.locksmith.sealed(self.document)
        self.files.prepare()
        keys = self.keys()
        with self.files.alone(), ExitStack() as told:
            for key in keys:
                told.enter_context(self._recorded("create", key))
            self.files.write_new(encode_document(self.document))
            self.files.publish(public_bytes(self.document))

    @property
    def head(self) -> Head:
        """Generation and digest of what is known."""
        return head_of(self.document)

    def keys(self) -> tuple[KeyFacts, ...]:
        """Every version of every key, oldest first."""
        return tuple(facts(self.document, entry) for entry in self.document.keys)

    def refresh(self) -> bool:
        """Take up what another process changed; True if it did. Raises as `open` does."""
        before = self.document.generation
        self.document = self._reread()
        return self.document.generation != before

    def publish(self) -> None:
        """Write the public part again, as the document on disk says. Raises KeyringUnwritable."""
        with self.files.alone():
            self.document = self._reread()
            self.files.publish(public_bytes(self.document))

    def change(self, operation: str, apply: Apply) -> KeyFacts:
        """Apply a change to what lies on disk now, under the lock; in memory only once it is on disk."""
        with self.files.alone():
            self.document = self._reread()
            wanted, key_id = apply(self.document)
            grown = self.locksmith.sealed(changes.next_generation(self.document, wanted))
            key = facts(grown, changes.entry_by_id(grown, key_id))
            with self._recorded(operation, key):
                self.files.write(encode_document(grown))
                self.document = grown
                self.files.publish(public_bytes(grown))
        return key

    def _recorded(self, operation: str, key: KeyFacts) -> AbstractContextManager[None]:
        return nullcontext() if self._uses is None else recorded_change(self._uses, operation, key)

    def _reread(self) -> KeyringDoc:
        document = parse_document(self.files.read(), str(self.files.keyring))
        if document.lineage != self.document.lineage or not self.locksmith.is_authentic(document):
            raise KeyringInvalid(f"`{self.files.keyring}` was replaced or changed without its key; restore a backup")
        if not extends(document, self.head):
            raise _rolled_back(self.files, document)
        return document


def public_bytes(document: KeyringDoc) -> bytes:
    """What `<region>.public.json` holds: enough for `PublicKeyring` to seal without any secret."""
    known = [facts(document, entry) for entry in document.keys]
    return encode_public(document.generation, document.jurisdiction, known, "software")


def _rolled_back(files: KeyringFiles, document: KeyringDoc) -> KeyringRolledBack:
    return KeyringRolledBack(
        f"`{files.keyring}` is at generation {document.generation} and does not follow from what was seen; "
        "find out who restored it before using it"
    )
