"""The shapes of kinds: those built into Kubernetes from a compiled table, others from their CustomResourceDefinitions.

A kind that nobody knows has the shape that the API server gives to data without a schema: objects are merged, lists are
replaced as a whole.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import orjson

from policies.json import Json, JsonObject
from policies.native.openapi import shape_of
from policies.request import GroupKind

COMPILED = Path(__file__).parent / "shapes.json"
_METADATA = "#io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
_SCALARS = {"s": "string", "y": "string", "i": "numeric", "n": "numeric", "b": "boolean"} | dict.fromkeys(
    "tdfuq", "untyped"
)


@dataclass(frozen=True, slots=True)
class ListShape:
    """`keys` with their defaults for items that go by fields; a set without any; `atomic` when replaced as a whole."""

    item: "Ref"
    atomic: bool = True
    keys: tuple[tuple[str, Json], ...] = ()


@dataclass(frozen=True, slots=True)
class MapShape:
    fields: Mapping[str, "Ref"]
    other: "Ref | None" = None  # what undeclared fields are; None where they aren't allowed
    atomic: bool = False


@dataclass(frozen=True, slots=True)
class Shape:
    """What a value may be: any of these that is set."""

    scalar: str = ""  # string, numeric, boolean or untyped
    list: ListShape | None = None
    map: MapShape | None = None


@dataclass(frozen=True, slots=True)
class Ref:
    """A shape in its compact form, looked at only when a value gets there."""

    compact: Any = field(compare=False)
    table: "Shapes" = field(compare=False, repr=False)

    @property
    def shape(self) -> Shape:
        return self.table.parsed(self.compact)


class Shapes:
    """Named shapes; each is parsed once, when it is first needed."""

    def __init__(self, named: Mapping[str, Any]) -> None:
        self._named = named
        self._parsed: dict[str, Shape] = {}

    def parsed(self, compact: Any) -> Shape:
        if not isinstance(compact, str):
            return self._list(compact) if isinstance(compact, list) else self._map(compact)
        found = self._parsed.get(compact)
        if found is None:
            found = self._parsed[compact] = self._text(compact)
        return found

    def _text(self, compact: str) -> Shape:
        if compact.startswith("#!"):
            found = self.parsed("#" + compact[2:])
            assert found.map is not None
            return Shape(found.scalar, found.list, MapShape(found.map.fields, found.map.other, atomic=True))
        if compact.startswith("#"):
            return self.parsed(self._named[compact[1:]])
        if compact in _SCALARS:
            return Shape(_SCALARS[compact])
        whole, inner = ListShape(Ref("~", self)), Ref(compact, self)
        return Shape("untyped", whole, MapShape({}, inner, atomic=compact in "~-"))

    def _list(self, compact: list[Any]) -> Shape:
        relation, item = compact
        keys = () if isinstance(relation, int) else tuple((key[0], key[1] if key[1:] else None) for key in relation)
        return Shape(list=ListShape(Ref(item, self), relation == 0, keys))

    def _map(self, compact: Mapping[str, Any]) -> Shape:
        fields = {name: Ref(member, self) for name, member in compact.items() if name not in ("*", "!")}
        other = Ref(compact["*"], self) if "*" in compact else None
        return Shape(map=MapShape(fields, other, atomic="!" in compact))


@cache
def built_in_table() -> Mapping[str, Mapping[str, Any]]:
    """The table as `compile` writes it: kinds, resources and shapes of Kubernetes itself."""
    read: Mapping[str, Mapping[str, Any]] = orjson.loads(COMPILED.read_bytes())
    return read


@cache
def _built_in() -> tuple[Mapping[str, Any], Shapes]:
    read = built_in_table()
    return read["kinds"], Shapes(read["shapes"])


def built_in(kind: GroupKind) -> Shape | None:
    """The shape of a kind of Kubernetes itself."""
    kinds, shapes = _built_in()
    name = kinds.get(f"{kind.group}/{kind.version}/{kind.kind}")
    return shapes.parsed(f"#{name}") if name else None


@cache
def built_in_groups() -> frozenset[str]:
    """The API groups of Kubernetes itself."""
    return frozenset(key.split("/", 1)[0] for key in _built_in()[0])


def unknown() -> Shape:
    """The shape of data without a schema."""
    return _built_in()[1].parsed("?")


def defined(definition: JsonObject, version: str) -> Shape:
    """The shape that a CustomResourceDefinition gives to this version of its kind."""
    served: JsonObject = next((one for one in definition["spec"]["versions"] if one["name"] == version), {})
    compact = _of_version(served)
    return unknown() if compact is None else _built_in()[1].parsed(compact)


def _of_version(served: JsonObject) -> Any:
    schema = (served.get("schema") or {}).get("openAPIV3Schema")
    if not schema:
        return None
    compact = shape_of(schema, {})
    if isinstance(compact, dict):
        compact |= {"metadata": _METADATA, "apiVersion": "s", "kind": "s"}
    return compact


def definition_table(definition: JsonObject) -> Mapping[str, Mapping[str, Any]]:
    """What a CustomResourceDefinition adds to a table like that of the built-in kinds. Raises KeyError, TypeError or
    AttributeError for what isn't one.
    """
    spec = definition["spec"]
    group, kind, plural = spec["group"], spec["names"]["kind"], spec["names"]["plural"]
    served = [one for one in spec["versions"] if one.get("served", True)]
    shapes = {f"{group}/{one['name']}/{kind}": _of_version(one) for one in served}
    known = {key: compact for key, compact in shapes.items() if compact is not None}
    resources = {f"{group}/{one['name']}/{plural}": kind for one in served}
    return {"kinds": {key: key for key in known}, "resources": resources, "shapes": known}
