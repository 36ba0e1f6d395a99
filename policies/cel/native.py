"""What values become on their way through Go's own types.

The API server takes that way with what an optional holds (until cel-go 0.27), with the fields of a constructed object,
and with the parts of a JSONPatch.
"""

from __future__ import annotations

from policies.cel.errors import EvaluationError
from policies.cel.maps import LazyMap
from policies.cel.types import CelType
from policies.cel.values import LibraryValue, Optional, Value


def as_native(value: Value) -> Value:
    """An inner optional is unwrapped, a type becomes its name, a library's value what it says itself: mostly an error
    that waits until it is used.
    """
    if type(value) is Optional:
        return as_native(value.value)
    if isinstance(value, CelType):
        return value.name
    if isinstance(value, LazyMap):
        return EvaluationError("no such overload")
    return value.cel_native() if isinstance(value, LibraryValue) else value


def optional_as_native(value: Value) -> Value:
    """A value that may be an optional, its content as Go passes it on."""
    return Optional(as_native(value.value)) if type(value) is Optional and value.present else value
