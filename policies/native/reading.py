"""From manifests to policies: `admissionregistration.k8s.io` kinds read as they are, all problems at once.

What the API server refuses is refused here, with the place and a hint; so are fields that it would silently drop. The
fields are the same in v1, v1beta1 and v1alpha1.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from policies.cel import versions
from policies.cel.functions import Version
from policies.cel.types import BOOL, NULL, STRING
from policies.kinds.problems import Problem, in_order
from policies.kinds.reading import Located
from policies.native.expressions import OBJECT, PATCHES, Expressions
from policies.native.model import (
    AUDIT,
    DENY,
    WARN,
    Annotation,
    Binding,
    Condition,
    MutatingPolicy,
    Mutation,
    ParamRef,
    Policies,
    Policy,
    ValidatingPolicy,
    Validation,
)
from policies.native.place import Place
from policies.native.reading_match import MUTABLE, constraints_of, selector_of
from policies.request import GroupKind

GROUP = "admissionregistration.k8s.io"
VERSIONS = ("v1", "v1beta1", "v1alpha1")
_REASONS = ("Forbidden", "Invalid", "RequestEntityTooLarge")
_IDENTIFIER = re.compile(r"[_a-zA-Z][_a-zA-Z0-9]*")
_QUALIFIED = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9]")
_MOST_CONDITIONS, _MOST_ANNOTATIONS, _LONGEST_ANNOTATION = 64, 20, 5 * 1024
_RESERVED = re.compile(
    "true|false|null|in|as|break|const|continue|else|for|function|if|import|let|loop|package|namespace|return|var|void|while"
)


class PoliciesInvalid(ValueError):
    """Some policies can't be put into force. `problems` has everything that is wrong with them, in order of lines."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


@dataclass(frozen=True, slots=True)
class Bare:
    """An object that lies in no file."""

    value: Mapping[str, Any]
    source: str = ""

    def position(self, _path: tuple[str | int, ...], /) -> int:
        return 0


Readable = Located | Mapping[str, Any]


def located(found: Readable) -> Located:
    return Bare(found) if isinstance(found, Mapping) else found


def is_native(value: Mapping[str, Any]) -> bool:
    """Whether `read` understands this object."""
    group, _, version = str(value.get("apiVersion")).rpartition("/")
    return group == GROUP and version in VERSIONS and value.get("kind") in _READERS


def read(found: Iterable[Readable], kubernetes: Version = versions.DEFAULT) -> Policies:
    """The policies among these objects, each with its bindings; other objects are passed over.

    A binding of a policy that isn't there does nothing, and neither does a policy without a binding. Raises
    PoliciesInvalid with every problem of every object.
    """
    problems: list[Problem] = []
    made: dict[str, list[Any]] = {kind: [] for kind in _READERS}
    for one in map(located, found):
        if is_native(one.value):
            kind = one.value["kind"]
            made[kind].append(_READERS[kind](Place.root(one, problems), kubernetes))
    if problems:
        raise PoliciesInvalid(in_order(iter(problems)))
    return Policies(
        _bound(made["ValidatingAdmissionPolicy"], made["ValidatingAdmissionPolicyBinding"]),
        _bound(made["MutatingAdmissionPolicy"], made["MutatingAdmissionPolicyBinding"]),
    )


P = TypeVar("P", bound=Policy)


def _bound(policies: Iterable[P], bindings: Iterable[Binding]) -> tuple[P, ...]:
    """The policies that have bindings, with them; the last of several of one name counts, as it would when applied."""
    by_name = {policy.name: policy for policy in policies}
    ordered = sorted({binding.name: binding for binding in bindings}.values(), key=lambda binding: binding.name)
    bound = {name: tuple(one for one in ordered if one.policy == name) for name in sorted(by_name)}
    return tuple(replace(by_name[name], bindings=mine) for name, mine in bound.items() if mine)


def _validating(root: Place, version: Version) -> ValidatingPolicy:
    name, spec = _name(root), _spec(root, ("validations", "auditAnnotations"))
    expressions = _expressions(spec, version, composed=bool(spec.at("variables").value))
    common = _common(name, spec, expressions)
    if not spec.at("validations").value and not spec.at("auditAnnotations").value:
        spec.at("validations").wrong("validations or auditAnnotations must contain at least one item")
    return ValidatingPolicy(
        **common,
        validations=tuple(_validation(item, expressions) for item in spec.at("validations").items()),
        annotations=_annotations(spec.at("auditAnnotations"), name, expressions),
    )


def _mutating(root: Place, version: Version) -> MutatingPolicy:
    name, spec = _name(root), _spec(root, ("mutations", "reinvocationPolicy"))
    expressions = _expressions(spec, version, composed=True)
    common = _common(name, spec, expressions, MUTABLE)
    if not spec.at("mutations").value:
        spec.at("mutations").wrong("mutations must contain at least one item")
    return MutatingPolicy(
        **common,
        mutations=tuple(_mutation(item, expressions) for item in spec.at("mutations").items()),
        reinvoked=spec.at("reinvocationPolicy").word(("Never", "IfNeeded")) == "IfNeeded",
    )


_SHARED = ("paramKind", "matchConstraints", "matchConditions", "variables", "failurePolicy")


def _spec(root: Place, own: tuple[str, ...]) -> Place:
    root.known(("apiVersion", "kind", "metadata", "spec", "status"))
    return root.at("spec").required().known((*_SHARED, *own))


def _name(root: Place) -> str:
    return root.at("metadata").at("name").name("policy")


def _expressions(spec: Place, version: Version, *, composed: bool) -> Expressions:
    return Expressions(version, params=bool(spec.at("paramKind")), composed=composed)


def _common(
    name: str, spec: Place, expressions: Expressions, operations: tuple[str, ...] | None = None
) -> dict[str, Any]:
    """The fields of `Policy`. Reads the variables, so that whatever is read after it may name them."""
    constraints = spec.at("matchConstraints").required("say which resources the policy is about")
    conditions = tuple(_conditions(spec.at("matchConditions"), expressions))
    for item in spec.at("variables").items():
        _variable(item, expressions)
    return {
        "name": name,
        "constraints": constraints_of(constraints, operations) if operations else constraints_of(constraints),
        "conditions": conditions,
        "variables": expressions.variables,
        "params": _param_kind(spec.at("paramKind")),
        "fail_closed": spec.at("failurePolicy").word(("Fail", "Ignore"), "Fail") == "Fail",
    }


def _param_kind(place: Place) -> GroupKind | None:
    if not place:
        return None
    place = place.known(("apiVersion", "kind"))
    group, _, version = place.at("apiVersion").filled("for example `v1`").rpartition("/")
    return GroupKind(group, version, place.at("kind").filled("for example `ConfigMap`"))


def _conditions(place: Place, expressions: Expressions) -> Iterable[Condition]:
    """Match conditions: the API server gives them no variables."""
    seen: set[str] = set()
    for index, item in enumerate(place.items()):
        item.known(("name", "expression"))
        name = item.at("name").filled("a name, to be named in messages")
        if name in seen:
            item.at("name").wrong(f"`{name}` is there already")
        if index == _MOST_CONDITIONS:
            place.wrong(f"must have at most {_MOST_CONDITIONS} items")
        seen.add(name)
        program = expressions.compile(item.at("expression"), BOOL, variables=False)
        if program is not None:
            yield Condition(name, program)


def _variable(place: Place, expressions: Expressions) -> None:
    place.known(("name", "expression"))
    name = place.at("name").filled("a name, for `variables.<name>`")
    if name.strip() and (not _IDENTIFIER.fullmatch(name) or _RESERVED.fullmatch(name)):
        place.at("name").wrong(
            "must be a valid CEL identifier", "letters, digits and `_`, and no word that CEL reserves"
        )
    if not expressions.composed:
        return
    expressions.variable(place.at("expression"), name)


def _validation(place: Place, expressions: Expressions) -> Validation:
    place.known(("expression", "message", "messageExpression", "reason"))
    program = expressions.compile(place.at("expression"), BOOL)
    message = _message(place.at("message"))
    told = place.at("messageExpression")
    words = expressions.compile(told, STRING, authorizer=False) if told else None
    reason = place.at("reason").word(_REASONS, "Invalid")
    return Validation(program, message, words, reason)  # type: ignore[arg-type]  # then there is a problem


def _message(place: Place) -> str:
    text = place.text()
    if isinstance(place.value, str) and not text.strip():
        place.wrong("must be non-empty if specified")
    if re.search(r"[\n\r]", text.strip()):
        place.wrong("must not contain line breaks")
    return text


def _annotations(place: Place, policy: str, expressions: Expressions) -> tuple[Annotation, ...]:
    seen: set[str] = set()
    made = []
    for index, item in enumerate(place.items()):
        item.known(("key", "valueExpression"))
        key = item.at("key").filled("a name, which becomes part of the annotation's key")
        if key.strip() and not _QUALIFIED.fullmatch(key):
            item.at("key").wrong("expected a qualified name", f"`{policy}/<key>` becomes the key of the annotation")
        if key in seen:
            item.at("key").wrong(f"`{key}` is there already")
        if index == _MOST_ANNOTATIONS:
            place.wrong(f"must have at most {_MOST_ANNOTATIONS} items")
        seen.add(key)
        value = item.at("valueExpression")
        if len(value.text().strip()) > _LONGEST_ANNOTATION:
            value.wrong(f"must not exceed {_LONGEST_ANNOTATION} bytes in length")
        program = expressions.compile(value, STRING, NULL)
        if program is not None:
            made.append(Annotation(key, program))
    return tuple(made)


def _mutation(place: Place, expressions: Expressions) -> Mutation:
    place.known(("patchType", "jsonPatch", "applyConfiguration"))
    json_patch = place.at("patchType").word(("JSONPatch", "ApplyConfiguration")) == "JSONPatch"
    ours, other = ("jsonPatch", "applyConfiguration") if json_patch else ("applyConfiguration", "jsonPatch")
    if place.at(other):
        place.at(other).wrong(
            f"must not be specified when patchType is {'JSONPatch' if json_patch else 'ApplyConfiguration'}"
        )
    expression = place.at(ours).required().known(("expression",)).at("expression")
    program = expressions.compile(expression, PATCHES if json_patch else OBJECT, patches=True)
    return Mutation(program, json_patch)  # type: ignore[arg-type]  # then there is a problem


def _validating_binding(root: Place, _version: Version) -> Binding:
    spec = _binding_spec(root, ("validationActions",))
    actions = tuple(item.word((DENY, WARN, AUDIT)) for item in spec.at("validationActions").items())
    place = spec.at("validationActions")
    if not actions:
        place.wrong("must have at least one item", "`Deny`, `Warn` or `Audit`")
    if len(set(actions)) < len(actions):
        place.wrong("an action is there twice")
    if {DENY, WARN} <= set(actions):
        place.wrong("must not contain both Deny and Warn", "whoever is denied is told why without a warning")
    return replace(_binding(root, spec), actions=actions)


def _mutating_binding(root: Place, _version: Version) -> Binding:
    spec = _binding_spec(root, ())
    for rule in spec.at("matchResources").at("resourceRules").items():
        for item in rule.at("operations").items():
            item.word(MUTABLE)
    return _binding(root, spec)


def _binding_spec(root: Place, own: tuple[str, ...]) -> Place:
    root.known(("apiVersion", "kind", "metadata", "spec"))
    return root.at("spec").required().known(("policyName", "paramRef", "matchResources", *own))


def _binding(root: Place, spec: Place) -> Binding:
    matched = spec.at("matchResources")
    return Binding(
        name=root.at("metadata").at("name").name("binding"),
        policy=spec.at("policyName").name("policy"),
        constraints=constraints_of(matched, rules=False) if matched else None,
        param_ref=_param_ref(spec.at("paramRef")),
    )


def _param_ref(place: Place) -> ParamRef | None:
    if not place:
        return None
    place = place.known(("name", "namespace", "selector", "parameterNotFoundAction"))
    name, selector = place.at("name").text(), place.at("selector")
    if name and selector:
        selector.wrong("name and selector are mutually exclusive")
    if not name and not selector:
        place.wrong("one of name or selector must be specified", "an empty selector `{}` selects all")
    return ParamRef(
        name,
        place.at("namespace").text(),
        selector_of(selector) if selector else None,
        place.at("parameterNotFoundAction").word(("Deny", "Allow")) == "Deny",
    )


_READERS: Mapping[str, Callable[[Place, Version], Any]] = {
    "ValidatingAdmissionPolicy": _validating,
    "ValidatingAdmissionPolicyBinding": _validating_binding,
    "MutatingAdmissionPolicy": _mutating,
    "MutatingAdmissionPolicyBinding": _mutating_binding,
}
