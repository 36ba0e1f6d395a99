"""What mutation policies build: `Object{...}`, `Object.spec{...}`, `JSONPatch{...}`, and a key's escape for a patch's
path.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn

from policies.cel import cost
from policies.cel.admission import DECLARED
from policies.cel.equality import equal
from policies.cel.errors import EvaluationError
from policies.cel.functions import Function, free, table
from policies.cel.maps import KeyedMap, lookup, pairs
from policies.cel.native import as_native
from policies.cel.sizes import bounded_result
from policies.cel.types import DYN, STRING, CelType, Kind, ObjectType
from policies.cel.values import LibraryValue, Optional, Value

JSON_PATCH = ObjectType("JSONPatch", {"op": STRING, "path": STRING, "from": STRING, "value": DYN})
_TEXTS = ("op", "path", "from")


class Made(LibraryValue):
    """A value that a mutation's expression constructed. Only selecting its fields has a meaning in CEL."""

    __slots__ = ("cel_type", "fields")
    cel_unit = False

    def __init__(self, cel_type: CelType, fields: Mapping[str, Value]) -> None:
        self.cel_type = cel_type  # type: ignore[misc]  # its own, not the class's
        self.fields = dict(fields)

    def __repr__(self) -> str:
        return f"{self.cel_type.name}{self.fields!r}"


class ObjectValue(Made):
    """An object such as `Object.spec{...}`.

    Where the checker knows that it is one, its fields are read through Go's own types, and one that isn't there is
    null; where it doesn't, there are none.
    """

    __slots__ = ()

    def cel_equal(self, other: Value) -> bool:
        return isinstance(other, ObjectValue) and identical(self, other)

    def known(self) -> dict[str, Value]:
        """The fields, each through Go's own types. Raises where one of them is a map of other keys than text."""
        return {name: _field(value) for name, value in self.fields.items()}

    def cel_native(self) -> Value:
        try:
            return self.known()
        except EvaluationError as error:
            return error


class PatchValue(Made):
    """A `JSONPatch{...}`: `op`, `path` and `from` are empty text where they weren't given."""

    __slots__ = ()

    def cel_equal(self, other: Value) -> bool:
        if not isinstance(other, PatchValue) or any(self.text(name) != other.text(name) for name in _TEXTS):
            return False
        if not ("value" in self.fields and "value" in other.fields):
            return ("value" in self.fields) is ("value" in other.fields)
        return equal(self.fields["value"], other.fields["value"])

    def text(self, name: str) -> str:
        return str(self.fields.get(name, ""))

    def read(self, key: Value) -> Value:
        """The field of the name. Raises for another."""
        if key in _TEXTS:
            return self.text(key)
        return self.fields.get("value") if key == "value" else _no_field(key)

    def holds(self, key: Value) -> bool:
        """Whether the field is there and not empty text. Raises for another."""
        if key in _TEXTS:
            return bool(self.text(key))
        return "value" in self.fields if key == "value" else _no_field(key)


def _no_field(key: Value) -> NoReturn:
    raise EvaluationError(f"unsupported field: {key}")


def _field(value: Value) -> Value:
    """A field's value; of a list or map, what is in it."""
    if type(value) is list:
        return [as_native(element) for element in value]
    if isinstance(value, Mapping):
        return {_text(key): as_native(held) for key, held in pairs(value)}
    return as_native(value)


def _text(key: Value) -> str:
    native = as_native(key)
    if type(native) is not str:
        raise EvaluationError(f"map key {key} is not a string")
    return native


def identical(a: Value, b: Value) -> bool:
    """Equality as Go's reflection sees it: of the same types throughout, numbers and times included. A list is only
    ever equal to itself inside the same object.
    """
    if type(a) is not type(b):
        return False
    if isinstance(a, ObjectValue):
        return a is b or (a.cel_type.name == b.cel_type.name and _all_identical(a.fields, b.fields))
    if isinstance(a, Made):
        return _all_identical(a.fields, b.fields)
    if isinstance(a, Mapping):
        return (_same_entries if type(a) is dict else _all_identical)(a, b)
    if type(a) is Optional:
        return bool(a.present is b.present and identical(a.value, b.value))
    if isinstance(a, CelType):
        return bool(a.name == b.name)
    if isinstance(a, LibraryValue):
        return a.cel_identical(b)
    return type(a) is not list and bool(a == b) and getattr(a, "offset", 0) == getattr(b, "offset", 0)


def _all_identical(a: Mapping[Value, Value], b: Mapping[Value, Value]) -> bool:
    return len(a) == len(b) and all(identical(held, lookup(b, key)) for key, held in pairs(a))


def _same_entries(a: Value, b: Value) -> bool:
    """The same for values of an input, whose lists are plain."""
    if type(a) is not type(b):
        return False
    if type(a) is dict:
        return a.keys() == b.keys() and all(_same_entries(held, b[key]) for key, held in a.items())
    if type(a) is list:
        return len(a) == len(b) and all(map(_same_entries, a, b))
    return bool(a == b)


class OpenObjectType(ObjectType):
    """A type such as `Object.spec.template`, whose fields nobody knows: every field is dyn."""

    __slots__ = ()


def object_type(name: str) -> ObjectType | None:
    """The type that a mutation policy may construct under this name."""
    if name == "JSONPatch":
        return JSON_PATCH
    return OpenObjectType(name) if name == "Object" or name.startswith("Object.") else None


def is_open(type_: CelType) -> bool:
    """Whether it is the type of an object that an expression constructs."""
    return type_.kind is Kind.OBJECT and (type_.name == "Object" or type_.name.startswith("Object."))


def construct(declared: ObjectType, fields: Mapping[str, Value]) -> Made:
    """An object of these fields. A JSONPatch's `op`, `path` and `from` are text."""
    if declared.name.startswith(DECLARED):
        raise EvaluationError(f"unknown type '{declared.name}'")
    if declared != JSON_PATCH:
        return ObjectValue(declared, fields)
    texts = {name: as_native(value) for name, value in fields.items() if name in _TEXTS}
    for name in fields:
        if name not in JSON_PATCH.fields:
            raise EvaluationError(f"unexpected JSONPatchType field: {name}")
    for name, value in texts.items():
        if type(value) is not str:
            raise EvaluationError(f"unexpected type for JSONPatchType '{name}' field")
    return PatchValue(declared, {**fields, **texts})


def plain(value: Value) -> Value:
    """The value as plain dicts and lists: what constructed objects are to everybody outside CEL.

    Maps with other keys than text stay what they are. Raises EvaluationError for what is too large written out.
    """
    return _Plainer().plain(value)


class _Plainer:
    def __init__(self) -> None:
        self.parts = 0

    def plain(self, value: Value) -> Value:
        self.parts += 1
        bounded_result(self.parts)
        if type(value) is KeyedMap:
            made = KeyedMap()
            for key, item in pairs(value):
                made.put(key, self.plain(item))
            return made
        if isinstance(value, (Mapping, Made)):
            held = value.fields if isinstance(value, Made) else value
            return {key: self.plain(item) for key, item in held.items()}
        return [self.plain(item) for item in value] if isinstance(value, list) else value


def escape_key(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


TABLE = table(Function("jsonpatch.escapeKey", [free([STRING], STRING, escape_key)], cost=cost.traversal))
