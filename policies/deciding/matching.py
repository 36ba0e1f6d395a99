"""Which policies a request concerns: an index by group, resource and operation, then scope, names and selectors.

Cost follows what matches: the first request of a (group, resource, operation) scans all rules, every later one is a
dictionary look-up.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from policies.json import Json, JsonObject
from policies.request import Request, labels_of

Key = tuple[str, str, str, str, str]  # group, version, plural, subresource, operation


@dataclass(frozen=True, slots=True)
class Rule:
    """One entry of resourceRules (admissionregistration.k8s.io/v1 NamedRuleWithOperations)."""

    groups: frozenset[str]
    versions: frozenset[str]
    operations: frozenset[str]
    resources: frozenset[str]
    scope: str = "*"  # Namespaced, Cluster or *
    names: frozenset[str] = frozenset()
    equivalent: bool = True  # matchPolicy: Equivalent ignores the version

    def covers(self, key: Key) -> bool:
        group, version, plural, subresource, operation = key
        return (
            _has(self.groups, group)
            and (self.equivalent or _has(self.versions, version))
            and _has(self.operations, operation)
            and _has_resource(self.resources, plural, subresource)
        )

    def fits(self, request: Request) -> bool:
        """The part that depends on the single request: scope and resource names."""
        if self.scope != "*" and _in_namespace(request) is not (self.scope == "Namespaced"):
            return False
        return not self.names or request.name in self.names


def _in_namespace(request: Request) -> bool:
    """Requests about a Namespace carry its own name as their namespace, and are cluster-scoped all the same."""
    return bool(request.namespace) and (request.resource.group, request.resource.plural) != ("", "namespaces")


def _has(allowed: frozenset[str], value: str) -> bool:
    return value in allowed or "*" in allowed


def _has_resource(allowed: frozenset[str], plural: str, subresource: str) -> bool:
    if not subresource:
        return plural in allowed or "*" in allowed or "*/*" in allowed
    wanted = (f"{plural}/{subresource}", f"{plural}/*", f"*/{subresource}", "*/*")
    return any(form in allowed for form in wanted)


@dataclass(frozen=True, slots=True)
class Selector:
    """A LabelSelector, evaluated over a labels mapping (apimachinery semantics)."""

    labels: tuple[tuple[str, str], ...] = ()
    expressions: tuple[tuple[str, str, frozenset[str]], ...] = ()

    @classmethod
    def of(cls, spec: JsonObject | None) -> "Selector":
        spec = spec or {}
        expressions = spec.get("matchExpressions") or ()
        return cls(
            tuple(sorted((spec.get("matchLabels") or {}).items())),
            tuple((e["key"], e["operator"], frozenset(e.get("values") or ())) for e in expressions),
        )

    @property
    def trivial(self) -> bool:
        return not self.labels and not self.expressions

    def matches(self, labels: Mapping[str, Json]) -> bool:
        return all(labels.get(key) == value for key, value in self.labels) and all(
            _OPERATORS[operator](labels.get(key), key in labels, values) for key, operator, values in self.expressions
        )


_OPERATORS: Mapping[str, Callable[[Json, bool, frozenset[str]], bool]] = {
    "In": lambda value, present, values: present and value in values,
    "NotIn": lambda value, present, values: not present or value not in values,
    "Exists": lambda _value, present, _values: present,
    "DoesNotExist": lambda _value, present, _values: not present,
}


@dataclass(frozen=True, slots=True)
class Match:
    """The matchConstraints of one policy."""

    rules: tuple[Rule, ...]
    excluded: tuple[Rule, ...] = ()
    namespaces: Selector = Selector()
    objects: Selector = Selector()

    def may_cover(self, key: Key) -> bool:
        return any(rule.covers(key) for rule in self.rules)

    def about(self, key: Key) -> "Match":
        """The part that can concern requests of this key."""
        rules = tuple(rule for rule in self.rules if rule.covers(key))
        return replace(self, rules=rules, excluded=tuple(rule for rule in self.excluded if rule.covers(key)))

    def fits(self, request: Request) -> bool:
        """Whether a rule fits and none that excludes; for what `about` gave for the request's key."""
        for rule in self.excluded:
            if rule.fits(request):
                return False
        for rule in self.rules:  # noqa: SIM110  # a generator would cost as much as all else here
            if rule.fits(request):
                return True
        return False

    def selects_object(self, request: Request) -> bool:
        """As the API server does it: the new or the old object is enough."""
        if self.objects.trivial:
            return True
        return any(self.objects.matches(labels_of(found)) for found in (request.object, request.old_object) if found)


T = TypeVar("T")
_REMEMBERED = 4096  # distinct (group, resource, operation) keys; more than any cluster serves
_LONGEST = 512  # characters of one; what any cluster serves is shorter


class Index(Generic[T]):
    """Policies by what they match, in the order given."""

    def __init__(self, entries: Sequence[tuple[Match, T]]) -> None:
        self._entries = tuple(entries)
        self._known: dict[Key, tuple[tuple[Match, T], ...]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def candidates(self, key: Key) -> tuple[tuple[Match, T], ...]:
        found = self._known.get(key)
        if found is None:
            found = tuple((match.about(key), entry) for match, entry in self._entries if match.may_cover(key))
            if len(self._known) < _REMEMBERED and sum(map(len, key)) <= _LONGEST:
                self._known[key] = found
        return found


def key_of(request: Request) -> Key:
    resource = request.resource
    return (resource.group, resource.version, resource.plural, request.subresource, request.operation)
