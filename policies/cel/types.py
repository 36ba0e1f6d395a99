"""CEL's types as the checker and the function tables see them: immutable, comparable, cheap to make.

A type is also a value: `type(x)` yields one, and two are equal as values when their names are (see `values.equal`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from types import MappingProxyType


class Kind(Enum):
    """What a type is made of."""

    DYN = auto()
    ERROR = auto()
    NULL = auto()
    BOOL = auto()
    INT = auto()
    UINT = auto()
    DOUBLE = auto()
    STRING = auto()
    BYTES = auto()
    DURATION = auto()
    TIMESTAMP = auto()
    LIST = auto()
    MAP = auto()
    TYPE = auto()
    OPAQUE = auto()
    OBJECT = auto()
    PARAMETER = auto()


@dataclass(frozen=True, slots=True)
class CelType:
    """One type. `name` is what CEL calls it; `parameters` are its element, key and value, or wrapped types."""

    kind: Kind
    name: str
    parameters: tuple[CelType, ...] = ()

    def __str__(self) -> str:
        if not self.parameters:
            return self.name
        return f"{self.name}({', '.join(map(str, self.parameters))})"


@dataclass(frozen=True, slots=True)
class ObjectType(CelType):
    """A declared object: values are plain dicts, fields are checked when the expression is compiled."""

    kind: Kind = field(default=Kind.OBJECT, init=False)
    parameters: tuple[CelType, ...] = field(default=(), init=False)
    name: str
    fields: Mapping[str, CelType] = field(default_factory=lambda: MappingProxyType({}), compare=False, hash=False)

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class NullableType(CelType):
    """A wrapper of a plain type: that type, or null."""

    def __str__(self) -> str:
        return f"wrapper({self.name})"


DYN = CelType(Kind.DYN, "dyn")
ERROR = CelType(Kind.ERROR, "error")
NULL = CelType(Kind.NULL, "null_type")
BOOL = CelType(Kind.BOOL, "bool")
INT = CelType(Kind.INT, "int")
UINT = CelType(Kind.UINT, "uint")
DOUBLE = CelType(Kind.DOUBLE, "double")
STRING = CelType(Kind.STRING, "string")
BYTES = CelType(Kind.BYTES, "bytes")
DURATION = CelType(Kind.DURATION, "google.protobuf.Duration")
TIMESTAMP = CelType(Kind.TIMESTAMP, "google.protobuf.Timestamp")
TYPE = CelType(Kind.TYPE, "type")


def nullable(wrapped: CelType) -> CelType:
    """The type of a wrapper, such as `google.protobuf.Int32Value`."""
    return NullableType(wrapped.kind, wrapped.name)


def list_of(element: CelType) -> CelType:
    return CelType(Kind.LIST, "list", (element,))


def map_of(key: CelType, value: CelType) -> CelType:
    return CelType(Kind.MAP, "map", (key, value))


def type_of(instance: CelType) -> CelType:
    """The type of a type value, such as that of the identifier `int`."""
    return CelType(Kind.TYPE, "type", (instance,))


def optional_of(wrapped: CelType) -> CelType:
    return CelType(Kind.OPAQUE, "optional_type", (wrapped,))


def parameter(name: str) -> CelType:
    """A type variable of a function's signature; each call gets its own."""
    return CelType(Kind.PARAMETER, name)


def OpaqueType(name: str, *parameters: CelType) -> CelType:  # noqa: N802 - reads as the type it makes
    """A type whose values only its own functions understand; any Python object may be such a value."""
    return CelType(Kind.OPAQUE, name, parameters)


def library_type(name: str) -> CelType:
    """A type of a library, declared as an object without fields; its values are of the library's own class."""
    return CelType(Kind.OBJECT, name)


def same(a: CelType, b: CelType) -> bool:
    """Whether two types are one; a wrapper counts as what it wraps."""
    if a.kind is not b.kind or a.name != b.name or len(a.parameters) != len(b.parameters):
        return False
    return all(map(same, a.parameters, b.parameters))


def is_optional(type_: CelType) -> bool:
    return type_.kind is Kind.OPAQUE and type_.name == "optional_type"


LIST_DYN = list_of(DYN)
MAP_DYN = map_of(DYN, DYN)
OPTIONAL_DYN = optional_of(DYN)
