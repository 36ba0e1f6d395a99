"""Protocol buffers in their text form, as far as the CEL specification's test files use it: messages as lists of values
by field name."""

from __future__ import annotations

import re
from typing import Any

Message = dict[str, list[Any]]

_TOKEN = re.compile(
    r"""(?P<space>(?:\s+|\#[^\n]*)+)
      |(?P<text>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')
      |(?P<word>[-+]?[A-Za-z0-9_.]+(?:[-+](?=[0-9])[0-9]+)?)
      |(?P<extension>\[[A-Za-z0-9_./]+\])
      |(?P<mark>[{}<>:;,\[\]])""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(rb"\\(?:([0-7]{1,3})|x([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))", re.DOTALL)
_SIMPLE = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"a": b"\a", b"b": b"\b", b"f": b"\f", b"v": b"\v"}


class Text(bytes):
    """A quoted value."""


def parse(source: str) -> Message:
    """The outermost message of a file."""
    tokens = [(str(m.lastgroup), m[0]) for m in _TOKEN.finditer(source) if m.lastgroup != "space"]
    return _Reader(tokens).message("")


class _Reader:
    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self.tokens = [*tokens, ("mark", "")]
        self.at = 0

    def take(self) -> tuple[str, str]:
        self.at += 1
        return self.tokens[self.at - 1]

    def skip(self, *marks: str) -> bool:
        if self.tokens[self.at] in [("mark", mark) for mark in marks]:
            self.at += 1
            return True
        return False

    def message(self, closing: str) -> Message:
        found: Message = {}
        while not self.skip(closing):
            kind, name = self.take()
            assert kind in ("word", "extension"), name
            self.skip(":")
            found.setdefault(name, []).extend(self.values())
            self.skip(",", ";")
        return found

    def values(self) -> list[Any]:
        if self.skip("["):
            found = []
            while not self.skip("]"):
                found.append(self.value())
                self.skip(",")
            return found
        return [self.value()]

    def value(self) -> Any:
        if self.skip("{"):
            return self.message("}")
        if self.skip("<"):
            return self.message(">")
        kind, text = self.take()
        if kind != "text":
            return text
        parts = [text]
        while self.tokens[self.at][0] == "text":
            parts.append(self.take()[1])
        return Text(b"".join(_ESCAPE.sub(_unescaped, part[1:-1].encode()) for part in parts))


def _unescaped(found: re.Match[bytes]) -> bytes:
    octal, short, long, longer, simple = found.groups()
    if octal:
        return bytes([int(octal, 8)])
    if short:
        return bytes([int(short, 16)])
    if long or longer:
        return chr(int(long or longer, 16)).encode()
    return _SIMPLE.get(simple, simple)
