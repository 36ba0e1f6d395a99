"""The syntax tree: what was written, macros recognised, nothing checked yet.

Nodes are immutable. `at` is the offset in the source, in code points, of what cel-go would point at; it never takes
part in equality, so two trees are equal when they mean the same text.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant: bool, int, UInt, float, str, bytes or None. `type` tells 1 from True and 1.0 in comparisons."""

    value: object
    at: int = dataclasses.field(default=0, compare=False)
    type: str = ""


@dataclass(frozen=True, slots=True)
class Ident:
    """A name; a leading dot asks for the outermost meaning."""

    name: str
    at: int = dataclasses.field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Select:
    """`operand.field`, or `operand.?field` when optional."""

    operand: Node
    field: str
    at: int = dataclasses.field(default=0, compare=False)
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Has:
    """`has(operand.field)`."""

    operand: Node
    field: str
    at: int = dataclasses.field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Index:
    """`operand[index]`, or `operand[?index]` when optional."""

    operand: Node
    index: Node
    at: int = dataclasses.field(default=0, compare=False)
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """A function or operator call; operators go by cel-go's names (`_+_`, `!_`, `@in`)."""

    function: str
    args: tuple[Node, ...]
    target: Node | None = None
    at: int = dataclasses.field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Logic:
    """A chain of one logical operator, `&&` or `||`."""

    operator: str
    terms: tuple[Node, ...]
    at: int = dataclasses.field(default=0, compare=False)
    places: tuple[int, ...] = dataclasses.field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class Conditional:
    """`condition ? then : otherwise`."""

    condition: Node
    then: Node
    otherwise: Node
    at: int = dataclasses.field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class ListNode:
    """`[a, ?b]`; `optional` holds the positions marked with `?`."""

    elements: tuple[Node, ...]
    optional: frozenset[int] = frozenset()
    at: int = dataclasses.field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Entry:
    """One `key: value` of a map, or `field: value` of an object (then `key` is a string literal)."""

    key: Node
    value: Node
    optional: bool = False
    at: int = dataclasses.field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class MapNode:
    entries: tuple[Entry, ...]
    at: int = dataclasses.field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class ObjectNode:
    """`Name{field: value}`."""

    name: str
    entries: tuple[Entry, ...]
    at: int = dataclasses.field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Comprehension:
    """One of the iterating macros, kept whole: `target.macro(variables..., arguments...)`."""

    macro: str
    target: Node
    variables: tuple[str, ...]
    arguments: tuple[Node, ...]
    at: int = dataclasses.field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class OptionalMap:
    """`target.optMap(variable, body)`, or `optFlatMap` when flat."""

    target: Node
    variable: str
    body: Node
    flat: bool = False
    at: int = dataclasses.field(default=0, compare=False)


Node: TypeAlias = (
    Literal
    | Ident
    | Select
    | Has
    | Index
    | Call
    | Logic
    | Conditional
    | ListNode
    | MapNode
    | ObjectNode
    | Comprehension
    | OptionalMap
)


def children(node: Node) -> tuple[Node, ...]:
    """The nodes right below, in the order in which they are written."""
    match node:
        case Select() | Has():
            return (node.operand,)
        case Index():
            return (node.operand, node.index)
        case Call():
            return node.args if node.target is None else (node.target, *node.args)
        case Logic():
            return node.terms
        case Conditional():
            return (node.condition, node.then, node.otherwise)
        case ListNode():
            return node.elements
        case MapNode() | ObjectNode():
            return tuple(part for entry in node.entries for part in (entry.key, entry.value))
        case Comprehension():
            return (node.target, *node.arguments)
        case OptionalMap():
            return (node.target, node.body)
    return ()
