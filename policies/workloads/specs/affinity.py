"""Required node affinity, edited so that it only ever narrows.

Guarantees: the operations add one expression to every required term that can match a node, never touch a term that
can't (an empty term, an empty list of terms), and are none at all when every term already says it. After they are
applied, every node the pod can run on fulfils the expression and could run the pod before.
Contradictions with other expressions are not looked for: that needs places, and is geography's business.
"""

from collections.abc import Iterable, Mapping, Sequence

from policies.json import Json, JsonObject

Expression = Mapping[str, Json]  # one NodeSelectorRequirement: key, operator, values

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


class AffinityMalformed(ValueError):
    """The pod's affinity has wrong types, so nothing can be added to it safely: refuse the object."""


def require(
    pod: JsonObject, key: str, operator: str, values: Sequence[str] = (), *, prefix: str = ""
) -> list[dict[str, Json]]:
    """RFC 6902 operations after which `pod` (an object with `spec`) only runs where `key operator values` holds.

    `prefix` is the JSON pointer of `pod` in the object that the operations are meant for. Raises AffinityMalformed.
    """
    return require_all(pod, [expression(key, operator, values)], prefix=prefix)


def require_all(pod: JsonObject, wanted: Sequence[Expression], *, prefix: str = "") -> list[dict[str, Json]]:
    """As `require`, for several expressions that must all hold: one set of operations that apply together."""
    spec = _mapping(pod.get("spec"), "spec")
    wanted = [one for one in wanted if not _selected(spec, one)]
    if not wanted:
        return []
    where, terms = f"{prefix}/spec", _terms(spec)
    if terms is None:
        return [_first(spec, where, wanted)]
    base = f"{where}/affinity/nodeAffinity/{REQUIRED}/nodeSelectorTerms"
    return [
        operation
        for index, term in enumerate(terms)
        if not is_empty(term)
        for operation in _narrow(_mapping(term, f"{base}/{index}"), wanted, f"{base}/{index}")
    ]


def expression(key: str, operator: str, values: Iterable[str] = ()) -> dict[str, Json]:
    """A NodeSelectorRequirement in its shortest form; values sorted, so that equal wishes are equal bytes."""
    listed = sorted(set(values))
    return {"key": key, "operator": operator, **({"values": listed} if listed else {})}


def required_terms(spec: JsonObject) -> list[Json] | None:
    """The required node affinity terms of a pod spec: None when nothing is required, [] when nothing can match.

    Raises AffinityMalformed for wrong types.
    """
    return _terms(spec)


def is_empty(term: Json) -> bool:
    """Whether a term matches no node at all: the API server reads one without expressions and fields so."""
    if not isinstance(term, dict):
        return term is None
    return not term.get("matchExpressions") and not term.get("matchFields")


def implies(held: Expression, wanted: Expression) -> bool:
    """Whether every node that fulfils `held` fulfils `wanted`. A `False` may only mean that it isn't obvious."""
    if held.get("key") != wanted.get("key"):
        return False
    has, asks = _values(held), _values(wanted)
    match held.get("operator"), wanted.get("operator"):
        case "In", "In":
            return bool(has) and has <= asks
        case "In", "NotIn":
            return bool(has) and not has & asks
        case "NotIn", "NotIn":
            return has >= asks
        case "DoesNotExist", "NotIn" | "DoesNotExist":
            return True
        case "In" | "Exists" | "Gt" | "Lt", "Exists":
            return held.get("operator") != "In" or bool(has)
        case "Gt" | "Lt" as one, other:
            return one == other and has == asks
    return False


def _selected(spec: JsonObject, wanted: Expression) -> bool:
    """Whether `nodeSelector`, which is ANDed with every term, already says it."""
    selector = _mapping(spec.get("nodeSelector"), "spec.nodeSelector")
    value = selector.get(wanted["key"])
    return isinstance(value, str) and implies(expression(wanted["key"], "In", [value]), wanted)


def _terms(spec: JsonObject) -> list[Json] | None:
    affinity = _mapping(spec.get("affinity"), "spec.affinity")
    node = _mapping(affinity.get("nodeAffinity"), "spec.affinity.nodeAffinity")
    required = node.get(REQUIRED)
    if required is None:
        return None
    terms = _mapping(required, f"spec.affinity.nodeAffinity.{REQUIRED}").get("nodeSelectorTerms")
    return _sequence(terms, f"spec.affinity.nodeAffinity.{REQUIRED}.nodeSelectorTerms")


def _first(spec: JsonObject, where: str, wanted: Sequence[Expression]) -> dict[str, Json]:
    """The one `add` that makes the missing objects on the way and keeps what stands beside them."""
    value: Json = {"nodeSelectorTerms": [{"matchExpressions": [dict(one) for one in wanted]}]}
    at: Json = spec
    for step in ("affinity", "nodeAffinity", REQUIRED):
        where = f"{where}/{step}"
        at = at.get(step) if isinstance(at, dict) else None
        if at is None:
            rest = ("affinity", "nodeAffinity", REQUIRED)
            for inner in reversed(rest[rest.index(step) + 1 :]):
                value = {inner: value}
            break
    return {"op": "add", "path": where, "value": value}


def _narrow(term: JsonObject, wanted: Sequence[Expression], where: str) -> list[dict[str, Json]]:
    held = _sequence(term.get("matchExpressions"), f"{where}/matchExpressions")
    missing = [one for one in wanted if not any(isinstance(it, dict) and implies(it, one) for it in held)]
    if not missing:
        return []
    if term.get("matchExpressions") is None:
        return [{"op": "add", "path": f"{where}/matchExpressions", "value": [dict(one) for one in missing]}]
    return [{"op": "add", "path": f"{where}/matchExpressions/-", "value": dict(one)} for one in missing]


def _values(requirement: Expression) -> frozenset[str]:
    values = requirement.get("values")
    sound = isinstance(values, list) and {str}.issuperset(map(type, values))
    return frozenset(values) if sound else frozenset()  # type: ignore[arg-type]


def _mapping(value: Json, where: str) -> JsonObject:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise AffinityMalformed(f"`{where}` must be an object, it is a {type(value).__name__}")
    return value


def _sequence(value: Json, where: str) -> list[Json]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise AffinityMalformed(f"`{where}` must be a list, it is a {type(value).__name__}")
    return value
