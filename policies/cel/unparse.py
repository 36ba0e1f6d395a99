"""A syntax tree back to source: `parse(unparse(tree)) == tree`, for every tree that the parser makes.

Brackets are set where precedence asks for them and nowhere else; layout and comments aren't kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from math import isinf

from policies.cel.ast import (
    Call,
    Comprehension,
    Conditional,
    Entry,
    Has,
    Ident,
    Index,
    ListNode,
    Literal,
    Logic,
    MapNode,
    Node,
    ObjectNode,
    OptionalMap,
    Select,
)
from policies.cel.depth import nesting, room_for
from policies.cel.lexer import KEYWORDS
from policies.cel.values import UInt

_TERNARY, _OR, _AND, _RELATION, _SUM, _PRODUCT, _UNARY, _MEMBER = range(8)
_BINARY = {f"_{mark}_": (mark, _RELATION) for mark in ("<", "<=", ">=", ">", "==", "!=")}
_BINARY |= {"@in": ("in", _RELATION), "_+_": ("+", _SUM), "_-_": ("-", _SUM)}
_BINARY |= {f"_{mark}_": (mark, _PRODUCT) for mark in "*/%"}
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def unparse(tree: Node) -> str:
    """The source of a tree, on one line."""
    room_for(nesting(tree).frames)
    return _text(tree, _TERNARY)


def _text(node: Node, lowest: int) -> str:
    """The node's source, in brackets where it binds more loosely than `lowest`."""
    level, text = _written(node)
    return f"({text})" if level < lowest else text


def _written(node: Node) -> tuple[int, str]:
    match node:
        case Conditional():
            parts = _text(node.condition, _OR), _text(node.then, _OR), _text(node.otherwise, _TERNARY)
            return _TERNARY, "{} ? {} : {}".format(*parts)
        case Logic():
            level = _OR if node.operator == "||" else _AND
            return level, f" {node.operator} ".join(_text(term, level + 1) for term in node.terms)
        case Call() if node.target is None and node.function in _BINARY:
            return _binary(node)
        case Call() if node.function in ("!_", "-_"):
            return _UNARY, _negation(node)
        case Literal():
            return (_UNARY if _negative(node.value) else _MEMBER), literal(node.value)
    return _MEMBER, _member(node)


def _binary(node: Call) -> tuple[int, str]:
    mark, level = _BINARY[node.function]
    left, right = node.args
    return level, f"{_text(left, level)} {mark} {_text(right, level + 1)}"


def _negation(node: Call) -> str:
    """A minus before a number would become part of it, and two minuses nothing."""
    mark, (operand,) = node.function[0], node.args
    text = _text(operand, _MEMBER)
    return f"{mark}({text})" if isinstance(operand, Literal) and text[0] != "(" else f"{mark}{text}"


def _negative(value: object) -> bool:
    return type(value) in (int, float) and str(value).startswith("-")


def _member(node: Node) -> str:
    match node:
        case Ident():
            return node.name
        case Select():
            return f"{_operand(node.operand)}.{'?' if node.optional else ''}{_field(node.field)}"
        case Has():
            return f"has({_operand(node.operand)}.{_field(node.field)})"
        case Index():
            return f"{_operand(node.operand)}[{'?' if node.optional else ''}{_text(node.index, _TERNARY)}]"
        case Call():
            receiver = "" if node.target is None else f"{_operand(node.target)}."
            return f"{receiver}{node.function}({_listed(node.args)})"
        case Comprehension():
            return f"{_operand(node.target)}.{node.macro}({', '.join(node.variables)}, {_listed(node.arguments)})"
        case OptionalMap():
            name = "optFlatMap" if node.flat else "optMap"
            return f"{_operand(node.target)}.{name}({node.variable}, {_text(node.body, _TERNARY)})"
    return _aggregate(node)


def _aggregate(node: Node) -> str:
    match node:
        case ListNode():
            texts = [_text(element, _TERNARY) for element in node.elements]
            return f"[{', '.join(f'?{text}' if at in node.optional else text for at, text in enumerate(texts))}]"
        case MapNode():
            return f"{{{_entries(node.entries)}}}"
        case ObjectNode():
            return f"{node.name}{{{_entries(node.entries, fields=True)}}}"
    raise AssertionError(node)


def _operand(node: Node) -> str:
    """What a selection, call or index is made on. After a whole number, a dot would make a fraction of it."""
    text = _text(node, _MEMBER)
    is_number = isinstance(node, Literal) and type(node.value) in (int, UInt, float)
    return f"({text})" if is_number and text[0] != "(" else text


def _listed(nodes: Iterable[Node]) -> str:
    return ", ".join(_text(node, _TERNARY) for node in nodes)


def _entries(entries: Iterable[Entry], fields: bool = False) -> str:
    return ", ".join(
        f"{'?' if entry.optional else ''}{_key(entry.key, fields)}: {_text(entry.value, _TERNARY)}" for entry in entries
    )


def _key(node: Node, field: bool) -> str:
    return _field(str(node.value)) if field and isinstance(node, Literal) else _text(node, _TERNARY)


def _field(name: str) -> str:
    return name if _PLAIN_NAME.fullmatch(name) and name not in KEYWORDS else f"`{name}`"


def literal(value: object) -> str:
    """A constant's source."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case UInt():
            return f"{int(value)}u"
        case float():
            return _double(value)
        case str():
            return f'"{"".join(map(_character, value))}"'
        case bytes():
            return f'b"{"".join(map(_byte, value))}"'
    return str(value)


def _double(value: float) -> str:
    if isinf(value):
        return "-1e999" if value < 0 else "1e999"
    text = repr(value)
    return text if "." in text or "e" in text else f"{text}.0"


def _character(character: str) -> str:
    if character in '\\"':
        return f"\\{character}"
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _byte(byte: int) -> str:
    return chr(byte) if 0x20 <= byte < 0x7F and byte not in b'\\"' else f"\\x{byte:02x}"
