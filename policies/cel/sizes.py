"""Caps of our own on what one call may build: Kubernetes lets an expression make a string of a gigabyte, we don't."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from policies.cel.errors import EvaluationError

MAX_TEXT = 8 * 1024 * 1024  # characters or bytes
MAX_LIST = 1_000_000  # elements
MAX_RESULT = 1_000_000  # values inside one another
MAX_PATTERN = 10_000  # characters of a regular expression
MAX_NOTATION = 65_536  # characters of a URL, a quantity, a version, an address, a moment


def bounded(size: int) -> None:
    """Raises EvaluationError where a text would be longer than any admission has use for."""
    _bounded(size, MAX_TEXT)


def bounded_list(size: int) -> None:
    """The same for lists."""
    _bounded(size, MAX_LIST)


def bounded_result(size: int) -> None:
    """The same for how many values a result holds, counted as often as they are in it."""
    _bounded(size, MAX_RESULT)


def notation(read: Callable[..., Any]) -> Callable[..., Any]:
    """A function that reads a text, for texts that aren't absurdly long. Raises EvaluationError for others."""

    def run(text: str, *args: Any) -> Any:
        if len(text) > MAX_NOTATION:
            raise EvaluationError(f"text too long to be read: {len(text)} exceeds the limit of {MAX_NOTATION}")
        return read(text, *args)

    return run


def _bounded(size: int, limit: int) -> None:
    if size > limit:
        raise EvaluationError(f"result too large: {size} exceeds the limit of {limit}")
