"""Lists, maps and objects that an expression writes down."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from policies.cel import ast
from policies.cel.cost import LIST, MAP, OBJECT
from policies.cel.library.messages import MessageType
from policies.cel.library.patch import construct
from policies.cel.maps import TextMap
from policies.cel.quick.writer import Term, Unsupported
from policies.cel.types import LIST_DYN, ObjectType

if TYPE_CHECKING:
    from collections.abc import Sequence

    from policies.cel.quick.generator import Generator


def list_literal(g: Generator, node: ast.ListNode) -> Term:
    g.writer.charge(LIST)
    if not node.optional:
        return Term(f"[{', '.join(g.value(element).text for element in node.elements)}]", LIST_DYN)
    made = g.writer.fresh()
    g.writer.line(f"{made} = []")
    for position, element in enumerate(node.elements):
        if position in node.optional:
            found = _found(g, element)
            g.writer.line(f"if {found} is not {g.missing}: {made}.append({found})")
        else:
            g.writer.line(f"{made}.append({g.value(element).text})")
    return Term(made, LIST_DYN)


def map_literal(g: Generator, node: ast.MapNode) -> Term:
    """A map of text keys."""
    g.writer.charge(MAP)
    return Term(f"{g.writer.constant(TextMap)}({_entries(g, node.entries)})")


def object_literal(g: Generator, node: ast.ObjectNode) -> Term:
    g.writer.charge(OBJECT)
    declared = g.checked.constants[id(node)]
    assert isinstance(declared, ObjectType)
    make = declared.make if isinstance(declared, MessageType) else partial(construct, declared)
    return Term(f"{g.writer.constant(make)}({_entries(g, node.entries)})")


def _entries(g: Generator, entries: Sequence[ast.Entry]) -> str:
    """A dict of them under a name; a later entry replaces an earlier one, or removes it where it is empty."""
    made = g.writer.fresh()
    g.writer.line(f"{made} = {{}}")
    for entry in entries:
        key = g.constant(entry.key.value) if isinstance(entry.key, ast.Literal) else g.name(entry.key)
        if type(key.constant) is not str:
            g.writer.line(f"if type({key.text}) is not str: {g.give_up}")
        if entry.optional:
            found = _found(g, entry.value)
            g.writer.line(f"if {found} is not {g.missing}: {made}[{key.text}] = {found}")
            g.writer.line(f"else: {made}.pop({key.text}, None)")
        else:
            g.writer.line(f"{made}[{key.text}] = {g.value(entry.value).text}")
    return made


def _found(g: Generator, node: ast.Node) -> str:
    """What an optional holds, or MISSING, under a name."""
    term = g.term(node)
    if not term.maybe:
        raise Unsupported
    return term.text
