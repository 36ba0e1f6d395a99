"""From OpenAPI v3 schemas to shapes: what a server-side apply and a type check need to know, and nothing else.

A shape is written compactly, so that all built-in kinds fit into one file:

    "s" "i" "n" "b"     a scalar: string, integer, number, boolean
    "y" "t" "d" "f"     a string that is bytes, a moment, a duration, or of another format
    "u" "q"             an integer or a string; a quantity
    "?" "~"             anything; an object that may hold anything, to be replaced as a whole
    "-"                 what the items of a list are that says nothing of them
    "#core.v1.Pod"      a named shape; "#!..." the same, replaced as a whole
    [0, item]           a list that is replaced as a whole
    [1, item]           a set
    [[["name"], ["protocol", "TCP"]], item]   a list whose items go by these fields, the second with its default
    {"field": ..., "*": other fields, "!": 1}  an object; `!` where it is replaced as a whole
    {"field": ..., "*": "*"}                  an object with further fields that nobody declared

The rules are those of the API server's own conversion: a list is replaced as a whole unless it says otherwise, an
object without properties may hold anything, and one with properties nothing else.
"""

from collections.abc import Mapping, Sequence
from typing import Any

Schema = Mapping[str, Any]
Shape = Any  # as drawn above

_SCALARS = {"integer": "i", "number": "n", "boolean": "b"}
_TEXTS = {"": "s", "byte": "y", "date": "t", "date-time": "t", "duration": "d"}
_QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
_METADATA = "#io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
_RAW = "io.k8s.apimachinery.pkg.runtime.RawExtension"
_BUILT_IN = "io.k8s.api."


def short(name: str) -> str:
    """A definition's name without what most of them begin with."""
    return name.removeprefix(_BUILT_IN)


def definition(name: str, schema: Schema, others: Mapping[str, Schema]) -> Shape:
    """The shape of a named definition; `others` are the definitions it may refer to."""
    if name == _QUANTITY:
        return "q"
    return "~" if name == _RAW else shape_of(schema, others)


def shape_of(schema: Schema, others: Mapping[str, Schema], *, open_ended: bool = False) -> Shape:
    """The shape of a schema. `open_ended` is inherited from a schema above that preserves unknown fields."""
    open_ended = open_ended or schema.get("x-kubernetes-preserve-unknown-fields") is True
    if schema.get("x-kubernetes-int-or-string") is True or schema.get("format") == "int-or-string":
        return "u"
    match schema.get("type", ""):
        case "object":
            return _object(schema, others, open_ended)
        case "array":
            return _list(schema, others, open_ended)
        case "string":
            return _TEXTS.get(schema.get("format", ""), "f")
        case "":
            return _object(schema, others, open_ended) if schema.get("properties") else "?"
        case other:
            return _SCALARS.get(str(other), "q")


def _member(schema: Schema, others: Mapping[str, Schema], open_ended: bool) -> Shape:
    """A property or item: often a reference, and sometimes one that changes what it refers to."""
    name = _referred(schema)
    if not name:
        return shape_of(schema, others, open_ended=open_ended)
    return f"#!{short(name)}" if schema.get("x-kubernetes-map-type") == "atomic" else f"#{short(name)}"


def _referred(schema: Schema) -> str:
    reference = schema.get("$ref", "")
    alternatives: Sequence[Schema] = schema.get("allOf") or []
    if not reference and len(alternatives) == 1:
        reference = alternatives[0].get("$ref", "")
    return str(reference).rpartition("/")[2]


def _object(schema: Schema, others: Mapping[str, Schema], open_ended: bool) -> Shape:
    properties = schema.get("properties") or {}
    shape = {name: _member(member, others, open_ended) for name, member in properties.items()}
    rest = schema.get("additionalProperties")
    if isinstance(rest, Mapping):
        shape["*"] = _member(rest, others, open_ended)
    elif rest is True or (rest is None and (open_ended or not properties)):
        shape["*"] = "*"
    if schema.get("x-kubernetes-embedded-resource") is True:
        shape |= {"apiVersion": "s", "kind": "s", "metadata": _METADATA}
    if schema.get("x-kubernetes-map-type") == "atomic":
        shape["!"] = 1
    return shape


def _list(schema: Schema, others: Mapping[str, Schema], open_ended: bool) -> Shape:
    items = schema.get("items")
    item = _member(items, others, open_ended) if isinstance(items, Mapping) else "-"
    kind, keys = _relation(schema)
    if kind == "map":
        assert isinstance(items, Mapping)
        return [[_key(key, items, others) for key in keys], item]
    return [1 if kind == "set" else 0, item]


def _relation(schema: Schema) -> tuple[str, list[str]]:
    """How the items of a list belong together, and the fields they go by."""
    kind = schema.get("x-kubernetes-list-type")
    if kind is not None:
        return str(kind), list(schema.get("x-kubernetes-list-map-keys") or ())
    if str(schema.get("x-kubernetes-patch-strategy", "")).startswith("merge"):
        key = schema.get("x-kubernetes-patch-merge-key")
        return ("map", [str(key)]) if key else ("set", [])
    return "atomic", []


def _key(key: str, items: Schema, others: Mapping[str, Schema]) -> list[Any]:
    """A field that items go by, with its default where it has one."""
    name = _referred(items)
    member = ((others.get(name) or {}) if name else items).get("properties", {}).get(key, {})
    return [key] if member.get("default") is None else [key, member["default"]]
