"""Tokens to a syntax tree, by CEL's grammar, macros recognised on the way. Pure; the only exception is ParseError.

Limits, as in cel-go: 100,000 code points; 250 levels of any one rule of its grammar, where a ternary's tail is a level
of expressions, the right operand of a comparison one of relations, that of a sum or a product one of calculations.
Ours is the limit of 3,000 tokens, where commas don't count. Everything accepted here can be walked recursively within
the room that `depth.room_for` makes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NoReturn

from policies.cel import macros
from policies.cel.ast import (
    Call,
    Conditional,
    Entry,
    Ident,
    Index,
    ListNode,
    Literal,
    Logic,
    MapNode,
    Node,
    ObjectNode,
    Select,
)
from policies.cel.depth import MAX_DEPTH, brackets, nesting, room_for, too_deep
from policies.cel.errors import ParseError
from policies.cel.hints import SYNTAX
from policies.cel.lexer import KEYWORDS, RESERVED, Token, tokens
from policies.cel.literals import parse_bytes, parse_double, parse_int, parse_string, parse_uint

MAX_CODE_POINTS = 100_000
_LEVELS = {
    "||": 1, "&&": 2,
    "<": 3, "<=": 3, ">=": 3, ">": 3, "==": 3, "!=": 3, "in": 3,
    "+": 4, "-": 4,
    "*": 5, "/": 5, "%": 5,
}  # fmt: skip
_COMPARISON = 3
_FUNCTIONS = {"in": "@in"} | {mark: f"_{mark}_" for mark in _LEVELS if mark != "in"}
_LITERALS: Mapping[str, Callable[[str], object]] = {
    "string": parse_string,
    "bytes": lambda text: parse_bytes(text[1:]),
    "double": parse_double,
    "uint": parse_uint,
    "int": parse_int,
    "true": lambda _: True,
    "false": lambda _: False,
    "null": lambda _: None,
}


def parse(
    source: str, table: Mapping[macros.MacroKey, macros.Expander] = macros.ALL, quoted_fields: bool = False
) -> Node:
    """The tree of an expression. Raises ParseError with the place of the first mistake.

    `quoted_fields` allows fields in backticks, which can hold `.`, `-`, `/` and spaces.
    """
    if len(source) > MAX_CODE_POINTS:
        raise ParseError.at(
            f"expression code point size exceeds limit: size: {len(source)}, limit {MAX_CODE_POINTS}", source, None
        )
    found = tokens(source)
    room_for(5 * brackets(source, found))
    tree = _Parser(source, found, table, quoted_fields).whole()
    depth = nesting(tree)
    room_for(depth.frames)
    if depth.levels > MAX_DEPTH:
        raise ParseError.at("max recursion depth exceeded", source, None, "split the expression into variables")
    return tree


class _Parser:
    def __init__(
        self,
        source: str,
        found: list[Token],
        table: Mapping[macros.MacroKey, macros.Expander],
        quoted_fields: bool,
    ) -> None:
        self.source = source
        self.tokens = found
        self.table = table
        self.quoted_fields = quoted_fields
        self.next = 0
        self.expressions = self.relations = self.calculations = 0  # how many of each are open

    def whole(self) -> Node:
        tree = self.expression()
        if self.tokens[self.next].kind != "end":
            self.unexpected()
        return tree

    def expression(self) -> Node:
        self.expressions += 1
        condition = self.operand()
        mark = self.tokens[self.next]
        if mark.kind == "?":
            room_for(5 * self.expressions + 100)  # a ternary in the tail of another nests without a bracket
            self.next += 1
            then = self.operand()
            self.expect(":")
            condition = Conditional(condition, then, self.expression(), mark.at)
        self.expressions -= 1
        return condition

    def operand(self) -> Node:
        """What stands in a ternary, or alone."""
        self.relations += 1
        self.calculations += 1
        if self.relations > MAX_DEPTH or self.calculations > MAX_DEPTH or self.expressions > MAX_DEPTH:
            raise too_deep(self.source)
        found = self.binary(1)
        self.relations -= 1
        self.calculations -= 1
        return found

    def binary(self, lowest: int) -> Node:
        left = self.unary()
        while True:
            mark = self.tokens[self.next]
            level = _LEVELS.get(mark.kind, 0)
            if level < lowest or not level:
                return left
            if level <= 2:
                left = self.logic(left, mark, level)
            else:
                self.next += 1
                right = self.compared() if level == _COMPARISON else self.calculated(level)
                left = Call(_FUNCTIONS[mark.kind], (left, right), None, mark.at)

    def compared(self) -> Node:
        """The right operand of a comparison."""
        self.relations += 1
        if self.relations > MAX_DEPTH:
            raise too_deep(self.source)
        right = self.binary(_COMPARISON + 1)
        self.relations -= 1
        return right

    def calculated(self, level: int) -> Node:
        """The right operand of a sum or a product."""
        self.calculations += 1
        if self.calculations > MAX_DEPTH:
            raise too_deep(self.source)
        right = self.binary(level + 1)
        self.calculations -= 1
        return right

    def logic(self, first: Node, mark: Token, level: int) -> Node:
        terms, places = [first], []
        while self.tokens[self.next].kind == mark.kind:
            places.append(self.tokens[self.next].at)
            self.next += 1
            terms.append(self.binary(level + 1))
        return Logic(mark.kind, tuple(terms), mark.at, tuple(places))

    def unary(self) -> Node:
        mark = self.tokens[self.next]
        if mark.kind not in ("!", "-"):
            return self.member(self.primary())
        count = 0
        while self.tokens[self.next].kind == mark.kind:
            self.next += 1
            count += 1
        if mark.kind == "-" and count == 1 and self.tokens[self.next].kind in ("int", "double"):
            return self.member(self.negative(mark.at))
        operand = self.member(self.primary())
        return operand if count % 2 == 0 else Call(f"{mark.kind}_", (operand,), None, mark.at)

    def negative(self, at: int) -> Node:
        token = self.take()
        try:
            value = parse_int(token.text, True) if token.kind == "int" else parse_double(token.text, True)
        except ValueError as error:
            raise ParseError.at(str(error), self.source, at, SYNTAX.get(str(error), "")) from None
        return literal(value, at)

    def primary(self) -> Node:
        token = self.take()
        read = _LITERALS.get(token.kind)
        if read is not None:
            try:
                return literal(read(token.text), token.at)
            except ValueError as error:
                raise ParseError.at(str(error), self.source, token.at, SYNTAX.get(str(error), "")) from None
        match token.kind:
            case "name":
                return self.name(token, "")
            case ".":
                return self.name(self.take_kind("name"), ".")
            case "(":
                inner = self.expression()
                self.expect(")")
                return inner
            case "[":
                return self.list_literal(token.at)
            case "{":
                return MapNode(self.entries(self.map_key), token.at)
        self.next -= 1
        return self.unexpected()

    def name(self, token: Token, dot: str) -> Node:
        """A variable, a call or an object; only an object's name may contain reserved words."""
        brace = self.brace()
        if brace:
            names = [part.text for part in self.tokens[self.next : brace : 1] if part.kind == "name"]
            self.next = brace + 1
            return ObjectNode(dot + ".".join([token.text, *names]), self.entries(self.field_key), self.tokens[brace].at)
        if token.text in RESERVED:
            raise ParseError.at(f"reserved identifier: {token.text}", self.source, token.at, "choose another name")
        following = self.tokens[self.next]
        if following.kind == "(":
            self.next += 1
            return self.call(Call(dot + token.text, self.arguments(), None, following.at))
        return Ident(dot + token.text, token.at)

    def brace(self) -> int:
        """Where the `{` is that follows the dotted rest of a name; 0 if there is none."""
        at = self.next
        while self.tokens[at].kind == "." and self.tokens[at + 1].kind == "name":
            at += 2
        return at if self.tokens[at].kind == "{" else 0

    def call(self, call: Call) -> Node:
        try:
            return macros.expand(self.table, call)
        except macros.MacroError as error:
            raise ParseError.at(str(error), self.source, error.at, SYNTAX.get(str(error), "")) from None

    def member(self, node: Node) -> Node:
        """Selections, calls and indexes that follow an operand."""
        while True:
            mark = self.tokens[self.next]
            if mark.kind == ".":
                self.next += 1
                node = self.select(node, mark.at)
            elif mark.kind == "[":
                self.next += 1
                optional = self.skip("?")
                index = self.expression()
                self.expect("]")
                node = Index(node, index, mark.at, optional)
            else:
                return node

    def select(self, node: Node, at: int) -> Node:
        optional = self.skip("?")
        field, following = self.field(), self.tokens[self.next]
        if following.kind == "(" and not optional and self.tokens[self.next - 1].kind == "name":
            self.next += 1
            return self.call(Call(field, self.arguments(), node, following.at))
        return Select(node, field, at, optional)

    def field(self) -> str:
        """A field's name, plain or in backticks."""
        token = self.tokens[self.next]
        if token.kind == "quoted":
            if not self.quoted_fields:
                raise ParseError.at("unsupported syntax: '`'", self.source, token.at, "select the field with `['...']`")
        elif token.kind != "name":
            self.unexpected()
        self.next += 1
        return token.text.strip("`")

    def arguments(self) -> tuple[Node, ...]:
        args: list[Node] = []
        if not self.skip(")"):
            args.append(self.expression())
            while self.skip(","):
                args.append(self.expression())
            self.expect(")")
        return tuple(args)

    def list_literal(self, at: int) -> Node:
        elements: list[Node] = []
        optional: set[int] = set()
        while self.tokens[self.next].kind != "]":
            if not elements and self.skip(","):
                break
            if self.skip("?"):
                optional.add(len(elements))
            elements.append(self.expression())
            if not self.skip(","):
                break
        self.expect("]")
        return ListNode(tuple(elements), frozenset(optional), at)

    def entries(self, key: Callable[[], Node]) -> tuple[Entry, ...]:
        found: list[Entry] = []
        while self.tokens[self.next].kind != "}":
            if not found and self.skip(","):
                break
            optional = self.skip("?")
            name = key()
            at = self.tokens[self.next].at
            self.expect(":")
            found.append(Entry(name, self.expression(), optional, at))
            if not self.skip(","):
                break
        self.expect("}")
        return tuple(found)

    def map_key(self) -> Node:
        return self.expression()

    def field_key(self) -> Node:
        at = self.tokens[self.next].at
        return literal(self.field(), at)

    def take(self) -> Token:
        token = self.tokens[self.next]
        self.next += 1
        return token

    def take_kind(self, kind: str) -> Token:
        token = self.tokens[self.next]
        if token.kind != kind:
            self.unexpected()
        self.next += 1
        return token

    def skip(self, kind: str) -> bool:
        if self.tokens[self.next].kind == kind:
            self.next += 1
            return True
        return False

    def expect(self, kind: str) -> None:
        if not self.skip(kind):
            self.unexpected(f"`{kind}`")

    def unexpected(self, wanted: str = "") -> NoReturn:
        token = self.tokens[min(self.next, len(self.tokens) - 1)]
        found = "end" if token.kind == "end" else f"`{token.text}`"
        hint = f"`{token.text}` is a keyword" if token.kind in KEYWORDS else "an operator or a comma is missing"
        if token.kind == "end":
            hint = "something is missing here"
        expected = f", expected {wanted}" if wanted else ""
        raise ParseError.at(f"syntax error: unexpected {found}{expected}", self.source, token.at, hint)


def literal(value: object, at: int) -> Literal:
    return Literal(value, at, type(value).__name__)
