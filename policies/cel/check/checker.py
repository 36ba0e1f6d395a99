"""The checker: gives every node its type and every call its overloads, or raises CheckError where the API server
refuses.

The rules are cel-go's with homogeneous literals and numbers comparable over their types. Macros are judged as what they
expand to. What literals mean (a duration, a pattern) is judged afterwards, in literals.py.
"""

from __future__ import annotations

from collections.abc import Mapping

from policies.cel import ast, hints
from policies.cel.check import expansions, literals
from policies.cel.check.checked import Checked
from policies.cel.check.inference import Inference
from policies.cel.check.names import did_you_mean, signature, written
from policies.cel.check.scopes import TYPE_NAMES, Scopes
from policies.cel.check.unify import unwrapped
from policies.cel.environment import Environment
from policies.cel.errors import CheckError, Problem
from policies.cel.functions import Function
from policies.cel.library.messages import ENUMS, MESSAGES, NAMED, MessageType
from policies.cel.library.patch import JSON_PATCH, OpenObjectType
from policies.cel.types import (
    BOOL,
    BYTES,
    DOUBLE,
    DYN,
    ERROR,
    INT,
    NULL,
    STRING,
    UINT,
    CelType,
    Kind,
    ObjectType,
    list_of,
    map_of,
    optional_of,
    type_of,
)
from policies.cel.values import UInt
from policies.cel.versions import since

_LITERALS = {bool: BOOL, int: INT, UInt: UINT, float: DOUBLE, str: STRING, bytes: BYTES, type(None): NULL}
_UNKNOWN = CelType(Kind.INT, "")  # of a JSONPatch's field that isn't one: as in the API server, dyn may still be it


def check(tree: ast.Node, source: str, environment: Environment) -> Checked:
    """Raises CheckError with all that can't be typed; where everything can, with the literals that mean nothing."""
    checker = Checker(source, environment)
    checked = checker.run(tree)
    problems = checker.problems or literals.problems(checked)
    if problems:
        raise CheckError(sorted(problems, key=lambda problem: problem.offset or 0), source)
    return checked


class Checker:
    """The walk over one tree. Problems are gathered, not raised."""

    def __init__(self, source: str, environment: Environment) -> None:
        self.source = source
        self.environment = environment
        self.functions = environment.all_functions()
        self.inference = Inference()
        self.scopes = Scopes(environment)
        self.problems: list[Problem] = []
        self.implied: list[tuple[ast.Node, str, CelType]] = []  # variables that a macro's expansion reads itself

    def run(self, tree: ast.Node) -> Checked:
        self.found = Checked(tree)
        self.check(tree)
        self.found.types = self.inference.settled(self.found.types)
        self.found.type = self.found.types[id(tree)]
        self.settle_types()
        return self.found

    def settle_types(self) -> None:
        """A name that stands for a type is, once its own type is known, the type of that name: so it is in cel-go, also
        where a loop's variable has the name.
        """
        for key, name in [*self.found.names.items()]:
            if self.found.types.get(key, DYN).kind is Kind.TYPE:
                self.meant(key, name)
        for node, name, type_ in self.implied:
            if self.inference.known(type_, True).kind is Kind.TYPE:
                self.meant(id(node), name)

    def meant(self, key: int, name: str) -> None:
        constant = self.scopes.type_named(name.removeprefix("."))
        if constant is None:
            hint = "a variable can't hold a type that is known beforehand"
            self.fail(None, f"reference to undefined type: {name}", hint)
        else:
            self.found.constants[key] = constant
            self.found.names.pop(key, None)

    def fail(self, node: object, message: str, hint: str = "") -> CelType:
        """Notes a problem; the error type fits everywhere, so that one problem isn't reported twice."""
        self.problems.append(Problem(message, getattr(node, "at", 0), hint))
        return ERROR

    def check(self, node: ast.Node) -> CelType:
        found = self.found.types[id(node)] = self.typed(node)
        return found

    def typed(self, node: ast.Node) -> CelType:
        match node:
            case ast.Literal():
                return _LITERALS[type(node.value)]
            case ast.Ident():
                return self.ident(node)
            case ast.Select():
                return self.select(node)
            case ast.Has():
                self.field(node, node.operand, node.field, False)
                return BOOL
            case ast.Index():
                return self.index(node)
            case ast.Call():
                return self.call(node)
            case ast.Logic():
                return self.logic(node)
            case ast.Conditional():
                parts = [self.check(part) for part in (node.condition, node.then, node.otherwise)]
                return self.resolve(node, "_?_:_", parts)
        return self.compound(node)

    def compound(
        self, node: ast.ListNode | ast.MapNode | ast.ObjectNode | ast.Comprehension | ast.OptionalMap
    ) -> CelType:
        match node:
            case ast.ListNode():
                return self.list_literal(node)
            case ast.MapNode():
                return self.map_literal(node)
            case ast.ObjectNode():
                return self.object_literal(node)
            case ast.Comprehension():
                return expansions.comprehension(self, node)
            case ast.OptionalMap():
                return expansions.optional_map(self, node)

    def named(self, node: ast.Node, name: str) -> CelType | None:
        """The type of what a plain or dotted name stands for, remembered on the node, or None."""
        name = self.scopes.sought(name)
        found = self.scopes.variable(name)
        if found is not None:
            self.found.names[id(node)] = name
            return found
        bare = name.removeprefix(".")
        if bare != name and self.scopes.hidden(bare):
            return None
        constant = self.scopes.type_named(bare)
        if constant is None:
            return self.enumerated(node, bare)
        if bare in MESSAGES and bare not in NAMED:
            return self.fail(node, f"reference to undefined type: {bare}")
        self.found.constants[id(node)] = constant
        return type_of(constant)

    def enumerated(self, node: ast.Node, name: str) -> CelType | None:
        if name not in ENUMS:
            return None
        self.found.numbers[id(node)] = ENUMS[name]
        return INT

    def ident(self, node: ast.Ident) -> CelType:
        found = self.named(node, node.name)
        return self.undeclared(node, node.name) if found is None else found

    def undeclared(self, node: object, name: str, functions: bool = False) -> CelType:
        if functions:
            later = since(name, self.environment.kubernetes)
            hint = (later is None and did_you_mean(name, self.functions)) or hints.no_function(later)
        else:
            known = self.scopes.variables()
            hint = did_you_mean(name, known) or hints.known_names(known)
        return self.fail(node, f"undeclared reference to '{name}' (in container '')", hint)

    # members

    def select(self, node: ast.Select) -> CelType:
        if not node.optional and (name := qualified(node)) and not self.scopes.hidden(name):
            found = self.named(node, name)
            if found is not None:
                return found
        return self.field(node, node.operand, node.field, node.optional)

    def field(self, node: ast.Node, operand: ast.Node, name: str, optional: bool) -> CelType:
        declared = self.inference.known(self.check(operand))
        target, was_optional = unwrapped(declared)
        match target.kind:
            case Kind.MAP:
                found = target.parameters[1]
            case Kind.OBJECT:
                found = self.declared_field(node, target, name)
            case Kind.PARAMETER:
                self.inference.assign(DYN, target)
                found = DYN
            case Kind.DYN | Kind.ERROR:
                found = DYN
            case _:
                self.fail(node, f"type '{written(target)}' does not support field selection")
                found = DYN
        found = optional_of(found) if was_optional or optional else found
        return self.inference.known(found)

    def declared_field(self, node: object, target: CelType, name: str) -> CelType:
        if isinstance(target, OpenObjectType):
            return DYN
        if not isinstance(target, ObjectType):
            return self.fail(node, f"unexpected failed resolution of '{target.name}'", f"`{target.name}` has no fields")
        fields = target.fields
        if name not in fields:
            if target == JSON_PATCH and not isinstance(node, ast.Select):
                return _UNKNOWN
            return self.undefined_field(node, target, name)
        return fields[name]

    def undefined_field(self, node: object, target: CelType, name: str) -> CelType:
        fields = target.fields if isinstance(target, ObjectType) else {}
        hint = did_you_mean(name, fields) or _fields_hint(target, fields)
        return self.fail(node, f"undefined field '{name}'", hint)

    def index(self, node: ast.Index) -> CelType:
        parts = [self.check(node.operand), self.check(node.index)]
        return self.resolve(node, "_[?_]" if node.optional else "_[_]", parts)

    # calls

    def call(self, node: ast.Call) -> CelType:
        args = [self.check(arg) for arg in node.args]
        if node.target is None:
            return self.resolve(node, node.function.removeprefix("."), args)
        prefix = qualified(node.target)
        if prefix:
            name = f"{prefix}.{node.function}".removeprefix(".")
            if name in self.functions:
                return self.resolve(node, name, args)
        target = self.check(node.target)
        return self.resolve(node, node.function, [target, *args], member=True)

    def resolve(self, node: ast.Node, name: str, args: list[CelType], member: bool = False) -> CelType:
        """The type of a call; the overloads that fit are remembered on the node."""
        function = self.functions.get(name)
        if function is None:
            return self.undeclared(node, name, functions=True)
        found, result = self.inference.fitting(function, args, member)
        if result is None:
            types = [self.inference.known(arg, True) for arg in args]
            message = f"found no matching overload for '{name}' applied to '{signature(types, member)}'"
            return self.fail(node, message, _overload_hint(function, member, len(args)))
        self.found.overloads[id(node)] = (function, tuple(found))
        return result

    def expect(self, node: ast.Node, wanted: CelType, given: CelType) -> None:
        if not self.inference.assign(wanted, given):
            given = self.inference.known(given)
            message = f"expected type '{written(wanted)}' but found '{written(given)}'"
            self.fail(node, message, hints.result((wanted,), given))

    def logic(self, node: ast.Logic) -> CelType:
        for term, type_ in [(term, self.check(term)) for term in node.terms]:
            self.boolean(term, type_)
        return BOOL

    def boolean(self, node: ast.Node, given: CelType) -> None:
        if not self.inference.assign(given, BOOL):
            found = self.inference.known(given)
            message = f"expected type 'bool' but found '{written(found)}'"
            self.fail(node, message, hints.result((BOOL,), found))

    # literals

    def list_literal(self, node: ast.ListNode) -> CelType:
        element: CelType | None = None
        for position, item in enumerate(node.elements):
            found = self.check(item)
            if position in node.optional:
                found = self.inner(item, found)
            element = self.inference.join(element, found)
        return list_of(element or self.inference.variable_type())

    def map_literal(self, node: ast.MapNode) -> CelType:
        key: CelType | None = None
        value: CelType | None = None
        for entry in node.entries:
            key = self.inference.join(key, self.check(entry.key))
            found = self.check(entry.value)
            if entry.optional:
                found = self.inner(entry.value, found)
            value = self.inference.join(value, found)
        return map_of(key or self.inference.variable_type(), value or self.inference.variable_type())

    def inner(self, node: ast.Node, found: CelType) -> CelType:
        inside, optional = unwrapped(found)
        if not optional and found.kind is not Kind.DYN:
            message = f"expected type '{written(optional_of(found))}' but found '{written(found)}'"
            self.fail(node, message, "leave out the `?`, or wrap the value in `optional.of(...)`")
        return inside

    def object_literal(self, node: ast.ObjectNode) -> CelType:
        name = node.name.removeprefix(".")
        declared = self.environment.constructible(name)
        if not self.scopes.strict and self.scopes.loops_have(name):
            declared = None
        if declared is None:
            found = self.scopes.variable(name)
            if found is not None or name in TYPE_NAMES:
                return self.fail(node, f"'{name if found is None else written(found)}' is not a type")
            return self.undeclared(node, node.name)
        self.found.constants[id(node)] = declared
        for entry in node.entries:
            assert isinstance(entry.key, ast.Literal)
            wanted = self.declared_field(entry, declared, str(entry.key.value))
            found = self.check(entry.value)
            if entry.optional:
                found = self.inner(entry.value, found)
            if wanted is _UNKNOWN:
                if self.inference.known(found).kind not in (Kind.DYN, Kind.ERROR):
                    self.undefined_field(entry, declared, str(entry.key.value))
            elif not self.inference.assign(wanted, found):
                message = (
                    f"expected type of field '{entry.key.value}' is '{written(wanted)}' "
                    f"but provided type is '{written(found)}'"
                )
                self.fail(entry, message, hints.result((wanted,), found))
        return declared.result if isinstance(declared, MessageType) else declared


def qualified(node: ast.Node) -> str:
    """The dotted name that selections spell, or nothing."""
    names: list[str] = []
    while isinstance(node, ast.Select) and not node.optional:
        names.append(node.field)
        node = node.operand
    if not isinstance(node, ast.Ident):
        return ""
    return ".".join([node.name, *reversed(names)])


def _fields_hint(target: CelType, fields: Mapping[str, CelType]) -> str:
    names = sorted(fields)
    return f"`{target.name}` has {', '.join(f'`{name}`' for name in names[:12])}" if names else ""


def _overload_hint(function: Function, member: bool, count: int) -> str:
    known = [overload for overload in function.overloads if overload.member is member]
    if not known and function.overloads:
        return f"call it as {'a function' if member else 'a method'}"
    fitting = [overload for overload in known if len(overload.args) == count] or known
    return hints.overloads(function.name, [signature(overload.args, member) for overload in fitting], 4)
