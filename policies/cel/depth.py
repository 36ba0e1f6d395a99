"""How deep a tree nests, and room on Python's stack to walk it.

Python allows 1,000 frames by default, less than an expression that the API server accepts may need. Frames of Python
calling Python take no C stack, so the limit may be raised; it is raised only for expressions that need it, and never
lowered.
"""

from __future__ import annotations

import sys
from typing import NamedTuple

from policies.cel.ast import Call, Comprehension, Conditional, Has, Index, Node, OptionalMap, Select, children
from policies.cel.errors import ParseError
from policies.cel.lexer import Token

MAX_DEPTH = 250
_SPARE = 600  # frames for whoever calls us, and for the functions that an expression calls
_LEVELS = (Select, Has, Index, Conditional, Comprehension, OptionalMap)
_PER_NODE = 4  # the most frames that any stage spends on one level of the tree


class Depth(NamedTuple):
    levels: int  # as cel-go counts: selections, indexes, calls of methods, relations, sums, ternaries
    frames: int  # levels of the tree
    nodes: int


def room_for(levels: int) -> None:
    """Make sure that a walk over so many levels can't hit the recursion limit."""
    needed = _PER_NODE * levels + _SPARE
    if needed > sys.getrecursionlimit():
        sys.setrecursionlimit(needed)


def brackets(source: str, found: list[Token]) -> int:
    """How deep the brackets nest. Raises ParseError beyond the limit, before anything recurses.

    All brackets but the innermost have an expression in them, and one is around them all.
    """
    depth = deepest = 0
    for token in found:
        if token.kind in ("(", "[", "{"):
            depth += 1
            deepest = max(depth, deepest)
        elif token.kind in (")", "]", "}"):
            depth -= 1
    if deepest > MAX_DEPTH:
        raise too_deep(source)
    return deepest


def too_deep(source: str) -> ParseError:
    """The error for a rule within itself too often."""
    return ParseError.at(f"expression recursion limit exceeded: {MAX_DEPTH}", source, None)


def nesting(tree: Node) -> Depth:
    """The deepest path of the tree, found without recursion."""
    levels = frames = nodes = 0
    pending: list[tuple[Node, int, int]] = [(tree, 0, 0)]
    while pending:
        node, level, frame = pending.pop()
        if isinstance(node, _LEVELS) or (isinstance(node, Call) and _counts(node)):
            level += 1
        frame += 1
        nodes += 1
        levels, frames = max(levels, level), max(frames, frame)
        pending.extend((child, level, frame) for child in children(node))
    return Depth(levels, frames, nodes)


def _counts(node: Call) -> bool:
    """Whether it is a method or an operator of two operands."""
    return node.target is not None or (len(node.args) == 2 and node.function.startswith(("_", "@")))
