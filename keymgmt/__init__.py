"""Keys of one region: they sign, seal, open and tag, and never leave it.

Ports and errors are here; what needs cryptography is imported where it is used:
`keymgmt.keyring.FileKeyring`, `keymgmt.public.PublicKeyring`, `keymgmt.unlock`, `keymgmt.approvals.ApprovalPolicy`.
"""

from keymgmt.errors import (
    BindingInvalid,
    EnvelopeInvalid,
    ForeignRegion,
    KeyDestroyed,
    KeyManagementError,
    KeyRevoked,
    KeyringExists,
    KeyringInvalid,
    KeyringMissing,
    KeyringRolledBack,
    KeyringUnsafe,
    KeyringUnwritable,
    KeyServiceError,
    NoSuchKey,
    NotApproved,
    SignerUnavailable,
    TransitionRefused,
    UnlockFailed,
)
from keymgmt.ports import Approval, Approvals, Binding, Envelope, Opener, Quorum, Sealer, Signer

__all__ = [
    "Approval",
    "Approvals",
    "Binding",
    "BindingInvalid",
    "Envelope",
    "EnvelopeInvalid",
    "ForeignRegion",
    "KeyDestroyed",
    "KeyManagementError",
    "KeyRevoked",
    "KeyServiceError",
    "KeyringExists",
    "KeyringInvalid",
    "KeyringMissing",
    "KeyringRolledBack",
    "KeyringUnsafe",
    "KeyringUnwritable",
    "NoSuchKey",
    "NotApproved",
    "Opener",
    "Quorum",
    "Sealer",
    "Signer",
    "SignerUnavailable",
    "TransitionRefused",
    "UnlockFailed",
]
