"""Regular expressions with RE2's semantics and its linear time; the engine is loaded when the first pattern is."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from policies.cel import cost
from policies.cel.equality import Tick
from policies.cel.errors import EvaluationError
from policies.cel.functions import Function, Timed, method, table
from policies.cel.sizes import MAX_PATTERN
from policies.cel.types import INT, STRING, CelType, list_of
from policies.cel.values import Optional, Value
from policies.remembered import remembered

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


_PATTERNS, _LONGEST = 64, 1024  # that are remembered, of so many characters; policies hold their own
_HELD = 1 << 20  # bytes of one that is remembered, with all that it learns of the texts that it is held against
_ALL = 8 << 20  # RE2's own limit
_MAX_NESTING = 1000  # of Go's parser
_GROUPS = re.compile(
    r"\\Q.*?(?:\\E|\Z)|\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|[()]", re.DOTALL
)  # what isn't in quotes or a class
_ESCAPES = re.compile(r"\\Q.*?(?:\\E|\Z)|\\(.)", re.DOTALL)  # quoted text, or one escape


def _compiled(pattern: str) -> Any:
    """Raises EvaluationError for what isn't a pattern."""
    return _light(pattern) or _made(pattern, _ALL)


@remembered(_PATTERNS, _LONGEST)
def _light(pattern: str) -> Any:
    """None for a pattern that takes more memory than is held for one. Raises EvaluationError."""
    if len(pattern) > MAX_PATTERN:
        raise EvaluationError(f"pattern too long: {len(pattern)} characters exceed the limit of {MAX_PATTERN}")
    if _nesting(pattern) >= _MAX_NESTING:
        raise EvaluationError("error parsing regexp: expression nests too deeply")
    if any(escape[1] == "C" for escape in _ESCAPES.finditer(pattern)):  # a single byte; RE2 knows it, Go doesn't
        raise EvaluationError("error parsing regexp: invalid escape sequence: `\\C`")
    return _made(pattern, _HELD)


def _made(pattern: str, memory: int, *, captures: bool = True) -> Any:
    import re2

    options = re2.Options()
    options.log_errors = False
    options.max_mem = memory
    options.never_capture = not captures
    try:
        return re2._Regexp(pattern, options)  # `compile` would hold it, whatever its size
    except re2.error as error:
        if memory < _ALL and b"too large" in error.args[0]:
            return None
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


def searcher(pattern: str) -> Callable[[str], bool]:
    """Whether a text holds a match. Raises EvaluationError for what isn't a pattern."""
    return _light_searcher(pattern) or _searching(_made(pattern, _ALL, captures=False))


@remembered(_PATTERNS, _LONGEST)
def _light_searcher(pattern: str) -> Callable[[str], bool] | None:
    if _light(pattern) is None:
        return None
    return _searching(_made(pattern, _HELD, captures=False))  # where groups are is most of the work, and nobody asks


def _searching(compiled: Any) -> Callable[[str], bool]:
    import re2

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
    return _first(_legal(pattern), text)


def _first(compiled: Any, text: str) -> str:
    found = compiled.search(text)
    return found.group(0) if found else ""


def find_all(tick: Tick, text: str, pattern: str, limit: int = -1) -> list[str]:
    """Every match, but no empty one right behind another."""
    return _every(tick, _legal(pattern), text, limit)


def _every(tick: Tick, compiled: Any, text: str, limit: int = -1) -> list[str]:
    found: list[str] = []
    end = -1
    for match in compiled.finditer(text):
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
    compiled = _compiled(pattern)
    return lambda text: _first(compiled, text)


def all_finder(pattern: str) -> Timed:
    """The same for `findAll`."""
    compiled = _compiled(pattern)
    return Timed(lambda tick, text: _every(tick, compiled, text))


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
