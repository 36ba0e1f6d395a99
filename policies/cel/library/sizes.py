"""A cap of our own on what one call may build: Kubernetes lets an expression make a string of a gigabyte, we don't."""

from __future__ import annotations

from policies.cel.errors import EvaluationError

MAX_SIZE = 8 * 1024 * 1024  # characters, bytes or elements


def bounded(size: int) -> None:
    """Raises EvaluationError where a result would be larger than any admission has use for."""
    if size > MAX_SIZE:
        raise EvaluationError(f"result too large: {size} exceeds the limit of {MAX_SIZE}")
