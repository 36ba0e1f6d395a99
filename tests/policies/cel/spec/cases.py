"""The cases of the CEL specification's own tests, and which of them an API server's environment can hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from policies.cel.maps import KeyedMap
from policies.cel.types import (
    BOOL,
    BYTES,
    DOUBLE,
    DURATION,
    DYN,
    INT,
    NULL,
    STRING,
    TIMESTAMP,
    UINT,
    CelType,
    Kind,
    list_of,
    map_of,
    optional_of,
    type_of,
)
from policies.cel.values import Duration, Timestamp, UInt, Value
from tests.policies.cel.spec.textproto import Message, Text, parse

_PRIMITIVES = {"BOOL": BOOL, "INT64": INT, "UINT64": UINT, "DOUBLE": DOUBLE, "STRING": STRING, "BYTES": BYTES}
_KNOWN = {"TIMESTAMP": TIMESTAMP, "DURATION": DURATION, "ANY": DYN}
_NAMED = {t.name: t for t in (BOOL, BYTES, DOUBLE, DURATION, INT, NULL, STRING, TIMESTAMP, UINT)}
_NAMED |= {"list": CelType(Kind.LIST, "list"), "map": CelType(Kind.MAP, "map"), "type": CelType(Kind.TYPE, "type")}
_OF_MESSAGES = frozenset({"enums", "proto2_ext", "proto3", "unknowns", "wrappers"})
_SCALARS: dict[str, Callable[[str], Value]] = {
    "int64_value": int,
    "uint64_value": lambda number: UInt(int(number)),
    "double_value": float,
}


class Unsupported(Exception):
    """The case needs what an API server doesn't have."""


@dataclass(frozen=True, slots=True)
class Case:
    """One case. `wanted` is the value, or None where an error is expected."""

    name: str
    message: Message = field(repr=False)

    @property
    def expr(self) -> str:
        return text(self.message["expr"][0])

    @property
    def container(self) -> str:
        return text(self.message.get("container", [b""])[0])

    @property
    def fails(self) -> bool:
        return bool({"eval_error", "any_eval_errors"} & self.message.keys())

    def of_values(self) -> bool:
        """Whether the case is about a value or an error, and not about types alone or unknowns."""
        others = {"check_only", "unknown", "any_unknowns"}
        return not others & self.message.keys()

    @property
    def unchecked(self) -> bool:
        """Whether the case asks for an evaluation without a type check before it."""
        return "disable_check" in self.message

    def of_plain_values(self) -> bool:
        """Whether the case is about values or errors, and no message of protocol buffers stands in it."""
        if not self.of_values() or self.name.partition("/")[0] in _OF_MESSAGES:
            return False
        try:
            self.variables(), self.names(), self.wanted()
        except Unsupported:
            return False
        return not any(name in self.expr for name in ("TestAllTypes", "google.protobuf"))

    def wanted(self) -> Value:
        """Raises Unsupported."""
        typed = self.message.get("typed_result", [{}])[0]
        found = self.message.get("value") or typed.get("result")
        return True if found is None else value(found[0])

    def variables(self) -> dict[str, CelType]:
        """The declared variables. Raises Unsupported."""
        found = {}
        for declared in self.message.get("type_env", []):
            if "ident" not in declared:
                raise Unsupported("declares a function of its own")
            found[text(declared["name"][0])] = declared_type(declared["ident"][0]["type"][0])
        return found

    def names(self) -> dict[str, Value]:
        """The values of the variables. Raises Unsupported."""
        found = {}
        for binding in self.message.get("bindings", []):
            given = binding["value"][0]
            if "value" not in given:
                raise Unsupported("binds an unknown or an error")
            found[text(binding["key"][0])] = value(given["value"][0])
        return found


def text(raw: Any) -> str:
    return raw.decode() if isinstance(raw, bytes) else str(raw)


def read(folder: Path) -> Iterator[Case]:
    """All cases of the folder's files."""
    for path in sorted(folder.glob("*.textproto")):
        for section in parse(path.read_text()).get("section", []):
            for test in section.get("test", []):
                yield Case(f"{path.stem}/{text(section['name'][0])}/{text(test['name'][0])}", test)


def declared_type(message: Message) -> CelType:
    """A type as the files declare it. Raises Unsupported for messages."""
    ((kind, (found,)),) = message.items()
    match kind:
        case "primitive":
            return _PRIMITIVES[found]
        case "well_known":
            return _KNOWN[found]
        case "message_type" if text(found) in _NAMED:
            return _NAMED[text(found)]
        case "dyn":
            return DYN
        case "null":
            return NULL
        case "list_type":
            return list_of(declared_type(found["elem_type"][0]))
        case "map_type":
            return map_of(declared_type(found["key_type"][0]), declared_type(found["value_type"][0]))
        case "wrapper":
            raise Unsupported("declares a wrapper type")
        case "type":
            return type_of(declared_type(found))
        case "abstract_type" if text(found["name"][0]) == "optional_type":
            return optional_of(declared_type(found["parameter_types"][0]))
    raise Unsupported(f"declares a variable of a message type ({kind})")


def value(message: Message) -> Value:
    """A value of the files. Raises Unsupported for messages that aren't CEL's own."""
    ((kind, (found, *_)),) = message.items()
    match kind:
        case "bool_value":
            return found == "true"
        case "null_value":
            return None
        case "string_value":
            return text(found)
        case "bytes_value":
            return bytes(found)
        case "type_value":
            return _type(text(found))
        case "list_value":
            return [value(item) for item in found.get("values", [])]
        case "map_value":
            return _map(found)
        case "object_value":
            return _object(found)
    if kind in _SCALARS:
        return _SCALARS[kind](found if not isinstance(found, Text) else text(found))
    raise Unsupported(f"needs a value of a message type ({kind})")


def _type(name: str) -> CelType:
    if name not in _NAMED:
        raise Unsupported(f"needs the type `{name}`")
    return _NAMED[name]


def _map(found: Message) -> Value:
    made = KeyedMap()
    for entry in found.get("entries", []):
        made.put(value(entry["key"][0]), value(entry["value"][0]))
    return made.settled()


def _object(found: Message) -> Value:
    ((name, (content, *_)),) = found.items()
    made: dict[str, Callable[[int], Value]] = {
        "[type.googleapis.com/google.protobuf.Duration]": Duration,
        "[type.googleapis.com/google.protobuf.Timestamp]": Timestamp,
    }
    if name not in made:
        raise Unsupported(f"needs a value of a message type ({name.strip('[]').rpartition('/')[2]})")
    seconds, nanoseconds = (int(content.get(part, ["0"])[0]) for part in ("seconds", "nanos"))
    return made[name](seconds * 10**9 + nanoseconds)
