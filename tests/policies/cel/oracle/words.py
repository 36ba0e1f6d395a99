"""Literals and names to try: the ordinary ones, and those at which implementations disagree (`words.json`)."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

POOLS: dict[str, tuple[str, ...]] = {
    name: tuple(words) for name, words in json.loads(Path(__file__).with_name("words.json").read_text()).items()
}
STRINGS, DOUBLES, FIELDS = POOLS["strings"], POOLS["doubles"], POOLS["fields"]
TYPE_NAMES, FORMAT_NAMES = POOLS["type names"], POOLS["format names"]

INTS = (
    *(0, 1, 2, 3, 5, 7, 10, 42, -1, -2, 100, 255, 1000, 2**31, -(2**31), 2**32, 2**53, 2**53 + 1),
    *(2**62, 2**63 - 1, -(2**63), 1700000000, 253402300799, 253402300800, -62135596800),
    *(-62135596801, 9223372036, 9223372037),
)  # fmt: skip
UINTS = (0, 1, 2, 3, 10, 255, 2**32, 2**53 + 1, 2**63, 2**64 - 1)


def quoted(text: str, random: Random) -> str:
    """A CEL literal of the text, in one of the ways to write it."""
    style = random.random()
    if style < 0.06 and "'" not in text and "\n" not in text and "\r" not in text and not text.endswith("\\"):
        return f"{random.choice('rR')}'{text}'"
    if style < 0.1 and '"""' not in text and "\\" not in text and "\r" not in text and not text.endswith('"'):
        return f'"""{text}"""'
    quote = '"' if style < 0.3 else "'"
    return quote + "".join(_character(c, quote, random) for c in text) + quote


_NAMED = {
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\\": "\\\\",
    "\x07": "\\a",
    "\x0b": "\\v",
    "\x0c": "\\f",
    "\x08": "\\b",
}


def _character(c: str, quote: str, random: Random) -> str:
    if c in _NAMED:
        return _NAMED[c]
    if c == quote:
        return "\\" + c
    if random.random() < 0.02 or not c.isprintable():
        return f"\\u{ord(c):04x}" if ord(c) < 0x10000 else f"\\U{ord(c):08x}"
    return c


def byte_literal(random: Random) -> str:
    """Bytes, valid UTF-8 or not."""
    text = random.choice(
        ("", "a", "abc", "\\xff", "\\x00", "é", "\\303\\251", "\\xc3", "a,b", "\\xf0\\x9f\\x98\\x80", "\\'", "☃")
    )
    return f"b'{text}'" if random.random() < 0.9 else f'B"{text}"'


def integer(random: Random) -> str:
    """An int, decimal or hexadecimal; the smallest one included."""
    value = random.choice(INTS) if random.random() < 0.5 else random.randint(-4, 12)
    if random.random() < 0.05:
        return f"-0x{-value:x}" if value < 0 else f"0x{value:X}"
    return str(value)


def unsigned(random: Random) -> str:
    """A uint."""
    value = random.choice(UINTS) if random.random() < 0.5 else random.randint(0, 12)
    return f"0x{value:x}u" if random.random() < 0.05 else f"{value}{random.choice('uuuU')}"
