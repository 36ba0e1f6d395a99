"""One selection or index, whatever the value and the key are."""

from __future__ import annotations

from collections.abc import Mapping

from policies.cel.errors import EvaluationError
from policies.cel.library.conversions import string_of_double
from policies.cel.library.messages import EmptyMessage
from policies.cel.library.patch import PatchValue
from policies.cel.maps import LazyMap, lookup
from policies.cel.native import as_native
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
    if type(key) is Field:
        return _field(value, key)
    if isinstance(value, Mapping):
        _only_text(value, key)
        found = lookup(value, key)
        if found is not MISSING:
            return found
        raise EvaluationError(f"no such key: {_shown(key)}")
    if type(value) is list:
        index = _position(key)
        if 0 <= index < len(value):
            return value[index]
        raise EvaluationError(f"index out of bounds: {_shown(key)}")
    if type(value) is PatchValue:
        return value.read(key)
    if type(value) is EmptyMessage:
        raise EvaluationError(f"no such field '{_shown(key)}'")
    raise EvaluationError(f"no such key: {_shown(key)}")


def present(value: Value, key: Value) -> Value:
    """`value[key]`, or MISSING where there is none; a list asked for what isn't a position is an error."""
    if isinstance(value, EvaluationError):
        raise value
    if type(key) is Field:
        fields = as_native(value)
        return fields.get(key, MISSING) if type(fields) is dict else MISSING
    if isinstance(value, Mapping):
        _only_text(value, key)
        return lookup(value, key)
    if type(value) is list:
        index = _position(key)
        return value[index] if 0 <= index < len(value) else MISSING
    if type(value) is PatchValue:
        return value.read(key) if value.holds(key) else MISSING
    if type(value) is EmptyMessage:
        raise EvaluationError(f"no such field '{_shown(key)}'")
    return MISSING


def _only_text(value: Mapping[Value, Value], key: Value) -> None:
    if type(key) is not str and isinstance(value, LazyMap):
        raise EvaluationError("no such overload")


def _field(value: Value, key: Field) -> Value:
    """A field of an object, null where it isn't set; of what only claims to be one, where Go's own types know it."""
    fields = as_native(value)
    if type(fields) is not dict:
        raise EvaluationError(f"cannot get field {_shown(key)}")
    return fields.get(key)


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
