"""Type-checking a policy: every expression against every kind that its rules name, at most ten of them a rule.

A ValidatingAdmissionPolicy is judged as the API server's own check judges it: its validations and their messages, in
the API server's words, with the API server's blind spots (see `declared`). Of all other policies every expression is
judged, as far as it is evaluated for the kind, and what a schema doesn't say is taken as `dyn`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from policies.cel import Environment, versions
from policies.cel.admission import REQUEST
from policies.cel.functions import Version
from policies.cel.types import DYN, CelType, ObjectType
from policies.json import JsonObject
from policies.request import GroupKind
from policies.typecheck.expressions import Check, Expression
from policies.typecheck.reachable import guards
from policies.typecheck.schemas import Schemas
from policies.typecheck.warning import ExpressionWarning

_STRICT = "ValidatingAdmissionPolicy"  # judged by the API server's own rules
_MOST_KINDS = 10  # of one rule
_KYVERNO_REQUEST = ObjectType("kubernetes.AdmissionRequest", {**REQUEST.fields, "object": DYN, "oldObject": DYN})


_ByKind = Mapping[GroupKind, Check]


def warnings_of(
    policy: JsonObject, schemas: Schemas, kubernetes: Version = versions.DEFAULT
) -> tuple[ExpressionWarning, ...]:
    """What doesn't fit, in the order of the policy. Anything that is no policy has no expressions. Never raises."""
    spec = _mapping(policy.get("spec"))
    strict = policy.get("kind") == _STRICT
    expressions = list(_validations(spec) if strict else _expressions(spec))
    checks = _checks_of(policy, schemas, kubernetes, strict=strict) if expressions else {}
    warnings = [
        warning
        for expression in (*_variables(spec), *expressions)
        if (warning := _warning(expression, checks)) and not (strict and expression.name)
    ]
    return tuple(warnings)


def _checks_of(policy: JsonObject, schemas: Schemas, kubernetes: Version, *, strict: bool) -> _ByKind:
    """What is needed for each kind that the policy is about, and of which something is known."""
    spec = _mapping(policy.get("spec"))
    typed = {one: schemas.type_of(one, None if strict else DYN) for one in kinds_of(spec, schemas)}
    return {
        one: Check(_environment(policy, spec, known, schemas, kubernetes), "" if strict else one.kind)
        for one, known in typed.items()
        if known is not None
    }


def _warning(expression: Expression, checks: _ByKind) -> ExpressionWarning | None:
    """The expression over all kinds. What only some of them have, and is asked for, tells kinds apart."""
    found = {kind: check.found(expression) for kind, check in checks.items()}
    asked = guards({kind: one.missing for kind, one in found.items()})
    for kind, check in checks.items():
        if asked:
            found[kind] = check.found(expression, asked[kind])
        if expression.name:
            check.declare(expression.name, found[kind].type)
    wrong = tuple((kind, one.problems) for kind, one in found.items() if one.problems)
    return ExpressionWarning(expression.field, expression.source, wrong) if wrong else None


def kinds_of(spec: JsonObject, schemas: Schemas) -> Sequence[GroupKind]:
    """The kinds that a policy's rules name; rules with wildcards and subresources name none."""
    kinds: set[GroupKind] = set()
    for rule in _items(_mapping(spec.get("matchConstraints")), "resourceRules"):
        count = 0
        for group, version, resource in _named(rule):
            for kind in schemas.kinds_of(group, version, resource):
                kinds.add(kind)
                count += 1
                if count == _MOST_KINDS:
                    return _sorted(kinds)
    return _sorted(kinds)


def group_versions(policy: JsonObject) -> set[tuple[str, str]]:
    """The groups and versions that a policy's rules name, as far as they are names."""
    rules = _items(_mapping(_mapping(policy.get("spec")).get("matchConstraints")), "resourceRules")
    return {(group, version) for rule in rules for group, version, _ in _named(rule)}


def _sorted(kinds: set[GroupKind]) -> Sequence[GroupKind]:
    return sorted(kinds, key=lambda kind: (kind.group, kind.version, kind.kind))


def _named(rule: JsonObject) -> Iterator[tuple[str, str, str]]:
    groups, versions_, resources = (_texts(rule, name) for name in ("apiGroups", "apiVersions", "resources"))
    if any("*" in text for text in (*groups, *versions_)):
        return
    plain = [text for text in resources if not {"*", "/"} & set(text)]
    for group in sorted(groups):
        for version in sorted(versions_):
            yield from ((group, version, resource) for resource in sorted(plain))


def _environment(
    policy: JsonObject, spec: JsonObject, typed: CelType, schemas: Schemas, kubernetes: Version
) -> Environment:
    """What expressions of this policy may name, its objects being of this type."""
    objects = {"object": typed, "oldObject": typed, "variables": ObjectType("kubernetes.variables")}
    group = str(policy.get("apiVersion")).partition("/")[0]
    if group == "bailiwick.dev":
        from policies.facts.environment import environment

        return environment(kubernetes).extend(variables=objects)
    known = Environment.admission(kubernetes, patches="Mutating" in str(policy.get("kind")))
    names = {name: known.variables[name] for name in ("request", "namespaceObject")} | objects
    if group == "policies.kyverno.io":
        return replace(known, variables=MappingProxyType({**names, "request": _KYVERNO_REQUEST}))
    names["authorizer"] = known.variables["authorizer"]
    if policy.get("kind") != _STRICT:
        names["authorizer.requestResource"] = known.variables["authorizer.requestResource"]
    if param := _mapping(spec.get("paramKind")):
        names["params"] = _params(param, schemas, None if policy.get("kind") == _STRICT else DYN) or DYN
    return replace(known, variables=MappingProxyType(names))


def _params(kind: JsonObject, schemas: Schemas, gaps: CelType | None) -> CelType | None:
    group, _, version = str(kind.get("apiVersion")).rpartition("/")
    name = str(kind.get("kind"))
    return schemas.type_of(GroupKind(group, version, name), gaps, f"Params{name}")


# the expressions of a policy, tolerant of whatever else is wrong with it


def _variables(spec: JsonObject) -> Iterator[Expression]:
    for index, one in enumerate(_items(spec, "variables")):
        yield Expression(f"spec.variables[{index}].expression", str(one.get("expression")), name=str(one.get("name")))


def _validations(spec: JsonObject) -> Iterator[Expression]:
    for index, one in enumerate(_items(spec, "validations")):
        each = str(one.get("forEach") or "")
        at = f"spec.validations[{index}]"
        if each:
            yield Expression(f"{at}.forEach", each)
        yield Expression(f"{at}.expression", str(one.get("expression")), each)
        if told := one.get("messageExpression"):
            yield Expression(f"{at}.messageExpression", str(told), each)


def _expressions(spec: JsonObject) -> Iterator[Expression]:
    for index, one in enumerate(_items(spec, "matchConditions")):
        yield Expression(f"spec.matchConditions[{index}].expression", str(one.get("expression")), variables=False)
    yield from _validations(spec)
    for index, one in enumerate(_items(spec, "mutations")):
        for how in ("jsonPatch", "applyConfiguration"):
            if source := _mapping(one.get(how)).get("expression"):
                yield Expression(f"spec.mutations[{index}].{how}.expression", str(source))
    for index, one in enumerate(_items(spec, "auditAnnotations")):
        yield Expression(f"spec.auditAnnotations[{index}].valueExpression", str(one.get("valueExpression")))


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _items(within: JsonObject, name: str) -> list[Mapping[str, Any]]:
    found = within.get(name)
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []


def _texts(within: JsonObject, name: str) -> list[str]:
    found = within.get(name)
    return [one for one in found if isinstance(one, str)] if isinstance(found, list) else []
