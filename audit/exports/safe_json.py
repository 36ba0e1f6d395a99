"""JSON that is harmless where it is shown: what is invisible or steers a display stands as an escape. Pure."""

import re
from typing import Any

import orjson

from audit.exports.text import INVISIBLE

_SHOWN = re.compile(INVISIBLE.pattern.replace("\x00-\x1f", "", 1))  # JSON itself escapes these, in texts


def safe_json(value: Any, *, indented: bool = False) -> bytes:
    """One line, or indented; keys sorted, so that equal values have equal bytes."""
    options = orjson.OPT_SORT_KEYS | (orjson.OPT_INDENT_2 if indented else 0)
    return harmless(orjson.dumps(value, option=options).decode()).encode()


def harmless(text: str) -> str:
    """The same JSON: nothing that needs an escape stands outside of its texts."""
    return _SHOWN.sub(_escape, text)


def is_harmless(text: str) -> bool:
    """Whether nothing in it but line breaks is invisible."""
    return _SHOWN.search(text) is None


def _escape(match: re.Match[str]) -> str:
    units = match[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))
