"""Templates that were corrected before: a ReplicaSet repeats its Deployment's template, and every update repeats most.

A correction is a function of the pod, of the rules and of what the rules looked at. What they looked at is recorded, so
an answer is only remembered when it came from the pod, its class and its jurisdiction alone; and equal bytes then give
the equal answer.
"""

from collections.abc import Callable
from hashlib import sha256

from policies.facts.context import Situation
from policies.json import Json, canonical
from policies.remembered import Shelf
from policies.workloads.pods import MadePod

_REMEMBERED, _BYTES = 1024, 2 << 20  # corrected templates; of JSON, which takes some times as much in memory
# decided by the key and by the rules; a template's pod is always new, so its `oldObject` is null
_REPEATABLE = frozenset({"workload", "dataClass", "jurisdiction", "cluster", "oldObject"})

Key = tuple[bytes, str, str, int]


class Templates:
    """Corrected pods by their content. One for each set of rules."""

    def __init__(self) -> None:
        self._known: Shelf[Key, MadePod] = Shelf(_REMEMBERED, _BYTES)

    def corrected(self, situation: Situation, pod: Json, correct: Callable[[], tuple[Json, Situation]]) -> Json:
        """The pod as `correct` gives it, or as it gave it before. `correct` tells the situation that it worked in."""
        written = canonical(pod)
        key = self._key(situation, written)
        known = self._known.get(key)
        if known is not None:
            return known
        corrected, inner = correct()
        made = MadePod(corrected)
        if inner.touched <= _REPEATABLE:
            self._known.keep(key, made, len(written))
        return made

    def _key(self, situation: Situation, written: bytes) -> Key:
        digest = sha256(written).digest()
        jurisdiction = situation.jurisdiction
        return (digest, situation.data_class["name"], jurisdiction["name"], jurisdiction.on.toordinal())
