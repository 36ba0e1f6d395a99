"""The plugin's uses as everybody's: written into a book that a log takes up, and then into the process's own log.

Guarantees that a use which cannot be written down is refused; what becomes of the book afterwards stops nothing.
"""

from collections.abc import Callable
from typing import Protocol

from keymgmt.canonical import to_base64url
from keymgmt.keys import KeyFacts
from keymgmt.kms.annotations import PURPOSE
from keymgmt.kms.usage import KeyUse, Uses
from keymgmt.uses.use import KeyUse as RecordedUse

OPERATIONS = {"encrypt": "encrypt", "decrypt": "decrypt", "probe": "decrypt"}  # what the key does in each


class UseLog(Protocol):
    """A log of the plugin's own, and the book that it takes up."""

    def record(self, use: RecordedUse) -> None:
        """Return when it is written down. Raises UseUnrecorded."""
        ...

    @property
    def waiting(self) -> int:
        """Pages of the book that are not in the log yet."""
        ...

    @property
    def trouble(self) -> str:
        """Why they are not; empty when all is well."""
        ...


class BookedUses:
    """First into the book, and only then on."""

    def __init__(self, book: UseLog, service_key: str, known: Callable[[str], KeyFacts | None], then: Uses) -> None:
        """`service_key`: what a key service calls the key; `known`: a version by its id."""
        self._book = book
        self._service_key = service_key
        self._known = known
        self._then = then

    def record(self, use: KeyUse) -> None:
        """As `Uses` says. Raises UseUnrecorded."""
        key = self._known(use.key_id)
        self._book.record(
            RecordedUse(
                operation=OPERATIONS[use.operation],
                region=use.region,
                key=self._service_key,
                key_id=use.key_id,
                version=use.version,
                request_id=use.request_id,
                at=use.at,
                seconds=use.seconds,
                outcome=use.outcome,
                purpose=PURPOSE,
                lineage=to_base64url(key.lineage) if key else "",
                task=f"kms-{use.operation}",
                asked=use.asked,
            )
        )
        self._then.record(use)
