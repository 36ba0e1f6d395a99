"""The expressions of one policy, compiled one after the other in what each of them may name."""

from dataclasses import dataclass, field, replace
from types import MappingProxyType

from policies.cel import CompileError, Compiler, Environment, Program, hints
from policies.cel.errors import Problem
from policies.cel.functions import Version
from policies.cel.library.patch import JSON_PATCH, OpenObjectType
from policies.cel.types import DYN, CelType, Kind, NullableType, ObjectType, list_of, same
from policies.native.place import Place

PATCHES = list_of(JSON_PATCH)
OBJECT = OpenObjectType("Object")
_NO_AUTHORIZER = ("authorizer", "authorizer.requestResource")
_KEPT = frozenset(
    {Kind.BOOL, Kind.BYTES, Kind.DOUBLE, Kind.DURATION, Kind.INT, Kind.NULL, Kind.STRING, Kind.TIMESTAMP, Kind.UINT}
)
_COMPILER = Compiler()


@dataclass(slots=True)
class Expressions:
    """Compiles, and knows the policy's variables so far. What doesn't compile is a problem, not an exception."""

    version: Version
    params: bool  # may `params` be named?
    composed: bool = True  # may `variables` be named?
    variables: dict[str, Program] = field(default_factory=dict)

    def compile(
        self,
        place: Place,
        *expected: CelType,
        authorizer: bool = True,
        patches: bool = False,
        variables: bool = True,
    ) -> Program | None:
        """The program, or None with the problem recorded. It must give one of the expected types, if there are any."""
        source = place.filled("a CEL expression")
        if not source.strip():
            return None
        try:
            environment = self.environment(authorizer=authorizer, patches=patches, variables=variables)
            program = _COMPILER.compile(source, environment)
        except CompileError as error:
            uncompiled(place, error)
            return None
        if expected and not any(same(program.type, wanted) for wanted in expected):
            problem = Problem(_unexpected(program.type, expected), 0)
            place.wrong(problem.shown(source), hints.result(expected, program.type))
            return None
        return program

    def environment(self, *, authorizer: bool, patches: bool, variables: bool) -> Environment:
        known = Environment.admission(self.version)
        names = {name: known.variables[name] for name in ("object", "oldObject", "request", "namespaceObject")}
        if self.params:
            names["params"] = known.variables["params"]
        if authorizer:
            names |= {name: known.variables[name] for name in _NO_AUTHORIZER}
        if variables and self.composed:
            names["variables"] = self._declared()
        return Environment(MappingProxyType(names), kubernetes=self.version, patches=patches)

    def _declared(self) -> ObjectType:
        return ObjectType("kubernetes.variables", {name: declared(made.type) for name, made in self.variables.items()})

    def variable(self, place: Place, name: str) -> None:
        """Compiles one more variable, which whatever comes later may name."""
        program = self.compile(place)
        if program is not None:
            self.variables[name] = program


def uncompiled(place: Place, error: CompileError) -> None:
    """Records everything that keeps an expression from compiling, each with its line and a caret."""
    for problem in error.problems:
        place.wrong(replace(problem, hint="").shown(error.source), problem.hint)


def declared(found: CelType) -> CelType:
    """The type that a variable is declared with: library types and objects become dyn."""
    if found.kind in (Kind.LIST, Kind.MAP):
        return CelType(found.kind, found.name, tuple(map(declared, found.parameters)))
    return found if found.kind in _KEPT and not isinstance(found, NullableType) else DYN


def _unexpected(found: CelType, expected: tuple[CelType, ...]) -> str:
    if len(expected) == 1:
        return f"must evaluate to {expected[0]} but got {found}"
    return f"must evaluate to one of [{' '.join(map(str, expected))}] but got {found}"
