"""Values with the names of their types: `{"t": type, "v": value}`, so that 1, 1u and 1.0 stay apart.

Recorded answers of an API server have this form. Numbers are text, bytes are base64, a library's value is its type and
its text. `same` says whether two forms are of one value.
"""

from __future__ import annotations

import math
from base64 import b64decode, b64encode
from collections.abc import Hashable, Mapping
from typing import Any

from policies.cel.errors import EvaluationError
from policies.cel.library.patch import Made
from policies.cel.maps import LazyMap, pairs
from policies.cel.types import CelType
from policies.cel.values import Duration, Optional, Timestamp, UInt, Value

Tagged = dict[str, Any]
_WORDLESS = "kubernetes.authorization."  # values that the API server has no text for
_LONG = "long "  # of a very long text or bytes, a record may have the size alone
_NO_KEY = {"t": "other", "v": "error:no such overload"}  # what is walked over are values, and no keys
_EMPTY = {"t": "string", "v": ""}


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
            return {"t": "string", "v": value}
        case bytes():
            return {"t": "bytes", "v": b64encode(value).decode()}
    return _compound(value)


def _compound(value: Value) -> Tagged:
    match value:
        case list():
            return {"t": "list", "v": [tagged(element) for element in value]}
        case Made():
            fields = [[tagged(name), tagged(held)] for name, held in value.fields.items()]
            return {"t": "object", "name": value.cel_type.name, "v": fields}
        case LazyMap():
            return {"t": "map", "v": [[tagged(_computed(value, name)), _NO_KEY] for name in value.names()]}
        case Mapping():
            return {"t": "map", "v": [[tagged(key), _held(key, held)] for key, held in pairs(value)]}
        case Optional():
            return {"t": "optional", "v": tagged(value.value)} if value.present else {"t": "optional"}
        case CelType():
            return {"t": "type", "v": value.name}
        case EvaluationError():
            return {"t": "other", "v": f"error:{value}"}
    declared = getattr(value, "cel_type", None)
    if declared is None:
        raise TypeError(f"no CEL value: {value!r}")
    return {"t": "other", "v": f"{declared.name}:{'' if declared.name.startswith(_WORDLESS) else value}"}


def _held(key: Value, held: Value) -> Tagged:
    return _NO_KEY if isinstance(key, float) and math.isnan(key) else tagged(held)  # nobody finds NaN again


def _computed(value: LazyMap, name: str) -> Value:
    try:
        return value[name]
    except EvaluationError as error:
        return error


def same(ours: Tagged, theirs: Tagged) -> bool:
    """Whether both forms are of one value.

    Doubles count by value, maps have no order, a JSONPatch keeps no empty strings, and an error that an optional holds
    has no text to agree on.
    """
    return _comparable(ours) == _comparable(_unabridged(ours, theirs))


def _unabridged(ours: Tagged, theirs: Tagged) -> Tagged:
    """Their form; ours, where theirs is the size alone and ours has it."""
    kind = str(theirs["t"])
    if not kind.startswith(_LONG) or ours["t"] != kind.removeprefix(_LONG):
        return theirs
    whole = str(ours["v"])
    size = len(b64decode(whole)) if ours["t"] == "bytes" else len(whole.encode(errors="surrogatepass"))
    return ours if str(size) == theirs["v"] else theirs


def _comparable(form: Tagged) -> Hashable:
    kind, value = form["t"], form.get("v")
    match kind:
        case "double":
            number = float(str(value))
            return kind, "nan" if math.isnan(number) else repr(number)
        case "list":
            return kind, tuple([_comparable(item) for item in value or ()])
        case "map" | "object":
            name = form.get("name", "")
            return kind, name, _entries(value or (), is_patch=name == "JSONPatch")
        case "optional" if value is not None:
            return kind, _comparable(value)
        case "other" if str(value).startswith("error:"):
            return kind, "error"
    return kind, value


def _entries(entries: Any, is_patch: bool) -> Hashable:
    kept = [(key, held) for key, held in entries if not (is_patch and held == _EMPTY and key["v"] != "value")]
    return frozenset((_comparable(key), _comparable(held)) for key, held in kept)
