"""Macros: calls that the parser turns into nodes of their own, because their arguments are not values.

One table says which names, in which arity, are macros; versions without two-variable comprehensions get a smaller one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from policies.cel.ast import Call, Comprehension, Has, Ident, Literal, MapNode, Node, ObjectNode, OptionalMap, Select

Expander = Callable[[str, Node, tuple[Node, ...], int], Node]
MacroKey = tuple[str, int]  # name and number of arguments, receiver style
ACCUMULATOR = "__result__"  # cel-go's name for what a loop gathers


class MacroError(Exception):
    """A macro's arguments are not of its form. `at` is where."""

    def __init__(self, message: str, at: int) -> None:
        super().__init__(message)
        self.at = at


def has(args: tuple[Node, ...], at: int) -> Node:
    """`has(operand.field)`, the only macro that isn't a method."""
    argument = args[0]
    if isinstance(argument, Has):
        return argument  # what it expands to is a selection itself
    if not isinstance(argument, Select) or argument.optional:
        raise MacroError("invalid argument to has() macro", argument.at)
    return Has(argument.operand, argument.field, at)


def _variable(node: Node, message: str) -> str:
    if not isinstance(node, Ident):
        raise MacroError(message, node.at)
    return node.name


def _loop_variable(node: Node) -> str:
    """A leading dot is allowed, as in cel-go, though a variable of such a name can't be read."""
    name = _variable(node, "argument must be a simple name")
    if name == ACCUMULATOR:
        raise MacroError("iteration variable overwrites accumulator variable", node.at)
    return name


def _iteration(macro: str, target: Node, args: tuple[Node, ...], at: int) -> Node:
    return Comprehension(macro, target, (_loop_variable(args[0]),), args[1:], at)


def _iteration2(macro: str, target: Node, args: tuple[Node, ...], at: int) -> Node:
    names = [_variable(node, "argument must be a simple name") for node in args[:2]]
    if names[0] == names[1]:
        raise MacroError(f"duplicate variable name: {names[1]}", args[1].at)
    first, second = map(_loop_variable, args[:2])
    return Comprehension(macro, target, (first, second), args[2:], at)


def _sort_by(macro: str, target: Node, args: tuple[Node, ...], at: int) -> Node:
    if isinstance(target, (Literal, MapNode, ObjectNode)):
        message = "sortBy can only be applied to a list, identifier, comprehension, call or select expression"
        raise MacroError(message, target.at)
    return Comprehension(macro, target, (_loop_variable(args[0]),), args[1:], at)


def _optional_map(macro: str, target: Node, args: tuple[Node, ...], at: int) -> Node:
    name = _variable(args[0], f"{macro}() variable name must be a simple identifier")
    return OptionalMap(target, name, args[1], macro == "optFlatMap", at)


STANDARD: Mapping[MacroKey, Expander] = {
    ("all", 2): _iteration,
    ("exists", 2): _iteration,
    ("exists_one", 2): _iteration,
    ("map", 2): _iteration,
    ("map", 3): _iteration,
    ("filter", 2): _iteration,
    ("optMap", 2): _optional_map,
    ("optFlatMap", 2): _optional_map,
}
TWO_VARIABLE: Mapping[MacroKey, Expander] = {
    ("all", 3): _iteration2,
    ("exists", 3): _iteration2,
    ("exists_one", 3): _iteration2,
    ("existsOne", 3): _iteration2,
    ("transformList", 3): _iteration2,
    ("transformList", 4): _iteration2,
    ("transformMap", 3): _iteration2,
    ("transformMap", 4): _iteration2,
    ("transformMapEntry", 3): _iteration2,
    ("transformMapEntry", 4): _iteration2,
}
LISTS: Mapping[MacroKey, Expander] = {("sortBy", 2): _sort_by}
ALL: Mapping[MacroKey, Expander] = {**STANDARD, **TWO_VARIABLE, **LISTS}


def expand(table: Mapping[MacroKey, Expander], call: Call) -> Node:
    """The call itself, or what the macro of that name and arity makes of it. Raises MacroError."""
    if call.target is None:
        return has(call.args, call.at) if call.function == "has" and len(call.args) == 1 else call
    expander = table.get((call.function, len(call.args)))
    return call if expander is None else expander(call.function, call.target, call.args, call.at)
