"""The second opinion: cel-python, an engine of other people, asked the same question.

It is an optional extra. It checks no types, counts no cost and knows no library of Kubernetes, so that it differs from
the API server often; where both agree, two independent engines do.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from policies.cel.types import (
    BOOL,
    BYTES,
    DOUBLE,
    DURATION,
    INT,
    LIST_DYN,
    MAP_DYN,
    NULL,
    STRING,
    TIMESTAMP,
    UINT,
    CelType,
)
from policies.cel.values import Duration, Timestamp, UInt, Value

NAME = "cel-python"
_TYPES: Mapping[str, CelType] = {
    "BoolType": BOOL,
    "IntType": INT,
    "UintType": UINT,
    "DoubleType": DOUBLE,
    "StringType": STRING,
    "BytesType": BYTES,
    "ListType": LIST_DYN,
    "MapType": MAP_DYN,
    "DurationType": DURATION,
    "TimestampType": TIMESTAMP,
    "NoneType": NULL,
}
_LONGEST = 160  # characters of an error that is shown


class Unavailable(Exception):
    """The extra isn't installed."""

    hint = "install it with the extra `second-opinion`: pip install 'bailiwick[second-opinion]'"

    def __init__(self) -> None:
        super().__init__(f"{NAME} is not installed")


@dataclass(frozen=True, slots=True)
class Opinion:
    """A value, or why there is none. `rejected` where the expression wasn't even understood."""

    value: Value = None
    error: str = ""
    rejected: bool = False


def second_opinion() -> Callable[[str, Mapping[str, Any]], Opinion]:
    """The engine, ready to be asked with an expression and plain values. Raises Unavailable."""
    try:
        celpy: Any = import_module("celpy")  # by name: types are checked without the extra, too
    except ImportError as error:
        raise Unavailable from error

    def ask(expression: str, names: Mapping[str, Any]) -> Opinion:
        environment = celpy.Environment()
        try:
            program = environment.program(environment.compile(expression))
        except Exception as error:  # noqa: BLE001  # whatever its parser raises, it is a rejection
            return Opinion(error=_rejection(error), rejected=True)
        try:
            found = program.evaluate({name: celpy.json_to_cel(value) for name, value in names.items()})
            return Opinion(_ours(found))
        except Exception as error:  # noqa: BLE001  # evaluation leaks exceptions of every kind
            return Opinion(error=_brief(error))

    return ask


def _rejection(error: Exception) -> str:
    line, column = getattr(error, "line", None), getattr(error, "column", None)
    return f"can't parse it, at {line}:{column}" if line else _brief(error)


def _brief(error: Exception) -> str:
    """The first words of an error, without the engine's state that comes after them."""
    said = error.args[0] if error.args and isinstance(error.args[0], str) else str(error)
    words = (said.strip().splitlines() or [type(error).__name__])[0].partition(" (in activation")[0]
    return words if len(words) <= _LONGEST else words[:_LONGEST] + "..."


def _ours(value: Any) -> Value:
    """A value of cel-python's classes as one of ours. Raises TypeError for what no CEL value is."""
    name = type(value).__name__
    if name in _CONVERTED:
        return _CONVERTED[name](value)
    if isinstance(value, type) and value.__name__ in _TYPES:
        return _TYPES[value.__name__]
    raise TypeError(f"{name} is no CEL value")


def _list(value: Any) -> Value:
    return [_ours(element) for element in value]


def _map(value: Any) -> Value:
    return {_ours(key): _ours(held) for key, held in value.items()}


def _duration(value: Any) -> Value:
    return Duration((value.days * 86400 + value.seconds) * 10**9 + value.microseconds * 1000)


def _timestamp(value: Any) -> Value:
    return Timestamp(int(value.timestamp() * 10**6) * 1000)


# by class name: operators leave plain Python values where cel-python's own classes are expected
_CONVERTED: Mapping[str, Callable[[Any], Value]] = {
    "NoneType": lambda _: None,
    "BoolType": bool,
    "bool": bool,
    "IntType": int,
    "int": int,
    "UintType": UInt,
    "DoubleType": float,
    "float": float,
    "StringType": str,
    "str": str,
    "BytesType": bytes,
    "ListType": _list,
    "list": _list,
    "MapType": _map,
    "DurationType": _duration,
    "TimestampType": _timestamp,
}
