"""What a policy or binding matches, in the order in which the API server asks: namespace, object, exclusions, rules."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from policies.deciding.matching import Selector
from policies.facts.unknown import Undetermined
from policies.json import Json
from policies.native.model import Constraints, Rule
from policies.native.surroundings import Surroundings
from policies.request import GroupKind, Request, Resource, labels_of

_NAMESPACES = Resource("", "v1", "namespaces")
_EXEMPT = "admissionregistration.k8s.io"
_EXEMPT_RESOURCES = frozenset(
    f"{kind}admissionpolic{ending}" for kind in ("validating", "mutating") for ending in ("ies", "ybindings")
)
_NEVER = frozenset(  # nothing is stored of them, and a cluster that refuses them is stuck
    {
        ("authentication.k8s.io", "selfsubjectreviews"),
        ("authentication.k8s.io", "tokenreviews"),
        ("authorization.k8s.io", "localsubjectaccessreviews"),
        ("authorization.k8s.io", "selfsubjectaccessreviews"),
        ("authorization.k8s.io", "selfsubjectrulesreviews"),
        ("authorization.k8s.io", "subjectaccessreviews"),
    }
)


@dataclass(frozen=True, slots=True)
class Matched:
    """Under which name a policy matched the request: its own, or an equivalent one in another version."""

    resource: Resource
    kind: GroupKind


def is_exempt(request: Request) -> bool:
    """Whether no policy is asked about the request, whatever it matches."""
    resource = request.resource
    if resource.group == _EXEMPT and resource.plural in _EXEMPT_RESOURCES:
        return True
    return (resource.group, resource.plural) in _NEVER


def matched(constraints: Constraints, request: Request, around: Surroundings) -> Matched | None:
    """How the request is matched, None where it isn't. Raises NamespaceMissing, Undetermined or Awaiting."""
    unknown: Exception | None = None
    try:
        if not _selects_namespace(constraints.namespaces, request, around):
            return None
    except Undetermined as error:
        unknown = error  # it only counts when everything else matches
    if not selects_object(constraints.objects, request):
        return None
    if _by_rules(constraints.excluded, constraints, request, around):
        return None
    found = _by_rules(constraints.rules, constraints, request, around) if constraints.rules else _itself(request)
    if found is not None and unknown is not None:
        raise unknown
    return found


def _itself(request: Request) -> Matched:
    return Matched(request.resource, request.kind)


def _selects_namespace(selector: Selector, request: Request, around: Surroundings) -> bool:
    if not request.namespace and request.resource.plural != "namespaces":
        return True
    if selector.trivial:
        return True
    if (
        request.resource.plural == "namespaces"
        and not request.subresource
        and request.operation in ("CREATE", "UPDATE")
    ):
        return selector.matches(labels_of(request.object))
    return selector.matches(labels_of(around.stored_namespace))


def selects_object(selector: Selector, request: Request) -> bool:
    """The new or the old object is enough; an object without metadata is never selected."""
    if selector.trivial:
        return True
    return any(_selected(selector, found) for found in (request.object, request.old_object))


def _selected(selector: Selector, found: Json) -> bool:
    return isinstance(found, Mapping) and selector.matches(labels_of(found))


def _by_rules(
    rules: Sequence[Rule], constraints: Constraints, request: Request, around: Surroundings
) -> Matched | None:
    if any(covers(rule, request, request.resource) for rule in rules):
        return _itself(request)
    if not constraints.equivalent or not any(_might(rule, request) for rule in rules):
        return None
    others = [other for other in around.equivalents(request.resource) if other != request.resource]
    for rule in rules:
        for other in others:
            if covers(rule, request, other):
                return Matched(other, replace(request.kind, group=other.group, version=other.version))
    return None


def covers(rule: Rule, request: Request, resource: Resource) -> bool:
    """Whether the rule is about this request, its resource seen under that name."""
    return (
        _in_scope(rule.scope, request, resource)
        and _has(rule.operations, request.operation)
        and _has(rule.groups, resource.group)
        and _has(rule.versions, resource.version)
        and names_resource(rule, request, resource.plural)
        and (not rule.names or request.name in rule.names)
    )


def _might(rule: Rule, request: Request) -> bool:
    """Whether another version or group could make the rule match; asked first, because versions may not be known."""
    operation, resource = _has(rule.operations, request.operation), request.resource
    if not operation or not names_resource(rule, request, resource.plural):
        return False
    return _has(rule.groups, resource.group) or resource.plural == "events"


def names_resource(rule: Rule, request: Request, plural: str) -> bool:
    for resource, subresource in rule.resources:
        if resource in ("*", plural) and subresource in ("*", request.subresource):
            return True
    return False


def _in_scope(scope: str, request: Request, resource: Resource) -> bool:
    if scope == "*":
        return True
    return (resource != _NAMESPACES and bool(request.namespace)) is (scope == "Namespaced")


def _has(words: frozenset[str], word: str) -> bool:
    return word in words or "*" in words


def converted(request: Request, found: Matched, around: Surroundings) -> Request:
    """The request with its objects in the version that was matched. Raises Undetermined where that isn't known."""
    if found.resource == request.resource:
        return request
    return replace(
        request,
        object=around.converted(request.object, found.resource),
        old_object=around.converted(request.old_object, found.resource),
    )
