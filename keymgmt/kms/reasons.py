"""Why the plugin refuses, as a table: a fixed word for every error, and what it stands for.

The word goes to kube-apiserver, its logs and its health page; an error's own text goes to our log alone. Whatever is
not in the table is `fault`: no exception's text ever reaches the API server.
"""

from enum import StrEnum

from keymgmt import errors
from keymgmt.hardware import errors as hardware
from keymgmt.kms.usage import UseUnrecorded
from keymgmt.transit import errors as service


class Reason(StrEnum):
    """One word for each thing an operator can do."""

    OK = "ok"
    STARTING = "starting"  # no look at the keyring has succeeded yet
    SEALED = "sealed"  # unseal the key service
    STANDBY = "standby"  # wait for the election
    UNREACHABLE = "unreachable"  # network, address, load
    DENIED = "denied"  # role, policy, credential
    WRONG_SERVER = "wrong-server"  # somebody else answers; nothing was sent
    ROLLED_BACK = "rolled-back"  # an older keyring was restored
    UNFIT = "unfit-key"  # the key could leave its region
    NO_KEY = "no-active-key"
    REVOKED = "revoked"
    UNKNOWN_KEY = "unknown-key"
    FOREIGN_REGION = "foreign-region"
    INVALID = "invalid"  # changed, or sealed for something else
    STALE = "stale"  # the keyring was not seen for too long
    UNRECORDED = "unrecorded"  # the use could not be recorded, so it did not happen
    BUSY = "busy"  # too many calls wait for the key service
    KEYRING = "keyring"  # the keyring's files
    FAULT = "fault"  # ours


# first match wins, so subclasses stand before their bases
WHY: tuple[tuple[type[Exception], Reason], ...] = (
    (errors.ForeignRegion, Reason.FOREIGN_REGION),
    (errors.EnvelopeInvalid, Reason.INVALID),
    (errors.NoSuchKey, Reason.NO_KEY),
    (errors.KeyRevoked, Reason.REVOKED),
    (errors.KeyDestroyed, Reason.REVOKED),
    (errors.KeyringRolledBack, Reason.ROLLED_BACK),
    (service.Sealed, Reason.SEALED),
    (service.Uninitialized, Reason.SEALED),
    (service.Standby, Reason.STANDBY),
    (service.Unreachable, Reason.UNREACHABLE),
    (service.Busy, Reason.UNREACHABLE),
    (service.AnswerInvalid, Reason.UNREACHABLE),
    (service.WrongServer, Reason.WRONG_SERVER),
    (service.Redirected, Reason.WRONG_SERVER),
    (service.PermissionRefused, Reason.DENIED),
    (service.LoginRefused, Reason.DENIED),
    (hardware.PinRefused, Reason.DENIED),
    (service.MountMissing, Reason.DENIED),
    (service.KeyMissing, Reason.NO_KEY),
    (service.KeyUnfit, Reason.UNFIT),
    (UseUnrecorded, Reason.UNRECORDED),
    (errors.KeyServiceError, Reason.UNREACHABLE),
    (errors.KeyManagementError, Reason.KEYRING),
    (Exception, Reason.FAULT),
)
# lost for a moment, and worth trying again: whoever opens may ask the key service itself
PASSING = frozenset({Reason.STARTING, Reason.SEALED, Reason.STANDBY, Reason.UNREACHABLE, Reason.STALE, Reason.BUSY})


def reason_of(error: Exception) -> Reason:
    """The word for an error."""
    return next(reason for kind, reason in WHY if isinstance(error, kind))
