"""Which nodes to look at next, and how fast to write. Pure; `now` is any clock in seconds that only moves forward."""

from collections.abc import Iterable
from heapq import heappop, heappush

_FIRST, _LONGEST = 0.5, 300.0  # seconds until a node whose label could not be written is looked at again


class Work:
    """Names, each at most once, in the order in which they came. What failed comes again later and later."""

    def __init__(self) -> None:
        self._names: dict[str, None] = {}
        self._later: list[tuple[float, str]] = []
        self._pauses: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._names) + len(self._pauses)

    def add(self, names: Iterable[str]) -> None:
        """Something about them changed: they are looked at, also those that failed a moment ago."""
        self._names.update(dict.fromkeys(names))

    def take(self, now: float) -> str | None:
        """The next one, taken off; None when nothing is due."""
        while self._later and self._later[0][0] <= now:
            self._names.setdefault(heappop(self._later)[1])
        name = next(iter(self._names), None)
        if name is not None:
            del self._names[name]
        return name

    def failed(self, name: str, now: float) -> float:
        """Look at it again, after twice the pause of the last time. Returns the pause."""
        pause = min(self._pauses.get(name, _FIRST / 2) * 2, _LONGEST)
        self._pauses[name] = pause
        heappush(self._later, (now + pause, name))
        return pause

    def done(self, name: str) -> None:
        self._pauses.pop(name, None)

    def due(self, now: float) -> float:
        """When there is something to take: now, later, or never (infinity)."""
        if self._names:
            return now
        return self._later[0][0] if self._later else float("inf")

    def clear(self) -> None:
        self._names.clear()
        self._later.clear()
        self._pauses.clear()


class Pace:
    """At most `burst` writes at once, and `rate` a second in the long run."""

    def __init__(self, rate: float, burst: int) -> None:
        self._rate, self._burst = rate, float(burst)
        self._left, self._at = float(burst), float("-inf")

    def free_at(self, now: float) -> float:
        """When the next write may begin."""
        self._fill(now)
        return now if self._left >= 1 else now + (1 - self._left) / self._rate

    def spend(self, now: float) -> None:
        self._fill(now)
        self._left -= 1

    def _fill(self, now: float) -> None:
        if now > self._at:
            self._left = min(self._burst, self._left + (now - self._at) * self._rate)
            self._at = now
