"""What a key service can answer instead of a result, one class for each thing an operator can do about it.

Messages name the region, the address and what to do; never a token, a plaintext or the words of a server that might
have repeated them.
"""

from enum import StrEnum

from keymgmt.errors import KeyManagementError, KeyServiceError


class Unreachable(KeyServiceError):
    """No connection, or it broke. Check the address, the network and whether the server runs."""


class TooSlow(Unreachable):
    """No whole answer within the deadline. Nothing is known of its outcome."""


class WrongServer(KeyServiceError):
    """The server cannot show that it is this region's. Nothing was sent to it. Do not retry: find out who answers."""


class Redirected(KeyServiceError):
    """The server points to another address. It was not followed; give the active node's own address."""


class Sealed(KeyServiceError):
    """The key service is sealed: unseal it."""


class Uninitialized(KeyServiceError):
    """The key service was never initialised."""


class Standby(KeyServiceError):
    """A standby that does not serve this, or no active node. Wait for the election, or name the active node."""


class Busy(KeyServiceError):
    """Overloaded, rate-limited or failing on its side; retried already. Try again later."""


class PermissionRefused(KeyServiceError):
    """The token may not do this. Check the policy of the role."""


class LoginRefused(KeyServiceError):
    """Credentials or role were not accepted. Check role, mount and the credential's age."""


class MountMissing(KeyServiceError):
    """There is no secrets engine or auth method at this path. Enable it, or correct the mount."""


class KeyMissing(KeyServiceError):
    """The engine has no key of this name. Create it; it is never created by using it."""


class Refusal(StrEnum):
    """Why a request was refused, as far as callers can do something about it."""

    TOO_OLD = "its version is below the key's minimum"
    TOO_NEW = "its version is newer than the key"
    NOT_DECRYPTED = "it does not decrypt"
    NOT_PROLONGED = "its life cannot be prolonged"
    OTHER = "it is not accepted"


class RequestRefused(KeyServiceError):
    """The server understood and refused the request as such."""

    def __init__(self, message: str, why: Refusal) -> None:
        super().__init__(message)
        self.why = why


class AnswerInvalid(KeyServiceError):
    """Not the answer of a key service: not JSON, too big, or not the types that were promised."""


class ExtraMissing(KeyManagementError):
    """The client library for key services is not installed."""


class KeyUnfit(KeyManagementError):
    """The key could be exported, copied or deleted, or is of another type: it proves nothing about its region."""
