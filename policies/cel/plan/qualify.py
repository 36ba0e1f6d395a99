"""One selection or index, whatever the value and the key are."""

from __future__ import annotations

from collections.abc import Mapping

from policies.cel.errors import EvaluationError
from policies.cel.library.conversions import string_of_double
from policies.cel.library.patch import ObjectValue, PatchValue
from policies.cel.maps import lookup
from policies.cel.values import MISSING, NUMERIC, UInt, Value


class Field(str):
    """The name of a field where the checker knows that the value is a constructed object."""

    __slots__ = ()


def valid_key(key: Value) -> Value:
    """Raises for what neither a map nor a list can be indexed with."""
    kind = type(key)
    if kind is str or kind is bool or kind in NUMERIC:
        return key
    raise EvaluationError(f"invalid qualifier type: {kind.__name__}")


def qualify(value: Value, key: Value) -> Value:
    """`value[key]`, whatever the value is."""
    if isinstance(value, Mapping):
        found = lookup(value, key)
        if found is not MISSING:
            return found
        if type(key) is Field and type(value) is dict:
            return value.get(key)
        raise EvaluationError(f"no such key: {_shown(key)}")
    if type(value) is list:
        index = _position(key)
        if 0 <= index < len(value):
            return value[index]
        raise EvaluationError(f"index out of bounds: {_shown(key)}")
    if type(value) is PatchValue:
        return value.read(key)
    if type(value) is ObjectValue and type(key) is Field:
        return value.known().get(key)
    raise EvaluationError(f"no such key: {_shown(key)}")


def present(value: Value, key: Value) -> Value:
    """`value[key]`, or MISSING where there is none; a list asked for what isn't a position is an error."""
    if isinstance(value, EvaluationError):
        raise value
    if isinstance(value, Mapping):
        return value.get(key, MISSING) if type(key) is Field and type(value) is dict else lookup(value, key)
    if type(value) is list:
        index = _position(key)
        return value[index] if 0 <= index < len(value) else MISSING
    if type(value) is PatchValue:
        return value.read(key) if value.holds(key) else MISSING
    if type(value) is ObjectValue and type(key) is Field:
        return _known(value).get(key, MISSING)
    return MISSING


def _known(value: ObjectValue) -> dict[str, Value]:
    """The fields, or none where Go's own types don't know all of them."""
    fields = value.cel_native()
    return fields if isinstance(fields, dict) else {}


def _position(key: Value) -> int:
    kind = type(key)
    if kind is int:
        return int(key)
    if kind is UInt or kind is float:
        if key == key // 1 and key < 2**63:
            return int(key)
        raise EvaluationError(f"unsupported index value {_shown(key)} in list")
    name = {str: "string", bool: "bool"}.get(kind, kind.__name__)
    raise EvaluationError(f"unsupported index type '{name}' in list")


def _shown(key: Value) -> str:
    if type(key) is bool:
        return "true" if key else "false"
    return string_of_double(key) if type(key) is float else str(int(key) if type(key) is UInt else key)
