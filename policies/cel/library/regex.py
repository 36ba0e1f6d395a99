"""Regular expressions with RE2's semantics and its linear time; the engine is loaded when the first pattern is."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from policies.cel import cost
from policies.cel.errors import EvaluationError
from policies.cel.functions import Function, method, table
from policies.cel.types import INT, STRING, list_of
from policies.cel.values import Value


@lru_cache(maxsize=2048)
def _compiled(pattern: str) -> Any:
    import re2

    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        raise EvaluationError(f"error parsing regexp: {error}") from error


@lru_cache(maxsize=2048)
def searcher(pattern: str) -> Callable[[str], bool]:
    """Whether a text holds a match. Raises EvaluationError for what isn't a pattern."""
    compiled = _compiled(pattern)
    search = compiled.search
    return lambda text: search(text) is not None


def matches(text: Value, pattern: Value) -> bool:
    if type(text) is not str:
        raise EvaluationError("no such overload: matches")
    if type(pattern) is not str:
        raise EvaluationError("no such overload")
    return searcher(pattern)(text)


def find(text: str, pattern: str) -> str:
    found = _compiled(pattern).search(text)
    return found.group(0) if found else ""


def find_all(text: str, pattern: str, limit: int = -1) -> list[str]:
    """Every match, but no empty one right behind another."""
    found: list[str] = []
    end = -1
    for match in _compiled(pattern).finditer(text):
        if 0 <= limit <= len(found):
            break
        if match.end() > match.start() or match.start() != end:
            found.append(match.group(0))
        end = match.end()
    return found


def finder(pattern: str) -> Callable[[str], str]:
    """`find` with a pattern known beforehand. Raises EvaluationError for what isn't one."""
    _compiled(pattern)
    return lambda text: find(text, pattern)


def all_finder(pattern: str) -> Callable[[str], list[str]]:
    _compiled(pattern)
    return lambda text: find_all(text, pattern)


TABLE = table(
    Function("find", [method([STRING, STRING], STRING, find)], cost=cost.regex),
    Function(
        "findAll",
        [
            method([STRING, STRING], list_of(STRING), find_all),
            method([STRING, STRING, INT], list_of(STRING), find_all),
        ],
        cost=cost.regex,
    ),
)
