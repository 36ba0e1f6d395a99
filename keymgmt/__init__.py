"""Keys of one region: they sign, seal, open and tag, and never leave it.

Ports and errors are here. A region's keyring lies in `file`, in a key service (`transit`) or in a module (`hardware`);
`choosing` opens the one that an operator names, and `public` is the part of it that anybody may have. `envelopes` are
what is sealed, `uses` what was done with the keys; `kms` and `etcd` are Kubernetes' side. What needs cryptography is
imported where it is used.
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
