"""CEL values in a form that keeps 1, 1u and 1.0 apart: `{"t": type, "v": value}`, as conformance files have them."""

import base64
import math
from collections.abc import Mapping
from typing import Any

from policies.cel.types import CelType
from policies.cel.values import Duration, Optional, Timestamp, UInt, Value

Tagged = Mapping[str, Any]


def tagged(value: Value) -> Tagged:
    """The form of one value; of a library's value, its type and text."""
    match value:
        case None:
            return {"t": "null"}
        case bool():
            return {"t": "bool", "v": value}
        case UInt():
            return {"t": "uint", "v": str(int(value))}
        case Duration():
            return {"t": "duration", "v": str(int(value))}
        case Timestamp():
            seconds, nanoseconds = divmod(int(value), 10**9)
            return {"t": "timestamp", "v": f"{seconds}.{nanoseconds:09d}"}
        case int():
            return {"t": "int", "v": str(value)}
        case float():
            return {"t": "double", "v": "nan" if math.isnan(value) else repr(value)}
        case str():
            return {"t": "string", "v": value}
        case bytes():
            return {"t": "bytes", "v": base64.b64encode(value).decode()}
    return _compound(value)


def _compound(value: Value) -> Tagged:
    match value:
        case list():
            return {"t": "list", "v": [tagged(element) for element in value]}
        case Mapping():
            return {"t": "map", "v": [[tagged(key), tagged(held)] for key, held in value.items()]}
        case Optional():
            return {"t": "optional", "v": tagged(value.value)} if value.present else {"t": "optional"}
        case CelType():
            return {"t": "type", "v": value.name}
    declared = getattr(value, "cel_type", None)
    return {"t": "other", "v": f"{declared.name if declared else 'error'}:{value}"}


def same(ours: Tagged, theirs: Tagged) -> bool:
    """Whether both forms are of one value: doubles by value, maps in any order."""
    kind, mine, other = theirs["t"], ours.get("v"), theirs.get("v")
    if ours["t"] != kind:
        return kind == "object" and ours["t"] == "map" and _same_maps(mine or [], other or [])
    match kind:
        case "double":
            return _number(mine) == _number(other)
        case "list":
            return len(mine or []) == len(other or []) and all(map(same, mine or [], other or []))
        case "map":
            return _same_maps(mine or [], other or [])
        case "optional" if mine is not None and other is not None:
            return same(mine, other)
    return bool(mine == other)


def _same_maps(mine: list[Any], other: list[Any]) -> bool:
    if len(mine) != len(other):
        return False
    left = {_key(key): held for key, held in mine}
    return all(_key(key) in left and same(left[_key(key)], held) for key, held in other)


def _key(key: Tagged) -> str:
    return f"double {_number(key['v'])}" if key["t"] == "double" else repr(sorted(key.items()))


def _number(text: Any) -> str:
    number = float(text)
    return "nan" if math.isnan(number) else repr(number)
