"""Names, selections, indexes and presence tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from policies.cel import ast
from policies.cel.library.patch import is_open
from policies.cel.plan.qualify import present, qualify, valid_key
from policies.cel.quick.operations import has
from policies.cel.quick.writer import Term, Unsupported
from policies.cel.types import BOOL
from policies.cel.values import MISSING, Value

if TYPE_CHECKING:
    from policies.cel.quick.generator import Generator


class _Step(NamedTuple):
    """One selection or index: a constant key, or the node that yields one."""

    key: Value
    node: ast.Node | None
    optional: bool


def selection(g: Generator, node: ast.Node, extra: int) -> Term:
    """The value at the end of the chain, which costs `extra` beside its steps."""
    root, steps = _flattened(g, node)
    g.writer.charge(extra)
    holder = _root(g, root)
    if not steps:
        return g.plain(Term(holder)) if g.native else Term(holder)
    at = _first_optional(steps)
    for step in steps[:at]:
        holder = _qualified(g, holder, step)
    if at == len(steps):
        return Term(holder)
    return _optional(g, holder, steps[at:], is_root=at == 0)


def presence(g: Generator, node: ast.Has, arm: bool = False) -> Term:
    """`has()`. As an arm of a ternary, one behind an optional selection is a selection itself."""
    if is_open(g.checked.types[id(node.operand)]):
        raise Unsupported
    root, steps = _flattened(g, node.operand)
    if isinstance(root, ast.Conditional):
        raise Unsupported
    holder = _root(g, root)
    at = _first_optional(steps)
    for step in steps[:at]:
        holder = _qualified(g, holder, step)
    key = g.writer.constant(node.field)
    if at == len(steps):
        g.writer.charge(1)
        return Term(
            f"({key} in {holder} if type({holder}) is dict else {g.writer.constant(has)}({holder}, {key}))", BOOL
        )
    if arm:
        raise Unsupported
    found = _optional(g, holder, steps[at:], is_root=at == 0).text
    result = g.writer.fresh()
    g.writer.line(f"{result} = {found} is not {g.missing} and {_present(g, found, key)} is not {g.missing}")
    g.writer.line(f"if {result}: n += 1")
    return Term(result, BOOL)


def _flattened(g: Generator, node: ast.Node) -> tuple[ast.Node, list[_Step]]:
    """Where a chain begins, and its steps."""
    steps: list[_Step] = []
    while id(node) not in g.checked.names and id(node) not in g.known:
        if isinstance(node, ast.Select):
            if is_open(g.checked.types[id(node.operand)]):
                raise Unsupported  # fields of a constructed object are read through Go's own types
            steps.append(_Step(node.field, None, node.optional))
            node = node.operand
        elif isinstance(node, ast.Index):
            key = g.known.get(id(node.index), MISSING)
            steps.append(_Step(key, node.index, node.optional))
            node = node.operand
        else:
            break
    if isinstance(node, (ast.Conditional, ast.Has, ast.OptionalMap)) and steps:
        raise Unsupported
    return node, steps[::-1]


def _first_optional(steps: list[_Step]) -> int:
    return next((at for at, step in enumerate(steps) if step.optional), len(steps))


def _root(g: Generator, node: ast.Node) -> str:
    name = g.checked.names.get(id(node))
    if name is None:
        return g.name(node).text
    if not name.startswith("."):
        for scope in reversed(g.scopes):
            if name in scope:
                return _read(g, scope[name])
    key = g.writer.constant(name.removeprefix("."))
    return g.writer.shared("names", key, f"names[{key}]")


def _read(g: Generator, local: str) -> str:
    """A local variable. That of `optMap` is paid for where it is first read."""
    cost = g.lazy.get(local)
    if cost is not None and g.writer.first(local, "read"):
        g.writer.line(f"n += {cost}")
        g.writer.line(f"{cost} = 0")
    return local


def _qualified(g: Generator, holder: str, step: _Step) -> str:
    """One selection that must succeed."""
    g.writer.charge(1)
    if type(step.key) is str:
        key = g.writer.constant(step.key)
        return g.writer.shared(holder, key, f"{holder}[{key}]")
    key = _key(g, step)
    general = f"{g.writer.constant(qualify)}({holder}, {key})"
    if type(step.key) is int and step.key >= 0:
        return g.writer.kept(f"{holder}[{key}] if type({holder}) is list else {general}")
    return g.writer.kept(f"{holder}[{key}] if type({key}) is str and type({holder}) is dict else {general}")


def _key(g: Generator, step: _Step) -> str:
    """The name of a key, known or computed. A chain of selections costs 1 less here than elsewhere."""
    if step.node is None or step.key is not MISSING:
        return g.constant(step.key).text
    if isinstance(step.node, (ast.Ident, ast.Select, ast.Index)):
        key = g.unwrapped(selection(g, step.node, 0))
    elif isinstance(step.node, (ast.Has, ast.Conditional)):
        raise Unsupported
    else:
        key = g.value(step.node)
    name = g.writer.kept(key.text)
    g.writer.line(f"if type({name}) is not str: {g.writer.constant(valid_key)}({name})")
    return name


def _present(g: Generator, holder: str, key: str) -> str:
    return (
        f"({holder}.get({key}, {g.missing}) if type({holder}) is dict "
        f"else {g.writer.constant(present)}({holder}, {key}))"
    )


def _optional(g: Generator, holder: str, steps: list[_Step], is_root: bool) -> Term:
    """The rest of a chain from its first optional selection on: each step is taken, and paid, only while there is
    something.
    """
    if is_root:
        g.plain(Term(holder))
    found = g.writer.fresh()
    _descend(g, holder, steps, found)
    return Term(found, maybe=True)


def _descend(g: Generator, holder: str, steps: list[_Step], found: str) -> None:
    step, *rest = steps
    g.writer.line(f"{found} = {_present(g, holder, _key(g, step))}")
    with g.writer.block(f"if {found} is not {g.missing}:"):
        g.writer.charge(1)
        if rest:
            _descend(g, found, rest, found)
