"""An open log whose account says more than its own: what others know of it who work beside it."""

from collections.abc import Callable

from audit.process.serving import Served
from audit.settings import LogStatus


class Telling:
    """The log itself, but for its status."""

    def __init__(self, log: Served, more: Callable[[LogStatus], LogStatus]) -> None:
        """`more` adds to what the log tells of itself."""
        self._log = log
        self._more = more
        self.healthy = log.healthy
        self.made = log.made
        self.append_batch = log.append_batch

    @property
    def origin(self) -> str:
        return self._log.origin

    def status(self) -> LogStatus:
        return self._more(self._log.status())
