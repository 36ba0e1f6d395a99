"""What is done to the keys of a keyring that lists them in a document: by whose approval, and when, is one rule.

Where the document lies, how a key is made, and that a change is whole or not at all, is for each keyring: a file's
(`file.keyring`), a module's (`hardware.keyring`).
"""

from collections.abc import Callable, Sequence
from datetime import datetime

from keymgmt.approvals import ApprovalPolicy
from keymgmt.file import changes
from keymgmt.file.document import KeyringDoc
from keymgmt.keys import KeyFacts
from keymgmt.ports import Approval, Quorum
from keymgmt.states import Change

Apply = Callable[[KeyringDoc], tuple[KeyringDoc, str]]
"""Makes the next document out of the present one, and says which key it is about."""


class ChangingKeys:
    """Moves keys from state to state. For a keyring to inherit; it says how a change is made."""

    def _change(self, operation: str, apply: Apply) -> KeyFacts:
        """Make the change, whole, from what is listed now; the key afterwards."""
        raise NotImplementedError

    def _listed(self) -> KeyringDoc:
        """The document as it was last read."""
        raise NotImplementedError

    def _approvers(self, document: KeyringDoc) -> ApprovalPolicy | None:
        """Who must agree to what can't be taken back, by this document."""
        raise NotImplementedError

    def activate(self, key_id: str) -> KeyFacts:
        """Make a staged version the active one; the one before is retired. Raises NoSuchKey, TransitionRefused."""
        return self._change("activate", lambda document: (changes.activated(document, key_id), key_id))

    def action(self, change: Change, key_id: str) -> bytes:
        """What approvers sign to have a key revoked or destroyed: canonical JSON. Raises NoSuchKey."""
        return changes.action_bytes(self._listed(), key_id, change)

    def revoke(self, key_id: str, votes: Sequence[Approval], now: datetime) -> Quorum:
        """Never use a key again. Raises NotApproved, NoSuchKey, TransitionRefused."""
        return self._approved(Change.REVOKE, key_id, votes, now)

    def destroy(self, key_id: str, votes: Sequence[Approval], now: datetime) -> Quorum:
        """Drop a key's secret part, and with it all that was sealed to it. Raises as `revoke` does."""
        return self._approved(Change.DESTROY, key_id, votes, now)

    def _approved(self, change: Change, key_id: str, votes: Sequence[Approval], now: datetime) -> Quorum:
        given: list[Quorum] = []

        def apply(document: KeyringDoc) -> tuple[KeyringDoc, str]:
            given.append(changes.approved_by(document, key_id, change, votes, self._approvers(document), now))
            return changes.with_spent(changes.changed(document, key_id, change), given[0]), key_id

        self._change(change, apply)
        return given[0]


def activating(staged: Apply) -> Apply:
    """The version that is staged made the active one in the same change."""

    def apply(document: KeyringDoc) -> tuple[KeyringDoc, str]:
        grown, key_id = staged(document)
        return changes.activated(grown, key_id), key_id

    return apply
