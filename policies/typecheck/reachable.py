"""What of an expression is evaluated for objects of one kind, where it asks for the kind itself.

`object.kind != 'Pod' || object.spec.hostNetwork` looks at `hostNetwork` for pods alone: for other kinds a type check of
that part would warn of nothing.
"""

from __future__ import annotations

from dataclasses import replace

from policies.cel import ast

_KINDS = (("object", "kind"), ("oldObject", "kind"), ("request", "kind", "kind"))


def reachable(node: ast.Node, kind: str) -> ast.Node:
    """The expression without the parts that the kind rules out."""
    match node:
        case ast.Logic():
            return _logic(node, kind)
        case ast.Conditional():
            known = _truth(node.condition, kind)
            if known is not None:
                return reachable(node.then if known else node.otherwise, kind)
            then, otherwise = reachable(node.then, kind), reachable(node.otherwise, kind)
            return replace(node, then=then, otherwise=otherwise)
        case ast.Call(function="!_"):
            return replace(node, args=(reachable(node.args[0], kind),))
    return node


def _logic(node: ast.Logic, kind: str) -> ast.Node:
    """Without the terms that don't count; a term that decides alone stands for all."""
    deciding = node.operator == "||"
    terms = []
    for term in node.terms:
        known = _truth(term, kind)
        if known is deciding:
            return term
        if known is None:
            terms.append(reachable(term, kind))
    return replace(node, terms=tuple(terms)) if len(terms) > 1 else terms[0] if terms else node.terms[0]


def _truth(node: ast.Node, kind: str) -> bool | None:
    """What a condition is for this kind, None where the kind doesn't say."""
    match node:
        case ast.Call(function="!_", args=(inner,)):
            known = _truth(inner, kind)
            return None if known is None else not known
        case ast.Call(function="_==_" | "_!=_", args=(one, ast.Literal(value=str() as name))) if _is_kind(one):
            return (name == kind) is (node.function == "_==_")
        case ast.Call(function="@in", args=(one, ast.ListNode(elements=names))) if _is_kind(one):
            known_names = [part.value for part in names if isinstance(part, ast.Literal)]
            return kind in known_names if len(known_names) == len(names) else None
        case ast.Logic():
            found = [_truth(term, kind) for term in node.terms]
            deciding = node.operator == "||"
            return deciding if deciding in found else None if None in found else not deciding
    return None


def _is_kind(node: ast.Node) -> bool:
    names: list[str] = []
    while isinstance(node, ast.Select) and not node.optional:
        names.append(node.field)
        node = node.operand
    return isinstance(node, ast.Ident) and (node.name, *reversed(names)) in _KINDS
