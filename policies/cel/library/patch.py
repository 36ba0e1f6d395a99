"""What mutation policies build: `Object{...}`, `Object.spec{...}`, `JSONPatch{...}`, and a key's escape for a patch's
path.
"""

from __future__ import annotations

from collections.abc import Mapping

from policies.cel import cost
from policies.cel.errors import EvaluationError
from policies.cel.functions import Function, free, table
from policies.cel.maps import KeyedMap, pairs
from policies.cel.sizes import bounded_result
from policies.cel.types import DYN, STRING, CelType, ObjectType
from policies.cel.values import Value

JSON_PATCH = ObjectType("JSONPatch", {"op": STRING, "path": STRING, "from": STRING, "value": DYN})


class ObjectValue(dict[str, Value]):
    """A constructed object: a dict that remembers the type it was constructed as."""

    __slots__ = ("cel_type",)

    def __init__(self, cel_type: CelType, fields: Mapping[str, Value]) -> None:
        super().__init__(fields)
        self.cel_type = cel_type


class OpenObjectType(ObjectType):
    """A type such as `Object.spec.template`, whose fields nobody knows: every field is dyn."""

    __slots__ = ()


def object_type(name: str) -> ObjectType | None:
    """The type that a mutation policy may construct under this name."""
    if name == "JSONPatch":
        return JSON_PATCH
    return OpenObjectType(name) if name == "Object" or name.startswith("Object.") else None


def construct(declared: ObjectType, fields: Mapping[str, Value]) -> ObjectValue:
    """An object of these fields. A JSONPatch's `op`, `path` and `from` are strings."""
    if declared == JSON_PATCH:
        for name, value in fields.items():
            if name != "value" and type(value) is not str:
                raise EvaluationError(f"unexpected type for JSONPatchType '{name}' field")
    return ObjectValue(declared, fields)


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
        if isinstance(value, Mapping):
            return {key: self.plain(item) for key, item in value.items()}
        return [self.plain(item) for item in value] if isinstance(value, list) else value


def escape_key(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


TABLE = table(Function("jsonpatch.escapeKey", [free([STRING], STRING, escape_key)], cost=cost.traversal))
