"""Values of our engine in the tagged form that the peer answers in, so that 1, 1u and 1.0 stay apart."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from typing import Any

from policies.cel.types import CelType
from policies.cel.values import Duration, Optional, Timestamp, UInt, Value

Tagged = dict[str, Any]
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
        case Mapping():
            entries = [[tagged(key), tagged(held)] for key, held in value.items()]
            return {"t": "map", "v": sorted(entries, key=lambda entry: str(entry[0]))}
        case Optional():
            return {"t": "optional", "v": tagged(value.value)} if value.present else {"t": "optional"}
        case CelType():
            return {"t": "type", "v": value.name}
    declared = getattr(value, "cel_type", None)
    if declared is None:
        raise TypeError(f"no CEL value: {value!r}")
    return {"t": "other", "v": f"{declared.name}:{value}"}


def _long(kind: str, text: str, size: int) -> Tagged:
    return {"t": kind, "v": text} if size <= LONGEST else {"t": f"long {kind}", "v": str(size)}


def canonical(form: Tagged) -> Tagged:
    """The peer's form as ours would be: doubles by value, maps in our order, constructed objects as the maps they become."""
    kind, value = form["t"], form.get("v")
    match kind:
        case "double":
            assert isinstance(value, str)
            number = float(value)
            return {"t": "double", "v": "nan" if math.isnan(number) else repr(number)}
        case "list":
            assert isinstance(value, list)
            return {"t": "list", "v": [canonical(element) for element in value]}
        case "map" | "object":
            assert isinstance(value, list)
            entries = [[canonical(key), canonical(held)] for key, held in value]
            return {"t": "map", "v": sorted(entries, key=lambda entry: str(entry[0]))}
        case "optional" if value is not None:
            return {"t": "optional", "v": canonical(value)}
    return form
