"""Templates that were corrected before: a ReplicaSet repeats its Deployment's template, and every update repeats most.

A correction is a function of the pod, of the rules and of what the rules looked at. What they looked at is recorded, so
an answer is only remembered when it came from the pod, its class and its jurisdiction alone; and equal bytes then give
the equal answer.
"""

from collections.abc import Callable
from hashlib import sha256

from policies.facts.context import Situation
from policies.json import Json, canonical
from policies.workloads.pods import MadePod

_REMEMBERED = 1024  # corrected templates; some KiB each
# decided by the key and by the rules; a template's pod is always new, so its `oldObject` is null
_REPEATABLE = frozenset({"workload", "dataClass", "jurisdiction", "cluster", "oldObject"})

Key = tuple[bytes, str, str, int]


class Templates:
    """Corrected pods by their content. One for each set of rules."""

    def __init__(self) -> None:
        self._known: dict[Key, Json] = {}

    def corrected(self, situation: Situation, pod: Json, correct: Callable[[], tuple[Json, Situation]]) -> Json:
        """The pod as `correct` gives it, or as it gave it before. `correct` tells the situation that it worked in."""
        key = self._key(situation, pod)
        known = self._known.get(key)
        if known is not None:
            return known
        corrected, inner = correct()
        made = MadePod(corrected)
        if inner.touched <= _REPEATABLE:
            if len(self._known) >= _REMEMBERED:
                self._known.pop(next(iter(self._known)))
            self._known[key] = made
        return made

    def _key(self, situation: Situation, pod: Json) -> Key:
        digest = sha256(canonical(pod)).digest()
        jurisdiction = situation.jurisdiction
        return (digest, situation.data_class["name"], jurisdiction["name"], jurisdiction.on.toordinal())
