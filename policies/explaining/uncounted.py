"""What looks as if it kept a pod somewhere and doesn't count: preferences, tolerations, labels that anybody may set."""

from collections.abc import Iterator
from dataclasses import dataclass

from policies.geography.affinity import REQUIRED
from policies.json import Json, JsonObject

_SELF_SET = (  # labels that a kubelet may set on its own node
    "topology.kubernetes.io/region",
    "topology.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone",
    "kubernetes.io/hostname",
)
_CLAIMED = "a kubelet may set this label on its own node, so it proves no place"
_PREFERRED = "a preference: the scheduler may do otherwise"
_FIELDS = {
    "tolerations": "lets the pod onto tainted nodes and keeps it off none",
    "topologySpreadConstraints": "spreads pods over the nodes that there are, wherever these are",
    "schedulerName": "another scheduler may ignore the constraints: what it binds is judged at the binding",
    "schedulingGates": "waits, and is scheduled later like any other",
}
_AFFINITIES = {
    "podAffinity": "follows other pods, wherever they are",
    "podAntiAffinity": "avoids other pods, wherever they are",
}


@dataclass(frozen=True, slots=True)
class Uncounted:
    """A field of the pod, and why it leaves the set of places as large as it was."""

    path: str
    line: int
    why: str


def uncounted(spec: JsonObject) -> Iterator[tuple[str, str]]:
    """Path below `spec` and why, in the order of the fields here."""
    selector = spec.get("nodeSelector")
    for key in selector if isinstance(selector, dict) else ():
        if key in _SELF_SET:
            yield f'nodeSelector["{key}"]', _CLAIMED
    affinity = spec.get("affinity")
    yield from _affinity(affinity) if isinstance(affinity, dict) else ()
    for field, why in _FIELDS.items():
        if spec.get(field) and spec[field] != "default-scheduler":
            yield field, why


def _affinity(affinity: JsonObject) -> Iterator[tuple[str, str]]:
    of_nodes = affinity.get("nodeAffinity")
    if isinstance(of_nodes, dict):
        yield from _claimed(of_nodes.get(REQUIRED))
        if of_nodes.get("preferredDuringSchedulingIgnoredDuringExecution"):
            yield "affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution", _PREFERRED
    for field, why in _AFFINITIES.items():
        if affinity.get(field):
            yield f"affinity.{field}", why


def _claimed(required: Json) -> Iterator[tuple[str, str]]:
    terms = required.get("nodeSelectorTerms") if isinstance(required, dict) else None
    for index, term in enumerate(terms if isinstance(terms, list) else ()):
        expressions = term.get("matchExpressions") if isinstance(term, dict) else None
        for at, expression in enumerate(expressions if isinstance(expressions, list) else ()):
            if isinstance(expression, dict) and expression.get("key") in _SELF_SET:
                path = f"affinity.nodeAffinity.{REQUIRED}.nodeSelectorTerms[{index}].matchExpressions[{at}]"
                yield path, _CLAIMED
