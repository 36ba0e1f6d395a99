"""ValidatingAdmissionPolicies that the API server keeps by itself, whether any process of ours runs or not.

They hold for subresources too, because labels travel through an update of `status` or `finalize`. What is written is
whole: every field that the API server would fill in stands there, so that what is stored equals what was printed.
Expressions are total: no node and no namespace is ever refused because one can't be evaluated.
"""

from collections.abc import Sequence

from policies.cel.unparse import literal
from policies.facts.classification import CLASS_LABEL
from policies.guards.actors import Actors, listed
from policies.guards.guarding import INFRASTRUCTURE_LABEL, OUR_DOMAINS, Guarding
from policies.json import Json

NODES = ("nodes", "nodes/status")
NAMESPACES = ("namespaces", "namespaces/status", "namespaces/finalize")
_API = "admissionregistration.k8s.io/v1"
_LABELS = (
    ("now", "has(object.metadata.labels) ? object.metadata.labels : {}"),
    ("was", "oldObject == null || !has(oldObject.metadata.labels) ? {} : oldObject.metadata.labels"),
)
# Most updates are heartbeats and counters: they cost one comparison.
_CONCERNED = "oldObject == null || object.metadata.?labels != oldObject.metadata.?labels"
_NOT_MADE = 'request.operation != "CREATE"'


def native(guarding: Guarding) -> list[Json]:
    """Policies, each followed by its binding."""
    return [*_places(guarding), *_classes(guarding), *_infrastructure(guarding)]


def _places(guarding: Guarding) -> list[Json]:
    """Place, tenancy and class of a node, and what a site's nodes are known by."""
    ours = " || ".join(f"key.startsWith({literal(domain)})" for domain in OUR_DOMAINS)
    also = f" || key in {listed(guarding.site_labels)}" if guarding.site_labels else ""
    return _guard("places", NODES, f"{ours}{also}", guarding.places)


def _classes(guarding: Guarding) -> list[Json]:
    """Class and jurisdiction of a namespace."""
    about = f"key.startsWith({literal(OUR_DOMAINS[1])}) && key != {literal(INFRASTRUCTURE_LABEL)}"
    more = [_classified(guarding)] if guarding.every_namespace_has_a_class else []
    return _guard("classes", NAMESPACES, about, guarding.classes, more)


def _classified(guarding: Guarding) -> Json:
    """Nobody leaves a class behind by making a namespace without one."""
    machinery = f"({guarding.infrastructure.expression}) && {_named(guarding)}"
    return {
        "expression": f"{_NOT_MADE} || {literal(CLASS_LABEL)} in variables.now || variables.may || ({machinery})",
        "message": f"a namespace without `{CLASS_LABEL}` may be made only by {guarding.classes}",
        "reason": "Forbidden",
    }


def _infrastructure(guarding: Guarding) -> list[Json]:
    """The label, and the names: whoever makes a namespace of such a name is never judged in it."""
    may = "spec.guards.infrastructure"
    made = {
        "expression": f"{_NOT_MADE} || variables.may || !({_named(guarding)})",
        "message": f"an infrastructure namespace may be made only by {guarding.infrastructure}; "
        f"`{may}` of the ClusterProfile says who may",
        "reason": "Forbidden",
    }
    about = f"key == {literal(INFRASTRUCTURE_LABEL)}"
    return _guard("infrastructure", NAMESPACES, about, guarding.infrastructure, [made])


def _named(guarding: Guarding) -> str:
    return f"has(object.metadata.name) && object.metadata.name in {listed(guarding.namespaces)}"


def _guard(what: str, resources: Sequence[str], about: str, may: Actors, more: Sequence[Json] = ()) -> list[Json]:
    """A policy under which `may` alone changes labels whose `key` is `about`, and its binding."""
    name = f"bailiwick-{what}"
    added = f"({about}) && (!(key in variables.was) || variables.was[key] != variables.now[key])"
    gone = f"({about}) && !(key in variables.now)"
    changed = f"variables.now.filter(key, {added}) + variables.was.filter(key, {gone})"
    variables = (*_LABELS, ("changed", changed), ("may", may.expression))
    says = f" may be changed only by {may}; `spec.guards.{what}` of the ClusterProfile says who may"
    validation = {
        "expression": "variables.changed.size() == 0 || variables.may",
        "message": "guarded labels" + says,
        "messageExpression": f'"`" + variables.changed.join("`, `") + "`" + {literal(says)}',
        "reason": "Forbidden",
    }
    spec = {
        "failurePolicy": "Fail",
        "matchConstraints": {
            "matchPolicy": "Equivalent",
            "namespaceSelector": {},
            "objectSelector": {},
            "resourceRules": [_rule(resources)],
        },
        "matchConditions": [{"name": "labels-change", "expression": _CONCERNED}],
        "variables": [{"name": key, "expression": expression} for key, expression in variables],
        "validations": [validation, *more],
        "auditAnnotations": [
            {"key": "changed", "valueExpression": 'variables.changed.join(", ")'}  # an empty one is left out
        ],
    }
    bound = {"policyName": name, "validationActions": ["Deny"]}
    return [_object("", name, spec), _object("Binding", name, bound)]


def _rule(resources: Sequence[str]) -> Json:
    return {
        "apiGroups": [""],
        "apiVersions": ["v1"],
        "operations": ["CREATE", "UPDATE"],
        "resources": list(resources),
        "scope": "*",
    }


def _object(suffix: str, name: str, spec: Json) -> Json:
    return {
        "apiVersion": _API,
        "kind": f"ValidatingAdmissionPolicy{suffix}",
        "metadata": {"name": name, "labels": {"app.kubernetes.io/part-of": "bailiwick"}},
        "spec": spec,
    }
