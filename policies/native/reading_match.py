"""Reading what a policy or binding matches: resource rules and selectors."""

from policies.cel.library.formats import label_key, label_value
from policies.deciding.matching import Selector
from policies.native.model import Constraints, Rule
from policies.native.place import Place

_OPERATIONS = ("CREATE", "UPDATE", "DELETE", "CONNECT", "*")
_OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist")
_RULE = ("apiGroups", "apiVersions", "operations", "resources", "resourceNames", "scope")
_RESOURCES = ("resourceRules", "excludeResourceRules", "namespaceSelector", "objectSelector", "matchPolicy")
MUTABLE = ("CREATE", "UPDATE", "CONNECT", "*")


def constraints_of(place: Place, operations: tuple[str, ...] = _OPERATIONS, *, rules: bool = True) -> Constraints:
    """matchConstraints or matchResources. `rules` asks for at least one rule."""
    place = place.known(_RESOURCES)
    found = tuple(_rule(item, operations) for item in place.at("resourceRules").items())
    if rules and not found:
        place.at("resourceRules").wrong("must have at least one item", "say which resources the policy is about")
    return Constraints(
        found,
        tuple(_rule(item, _OPERATIONS) for item in place.at("excludeResourceRules").items()),
        selector_of(place.at("namespaceSelector")),
        selector_of(place.at("objectSelector")),
        place.at("matchPolicy").word(("Equivalent", "Exact"), "Equivalent") == "Equivalent",
    )


def _rule(place: Place, operations: tuple[str, ...]) -> Rule:
    place = place.known(_RULE)
    return Rule(
        groups=_alone(place.at("apiGroups"), 'for example `"apps"`, or `""` for the core group'),
        versions=_alone(place.at("apiVersions"), "for example `v1`"),
        operations=_words(place.at("operations"), operations),
        resources=_resources(place.at("resources")),
        scope=place.at("scope").word(("*", "Namespaced", "Cluster"), "*"),
        names=frozenset(place.at("resourceNames").texts()),
    )


def _alone(place: Place, hint: str) -> frozenset[str]:
    """A list in which `*` stands alone."""
    found = place.texts(hint)
    if len(found) > 1 and "*" in found:
        place.wrong("where there is a `*`, there must be nothing else")
    return frozenset(found)


def _words(place: Place, words: tuple[str, ...]) -> frozenset[str]:
    found = [item.word(words) for item in place.items()]
    if not found:
        place.wrong("must have at least one item", f"of {', '.join(words)}")
    if len(found) > 1 and "*" in found:
        place.wrong("where there is a `*`, there must be nothing else")
    return frozenset(found)


def _resources(place: Place) -> tuple[tuple[str, str], ...]:
    found = place.texts("for example `pods`, or `pods/exec` for a subresource")
    for item in place.items():
        if not item.text():
            item.wrong("must not be empty")
    split = [(text.partition("/")[0], text.partition("/")[2], text) for text in found]
    if len(found) > 1 and "*/*" in found:
        place.wrong("where there is a `*/*`, there must be nothing else")
    for resource, subresource, text in split:
        for wide in (f"{resource}/*", f"*/{subresource}"):
            if subresource and wide in found and text not in (wide, "*/*"):
                place.wrong(f"`{text}` is covered by `{wide}`: leave it out")
    if "*" in found and any("/" not in text and text != "*" for text in found):
        place.wrong("where there is a `*`, there must be no other resource without subresource")
    return tuple((resource, subresource) for resource, subresource, _ in split)


def selector_of(place: Place) -> Selector:
    """A label selector. One that isn't written selects everything."""
    place = place.known(("matchLabels", "matchExpressions"))
    labels = place.at("matchLabels")
    pairs = labels.value if isinstance(labels.value, dict) else {}
    for name in pairs:
        _legal(labels.at(name), label_key(str(name)), label_value(labels.at(name).text()))
    if labels and not isinstance(labels.value, dict):
        labels.wrong("expected a mapping of labels to values")
    expressions = tuple(_expression(item) for item in place.at("matchExpressions").items())
    return Selector(tuple(sorted((str(name), str(value)) for name, value in pairs.items())), expressions)


def _expression(place: Place) -> tuple[str, str, frozenset[str]]:
    place = place.known(("key", "operator", "values"))
    operator = place.at("operator").word(_OPERATORS)
    values = frozenset(place.at("values").texts())
    if operator in ("In", "NotIn") and not values:
        place.at("values").wrong(f"must have at least one item with `{operator}`")
    if operator in ("Exists", "DoesNotExist") and values:
        place.at("values").wrong(f"must be empty with `{operator}`")
    key = place.at("key").filled("a label's key")
    _legal(place.at("key"), label_key(key) if key else [])
    for value in sorted(values):
        _legal(place.at("values"), label_value(value))
    return key, operator, values


def _legal(place: Place, *wrongs: list[str]) -> None:
    """Notes what keeps a label's key or value from being one: nothing would ever be selected by it."""
    for wrong in wrongs:
        for why in wrong:
            place.wrong(why, "a label's key is a name, perhaps with a domain before it: `example.eu/team`")
