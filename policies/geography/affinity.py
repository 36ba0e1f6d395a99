"""What a node selector says of places, read as the scheduler reads it: terms ORed, expressions ANDed.

Only `PLACE_LABEL` counts. Kubelets may set `topology.kubernetes.io/*` and `kubernetes.io/hostname` on their own nodes,
so a constraint on those narrows to nodes that *say* they are there; it is left out, which can only make a set larger.
Whatever the API server would refuse (an operator that isn't one) narrows nothing here.
"""

from collections.abc import Callable, Iterator

from policies.geography.constraint import Constraint
from policies.geography.place import PLACE_LABEL
from policies.geography.placeset import ANYWHERE, NOWHERE, PLACED, UNPLACED, PlaceSet
from policies.json import Json, JsonObject

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
REQUIRED_PATH = f"spec.affinity.nodeAffinity.{REQUIRED}"

_UNLABELLED = PlaceSet(frozenset((UNPLACED,)))
_TOLD = 3  # terms of a contradiction that are told: who writes a hundred reads no hundred lines
_TYPES = {str: "text", bool: "a truth value", list: "a list", dict: "an object"}
NodePlaces = Callable[[str], PlaceSet]  # from a node's name to the label it may have


def anywhere(_: str) -> PlaceSet:
    """For callers that know no nodes."""
    return ANYWHERE


def own_constraints(spec: JsonObject, nodes: NodePlaces = anywhere) -> Iterator[Constraint]:
    """What a pod spec itself requires of places: its node selector, then its required node affinity."""
    selector = spec.get("nodeSelector")
    if isinstance(selector, dict) and isinstance(code := selector.get(PLACE_LABEL), str):
        yield Constraint(f"spec.nodeSelector[{PLACE_LABEL}]", f"asks for {code}", PlaceSet.of((code,)))
    required = required_affinity(spec)
    if isinstance(required, dict):
        terms = required.get("nodeSelectorTerms")
        places = terms_places(terms, nodes)
        if not (places.cofinite and not places.codes):
            yield Constraint(REQUIRED_PATH, _contradictory(terms, nodes) if places.empty else "allows", places)


def _contradictory(terms: Json, nodes: NodePlaces) -> str:
    """What terms that leave nothing say: the sides of each, as far as a person reads them."""
    told = [" and ".join(map(str, _narrowing(term, nodes))) for term in _mappings(terms)[:_TOLD]]
    asked = [f"{one} at once" for one in told if one]
    return f"asks for {', or '.join(asked)}" if asked else "allows"


def required_affinity(spec: JsonObject) -> Json:
    """The required node affinity, or None where there is none: then it constrains nothing."""
    affinity = spec.get("affinity")
    node = affinity.get("nodeAffinity") if isinstance(affinity, dict) else None
    return node.get(REQUIRED) if isinstance(node, dict) else None


def unreadable(spec: JsonObject) -> str:
    """Which part of the required node affinity is of the wrong type, in words. Empty where all can be read.

    The API server refuses such a Pod; the fields of custom resources may hold anything.
    """
    if spec.get("affinity") is None:
        return ""
    found: Json = spec
    path = "spec"
    for name in ("affinity", "nodeAffinity", REQUIRED):
        found, path = found.get(name), f"{path}.{name}"
        if found is None:
            return ""
        if not isinstance(found, dict):
            return _mistyped(path, found, "an object")
    terms, path = found.get("nodeSelectorTerms"), f"{path}.nodeSelectorTerms"
    if terms is not None and not isinstance(terms, list):
        return _mistyped(path, terms, "a list")
    for at, term in enumerate(terms or ()):
        if said := _unreadable_term(term):
            return _mistyped(f"{path}[{at}]{said[0]}", *said[1:])
    return ""


def _unreadable_term(term: Json) -> tuple[str, Json, str] | None:
    """What of a term is of the wrong type: where below it, what stands there, what must."""
    if term is not None and not isinstance(term, dict):
        return "", term, "an object"
    for name in ("matchExpressions", "matchFields"):
        found = term.get(name) if term else None
        if found is not None and not isinstance(found, list):
            return f".{name}", found, "a list"
    return None


def _mistyped(path: str, found: Json, wanted: str) -> str:
    return f"`{path}` is {_TYPES.get(type(found), 'a number')}: {wanted} must stand there"


def reachable(spec: JsonObject, within: PlaceSet) -> PlaceSet:
    """What the pod spec's own terms leave of a set; exact for a finite one."""
    selector, required = spec.get("nodeSelector"), required_affinity(spec)
    if isinstance(selector, dict) and isinstance(code := selector.get(PLACE_LABEL), str):
        within = within & PlaceSet.of((code,))
    return terms_places(required.get("nodeSelectorTerms"), within=within) if isinstance(required, dict) else within


def terms_places(terms: Json, nodes: NodePlaces = anywhere, within: PlaceSet = ANYWHERE) -> PlaceSet:
    """The union over the terms of a NodeSelector, of a set. No terms match nothing, as in the scheduler."""
    if terms is None:
        return NOWHERE
    if not isinstance(terms, list):
        return within
    if len(terms) == 1:
        return term_places(terms[0], nodes, within)
    return PlaceSet.union(term_places(term, nodes, within) for term in terms)


def term_places(term: Json, nodes: NodePlaces = anywhere, within: PlaceSet = ANYWHERE) -> PlaceSet:
    """The places one term leaves of a set. A term without expressions and fields matches nothing."""
    if not term:
        return NOWHERE
    if not isinstance(term, dict):
        return within
    if not term.get("matchExpressions") and not term.get("matchFields"):
        return NOWHERE
    narrowing = _narrowing(term, nodes)
    if not narrowing:
        return within
    places = within & narrowing[0] if len(narrowing) == 1 else PlaceSet.intersection((within, *narrowing))
    return _compared(places, term.get("matchExpressions")) if places.codes else places


def _narrowing(term: JsonObject, nodes: NodePlaces) -> list[PlaceSet]:
    """What the expressions and fields of one term leave, each for itself."""
    expressions, fields = term.get("matchExpressions"), term.get("matchFields")
    found = [
        _expression(each)
        for each in (expressions if isinstance(expressions, list) else ())
        if isinstance(each, dict) and each.get("key") == PLACE_LABEL
    ]
    if fields:
        found.extend(_named(each, nodes) for each in _mappings(fields))
    return found


def _mappings(entries: Json) -> list[JsonObject]:
    return [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []


def _expression(expression: JsonObject) -> PlaceSet:
    operator, values = expression.get("operator"), expression.get("values")
    texts = _texts(values)
    if operator == "In" and texts is not None:
        return PlaceSet(texts)
    if operator == "NotIn" and texts is not None:
        return PlaceSet(texts, True)
    if operator == "DoesNotExist":
        return _UNLABELLED
    # Gt and Lt hold for labels that are integers, so at least for labels; `_compared` does better on finite sets
    return PLACED if operator in ("Exists", "Gt", "Lt") else ANYWHERE


def _texts(values: Json) -> frozenset[str] | None:
    """None where the API server would refuse the values: then they narrow nothing."""
    if values is None:
        return frozenset()
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        return None
    return frozenset(values)


def _named(expression: JsonObject, nodes: NodePlaces) -> PlaceSet:
    """`matchFields`: the node by its name. `NotIn` excludes a node, never a place."""
    names = _texts(expression.get("values"))
    if expression.get("key") != "metadata.name" or expression.get("operator") != "In" or names is None:
        return ANYWHERE
    return PlaceSet.union(nodes(name) for name in sorted(names))


def _compared(places: PlaceSet, expressions: Json) -> PlaceSet:
    """A finite set without the codes that a Gt or Lt refuses; place codes are seldom integers, sites may be."""
    if places.cofinite:
        return places
    codes = places.codes
    for expression in _mappings(expressions):
        if expression.get("key") == PLACE_LABEL and expression.get("operator") in ("Gt", "Lt"):
            bound, above = _bound(expression.get("values")), expression["operator"] == "Gt"
            if bound is not None:
                codes = frozenset(code for code in codes if _holds(code, bound, above=above))
    return PlaceSet(codes)


def _bound(values: Json) -> int | None:
    return _integer(values[0]) if isinstance(values, list) and len(values) == 1 else None


def _holds(code: str, bound: int, *, above: bool) -> bool:
    value = _integer(code)
    return value is not None and (value > bound if above else value < bound)


def _integer(text: Json) -> int | None:
    """As Go's ParseInt reads it: a sign and ASCII digits, 64 bits."""
    if not isinstance(text, str) or len(text) > 64:
        return None
    digits = text[1:] if text[:1] in ("+", "-") else text
    if not (digits.isascii() and digits.isdigit()):
        return None
    value = int(text)
    return value if -(2**63) <= value < 2**63 else None
