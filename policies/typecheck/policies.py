"""Type-checking a policy: every expression against every kind that its rules name, at most ten of them a rule.

A ValidatingAdmissionPolicy is judged as the API server's own check judges it: its validations and their messages, in
the API server's words, with the API server's blind spots (see `declared`). Of all other policies every expression is
judged, as far as it is evaluated for the kind, and what a schema doesn't say is taken as `dyn`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from policies.cel import CompileError, Environment, versions
from policies.cel.admission import REQUEST
from policies.cel.check.checker import check
from policies.cel.errors import Problem
from policies.cel.functions import Version
from policies.cel.parser import parse
from policies.cel.types import DYN, CelType, Kind, ObjectType
from policies.json import JsonObject
from policies.native.expressions import declared
from policies.request import GroupKind
from policies.typecheck.reachable import reachable
from policies.typecheck.schemas import Schemas
from policies.typecheck.warning import ExpressionWarning

_MOST_KINDS = 10  # of one rule
_KYVERNO_REQUEST = ObjectType("kubernetes.AdmissionRequest", {**REQUEST.fields, "object": DYN, "oldObject": DYN})


@dataclass(frozen=True, slots=True)
class _Expression:
    field: str
    source: str
    each: str = ""  # the list that `item` comes from
    variables: bool = True


def warnings_of(
    policy: JsonObject, schemas: Schemas, kubernetes: Version = versions.DEFAULT
) -> tuple[ExpressionWarning, ...]:
    """What doesn't fit, in the order of the policy. Anything that is no policy has no expressions. Never raises."""
    spec, kind = _mapping(policy.get("spec")), policy.get("kind")
    strict = kind == "ValidatingAdmissionPolicy"
    expressions = list(_validations(spec) if strict else _expressions(spec))
    found: dict[_Expression, list[tuple[GroupKind, tuple[Problem, ...]]]] = {}
    for one in kinds_of(spec, schemas) if expressions else ():
        typed = schemas.type_of(one, None if strict else DYN)
        if typed is None:
            continue
        checks = _Checks(_environment(policy, spec, typed, schemas, kubernetes), "" if strict else one.kind)
        for name, source, field in _variables(spec):
            problems = checks.variable(name, source)
            if problems and not strict:
                found.setdefault(_Expression(field, source), []).append((one, problems))
        for expression in expressions:
            if problems := checks.problems(expression):
                found.setdefault(expression, []).append((one, problems))
    return tuple(ExpressionWarning(one.field, one.source, tuple(those)) for one, those in found.items())


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


class _Checks:
    """The expressions of one policy over one kind."""

    def __init__(self, environment: Environment, kind: str) -> None:
        """`kind` is empty where the API server's own rules are asked for."""
        self._kind = kind
        self._types: dict[str, CelType] = {}
        self._environment = environment
        self._bare = environment

    def variable(self, name: str, source: str) -> tuple[Problem, ...]:
        """Declares one more variable; one that doesn't fit is `dyn` to whatever comes after it."""
        found = _checked(source, self._environment, self._kind)
        if isinstance(found, tuple):
            self._types[name] = DYN
        else:
            self._types[name] = found if self._kind else declared(found)
        variables = ObjectType("kubernetes.variables", {**self._types})
        self._environment = self._bare.extend(variables={"variables": variables})
        return found if isinstance(found, tuple) else ()

    def problems(self, expression: _Expression) -> tuple[Problem, ...]:
        environment = self._environment if expression.variables else self._bare
        if expression.each:
            each = _checked(expression.each, environment, self._kind)
            is_list = isinstance(each, CelType) and each.kind is Kind.LIST
            item = each.parameters[0] if is_list and isinstance(each, CelType) else DYN
            environment = environment.extend(variables={"item": item})
        found = _checked(expression.source, environment, self._kind)
        return found if isinstance(found, tuple) else ()


def _checked(source: str, environment: Environment, kind: str) -> CelType | tuple[Problem, ...]:
    """The type of an expression, or all that is wrong with it."""
    version = environment.kubernetes
    try:
        tree = parse(source, versions.macro_table(version), versions.habits(version).quoted_names)
        return check(reachable(tree, kind) if kind else tree, source, environment).type
    except CompileError as error:
        return error.problems


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
    if policy.get("kind") != "ValidatingAdmissionPolicy":
        names["authorizer.requestResource"] = known.variables["authorizer.requestResource"]
    if param := _mapping(spec.get("paramKind")):
        names["params"] = _params(param, schemas) or DYN
    return replace(known, variables=MappingProxyType(names))


def _params(kind: JsonObject, schemas: Schemas) -> CelType | None:
    group, _, version = str(kind.get("apiVersion")).rpartition("/")
    name = str(kind.get("kind"))
    return schemas.type_of(GroupKind(group, version, name), None, f"Params{name}")


# the expressions of a policy, tolerant of whatever else is wrong with it


def _variables(spec: JsonObject) -> Iterator[tuple[str, str, str]]:
    for index, one in enumerate(_items(spec, "variables")):
        yield str(one.get("name")), str(one.get("expression")), f"spec.variables[{index}].expression"


def _validations(spec: JsonObject) -> Iterator[_Expression]:
    for index, one in enumerate(_items(spec, "validations")):
        each = str(one.get("forEach") or "")
        at = f"spec.validations[{index}]"
        if each:
            yield _Expression(f"{at}.forEach", each)
        yield _Expression(f"{at}.expression", str(one.get("expression")), each)
        if told := one.get("messageExpression"):
            yield _Expression(f"{at}.messageExpression", str(told), each)


def _expressions(spec: JsonObject) -> Iterator[_Expression]:
    for index, one in enumerate(_items(spec, "matchConditions")):
        yield _Expression(f"spec.matchConditions[{index}].expression", str(one.get("expression")), variables=False)
    yield from _validations(spec)
    for index, one in enumerate(_items(spec, "mutations")):
        for how in ("jsonPatch", "applyConfiguration"):
            if source := _mapping(one.get(how)).get("expression"):
                yield _Expression(f"spec.mutations[{index}].{how}.expression", str(source))
    for index, one in enumerate(_items(spec, "auditAnnotations")):
        yield _Expression(f"spec.auditAnnotations[{index}].valueExpression", str(one.get("valueExpression")))


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _items(within: JsonObject, name: str) -> list[Mapping[str, Any]]:
    found = within.get(name)
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []


def _texts(within: JsonObject, name: str) -> list[str]:
    found = within.get(name)
    return [one for one in found if isinstance(one, str)] if isinstance(found, list) else []
