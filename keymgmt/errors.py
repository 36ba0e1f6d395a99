"""What can go wrong with keys, one class for each thing a caller can do about it.

No message here carries key bytes, plaintext, passphrases or tokens: only regions, purposes, key ids, states and paths.
"""


class KeyManagementError(Exception):
    """Any refusal or failure of this package."""


class EnvelopeInvalid(KeyManagementError):
    """The bytes or the binding don't fit: damaged, forged, or opened for something else. Never retry."""


class ForeignRegion(EnvelopeInvalid):
    """Sealed for another region. Open it there, or ask for a transfer grant."""


class BindingInvalid(EnvelopeInvalid):
    """The binding has no canonical form: a field is too long or not Unicode text."""


class NoSuchKey(KeyManagementError):
    """The keyring has no usable key for this purpose. Create or activate one."""


class KeyRevoked(KeyManagementError):
    """The key is known and must not be used any more."""


class KeyDestroyed(KeyManagementError):
    """The key is gone for good, and with it whatever was sealed to it."""


class TransitionRefused(KeyManagementError):
    """The key's state does not allow this change."""


class SignerUnavailable(KeyManagementError):
    """Nothing was signed. Retry later, or look at the key's state."""


class SignatureInvalid(KeyManagementError):
    """The signature is not this key's over this message. Never retry."""


class NotApproved(KeyManagementError):
    """Too few valid approvals; the message names what is missing."""


class KeyringExists(KeyManagementError):
    """There is a keyring for this region already; it is never overwritten."""


class KeyringMissing(KeyManagementError):
    """There is no keyring for this region in the directory."""


class KeyringUnsafe(KeyManagementError):
    """Others can read or change the files. Correct owner and mode, then ask who had access."""


class KeyringUnwritable(KeyManagementError):
    """The change could not be stored, and has not happened. Free the disk or the directory, then repeat it."""


class KeyringInvalid(KeyManagementError):
    """The file is not a keyring, belongs to another region, or was changed by somebody without the key."""


class KeyringRolledBack(KeyManagementError):
    """An older or a different history than the one already seen. Stop: revoked keys may be back."""


class UnlockFailed(KeyManagementError):
    """The key that protects the keyring is missing, malformed or the wrong one."""


class KeyServiceError(KeyManagementError):
    """The region's key service gave no result; what it is, and what to do, is in the subclass."""
