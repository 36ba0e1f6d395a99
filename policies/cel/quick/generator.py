"""A checked tree to the source of one Python function that evaluates it and counts its cost, as long as nothing fails.

The function returns the value and the cost. Whatever goes wrong in it, and whatever costs more than a few thousand
units, is raised as some exception, and then the exact evaluator of `plan` answers: so there is nothing here about
failures, what absorbs them and what they cost. In exchange, the order of evaluation is free, costs are added where that
is cheapest, and what was read once is not read again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from policies.cel import ast
from policies.cel.check.checked import Checked
from policies.cel.environment import Environment
from policies.cel.quick import aggregates, attributes, calls, loops, optionals
from policies.cel.quick.draft import Draft
from policies.cel.quick.operations import GiveUp
from policies.cel.quick.writer import Term, Unsupported, Writer, kind_of
from policies.cel.types import BOOL
from policies.cel.values import MISSING, NONE, Optional, Value
from policies.cel.versions import habits

_LONGEST_NEST = 12  # terms of a chain that are put one into the other, so that each sees what those before it have read


def draft(checked: Checked, known: Mapping[int, Value], environment: Environment) -> Draft | None:
    """None where the expression has no quick form. `known` are the values of constant nodes, by `id()`."""
    generator = Generator(checked, known, environment)
    try:
        result = generator.value(checked.tree)
    except Unsupported:
        return None
    return Draft(generator.writer.source(result.text), generator.writer.table)


class Generator:
    """Walks the tree; each method writes what its node needs and returns the term for its value."""

    def __init__(self, checked: Checked, known: Mapping[int, Value], environment: Environment) -> None:
        self.checked = checked
        self.known = known
        self.environment = environment
        self.habits = habits(environment.kubernetes)
        self.native = self.habits.native_optionals
        self.writer = Writer()
        self.scopes: list[dict[str, str]] = []
        self.lazy: dict[str, str] = {}  # variables of `optMap` and where what reading them costs is kept

    def value(self, node: ast.Node) -> Term:
        """The node's value, whatever it is."""
        term = self.term(node)
        if not term.maybe:
            return term
        none, optional = self.writer.constant(NONE), self.writer.constant(Optional)
        return Term(f"({none} if {term.text} is {self.missing} else {optional}({term.text}))")

    def term(self, node: ast.Node) -> Term:
        """The node's value; what an optional selection finds comes without its optional."""
        if id(node) in self.known:
            return self.constant(self.known[id(node)])
        match node:
            case ast.Ident() | ast.Select() | ast.Index():
                return attributes.selection(self, node, 1)
            case ast.Conditional():
                return self.conditional(node)
            case ast.Has():
                return attributes.presence(self, node)
            case ast.Call():
                return calls.call(self, node)
            case ast.Logic():
                return self.logic(node)
            case ast.ListNode():
                return aggregates.list_literal(self, node)
            case ast.MapNode():
                return aggregates.map_literal(self, node)
            case ast.ObjectNode():
                return aggregates.object_literal(self, node)
            case ast.OptionalMap():
                return optionals.optional_map(self, node)
            case ast.Comprehension():
                return loops.loop(self, node)
        raise Unsupported

    @property
    def missing(self) -> str:
        return self.writer.constant(MISSING)

    @property
    def give_up(self) -> str:
        return f"raise {self.writer.constant(GiveUp)}"

    def constant(self, value: Value) -> Term:
        return Term(self.writer.constant(value), kind_of(value), constant=value)

    def name(self, node: ast.Node) -> Term:
        """The value of a term under a name."""
        term = self.value(node)
        if term.constant is not MISSING:
            return term
        return Term(self.writer.kept(term.text), term.kind)

    # logic

    def condition(self, node: ast.Node) -> str:
        """An expression that is True or False, and nothing else."""
        term = self.value(node)
        if term.kind == BOOL:
            return term.text
        name = self.writer.kept(term.text)
        self.writer.line(f"if {name} is not True and {name} is not False: {self.give_up}")
        return name

    def logic(self, node: ast.Logic) -> Term:
        result = self.writer.fresh()
        self.writer.line(f"{result} = {self.condition(node.terms[0])}")
        rest = node.terms[1:]
        guard = result if node.operator == "&&" else f"not {result}"
        for start in range(0, len(rest), _LONGEST_NEST):
            self.further(result, guard, rest[start : start + _LONGEST_NEST])
        return Term(result, BOOL)

    def further(self, result: str, guard: str, terms: Sequence[ast.Node]) -> None:
        """The terms that only count while those before them decided nothing."""
        with self.writer.block(f"if {guard}:"):
            self.writer.line(f"{result} = {self.condition(terms[0])}")
            if len(terms) > 1:
                self.further(result, guard, terms[1:])

    def conditional(self, node: ast.Conditional) -> Term:
        result = self.writer.fresh()
        condition = self.condition(node.condition)
        kinds = []
        for head, arm in ((f"if {condition}:", node.then), ("else:", node.otherwise)):
            with self.writer.block(head):
                term = self.arm(arm)
                self.writer.line(f"{result} = {term.text}")
                kinds.append(term.kind)
        return Term(result, kinds[0] if kinds[0] == kinds[1] else None)

    def arm(self, node: ast.Node) -> Term:
        """One side of a ternary: a selection costs 1 less there than elsewhere."""
        if id(node) not in self.known and isinstance(node, (ast.Ident, ast.Select, ast.Index)):
            return self.unwrapped(attributes.selection(self, node, 0))
        if isinstance(node, ast.Has):
            return attributes.presence(self, node, arm=True)
        term = self.unwrapped(self.term(node))
        return self.plain(term) if self.native else term

    def unwrapped(self, term: Term) -> Term:
        if term.maybe:
            raise Unsupported
        return term

    def plain(self, term: Term) -> Term:
        """The term, where it is no optional: what cel-go does to one is left to the exact evaluator."""
        if term.kind is not None or term.constant is not MISSING:
            return term
        name = self.writer.kept(term.text)
        if self.writer.first(name, "plain"):
            self.writer.line(f"if type({name}) is {self.writer.constant(Optional)}: {self.give_up}")
        return Term(name)
