"""The strings extension, version 2: positions count code points, case changes only ASCII. `format` is elsewhere."""

from __future__ import annotations

from collections.abc import Callable

from policies.cel import cost
from policies.cel.errors import EvaluationError
from policies.cel.functions import Function, Table, free, method, quick, table
from policies.cel.sizes import bounded, bounded_list
from policies.cel.types import INT, STRING, list_of

_LOWER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}
_UPPER = {code: code - 32 for code in range(ord("a"), ord("z") + 1)}
SPACE = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f"
    "\u205f\u3000"
)
_QUOTED = str.maketrans(
    {
        "\a": "\\a",
        "\b": "\\b",
        "\f": "\\f",
        "\n": "\\n",
        "\r": "\\r",
        "\t": "\\t",
        "\v": "\\v",
        "\\": "\\\\",
        '"': '\\"',
    }
)


def _out_of_range(index: int) -> EvaluationError:
    return EvaluationError(f"index out of range: {index}")


def char_at(text: str, index: int) -> str:
    if not 0 <= index <= len(text):
        raise _out_of_range(index)
    return text[index : index + 1]


def index_of(text: str, part: str, offset: int = 0) -> int:
    return text.find(part, _not_negative(offset)) if part else offset


def index_of_1_37(text: str, part: str, offset: int = 0) -> int:
    """Nothing is found at the offset, but never beyond the end."""
    return min(_not_negative(offset), len(text)) if not part else index_of(text, part, offset)


def _not_negative(offset: int) -> int:
    if offset < 0:
        raise _out_of_range(offset)
    return offset


def last_index_of(text: str, part: str) -> int:
    return text.rfind(part) if part else len(text)


def last_index_from(text: str, part: str, offset: int) -> int:
    """The last match that starts at the offset or before it; an offset beyond the end finds nothing."""
    if not part:
        return offset
    return -1 if _not_negative(offset) >= len(text) else text.rfind(part, 0, offset + len(part))


def last_index_from_1_37(text: str, part: str, offset: int) -> int:
    return min(_not_negative(offset), len(text)) if not part else last_index_from(text, part, offset)


def replace(text: str, old: str, new: str, count: int = -1) -> str:
    hits = text.count(old) if count < 0 else min(text.count(old), count)
    bounded(len(text) + hits * len(new))
    return text.replace(old, new, count)


def split(text: str, separator: str, limit: int = -1) -> list[str]:
    if limit == 0:
        return []
    if not separator:
        return _characters(text, limit)
    parts = text.count(separator) + 1
    bounded_list(parts if limit < 0 else min(parts, limit))
    return text.split(separator) if limit < 0 else text.split(separator, limit - 1)


def _characters(text: str, limit: int) -> list[str]:
    bounded_list(len(text) if limit < 0 else min(len(text), limit))
    if limit < 0 or limit >= len(text):
        return list(text)
    return [*text[: limit - 1], text[limit - 1 :]]


def substring(text: str, start: int) -> str:
    if not 0 <= start <= len(text):
        raise _out_of_range(start)
    return text[start:]


def substring_range(text: str, start: int, end: int) -> str:
    if start > end:
        raise EvaluationError(f"invalid substring range. start: {start}, end: {end}")
    for index in (start, end):
        if not 0 <= index <= len(text):
            raise _out_of_range(index)
    return text[start:end]


def join(parts: list[object], separator: str = "") -> str:
    total = 0
    for part in parts:
        if type(part) is not str:
            raise EvaluationError(f"join: invalid input: {part}")
        total += len(part) + len(separator)
    bounded(total)
    return separator.join(parts)  # type: ignore[arg-type]


def quote(text: str) -> str:
    return f'"{text.translate(_QUOTED)}"'


def _lower(text: str) -> str:
    return text.translate(_LOWER)


def _upper(text: str) -> str:
    return text.translate(_UPPER)


def _trim(text: str) -> str:
    return text.strip(SPACE)


_STRINGS = list_of(STRING)


def _searches(first: Callable[..., int], last: Callable[..., int]) -> Table:
    """`indexOf` and `lastIndexOf`, which versions understand differently where an empty text is looked for."""
    forward = [method([STRING, STRING], INT, first), method([STRING, STRING, INT], INT, first)]
    backward = [method([STRING, STRING], INT, last_index_of), method([STRING, STRING, INT], INT, last)]
    return table(Function("indexOf", forward, cost=cost.visited), Function("lastIndexOf", backward, cost=cost.visited))


BEFORE_1_37 = _searches(index_of, last_index_from)
SINCE_1_37 = _searches(index_of_1_37, last_index_from_1_37)
TABLE = quick(
    table(
        Function("charAt", [method([STRING, INT], STRING, char_at)]),
        Function("lowerAscii", [method([STRING], STRING, _lower)], cost=cost.traversal),
        Function("upperAscii", [method([STRING], STRING, _upper)], cost=cost.traversal),
        Function(
            "replace",
            [method([STRING, STRING, STRING], STRING, replace), method([STRING, STRING, STRING, INT], STRING, replace)],
            cost=cost.two_traversals,
        ),
        Function(
            "split",
            [method([STRING, STRING], _STRINGS, split), method([STRING, STRING, INT], _STRINGS, split)],
            cost=cost.two_traversals,
        ),
        Function(
            "substring",
            [method([STRING, INT], STRING, substring), method([STRING, INT, INT], STRING, substring_range)],
            cost=cost.traversal,
        ),
        Function("trim", [method([STRING], STRING, _trim)], cost=cost.traversal),
        Function(
            "join", [method([_STRINGS], STRING, join), method([_STRINGS, STRING], STRING, join)], cost=cost.RESULT_TWICE
        ),
        Function("strings.quote", [free([STRING], STRING, quote, cost.traversal)]),
    )
)
