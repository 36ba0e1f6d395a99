"""Caps of our own on what one call may build: Kubernetes lets an expression make a string of a gigabyte, we don't."""

from __future__ import annotations

from policies.cel.errors import EvaluationError

MAX_TEXT = 8 * 1024 * 1024  # characters or bytes
MAX_LIST = 1_000_000  # elements
MAX_RESULT = 1_000_000  # values inside one another


def bounded(size: int) -> None:
    """Raises EvaluationError where a text would be longer than any admission has use for."""
    _bounded(size, MAX_TEXT)


def bounded_list(size: int) -> None:
    """The same for lists."""
    _bounded(size, MAX_LIST)


def bounded_result(size: int) -> None:
    """The same for how many values a result holds, counted as often as they are in it."""
    _bounded(size, MAX_RESULT)


def _bounded(size: int, limit: int) -> None:
    if size > limit:
        raise EvaluationError(f"result too large: {size} exceeds the limit of {limit}")
