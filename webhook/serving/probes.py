"""Whether this process should be sent requests, and if not, why not.

Live means that the event loop turns. Ready means that every condition holds now; a process that is asked to stop is not
ready from that moment on.
"""

from collections.abc import Callable

Condition = Callable[[], str | None]
"""None when it holds, else the reason in one line."""


class Probes:
    """The conditions for readiness, by name. Cheap to ask: conditions look at state, they do no I/O."""

    def __init__(
        self, conditions: dict[str, Condition] | None = None, warnings: dict[str, Condition] | None = None
    ) -> None:
        self._conditions = dict(conditions or {})
        self._warnings = dict(warnings or {})
        self._stopping = False

    def add(self, name: str, condition: Condition) -> None:
        self._conditions[name] = condition

    def stop(self) -> None:
        """Not ready any more, for good."""
        self._stopping = True

    def hindrances(self) -> dict[str, str]:
        """What stands against readiness, by the condition's name; empty when ready."""
        found = {"process": "stopping"} if self._stopping else {}
        for name, condition in self._conditions.items():
            reason = _asked(condition)
            if reason is not None:
                found[name] = reason
        return found

    def warnings(self) -> dict[str, str]:
        """What doesn't stand against readiness yet and will, such as a disk that fills."""
        asked = {name: _asked(condition) for name, condition in self._warnings.items()}
        return {name: reason for name, reason in asked.items() if reason is not None}


def _asked(condition: Condition) -> str | None:
    try:
        return condition()
    except Exception as fault:  # noqa: BLE001  # a condition that fails does not hold
        return f"{type(fault).__name__}: {fault}"
