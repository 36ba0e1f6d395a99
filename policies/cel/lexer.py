"""Source text to tokens, by CEL's lexical grammar. Comments and white space go; every token keeps its offset."""

from __future__ import annotations

import re
from typing import NamedTuple

from policies.cel.errors import ParseError

RESERVED = frozenset(
    [
        "as",
        "break",
        "const",
        "continue",
        "else",
        "for",
        "function",
        "if",
        "import",
        "let",
        "loop",
        "package",
        "namespace",
        "return",
        "var",
        "void",
        "while",
    ]
)
MAX_TOKENS = 3_000  # commas aside; ours, so that loading an expression takes milliseconds
KEYWORDS = frozenset({"true", "false", "null", "in"})

_STRING = (
    r'[rR]"""(?:.|\n)*?"""' + r"|[rR]'''(?:.|\n)*?'''" + r'|[rR]"[^"\n\r]*"' + r"|[rR]'[^'\n\r]*'"
    r'|"""(?:\\(?:.|\n)|[^\\])*?"""' + r"|'''(?:\\(?:.|\n)|[^\\])*?'''"
    r'|"(?:\\.|[^"\\\n\r])*"' + r"|'(?:\\.|[^'\\\n\r])*'"
)
_TOKEN = re.compile(
    r"(?P<space>(?:[ \t\r\n\f]+|//[^\n]*)+)"
    rf"|(?P<bytes>[bB](?:{_STRING}))"
    rf"|(?P<string>{_STRING})"
    r"|(?P<double>[0-9]+\.[0-9]+(?:[eE][+-]?[0-9]+)?|[0-9]+[eE][+-]?[0-9]+|\.[0-9]+(?:[eE][+-]?[0-9]+)?)"
    r"|(?P<uint>(?:0x[0-9a-fA-F]+|[0-9]+)[uU])"
    r"|(?P<int>0x[0-9a-fA-F]+|[0-9]+)"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<quoted>`[A-Za-z0-9_.\-/ ]+`)"
    r"|(?P<mark>&&|\|\||==|!=|<=|>=|[-+*/%<>!?:.,()\[\]{}])"
)


class Token(NamedTuple):
    """`kind` is the group that matched; marks and keywords use their own text as kind."""

    kind: str
    text: str
    at: int


def tokens(source: str) -> list[Token]:
    """All tokens, closed by one of kind `end`. Raises ParseError at the first character that starts none, and where
    there are too many.
    """
    found: list[Token] = []
    at, end, match = 0, len(source), _TOKEN.match
    most = MAX_TOKENS + source.count(",")
    while at < end:
        token = match(source, at)
        if token is None:
            raise _unknown(source, at)
        kind, text = str(token.lastgroup), token[0]
        if kind == "mark" or (kind == "name" and text in KEYWORDS):
            found.append(Token(text, text, at))
            if len(found) > most:
                break
        elif kind != "space":
            found.append(Token(kind, text, at))
        at = token.end()
    if len(found) > most:
        message = f"expression too long: more than {MAX_TOKENS} tokens"
        raise ParseError.at(message, source, None, "split the expression into variables")
    found.append(Token("end", "", end))
    return found


def _unknown(source: str, at: int) -> ParseError:
    character = source[at]
    hint = ""
    if character in "\"'":
        hint = "the string is not closed"
    elif character in "&|":
        hint = f"the logical operator is written `{character * 2}`"
    elif character == "=":
        hint = "equality is written `==`"
    return ParseError.at(f"syntax error: token recognition error at: '{character}'", source, at, hint)
