"""What of an expression is evaluated for objects of one kind, where it asks for the kind itself.

`object.kind != 'Pod' || object.spec.hostNetwork` looks at `hostNetwork` for pods alone: for other kinds a type check of
that part would warn of nothing. So does `has(object.spec.containers) ? ... : ...` in a policy about pods and
deployments: a field that only some of the kinds have tells them apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import TypeVar

from policies.cel import ast

_KINDS = (("object", "kind"), ("oldObject", "kind"), ("request", "kind", "kind"))


NOTHING: Mapping[int, bool] = MappingProxyType({})
K = TypeVar("K")


def guards(missing: Mapping[K, frozenset[int]]) -> Mapping[K, Mapping[int, bool]]:
    """For each kind the answers of `has`, by their places, that tell kinds apart.

    `missing` are places where it asks for what a kind doesn't have; what no kind has is a mistake, and tells nothing.
    """
    asked = frozenset().union(*missing.values()) - frozenset.intersection(*missing.values()) if missing else frozenset()
    return {kind: {place: place not in absent for place in asked} for kind, absent in missing.items()} if asked else {}


def reachable(node: ast.Node, kind: str, known: Mapping[int, bool] = NOTHING) -> ast.Node:
    """The expression without the parts that the kind rules out. `known` has answers of `has`, by their places."""
    match node:
        case ast.Logic():
            return _logic(node, kind, known)
        case ast.Conditional():
            truth = _truth(node.condition, kind, known)
            if truth is not None:
                return reachable(node.then if truth else node.otherwise, kind, known)
            then, otherwise = reachable(node.then, kind, known), reachable(node.otherwise, kind, known)
            return replace(node, then=then, otherwise=otherwise)
        case ast.Call(function="!_"):
            return replace(node, args=(reachable(node.args[0], kind, known),))
    return node


def _logic(node: ast.Logic, kind: str, known: Mapping[int, bool]) -> ast.Node:
    """Without the terms that don't count; a term that decides alone stands for all."""
    deciding = node.operator == "||"
    terms = []
    for term in node.terms:
        truth = _truth(term, kind, known)
        if truth is deciding:
            return ast.Literal(deciding, term.at, "bool")
        if truth is None:
            terms.append(reachable(term, kind, known))
    if not terms:
        return ast.Literal(not deciding, node.at, "bool")
    return replace(node, terms=tuple(terms)) if len(terms) > 1 else terms[0]


def _truth(node: ast.Node, kind: str, known: Mapping[int, bool]) -> bool | None:
    """What a condition is for this kind, None where the kind doesn't say."""
    match node:
        case ast.Has():
            return known.get(node.at)
        case ast.Call(function="!_", args=(inner,)):
            truth = _truth(inner, kind, known)
            return None if truth is None else not truth
        case ast.Call(function="_==_" | "_!=_", args=(one, ast.Literal(value=str() as name))) if _is_kind(one):
            return (name == kind) is (node.function == "_==_")
        case ast.Call(function="@in", args=(one, ast.ListNode(elements=names))) if _is_kind(one):
            known_names = [part.value for part in names if isinstance(part, ast.Literal)]
            return kind in known_names if len(known_names) == len(names) else None
        case ast.Logic():
            found = [_truth(term, kind, known) for term in node.terms]
            deciding = node.operator == "||"
            return deciding if deciding in found else None if None in found else not deciding
    return None


def _is_kind(node: ast.Node) -> bool:
    names: list[str] = []
    while isinstance(node, ast.Select) and not node.optional:
        names.append(node.field)
        node = node.operand
    return isinstance(node, ast.Ident) and (node.name, *reversed(names)) in _KINDS
