"""From manifests to Kyverno's policies: `policies.kyverno.io` v1, v1beta1 and v1alpha1, all problems at once.

The part that is plain CEL is read as it is. What only Kyverno can do is a problem that says so by name.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from policies.cel import CompileError, Compiler, Environment, Program, hints, versions
from policies.cel.admission import REQUEST
from policies.cel.errors import Problem as CelProblem
from policies.cel.functions import Version
from policies.cel.parser import parse
from policies.cel.types import BOOL, DYN, NULL, STRING, CelType, ObjectType
from policies.kinds.problems import Problem, in_order
from policies.native.expressions import OBJECT, PATCHES, uncompiled
from policies.native.kyverno.libraries import foreign
from policies.native.kyverno.model import KyvernoMutatingPolicy, KyvernoPolicy, KyvernoValidatingPolicy
from policies.native.kyverno.templates import templates_of
from policies.native.model import AUDIT, DENY, WARN, Annotation, Condition, Mutation, Validation
from policies.native.place import Place
from policies.native.reading import PoliciesInvalid, Readable, located
from policies.native.reading_match import constraints_of

GROUP = "policies.kyverno.io"
VERSIONS = ("v1", "v1beta1", "v1alpha1")
_SHARED = (
    "matchConstraints",
    "matchConditions",
    "variables",
    "failurePolicy",
    "auditAnnotations",
    "autogen",
    "evaluation",
    "webhookConfiguration",
)
_REQUEST = ObjectType("kubernetes.AdmissionRequest", {**REQUEST.fields, "object": DYN, "oldObject": DYN})
_COMPILER = Compiler()


def is_kyverno(value: Mapping[str, Any]) -> bool:
    """Whether `read` understands this object."""
    group, _, version = str(value.get("apiVersion")).rpartition("/")
    return group == GROUP and version in VERSIONS and value.get("kind") in _READERS


def read(found: Iterable[Readable], kubernetes: Version = versions.DEFAULT) -> tuple[KyvernoPolicy, ...]:
    """The policies among these objects, by kind, namespace and name; other objects are passed over.

    Raises PoliciesInvalid with every problem of every object.
    """
    problems: list[Problem] = []
    made = [
        _READERS[one.value["kind"]](Place.root(one, problems), kubernetes)
        for one in map(located, found)
        if is_kyverno(one.value)
    ]
    if problems:
        raise PoliciesInvalid(in_order(iter(problems)))
    return tuple(sorted(made, key=lambda policy: (policy.kind, policy.namespace, policy.name)))


class _Expressions:
    """Compiles in Kyverno's environment, as far as it is the API server's."""

    def __init__(self, version: Version) -> None:
        self._version = version
        self.variables: dict[str, Program] = {}

    def compile(self, place: Place, *expected: CelType, patches: bool = False) -> Program | None:
        source = place.filled("a CEL expression")
        if not source.strip():
            return None
        try:
            program = _COMPILER.compile(source, self._environment(patches=patches))
        except CompileError as error:
            self._refuse(place, source, error)
            return None
        if expected and program.type not in expected:
            message = f"output is expected to be of type {' or '.join(map(str, expected))}, not {program.type}"
            place.wrong(CelProblem(message, 0).shown(source), hints.result(expected, program.type))
            return None
        return program

    def _environment(self, *, patches: bool) -> Environment:
        known = Environment.admission(self._version).variables
        declared = ObjectType("kyverno.variables", {name: made.type for name, made in self.variables.items()})
        names = {name: known[name] for name in ("object", "oldObject", "namespaceObject")}
        variables = MappingProxyType({**names, "request": _REQUEST, "variables": declared})
        return Environment(variables, kubernetes=self._version, patches=patches)

    def _refuse(self, place: Place, source: str, error: CompileError) -> None:
        """Says which of Kyverno's own libraries is meant, where one is; what doesn't compile elsewhere, too."""
        try:
            names = foreign(parse(source, versions.macro_table(self._version)))
        except CompileError:
            names = []
        for name, purpose in names:
            place.wrong(f"`{name}` is Kyverno's own: it {purpose}", "leave this policy to Kyverno, or rewrite it")
        if not names:
            uncompiled(place, error)


def _validating(root: Place, version: Version) -> KyvernoValidatingPolicy:
    spec = _spec(root, ("validations", "validationActions"))
    expressions = _Expressions(version)
    conditions = _conditions(spec, expressions)  # before the variables: Kyverno lets them name none
    common = _common(root, spec, expressions)
    if not spec.at("validations").value and not spec.at("auditAnnotations").value:
        spec.at("validations").wrong("validations or auditAnnotations must contain at least one item")
    actions = tuple(item.word((DENY, AUDIT, WARN)) for item in spec.at("validationActions").items())
    return KyvernoValidatingPolicy(
        **common,
        conditions=conditions,
        validations=tuple(_validation(item, expressions) for item in spec.at("validations").items()),
        annotations=_annotations(spec, expressions),
        actions=actions or (DENY,),
    )


def _mutating(root: Place, version: Version) -> KyvernoMutatingPolicy:
    own = ("mutations", "reinvocationPolicy", "targetMatchConstraints", "targetMatchConditions")
    spec = _spec(root, own)
    expressions = _Expressions(version)
    common = _common(root, spec, expressions)
    for name in own[2:]:
        if spec.at(name):
            spec.at(name).wrong(f"`{name}` is Kyverno's own: it changes objects that are there already")
    if not spec.at("mutations").value:
        spec.at("mutations").wrong("mutations must contain at least one item")
    return KyvernoMutatingPolicy(
        **common,
        conditions=_conditions(spec, expressions),
        mutations=tuple(_mutation(item, expressions) for item in spec.at("mutations").items()),
        annotations=_annotations(spec, expressions),
    )


def _spec(root: Place, own: tuple[str, ...]) -> Place:
    root.known(("apiVersion", "kind", "metadata", "spec", "status"))
    spec = root.at("spec").required().known((*_SHARED, *own))
    mode = spec.at("evaluation").at("mode")
    if mode.text("Kubernetes") != "Kubernetes":
        mode.wrong(f"mode `{mode.text()}` is Kyverno's own: it judges what is no Kubernetes object")
    return spec


def _common(root: Place, spec: Place, expressions: _Expressions) -> dict[str, Any]:
    """The fields of `KyvernoPolicy` but those that name variables. Reads the variables."""
    found = constraints_of(spec.at("matchConstraints").required("say which resources the policy is about"))
    constraints = replace(found, equivalent=False)  # unlike the API server, Kyverno doesn't look for other versions
    for item in spec.at("variables").items():
        name = item.known(("name", "expression")).at("name").filled("a name, for `variables.<name>`")
        program = expressions.compile(item.at("expression"))
        if program is not None:
            expressions.variables[name] = program
    return {
        "kind": str(root.value["kind"]),
        "name": root.at("metadata").at("name").name("policy"),
        "namespace": _namespace(root),
        "constraints": constraints,
        "variables": expressions.variables,
        "templates": templates_of(constraints, _controllers(spec)),
        "fail_closed": spec.at("failurePolicy").word(("Fail", "Ignore"), "Fail") == "Fail",
    }


def _namespace(root: Place) -> str:
    if not str(root.value["kind"]).startswith("Namespaced"):
        return ""
    return root.at("metadata").at("namespace").text("default")


def _controllers(spec: Place) -> tuple[str, ...] | None:
    """The pod controllers that the policy names."""
    place = spec.at("autogen").at("podControllers").at("controllers")
    return place.texts() if place else None


def _conditions(spec: Place, expressions: _Expressions) -> tuple[Condition, ...]:
    made = []
    for item in spec.at("matchConditions").items():
        name = item.known(("name", "expression")).at("name").text()
        program = expressions.compile(item.at("expression"), BOOL)
        if program is not None:
            made.append(Condition(name, program))
    return tuple(made)


def _validation(place: Place, expressions: _Expressions) -> Validation:
    place.known(("expression", "message", "messageExpression", "reason"))
    program = expressions.compile(place.at("expression"), BOOL)
    told = place.at("messageExpression")
    words = expressions.compile(told, STRING) if told.text() else None
    return Validation(program, place.at("message").text(), words)  # type: ignore[arg-type]  # then there is a problem


def _annotations(spec: Place, expressions: _Expressions) -> tuple[Annotation, ...]:
    made = []
    for item in spec.at("auditAnnotations").items():
        key = item.known(("key", "valueExpression")).at("key").filled("the annotation's key")
        program = expressions.compile(item.at("valueExpression"), STRING, NULL)
        if program is not None:
            made.append(Annotation(key, program))
    return tuple(made)


def _mutation(place: Place, expressions: _Expressions) -> Mutation:
    place.known(("patchType", "jsonPatch", "applyConfiguration"))
    json_patch = place.at("patchType").word(("JSONPatch", "ApplyConfiguration")) == "JSONPatch"
    ours = place.at("jsonPatch" if json_patch else "applyConfiguration").required()
    expression = ours.known(("expression",)).at("expression")
    program = expressions.compile(expression, PATCHES if json_patch else OBJECT, patches=True)
    return Mutation(program, json_patch)  # type: ignore[arg-type]  # then there is a problem


_READERS: Mapping[str, Callable[[Place, Version], KyvernoPolicy]] = {
    "ValidatingPolicy": _validating,
    "NamespacedValidatingPolicy": _validating,
    "MutatingPolicy": _mutating,
    "NamespacedMutatingPolicy": _mutating,
}
