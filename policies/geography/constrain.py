"""The mutation: RFC 6902 operations that keep a pod inside a set of places, and never let it anywhere new.

Every required term gets one expression more, `PLACE_LABEL In [codes]`; terms are ORed, so one left out would be a way
around. What the user wrote is not touched: the operations only add, as the API server also allows for pods that are
still gated. A pod with `nodeName` is past scheduling (a binding made, a static pod, a mirror): affinity would change
nothing and break a mirror, so it gets no operations; `possible` judges the node it names.
"""

from functools import lru_cache

from policies.geography.affinity import (
    REQUIRED,
    own_constraints,
    reachable,
    required_affinity,
    term_places,
    unreadable,
)
from policies.geography.place import PLACE_LABEL
from policies.geography.placeset import ANYWHERE, UNPLACED, PlaceSet
from policies.json import Json, JsonObject

_POINTER = f"/spec/affinity/nodeAffinity/{REQUIRED}"  # no token holds `~` or `/`, so none needs escaping

NOWHERE_HERE = "no place of this cluster is admitted"  # a conflict that the pod has no part in

Operation = dict[str, Json]


def constrain(pod: JsonObject, codes: frozenset[str]) -> list[Operation]:
    """Operations, relative to the Pod, after which it can only be where it could be before and in `codes`.

    None when its own terms already see to that, so applying them twice is applying them once. An empty term matches
    nothing and stays so. An empty `codes` gives a pod that matches no node at all. Where the API server would refuse
    the affinity as it stands (it isn't a mapping) there are no operations, and `possible` admits nothing.
    """
    spec = pod.get("spec")
    if not isinstance(spec, dict) or spec.get("nodeName"):
        return []
    admitted = _placed(codes)
    selected = _selected(spec)
    if selected <= admitted:
        return []
    required = required_affinity(spec)
    if required is None:
        return _new_affinity(spec, {"nodeSelectorTerms": [{"matchExpressions": _expressions(admitted)}]})
    terms = required.get("nodeSelectorTerms") if isinstance(required, dict) else None
    return [
        operation
        for index, term in enumerate(terms if isinstance(terms, list) else ())
        if isinstance(term, dict) and not selected & term_places(term) <= admitted
        for operation in _narrow(index, term, admitted)
    ]


def conflict(pod: JsonObject, codes: frozenset[str]) -> str | None:
    """Why the pod, kept inside `codes`, could be nowhere: both sides in one sentence. None when it could be somewhere.

    A node affinity that can't be read, for it is of the wrong type, is none that anybody could keep.
    Only what its own terms say is weighed; a pod with `nodeName` has no conflict here (see `possible`).
    """
    spec = pod.get("spec")
    if not isinstance(spec, dict) or spec.get("nodeName"):
        return None
    if mistyped := unreadable(spec):
        return mistyped
    if not _placed(codes).codes:
        return NOWHERE_HERE
    if not reachable(spec, _set_of(codes)).empty:
        return None
    own = list(own_constraints(spec))
    asked = " and ".join(map(str, own))
    together = (
        "; together they allow no place"
        if PlaceSet.intersection(each.places for each in own).empty
        else f"; admitted: {PlaceSet(codes)}"
    )
    return asked + together


@lru_cache(maxsize=256)  # jurisdictions are few
def _set_of(codes: frozenset[str]) -> PlaceSet:
    return PlaceSet(codes)


@lru_cache(maxsize=256)
def _placed(codes: frozenset[str]) -> PlaceSet:
    """The codes that are places; a node without one is at none."""
    return PlaceSet(codes - {UNPLACED})


def _selected(spec: JsonObject) -> PlaceSet:
    selector = spec.get("nodeSelector")
    code = selector.get(PLACE_LABEL) if isinstance(selector, dict) else None
    return PlaceSet.of((code,)) if isinstance(code, str) else ANYWHERE


def _expressions(admitted: PlaceSet) -> list[Json]:
    if admitted.empty:  # `In` needs a value; a label that is there and isn't is what no node has
        return [{"key": PLACE_LABEL, "operator": operator} for operator in ("Exists", "DoesNotExist")]
    return [{"key": PLACE_LABEL, "operator": "In", "values": sorted(admitted.codes)}]


def _narrow(index: int, term: JsonObject, admitted: PlaceSet) -> list[Operation]:
    path = f"{_POINTER}/nodeSelectorTerms/{index}/matchExpressions"
    expressions = term.get("matchExpressions")
    if expressions and not isinstance(expressions, list):
        return []
    if expressions:
        return [{"op": "add", "path": f"{path}/-", "value": value} for value in _expressions(admitted)]
    return [{"op": "add", "path": path, "value": _expressions(admitted)}]


def _new_affinity(spec: JsonObject, required: Json) -> list[Operation]:
    """Adds the deepest field that is missing, with everything below it."""
    affinity = spec.get("affinity")
    if affinity is None:
        return [_add("/spec/affinity", {"nodeAffinity": {REQUIRED: required}})]
    node_affinity = affinity.get("nodeAffinity") if isinstance(affinity, dict) else None
    if node_affinity is None and isinstance(affinity, dict):
        return [_add("/spec/affinity/nodeAffinity", {REQUIRED: required})]
    return [_add(_POINTER, required)] if isinstance(node_affinity, dict) else []


def _add(path: str, value: Json) -> Operation:
    return {"op": "add", "path": path, "value": value}
