"""Literals: the text of a token to its value. Pure; a text that isn't a value raises ValueError with the reason."""

from __future__ import annotations

import re

from policies.cel.values import INT_MAX, INT_MIN, UINT_MAX, UInt

_ESCAPE = re.compile(r"\\(?:[xX]([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-3][0-7]{2})|(.))", re.DOTALL)
_SIMPLE = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"} | {c: c for c in "\\'\"`?"}


def parse_int(text: str, negative: bool = False) -> int:
    value = _digits(text)
    value = -value if negative else value
    if not INT_MIN <= value <= INT_MAX:
        raise ValueError("invalid int literal")
    return value


def parse_uint(text: str) -> UInt:
    value = _digits(text[:-1])
    if value > UINT_MAX:
        raise ValueError("invalid uint literal")
    return UInt(value)


def parse_double(text: str, negative: bool = False) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError("invalid double literal")
    return -value if negative else value


def parse_string(text: str) -> str:
    body, raw = _body(text)
    return body if raw else _ESCAPE.sub(_character, body)


def parse_bytes(text: str) -> bytes:
    """A bytes literal without its leading `b`: `\\x` and octal escapes are single bytes, other characters UTF-8."""
    body, raw = _body(text)
    if raw:
        return body.encode()
    out, at = bytearray(), 0
    for escape in _ESCAPE.finditer(body):
        out += body[at : escape.start()].encode()
        out += _byte(escape)
        at = escape.end()
    return bytes(out + body[at:].encode())


def _digits(text: str) -> int:
    if len(text) > 400:  # no such number fits; and int() of a very long text is slow
        text = text.lstrip("0x")[:400] if set(text) <= set("0x") else "9" * 40
    return int(text[2:], 16) if text.startswith("0x") else int(text)


def _body(text: str) -> tuple[str, bool]:
    raw = text[0] in "rR"
    quoted = text[1:] if raw else text
    width = 3 if len(quoted) >= 6 and quoted[:3] in ('"""', "'''") else 1
    return quoted[width:-width].replace("\r\n", "\n").replace("\r", "\n"), raw


def _character(escape: re.Match[str]) -> str:
    number = escape[1] or escape[2] or escape[3]
    if number:
        return _code_point(int(number, 16))
    if escape[4]:
        return chr(int(escape[4], 8))
    return _simple(escape[5])


def _byte(escape: re.Match[str]) -> bytes:
    if escape[2] or escape[3]:
        raise ValueError("unable to unescape string")
    if escape[1]:
        return bytes([int(escape[1], 16)])
    if escape[4]:
        return bytes([int(escape[4], 8)])
    return _simple(escape[5]).encode()


def _code_point(number: int) -> str:
    if number > 0x10FFFF or 0xD800 <= number < 0xE000:
        raise ValueError("invalid unicode code point")
    return chr(number)


def _simple(letter: str) -> str:
    try:
        return _SIMPLE[letter]
    except KeyError:
        raise ValueError("unable to unescape string") from None
