"""Whether a commit reached all that it has to reach.

A server that gives up waiting for its synchronous standby commits all the same, visible to all, and only warns. Such a
commit is not believed; once a later one of ours is free of warnings, so is what came before it.
"""

from typing import Any

from psycopg import Connection
from psycopg.errors import Diagnostic


class Unsure(Exception):
    """The server said that a commit happened and may not have reached its standby."""


class Sureness:
    """Hears a session's warnings."""

    def __init__(self, session: "Connection[tuple[Any, ...]]") -> None:
        self._warning = ""
        session.add_notice_handler(self._heard)

    def begin(self) -> None:
        """A commit is about to be made."""
        self._warning = ""

    def check(self) -> None:
        """Raise Unsure when there was a warning since."""
        if self._warning:
            raise Unsure(f"the server warned: {self._warning}")

    def _heard(self, notice: Diagnostic) -> None:
        if notice.severity_nonlocalized == "WARNING":
            self._warning = str(notice.message_primary)
