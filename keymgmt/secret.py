"""Secret bytes that don't show themselves: not in repr, logs, formatted strings, pickles or tracebacks with locals.

Python cannot wipe memory reliably; what this class gives is that a secret leaves only where `reveal` is written.
"""

import hmac
from typing import NoReturn


class Secret:
    """Bytes whose repr is a placeholder. Compared in constant time; never hashed, never pickled."""

    __slots__ = ("_value",)

    def __init__(self, value: bytes) -> None:
        self._value = bytes(value)

    def reveal(self) -> bytes:
        """The bytes. Hand them straight to the primitive that needs them; keep them in no variable."""
        return self._value

    def __len__(self) -> int:
        return len(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._value, other._value)

    __hash__ = None  # type: ignore[assignment]  # a secret is no dictionary key

    def __repr__(self) -> str:
        return "Secret(...)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret cannot be pickled or copied")
