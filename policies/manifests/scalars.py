"""What a plain YAML scalar means to kubectl, which is YAML 1.1 as Go's yaml v2 has it.

`yes`, `on`, `y` and their like are booleans, `017` is 15, `1e3` is 1000; dates and `1:30` stay text. `whole`
and `key` say what becomes of a value on its way into JSON.
"""

import base64
import binascii
import math
import re
from collections.abc import Mapping
from decimal import Decimal

Scalar = str | int | float | bool | None


class ScalarRefused(ValueError):
    """A scalar that JSON can't carry, or that isn't what its tag says."""


def _cases(*words: str) -> list[str]:
    return [form for word in words for form in (word, word.capitalize(), word.upper())]


_NOT_NUMBERS = {f"{sign}{word}" for word in (".inf", ".Inf", ".INF") for sign in ("", "+", "-")} | {
    ".nan",
    ".NaN",
    ".NAN",
}
WORDS: Mapping[str, bool | None] = {
    **dict.fromkeys(_cases("y", "yes", "true", "on"), True),
    **dict.fromkeys(_cases("n", "no", "false", "off"), False),
    **dict.fromkeys(["", "~", *_cases("null")], None),
}
HINTS = frozenset("+-.0123456789yYnNtTfFoO~")  # first characters of all that isn't text

_INT = re.compile(r"([-+]?)(?:0[xX]([0-9a-fA-F]+)|0[bB]([01]+)|0[oO]?([0-7]+)|(0|[1-9][0-9]*))", re.ASCII)
_BASES = (16, 2, 8, 10)
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", re.ASCII)
_POINT_FIRST = re.compile(r"\.[0-9](?:_?[0-9])*(?:[eE][-+]?[0-9](?:_?[0-9])*)?", re.ASCII)
_DATE = re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt ]|\Z)", re.ASCII)
_MOST_DIGITS = 4000  # Python refuses to read longer ones; as floats they are infinite anyway
_TAGS = "tag:yaml.org,2002:"


def plain(text: str) -> Scalar:
    """The value of a scalar that was written without quotes and without a tag. Raises ScalarRefused."""
    if text in WORDS:
        return WORDS[text]
    if text[0] in "+-.0123456789":
        if text in _NOT_NUMBERS:
            raise ScalarRefused(f"`{text}` is no number that JSON has")
        return _number(text)
    return text


def tagged(tag: str, text: str) -> Scalar:
    """The value of a scalar with an explicit tag; an unknown tag means text. Raises ScalarRefused."""
    name = tag.removeprefix(_TAGS)
    if name == tag or name not in ("str", "bool", "int", "float", "null", "binary", "timestamp"):
        return text
    if name in ("str", "binary"):
        return text if name == "str" else _decoded(text)
    value = plain(text)
    if name == _name_of(value) or (name == "timestamp" and _DATE.match(text)):
        return value
    if name == "float" and _name_of(value) == "int":
        return float(value or 0)
    raise ScalarRefused(f"`{text}` can't be read as `!!{name}`")


def key(value: Scalar) -> str:
    """The JSON name that a mapping key becomes. Raises ScalarRefused for null and fractions."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    raise ScalarRefused("null can't be a key" if value is None else f"the number `{value}` can't be a key")


def whole(number: float) -> int | float:
    """The number as it comes out of the JSON that kubectl sends: an int when it has no fraction and fits 64 bits.

    Go writes the shortest digits that give the number again and fills up with zeros, so a large one is rounded there.
    """
    if not number.is_integer() or abs(number) >= 2.0**64:
        return number
    value = int(number) if abs(number) < 2.0**53 else int(Decimal(repr(number)))
    return value if -(2**63) <= value < 2**63 else number


def _number(text: str) -> Scalar:
    if text[0] == "." and not _POINT_FIRST.fullmatch(text):
        return text
    bare = text.replace("_", "")
    match = _INT.fullmatch(bare)
    if match and len(bare) < _MOST_DIGITS:
        value = _integer(match)
        if -(2**63) <= value < 2**63:
            return value
        if not match[1] and value < 2**64:
            return float(value)
    if not _FLOAT.fullmatch(bare):
        return text
    number = float(bare)
    return text if math.isinf(number) else number


def _integer(match: re.Match[str]) -> int:
    base, digits = next((base, digits) for base, digits in zip(_BASES, match.groups()[1:], strict=True) if digits)
    value = int(digits, base)
    return -value if match[1] == "-" else value


def _decoded(text: str) -> str:
    try:
        return base64.b64decode("".join(text.split()), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as cause:
        raise ScalarRefused("`!!binary` holds no text in base64") from cause


def _name_of(value: Scalar) -> str:
    if value is None:
        return "null"
    return {bool: "bool", int: "int", float: "float"}.get(type(value), "str")
