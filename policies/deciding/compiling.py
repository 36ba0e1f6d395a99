"""From SovereigntyPolicy objects to compiled policies: every expression type-checked, every problem located.

What doesn't compile is a problem, not an exception: the caller gets all of them at once.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from policies.cel import CheckError, Compiler, Environment, ParseError, Program, hints
from policies.cel.parser import parse
from policies.cel.types import BOOL, DYN, NULL, STRING, CelType, Kind, ObjectType
from policies.deciding.compiled import Check, CompiledPolicy, Mutation
from policies.deciding.matching import Match, Rule, Selector
from policies.deciding.recall import sees_uid
from policies.decision import Action
from policies.facts.environment import JSON_PATCHES

if TYPE_CHECKING:
    from policies.kinds import SovereigntyPolicy
    from policies.kinds.reading import Located

_OWN_NAMES = re.compile(r"\b(variables|item)\b")  # names whose values differ from policy to policy


@dataclass
class Compilation:
    """Compiles one policy after the other in one environment, and collects what is wrong."""

    environment: Environment
    problems: list[str]
    compiler: Compiler
    places: "Mapping[tuple[str, str, str], Located]" = field(default_factory=dict)  # where policies are written
    _common: dict[tuple[str, str], Program] = field(default_factory=dict)

    def compile(self, source: str, environment: Environment, expect: CelType | None) -> Program:
        """A program; one and the same for the same expression over facts alone. Raises ParseError, CheckError."""
        if _OWN_NAMES.search(source):
            return self.compiler.compile(source, environment, expect)
        key = (source, str(expect))
        if key not in self._common:
            self._common[key] = self.compiler.compile(source, environment, expect)
        return self._common[key]

    def policy(self, policy: "SovereigntyPolicy") -> tuple[Match, CompiledPolicy]:
        """The policy made ready. With problems recorded, it is incomplete and must not be used."""
        return _OnePolicy(self, policy).compiled()


class _OnePolicy:
    def __init__(self, compilation: Compilation, policy: "SovereigntyPolicy") -> None:
        self._all = compilation
        self._policy = policy
        self._spec = policy.spec
        self._environment = compilation.environment
        self._sees_uid = False

    def compiled(self) -> tuple[Match, CompiledPolicy]:
        spec = self._spec
        conditions = [
            (one.name, self._program(f"matchConditions[{index}].expression", one.expression, BOOL))
            for index, one in enumerate(spec.match_conditions)
        ]
        variables = self._variables()
        compiled = CompiledPolicy(
            name=self._policy.metadata.name,
            match=match_of(spec.match_constraints),
            classes=frozenset(spec.data_classes),
            conditions=_whole(conditions),
            variables=variables,
            checks=tuple(self._check(index, one) for index, one in enumerate(spec.validations)),
            mutations=tuple(self._mutation(index, one) for index, one in enumerate(spec.mutations)),
            annotations=_whole(
                (one.key, self._text_or_null(f"auditAnnotations[{index}].valueExpression", one.value_expression))
                for index, one in enumerate(spec.audit_annotations)
            ),
            infrastructure=spec.infrastructure_namespaces == "Judged",
            fail_closed=spec.failure_policy == "Fail",
            actions=tuple(Action(action) for action in spec.validation_actions),
            controls=tuple(spec.controls),
            sees_uid=self._sees_uid,
        )
        return compiled.match, compiled

    def _variables(self) -> Mapping[str, Program]:
        """Each variable sees the ones before it; their types are known to whatever comes later."""
        programs: dict[str, Program] = {}
        types: dict[str, CelType] = {}
        self._environment = self._environment.extend(variables={"variables": ObjectType("bailiwick.Variables")})
        for index, one in enumerate(self._spec.variables):
            program = self._program(f"variables[{index}].expression", one.expression, None)
            if program is not None:
                programs[one.name] = program
            types[one.name] = program.type if program is not None else DYN  # its own problem is enough
            declared = ObjectType("bailiwick.Variables", fields={**types})
            self._environment = self._environment.extend(variables={"variables": declared})
        return programs

    def _check(self, index: int, validation: Any) -> Check:
        at = f"validations[{index}]"
        environment, each = self._environment, None
        if validation.for_each is not None:
            each = self._program(f"{at}.forEach", validation.for_each, None)
            self._environment = environment.extend(variables={"item": self._item(at, each)})
        try:
            return Check(
                expression=self._program(f"{at}.expression", validation.expression, BOOL),  # type: ignore[arg-type]
                each=each,
                common=not _OWN_NAMES.search(validation.for_each or ""),
                message=validation.message or "",
                message_expression=self._optional(f"{at}.messageExpression", validation.message_expression),
                code=validation.code,
                fix=validation.remediation or self._spec.remediation or "",
            )
        finally:
            self._environment = environment

    def _item(self, at: str, each: Program | None) -> CelType:
        if each is None or each.type.kind is Kind.DYN:
            return DYN
        if each.type.kind is not Kind.LIST:
            self._problem(f"{at}.forEach", f"must give a list, it gives {each.type}")
            return DYN
        return each.type.parameters[0]

    def _mutation(self, index: int, mutation: Any) -> Mutation:
        at = f"mutations[{index}]"
        if mutation.patch_type != "JSONPatch":
            self._problem(f"{at}.patchType", "ApplyConfiguration is not carried out by the webhook: write a JSONPatch")
            return Mutation(mutation.name, None)  # type: ignore[arg-type]
        expression = mutation.json_patch.expression
        program = self._program(f"{at}.jsonPatch.expression", expression, JSON_PATCHES)
        return Mutation(mutation.name, program)  # type: ignore[arg-type]

    def _text_or_null(self, at: str, source: str) -> Program | None:
        program = self._program(at, source, None)
        if program is None or program.type in (STRING, NULL, DYN):
            return program
        message = f"must evaluate to one of [string null_type] but got {program.type}"
        self._problem(at, str(CheckError.at(message, source, 0, hints.result((STRING,), program.type))))
        return None

    def _optional(self, at: str, source: str | None) -> Program | None:
        return self._program(at, source, STRING) if source is not None else None

    def _program(self, at: str, source: str, expect: CelType | None) -> Program | None:
        try:
            program = self._all.compile(source, self._environment, expect)
        except (ParseError, CheckError) as error:
            self._problem(at, str(error))
            return None
        self._sees_uid = self._sees_uid or ("request" in source and sees_uid(parse(source, quoted_fields=True)))
        return program

    def _problem(self, at: str, message: str) -> None:
        name = self._policy.metadata.name
        self._all.problems.append(f"{self._place(at)}SovereigntyPolicy `{name}`: spec.{at}: {message}")

    def _place(self, at: str) -> str:
        """File and line of a field, where they are known."""
        document = self._all.places.get(("SovereigntyPolicy", "", self._policy.metadata.name))
        if document is None:
            return ""
        steps = [int(step) if step.isdigit() else step for step in re.findall(r"\w+", f"spec.{at}")]
        return f"{document.source}:{document.position(tuple(steps))}: "


def _whole(pairs: Iterable[tuple[str, Program | None]]) -> tuple[tuple[str, Program], ...]:
    return tuple((name, program) for name, program in pairs if program is not None)


def match_of(constraints: Any) -> Match:
    """The index entry of a policy's matchConstraints."""
    equivalent = constraints.match_policy == "Equivalent"
    return Match(
        rules=tuple(_rule(rule, equivalent) for rule in constraints.resource_rules),
        excluded=tuple(_rule(rule, equivalent) for rule in constraints.exclude_resource_rules),
        namespaces=_selector(constraints.namespace_selector),
        objects=_selector(constraints.object_selector),
    )


def _rule(rule: Any, equivalent: bool) -> Rule:
    return Rule(
        groups=frozenset(rule.api_groups),
        versions=frozenset(rule.api_versions),
        operations=frozenset(rule.operations),
        resources=frozenset(rule.resources),
        scope=rule.scope,
        names=frozenset(rule.resource_names),
        equivalent=equivalent,
    )


def _selector(selector: Any) -> Selector:
    return Selector.of(selector.model_dump(by_alias=True, exclude_none=True) if selector is not None else None)
