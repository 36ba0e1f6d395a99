"""JSON text to plain values: one object, or several one after the other. Strict where Python's reader is lenient.

Numbers come out as Kubernetes reads them; a key given twice, NaN and infinities are refused.
"""

import json
import math
import re
from collections.abc import Iterator
from typing import Any

from policies.manifests.scalars import whole
from policies.manifests.yaml_values import MOST_DEEP, Fault

_BLANK = re.compile(r"[ \t\r\n]*")
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_MOST_DIGITS = 4000


class NotJson(Fault):
    """The text isn't JSON at all: it may be something else. Any other Fault is about JSON that nobody can mean."""


class _Refused(ValueError):
    pass


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _Refused(f"the key `{twice}` is there twice")
    return made


def _int(text: str) -> int | float:
    if len(text) < _MOST_DIGITS:
        value = int(text)
        if -(2**63) <= value < 2**63:
            return value
    return _float(text)


def _float(text: str) -> int | float:
    number = float(text)
    if math.isinf(number):
        raise _Refused(f"the number `{text[:20]}` is too large")
    return whole(number)


def _constant(text: str) -> Any:
    raise _Refused(f"`{text}` is no number that JSON has")


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_int=_int, parse_float=_float, parse_constant=_constant)


def json_values(text: str, start: int = 0) -> Iterator[tuple[int, int, Any]]:
    """The values in a text from `start` on, each with where its own text begins and ends. Raises Fault."""
    start = _after_blanks(text, start)
    while start < len(text):
        try:
            value, end = _DECODER.raw_decode(text, start)
            _check(text[start:end], value)
        except json.JSONDecodeError as error:
            raise NotJson(
                error.msg[:1].lower() + error.msg[1:], error.lineno - 1, error.colno - 1, offset=error.pos
            ) from error
        except (_Refused, RecursionError) as error:
            words = str(error) if isinstance(error, _Refused) else f"nested more than {MOST_DEEP} levels deep"
            line, column = text.count("\n", 0, start), start - text.rfind("\n", 0, start) - 1
            raise Fault(words, line, column, offset=start) from error
        yield start, end, value
        start = _after_blanks(text, end)


def _after_blanks(text: str, start: int) -> int:
    match = _BLANK.match(text, start)
    return match.end() if match else start


def _check(text: str, value: Any) -> None:
    """What Python's reader lets through: half surrogates, and depths that others choke on."""
    if text.count("{") + text.count("[") > MOST_DEEP and _depth(value) > MOST_DEEP:
        raise _Refused(f"nested more than {MOST_DEEP} levels deep")
    if _SURROGATE.search(text):
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError as cause:
            raise _Refused("half of a surrogate pair is no character") from cause


def _depth(value: Any) -> int:
    deepest, level = 0, [value]
    while level:
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        deepest += 1
    return deepest
