"""One container as its facts are read from it: its command line, its variables, its hooks, each looked at once.

Guarantees: never raises; what has a wrong type isn't there. What the words and values mean is left to who asks.
"""

from collections.abc import Iterator

from policies.json import Json, JsonObject
from policies.workloads.containers.lines import Line, literal
from policies.workloads.names.images import containers_of, listed

HANDLERS = ("livenessProbe", "readinessProbe", "startupProbe", "lifecycle")
_HANDLERS = frozenset(HANDLERS)
_OTHER_ACTIONS = frozenset(("exec", "tcpSocket", "postStart", "preStop"))
_UNREAD = object()


Variable = tuple[int, str, Json, JsonObject]  # where it stands in the list, its name, its value, all that stands there


class Container:
    """Anything with `command`, `args` and `env`; `at` is its path, with its dot."""

    __slots__ = ("_hooks", "_line", "_names", "_telling", "_variables", "at", "held")

    def __init__(self, held: JsonObject, at: str) -> None:
        self.held = held
        self.at = at
        self._hooks: list[tuple[str, JsonObject]] | None = None
        self._line: Line | object | None = _UNREAD
        self._names: set[str] | None = None
        self._telling: list[Variable] | None = None
        self._variables: list[Variable] | None = None

    @property
    def line(self) -> Line | None:
        """Its command line, if every word of it stands as it is written."""
        if self._line is _UNREAD:
            self._line = literal(self.held, self.at)
        return self._line  # type: ignore[return-value]

    @property
    def variables(self) -> list[Variable]:
        """Its variables, in their order."""
        if self._variables is None:
            self._variables = [
                (index, name, one.get("value"), one)
                for index, one in enumerate(listed(self.held.get("env")))
                if isinstance(one, dict) and isinstance(name := one.get("name"), str)
            ]
        return self._variables

    @property
    def names(self) -> set[str]:
        """The names of its variables."""
        if self._names is None:
            self._names = {one[1] for one in self.variables}
        return self._names

    @property
    def telling(self) -> list[Variable]:
        """Those of its variables that may lead somewhere: by a value that isn't a plain word, or that isn't here."""
        if self._telling is None:
            self._telling = [one for one in self.variables if not isinstance(one[2], str) or _is_marked(one[2])]
        return self._telling

    @property
    def hooks(self) -> list[tuple[str, JsonObject]]:
        """Its probes and hooks that do more than to ask the pod itself: the field of each, and what it holds."""
        if self._hooks is None:
            self._hooks = []
            for field in () if _HANDLERS.isdisjoint(self.held) else HANDLERS:
                one = self.held.get(field)
                if isinstance(one, dict) and not _asks_the_pod(one):
                    self._hooks.append((field, one))
        return self._hooks


def _is_marked(value: str) -> bool:
    """Whether one of the characters stands in it that are in all that leads somewhere, or is filled in."""
    return ":" in value or "." in value or "=" in value or "$" in value


def containers_in(spec: JsonObject, spec_at: str) -> list[Container]:
    """Those of a pod spec, of all three lists. `spec_at` is its path, with its dot."""
    return [Container(held, f"{spec_at}{at}.") for at, held in containers_of(spec)]


def actions_of(value: Json, where: str) -> Iterator[tuple[str, JsonObject]]:
    """The actions of a probe (one) or of `lifecycle` (its hooks)."""
    if isinstance(value, dict):
        yield where, value
        for hook in ("postStart", "preStop"):
            if isinstance(held := value.get(hook), dict):
                yield f"{where}.{hook}", held


def _asks_the_pod(probe: JsonObject) -> bool:
    """Whether all that a probe does is to ask the pod itself: the usual case."""
    asked = probe.get("httpGet")
    return isinstance(asked, dict) and "host" not in asked and _OTHER_ACTIONS.isdisjoint(probe)
