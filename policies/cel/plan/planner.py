"""The planner: walks a checked tree once and hands back one step that evaluates it all.

Constants are folded where cel-go folds them, because a folded call costs nothing: conversions of constants, lists and
maps of constants, `in` a constant list. What can't be folded because it fails is an error at compile time, as there.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from policies.cel import ast
from policies.cel.budget import PATIENCE
from policies.cel.check.checked import Checked
from policies.cel.environment import Environment
from policies.cel.errors import CheckError, EvaluationError, Fatal
from policies.cel.functions import Function, Overload, Timed
from policies.cel.library import regex
from policies.cel.library.messages import MessageType
from policies.cel.library.patch import construct, is_open
from policies.cel.plan import aggregates, bindings, comprehensions, logic, quantifiers, shortcuts
from policies.cel.plan.attributes import Attribute, Branch, Lazy, Operand, Qualifier, Slot, Variable, resolved, step_of
from policies.cel.plan.calls import call_step
from policies.cel.plan.dispatch import cost_of, implementation
from policies.cel.plan.frame import SLOTS, Step, constant, fenced, frame, grown
from policies.cel.plan.loops import Loop
from policies.cel.plan.qualify import Field
from policies.cel.types import CelType, Kind, ObjectType, is_optional
from policies.cel.values import MISSING, NUMERIC, Value
from policies.cel.versions import habits

_CONVERSIONS = frozenset({"bool", "bytes", "double", "duration", "dyn", "int", "string", "timestamp", "type", "uint"})
_FOLDING_LIMIT = 1_000_000
_GROWING = frozenset({Kind.DYN, Kind.LIST, Kind.STRING, Kind.BYTES, Kind.PARAMETER})


class Plan:
    """The planned expression: its step, how many slots a frame needs, and the values of its constant nodes by
    `id()`.
    """

    __slots__ = ("known", "slots", "step")

    def __init__(self, step: Step, slots: int, known: Mapping[int, Value]) -> None:
        self.step = step
        self.slots = slots
        self.known = known


def plan(checked: Checked, source: str, environment: Environment) -> Plan:
    """Raises CheckError where a constant part of the expression can't be computed."""
    planner = _Planner(checked, source, environment)
    step = planner.step(checked.tree)
    return Plan(step, planner.slots, planner.known)


class _Planner:
    def __init__(self, checked: Checked, source: str, environment: Environment) -> None:
        self.checked = checked
        self.source = source
        self.habits = habits(environment.kubernetes)
        self.native = self.habits.native_optionals and _hold_optionals(checked)
        self.functions = environment.all_functions()
        self.scopes: list[dict[str, Slot | Lazy]] = []
        self.depth = 0
        self.slots = 0
        self.known: dict[int, Value] = {}

    def fail(self, node: ast.Node, message: str) -> CheckError:
        return CheckError.at(message, self.source, getattr(node, "at", 0))

    def step(self, node: ast.Node) -> Step:
        step = self.planned(node)
        if step.constant is not MISSING:
            self.known[id(node)] = step.constant
        return step

    def planned(self, node: ast.Node) -> Step:
        match node:
            case ast.Literal():
                return constant(node.value)
            case ast.Ident() | ast.Select() | ast.Index() | ast.Conditional() | ast.OptionalMap():
                return self.attribute_step(node)
            case ast.Has():
                return self.has(node)
            case ast.Call():
                return self.call(node)
            case ast.Logic():
                return logic.chain([self.step(term) for term in node.terms], node.operator == "||")
            case ast.ListNode():
                return self.list_literal(node)
            case ast.MapNode():
                return self.map_literal(node)
            case ast.ObjectNode():
                return self.object_literal(node)
            case ast.Comprehension():
                return self.sort_by(node) if node.macro == "sortBy" else self.comprehension(node)

    # attributes

    def attribute_step(self, node: ast.Node) -> Step:
        declared = None if isinstance(node, ast.OptionalMap) else self.checked.constants.get(id(node))
        if declared is not None:
            return constant(type_value(declared))
        number = self.checked.numbers.get(id(node))
        return step_of(self.attribute(node), self.native) if number is None else constant(number)

    def attribute(self, node: ast.Node) -> Attribute:
        """The node as something to select from, keeping a chain of selections in one piece."""
        name = self.checked.names.get(id(node))
        if name is not None:
            return Attribute(self.variable(name))
        if isinstance(node, ast.OptionalMap):
            return Attribute(self.optional_map(node))
        if id(node) in self.checked.constants or id(node) in self.checked.numbers:
            return Attribute(Operand(self.step(node)))
        match node:
            case ast.Select():
                return self.attribute(node.operand).qualified(Qualifier(self.field(node), optional=node.optional))
            case ast.Index():
                return self.attribute(node.operand).qualified(self.index(node))
            case ast.Conditional():
                condition = self.step(node.condition)
                return Attribute(Branch(condition, self.attribute(node.then), self.attribute(node.otherwise)))
            case ast.Has():
                return self.tested(node)
        return Attribute(Operand(self.step(node)))

    def variable(self, name: str) -> Variable | Slot | Lazy:
        if name.startswith("."):
            return Variable(name[1:])
        for scope in reversed(self.scopes):
            if name in scope:
                return scope[name]
        return Variable(name)

    def index(self, node: ast.Index) -> Qualifier:
        index = node.index
        chained = isinstance(index, (ast.Ident, ast.Select, ast.Index, ast.Conditional, ast.Has, ast.OptionalMap))
        if chained and id(index) not in self.checked.constants:
            return Qualifier(step=resolved(self.attribute(index), self.native), optional=node.optional)
        found = self.step(index)
        if found.constant is MISSING:
            return Qualifier(step=found, optional=node.optional)
        if type(found.constant) not in NUMERIC and type(found.constant) not in (str, bool):
            raise self.fail(index, f"invalid qualifier type: {type(found.constant).__name__}")
        return Qualifier(found.constant, optional=node.optional)

    def tested(self, node: ast.Has) -> Attribute:
        return self.attribute(node.operand).qualified(Qualifier(self.field(node), tested=True))

    def field(self, node: ast.Select | ast.Has) -> str:
        """The field's name, marked where it is one of a constructed object."""
        declared = self.checked.types[id(node.operand)]
        known = is_open(declared) and not (isinstance(node, ast.Select) and node.optional)
        return Field(node.field) if known else node.field

    def has(self, node: ast.Has) -> Step:
        return step_of(self.tested(node), self.native, tested=True)

    # calls

    def call(self, node: ast.Call) -> Step:
        function, chosen = self.checked.overloads[id(node)]
        receiver = [node.target] if node.target is not None and chosen[0].member else []
        args = [self.step(part) for part in (*receiver, *node.args)]
        if function.name in ("or", "orValue") and len(args) == 2 and _is_optional_or(chosen):
            return logic.alternative(args[0], args[1], function.name == "orValue", self.habits.strict_or)
        special = self.special(node, function, chosen, args)
        if special is not None:
            return special
        found = call_step(
            implementation(function, chosen), cost_of(function, chosen), args, eager=_eager(function, chosen)
        )
        if not function.quick:
            found = fenced(found)
        elif function.name == "_+_" and chosen[0].result.kind in _GROWING:
            found = grown(found)
        if function.name in _CONVERSIONS and len(args) == 1 and args[0].constant is not MISSING:
            return self.folded(node, found)
        return found

    def special(
        self, node: ast.Call, function: Function, chosen: tuple[Overload, ...], args: list[Step]
    ) -> Step | None:
        """A plan of its own for an equality, and a quicker or cheaper one for a call with a constant operand."""
        if function.name in ("_==_", "_!=_"):
            return shortcuts.equality(args[0], args[1], function.name == "_!=_")
        if len(args) < 2 or args[1].constant is MISSING:
            return None
        literal = args[1].constant
        match function.name:
            case "@in" if type(literal) is list and len(chosen) == 1:
                return shortcuts.membership(args[0], literal)
            case "findAll" if type(literal) is str:
                self.readable(node, literal)
                if len(args) == 2:
                    return shortcuts.pattern_call(args[0], literal, regex.all_finder(literal))
                price = cost_of(function, ())
                return call_step(Timed(regex.find_all_through_go), price, args, eager=False)
            case "find" if type(literal) is str:
                self.readable(node, literal)
                return shortcuts.pattern_call(args[0], literal, regex.finder(literal))
            case "matches" if type(literal) is str:
                self.readable(node, literal)
                priced = node.target is not None or self.habits.priced_matches
                return shortcuts.pattern_call(args[0], literal, regex.searcher(literal), priced)
        return None

    def readable(self, node: ast.Node, pattern: str) -> None:
        try:
            regex.checked_pattern(pattern)
        except EvaluationError as error:
            raise self.fail(node, str(error)) from error

    def folded(self, node: ast.Node, step: Step) -> Step:
        try:
            return constant(step.run(frame({}, _FOLDING_LIMIT, PATIENCE, ())))
        except (EvaluationError, Fatal) as error:
            raise self.fail(node, str(error)) from error

    # aggregates

    def list_literal(self, node: ast.ListNode) -> Step:
        elements = [self.step(element) for element in node.elements]
        found = aggregates.list_step(elements, node.optional)
        return self.folded(node, found) if all(e.constant is not MISSING for e in elements) else found

    def map_literal(self, node: ast.MapNode) -> Step:
        entries = [
            aggregates.EntryStep(self.step(entry.key), self.step(entry.value), entry.optional) for entry in node.entries
        ]
        found = aggregates.map_step(entries)
        known = all(e.key.constant is not MISSING and e.value.constant is not MISSING for e in entries)
        return self.folded(node, found) if known else found

    def object_literal(self, node: ast.ObjectNode) -> Step:
        declared = self.checked.constants[id(node)]
        assert isinstance(declared, ObjectType)
        fields = []
        for entry in node.entries:
            assert isinstance(entry.key, ast.Literal)
            fields.append((str(entry.key.value), self.step(entry.value), entry.optional))
        make = declared.make if isinstance(declared, MessageType) else partial(construct, declared)
        return aggregates.object_step(fields, make)

    # macros

    def open_scope(self, names: tuple[str, ...]) -> list[int]:
        """Slots for a comprehension's variables."""
        slots = [SLOTS + self.depth + position for position in range(len(names))]
        self.scopes.append({name: Slot(slot) for name, slot in zip(names, slots, strict=True)})
        self.depth += len(names)
        self.slots = max(self.slots, self.depth)
        return slots

    def close_scope(self) -> None:
        self.depth -= len(self.scopes.pop())

    def comprehension(self, node: ast.Comprehension) -> Step:
        return self.loop(node, self.step(node.target))

    def loop(self, node: ast.Comprehension, source: Step) -> Step:
        slots = self.open_scope(node.variables)
        bodies = [self.step(argument) for argument in node.arguments]
        self.close_scope()
        loop = Loop(source, slots[0], slots[1] if len(slots) == 2 else None)
        body, predicate = bodies[-1], bodies[0] if len(bodies) == 2 else None
        match node.macro:
            case "all":
                return quantifiers.quantifier(loop, body, stop=False)
            case "exists":
                return quantifiers.quantifier(loop, body, stop=True)
            case "exists_one" | "existsOne":
                return quantifiers.exists_one(loop, body)
            case "filter" if (named := self.checked.constants.get(id(node))) is not None:
                return comprehensions.mapped(loop, body, constant(type_value(named)))
            case "filter":
                return comprehensions.filtered(loop, body, self.native)
            case "transformMap":
                return comprehensions.map_built(loop, predicate, body, self.native)
            case "transformMapEntry":
                return comprehensions.entries_built(loop, predicate, body)
        return comprehensions.mapped(loop, predicate, body)

    def sort_by(self, node: ast.Comprehension) -> Step:
        """The target is bound to a variable, read once to make the keys and once to be sorted."""
        target = self.step(node.target)
        (slot,) = self.open_scope(("@sorted",))
        source = Step(resolved(Attribute(Lazy(slot, target)), self.native, 1).run)
        keys = self.loop(node, source)
        self.close_scope()
        function, chosen = self.checked.overloads[id(node)]
        call = implementation(function, chosen)
        return bindings.bound(slot, call_step(call, cost_of(function, chosen), [source, keys], eager=True))

    def optional_map(self, node: ast.OptionalMap) -> Branch:
        """A ternary, as the macro expands to; the body reads the optional's value itself, when it needs it."""
        target = self.step(node.target)
        (slot,) = self.open_scope((node.variable,))
        self.scopes[-1][node.variable] = Lazy(slot, self.called("value", target))
        made = bindings.bound(slot, self.step(node.body))
        self.close_scope()
        then = made if node.flat else self.called("optional.of", made)
        none = Attribute(Operand(self.called("optional.none")))
        return Branch(self.called("hasValue", target), Attribute(Operand(then)), none)

    def called(self, name: str, *args: Step) -> Step:
        """A call that a macro makes, whatever the types."""
        function = self.functions[name]
        chosen = tuple(function.overloads)
        return call_step(implementation(function, chosen), cost_of(function, chosen), args, eager=True)


def _hold_optionals(checked: Checked) -> bool:
    """Whether anything in the expression is an optional, or has one in it."""
    seen: set[int] = set()
    pending = list(checked.types.values())
    while pending:
        declared = pending.pop()
        if declared.parameters and id(declared) not in seen:
            if is_optional(declared):
                return True
            seen.add(id(declared))
            pending.extend(declared.parameters)
    return False


def _is_optional_or(chosen: tuple[Overload, ...]) -> bool:
    return any(arg.name == "optional_type" for arg in chosen[0].args[:1])


def _eager(function: Function, chosen: tuple[Overload, ...]) -> bool:
    return function.dynamic is not None or (len(chosen) == 1 and not chosen[0].ordered)


def type_value(declared: CelType) -> Value:
    """A type as a value has no parameters: the identifier `list` is the type of every list."""
    if declared.kind in (Kind.LIST, Kind.MAP, Kind.OPAQUE, Kind.TYPE) and declared.parameters:
        return CelType(declared.kind, declared.name)
    return declared
