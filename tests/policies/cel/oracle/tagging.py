"""Values of our engine in the tagged form that the peer answers in, so that 1, 1u and 1.0 stay apart."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from typing import Any

from policies.cel.errors import EvaluationError
from policies.cel.library.patch import Made
from policies.cel.maps import pairs
from policies.cel.types import CelType
from policies.cel.values import Duration, Optional, Timestamp, UInt, Value

Tagged = dict[str, Any]
_WORDLESS = "kubernetes.authorization."  # values that the API server has no text for
_EMPTY = {"t": "string", "v": ""}
LONGEST = 1 << 20  # bytes; of a longer string the peer only tells the size


def tagged(value: Value) -> Tagged:
    """The form of one value. Raises TypeError for what no CEL value is."""
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
            return _long("string", value, len(value.encode()))
        case bytes():
            return _long("bytes", base64.b64encode(value).decode(), len(value))
    return _compound(value)


def _compound(value: Value) -> Tagged:
    match value:
        case list():
            return {"t": "list", "v": [tagged(element) for element in value]}
        case Made():
            fields = [[tagged(name), tagged(held)] for name, held in value.fields.items()]
            return {"t": "object", "name": value.cel_type.name, "v": sorted(fields, key=lambda field: str(field[0]))}
        case Mapping():
            entries = [[tagged(key), tagged(held)] for key, held in pairs(value)]
            return {"t": "map", "v": sorted(entries, key=lambda entry: str(entry[0]))}
        case Optional():
            return {"t": "optional", "v": tagged(value.value)} if value.present else {"t": "optional"}
        case CelType():
            return {"t": "type", "v": value.name}
        case EvaluationError():
            return {"t": "other", "v": f"error:{value}"}
    declared = getattr(value, "cel_type", None)
    if declared is None:
        raise TypeError(f"no CEL value: {value!r}")
    shown = "" if declared.name.startswith(_WORDLESS) else str(value)
    return {"t": "other", "v": f"{declared.name}:{shown}"}


def _long(kind: str, text: str, size: int) -> Tagged:
    return {"t": kind, "v": text} if size <= LONGEST else {"t": f"long {kind}", "v": str(size)}


def same(ours: Tagged, theirs: Tagged) -> bool:
    """Whether both forms are of one value.

    Doubles count by value, maps have no order, and a JSONPatch keeps no empty strings. An error that an optional holds
    has no text to agree on.
    """
    kind, mine, other = theirs["t"], ours.get("v"), theirs.get("v")
    match kind:
        case "double" if ours["t"] == kind:
            return _number(str(mine)) == _number(str(other))
        case "list" if ours["t"] == kind:
            assert isinstance(mine, list) and isinstance(other, list)
            return len(mine) == len(other) and all(map(same, mine, other))
        case "map" | "object" if ours["t"] == kind and ours.get("name") == theirs.get("name"):
            assert isinstance(mine, list) and isinstance(other, list)
            return _same_entries(mine, other, theirs.get("name") == "JSONPatch")
        case "optional" if ours["t"] == kind and mine is not None and other is not None:
            return same(mine, other)
        case "other" if str(other).startswith("error:"):
            return ours["t"] == "other" and str(mine).startswith("error:")
    return ours == theirs


def _same_entries(ours: list[list[Tagged]], theirs: list[list[Tagged]], is_patch: bool) -> bool:
    mine = {str(key): held for key, held in ours if not (is_patch and held == _EMPTY and key["v"] != "value")}
    if len(mine) != len(theirs):
        return False
    for key, held in theirs:
        exact = mine.get(str({"t": "double", "v": _number(str(key.get("v")))} if key["t"] == "double" else key))
        if exact is None or not same(exact, held):
            return False
    return True


def _number(text: str) -> str:
    number = float(text)
    return "nan" if math.isnan(number) else repr(number)
