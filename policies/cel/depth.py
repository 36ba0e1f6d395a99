"""How deep a tree nests, and room on Python's stack to walk it.

Python allows 1,000 frames by default, less than an expression that the API server accepts may need. Frames of Python
calling Python take no C stack, so the limit may be raised; it is raised only for expressions that need it, and never
lowered.
"""

from __future__ import annotations

import sys
from typing import NamedTuple

from policies.cel.ast import Call, Conditional, Index, Node, Select, children

MAX_DEPTH = 250
_SPARE = 600  # frames for whoever calls us, and for the functions that an expression calls
_PER_NODE = 4  # the most frames that any stage spends on one level of the tree


class Depth(NamedTuple):
    levels: int  # as cel-go counts: selections, indexes, calls, relations, sums, ternaries
    frames: int  # levels of the tree


def room_for(levels: int) -> None:
    """Make sure that a walk over so many levels can't hit the recursion limit."""
    needed = _PER_NODE * levels + _SPARE
    if needed > sys.getrecursionlimit():
        sys.setrecursionlimit(needed)


def nesting(tree: Node) -> Depth:
    """The deepest path of the tree, found without recursion."""
    levels = frames = 0
    pending: list[tuple[Node, int, int]] = [(tree, 0, 0)]
    while pending:
        node, level, frame = pending.pop()
        if isinstance(node, (Call, Select, Index, Conditional)) and not _unary(node):
            level += 1
        frame += 1
        levels, frames = max(levels, level), max(frames, frame)
        pending.extend((child, level, frame) for child in children(node))
    return Depth(levels, frames)


def _unary(node: Node) -> bool:
    return isinstance(node, Call) and node.function in ("!_", "-_")
