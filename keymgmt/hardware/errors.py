"""What a hardware module can answer instead of a result, one class for each thing an operator can do about it."""

from keymgmt.errors import KeyManagementError, KeyServiceError


class ModuleUnavailable(KeyServiceError):
    """The module does not load or does not answer. Check its path, its own configuration, its network."""


class TokenMissing(KeyServiceError):
    """The module has no token of this name, or more than one. Check the label."""


class PinRefused(KeyServiceError):
    """The token refuses the PIN, which is not tried again: tokens lock themselves. Correct the file."""


class ExtraMissing(KeyManagementError):
    """The library for hardware modules is not installed."""
