"""JSON-like values: they stay plain Python values from the wire to the rules, and have one canonical form as bytes."""

import json
from collections.abc import Mapping
from typing import Any

import orjson

Json = Any  # dict | list | str | int | float | bool | None, nested; a recursive alias costs more than it finds
JsonObject = Mapping[str, Any]

_SORTED = orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS


def canonical(value: Json) -> bytes:
    """JSON with sorted keys and no white space: equal values, equal bytes.

    Total for whatever a manifest can hold: integers beyond 64 bits and lone surrogates, which no API server sends, take
    a slower way. Raises RecursionError for values that are nested too deeply.
    """
    try:
        return orjson.dumps(value, option=_SORTED)
    except TypeError as error:
        if "ecursion" in str(error):
            raise RecursionError(str(error)) from error
        return json.dumps(value, sort_keys=True, separators=(",", ":"), default=str).encode()
