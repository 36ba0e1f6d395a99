"""Which type a value has when it is met, and whether it fits a declared one.

As in cel-go, a list is judged by its first element and a map by its first entry. Objects are plain dicts, so any map
fits a declared object; an opaque value of the host says what it is by a `cel_type` attribute, or fits any opaque type
without one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from policies.cel.maps import is_map
from policies.cel.types import (
    BOOL,
    BYTES,
    DOUBLE,
    DURATION,
    DYN,
    INT,
    LIST_DYN,
    MAP_DYN,
    NULL,
    OPTIONAL_DYN,
    STRING,
    TIMESTAMP,
    TYPE,
    UINT,
    CelType,
    Kind,
    ObjectType,
)
from policies.cel.values import Duration, Optional, Timestamp, UInt, Value

Guard = Callable[[Value], bool]

_RUNTIME: Mapping[type, CelType] = {
    type(None): NULL,
    bool: BOOL,
    int: INT,
    UInt: UINT,
    float: DOUBLE,
    str: STRING,
    bytes: BYTES,
    list: LIST_DYN,
    dict: MAP_DYN,
    Duration: DURATION,
    Timestamp: TIMESTAMP,
    Optional: OPTIONAL_DYN,
    CelType: TYPE,
    ObjectType: TYPE,
}
_PYTHON: Mapping[Kind, type] = {
    Kind.NULL: type(None),
    Kind.BOOL: bool,
    Kind.INT: int,
    Kind.UINT: UInt,
    Kind.DOUBLE: float,
    Kind.STRING: str,
    Kind.BYTES: bytes,
    Kind.DURATION: Duration,
    Kind.TIMESTAMP: Timestamp,
}


def runtime_type(value: Value) -> CelType:
    """What `type(value)` yields."""
    found = _RUNTIME.get(type(value))
    if found is not None:
        return found
    if is_map(value):
        return MAP_DYN
    declared: CelType = getattr(value, "cel_type", DYN)
    return declared


def guard(declared: CelType) -> Guard | None:
    """A test of whether a value may be passed where this type is declared; None where every value may."""
    kind = declared.kind
    if kind in (Kind.DYN, Kind.PARAMETER, Kind.ERROR):
        return None
    python = _PYTHON.get(kind)
    if python is not None:
        return lambda value: type(value) is python
    if kind is Kind.LIST:
        return _list_guard(guard(declared.parameters[0]))
    if kind is Kind.MAP:
        return _map_guard(guard(declared.parameters[0]), guard(declared.parameters[1]))
    if kind is Kind.OBJECT:
        return _object_guard(declared.name, isinstance(declared, ObjectType))
    if kind is Kind.TYPE:
        return lambda value: isinstance(value, CelType)
    return _opaque_guard(declared.name)


def _list_guard(element: Guard | None) -> Guard:
    if element is None:
        return lambda value: type(value) is list
    return lambda value: type(value) is list and (not value or element(value[0]))


def _map_guard(key: Guard | None, item: Guard | None) -> Guard:
    def fits(value: Any) -> bool:
        if not is_map(value):
            return False
        for first in value:
            return (key is None or key(first)) and (item is None or item(value[first]))
        return True

    return fits


def _object_guard(name: str, plain: bool) -> Guard:
    def fits(value: Any) -> bool:
        declared = getattr(value, "cel_type", None)
        return plain and isinstance(value, Mapping) if declared is None else bool(declared.name == name)

    return fits


def _opaque_guard(name: str) -> Guard:
    def fits(value: Any) -> bool:
        declared = getattr(value, "cel_type", None)
        if declared is not None:
            return bool(declared.name == name)
        if type(value) is Optional:
            return name == "optional_type"
        return type(value) not in _RUNTIME and not isinstance(value, Mapping)

    return fits
