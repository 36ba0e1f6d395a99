"""Regular expressions with RE2's semantics and its linear time; the engine is loaded when the first pattern is."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from policies.cel import cost
from policies.cel.equality import Tick
from policies.cel.errors import EvaluationError
from policies.cel.functions import Function, Timed, method, table
from policies.cel.sizes import MAX_PATTERN
from policies.cel.types import INT, STRING, CelType, list_of
from policies.cel.values import Optional, Value

_WORDS = {
    "missing ]": "missing closing ]",
    "missing )": "missing closing )",
    "unexpected )": "unexpected )",
    "trailing \\": "trailing backslash at end of expression",
    "no argument for repetition operator": "missing argument to repetition operator",
    "invalid repetition size": "invalid repeat count",
    "bad repetition operator": "invalid nested repetition operator",
    "invalid perl operator": "invalid or unsupported Perl syntax",
    "invalid named capture group": "invalid named capture",
    "invalid character class range": "invalid character class range",
    "invalid character class": "invalid character class",
    "invalid escape sequence": "invalid escape sequence",
}


_MAX_NESTING = 1000  # of Go's parser
_GROUPS = re.compile(
    r"\\Q.*?(?:\\E|\Z)|\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|[()]", re.DOTALL
)  # what isn't in quotes or a class
_ESCAPES = re.compile(r"\\Q.*?(?:\\E|\Z)|\\(.)", re.DOTALL)  # quoted text, or one escape


@lru_cache(maxsize=2048)
def _compiled(pattern: str) -> Any:
    import re2

    if len(pattern) > MAX_PATTERN:
        raise EvaluationError(f"pattern too long: {len(pattern)} characters exceed the limit of {MAX_PATTERN}")
    if _nesting(pattern) >= _MAX_NESTING:
        raise EvaluationError("error parsing regexp: expression nests too deeply")
    if any(escape[1] == "C" for escape in _ESCAPES.finditer(pattern)):  # a single byte; RE2 knows it, Go doesn't
        raise EvaluationError("error parsing regexp: invalid escape sequence: `\\C`")
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        raise EvaluationError(f"error parsing regexp: {_in_gos_words(error)}") from error


def _nesting(pattern: str) -> int:
    """How deep groups are nested; 0 where there are too few to matter."""
    if pattern.count("(") < _MAX_NESTING:
        return 0
    depth = deepest = 0
    for mark in _GROUPS.finditer(pattern):
        depth += {"(": 1, ")": -1}.get(mark[0], 0)
        deepest = max(depth, deepest)
    return deepest


def _in_gos_words(error: Exception) -> str:
    """RE2 says what Go says, in slightly other words."""
    reason = error.args[0] if error.args else b""
    text = reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
    for words, in_go in _WORDS.items():
        if text.startswith(words):
            rest = text[len(words) :].removeprefix(": ")
            return f"{in_go}: `{rest}`" if rest else in_go
    return text


@lru_cache(maxsize=2048)
def searcher(pattern: str) -> Callable[[str], bool]:
    """Whether a text holds a match. Raises EvaluationError for what isn't a pattern."""
    _compiled(pattern)
    import re2

    options = re2.Options()
    options.log_errors = False
    options.never_capture = True  # where groups begin and end is most of the work, and nobody asks
    compiled = re2.compile(pattern, options)
    anchor, match = re2._Anchor.UNANCHORED, compiled._regexp.Match  # `search` takes five times as long

    def search(text: str) -> bool:
        encoded = text.encode()
        return match(anchor, encoded, 0, len(encoded))[0][0] >= 0  # type: ignore[no-any-return]

    return search


def matches(text: Value, pattern: Value) -> bool:
    if type(text) is not str:
        raise EvaluationError("no such overload: matches")
    if type(pattern) is not str:
        raise EvaluationError("no such overload")
    return searcher(pattern)(text)


def _legal(pattern: str) -> Any:
    try:
        return _compiled(pattern)
    except EvaluationError as error:
        raise EvaluationError(f"Illegal regex: {error}") from error


def find(text: str, pattern: str) -> str:
    found = _legal(pattern).search(text)
    return found.group(0) if found else ""


def find_all(tick: Tick, text: str, pattern: str, limit: int = -1) -> list[str]:
    """Every match, but no empty one right behind another."""
    found: list[str] = []
    end = -1
    for match in _legal(pattern).finditer(text):
        if 0 <= limit <= len(found):
            break
        if len(found) % 1024 == 0:
            tick()
        if match.end() > match.start() or match.start() != end:
            found.append(match.group(0))
        end = match.end()
    return found


def finder(pattern: str) -> Callable[[str], str]:
    """`find` with a pattern known beforehand. Raises EvaluationError for what isn't one."""
    checked_pattern(pattern)
    return lambda text: find(text, pattern)


def all_finder(pattern: str) -> Timed:
    """The same for `findAll`."""
    checked_pattern(pattern)
    return Timed(lambda tick, text: find_all(tick, text, pattern))


def through_go(value: Value) -> Value:
    """What a search for a literal pattern sees of its arguments: an optional's content, a type's name."""
    if type(value) is Optional:
        return through_go(value.value)
    return value.name if isinstance(value, CelType) else value


def find_all_through_go(tick: Tick, text: Value, pattern: str, limit: Value) -> list[str]:
    """`findAll` with a literal pattern, which looks at its other arguments itself."""
    text, limit = through_go(text), through_go(limit)
    if type(text) is not str or type(limit) is not int:
        raise EvaluationError("no such overload")
    return find_all(tick, text, pattern, limit)


def checked_pattern(pattern: str) -> None:
    """Raises EvaluationError for what isn't a pattern."""
    _compiled(pattern)


TABLE = table(
    Function("find", [method([STRING, STRING], STRING, find)], cost=cost.regex),
    Function(
        "findAll",
        [
            method([STRING, STRING], list_of(STRING), Timed(find_all)),
            method([STRING, STRING, INT], list_of(STRING), Timed(find_all)),
        ],
        cost=cost.regex,
    ),
)
