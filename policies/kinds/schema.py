"""The structural OpenAPI schema of a part, as a CustomResourceDefinition takes it.

Pydantic's JSON schema, with references written out and null left aside (the API server drops nulls by itself), and
without what structural schemas don't have: closed objects are what pruning and strict field validation are for.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from policies.kinds.part import Part

Schema = dict[str, Any]

# In the order in which people look for them; what is not here has no place in a structural schema.
_KEPT = (
    "description",
    "type",
    "format",
    "enum",
    "default",
    "pattern",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "maxProperties",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-validations",
    "x-kubernetes-preserve-unknown-fields",
)
_DROPPED = ("title", "propertyNames", "patternProperties")


class NotStructural(TypeError):
    """A model uses something that structural schemas can't say."""


def structural(model: type[Part]) -> Schema:
    """The schema of a part and everything below it. Raises NotStructural.

    Metadata is left open: the API server has a schema of its own for it and takes no other.
    """
    found = model.model_json_schema(by_alias=True)
    definitions = {**found.get("$defs", {}), "Metadata": {"type": "object", "properties": {}}}
    return _plain(found, definitions)


def _plain(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Schema:
    merged = _resolved(schema, definitions)
    unknown = merged.keys() - {*_KEPT, *_DROPPED, "properties", "required", "items", "additionalProperties", "$defs"}
    if unknown:
        raise NotStructural(f"no structural schema has {', '.join(sorted(unknown))}")
    made = {name: merged[name] for name in _KEPT if name in merged and (name != "default" or merged[name])}
    if merged["type"] == "integer":
        made["format"] = "int64"
    if merged["type"] == "array":
        made["items"] = _plain(merged["items"], definitions)
        made.setdefault("x-kubernetes-list-type", "atomic")
    if merged["type"] == "object":
        made |= _members(merged, definitions)
    return made


def _members(merged: Mapping[str, Any], definitions: Mapping[str, Any]) -> Schema:
    """The properties of an object; of a mapping with free keys, the schema of its values."""
    if "properties" in merged:
        required = {"required": merged["required"]} if merged.get("required") else {}
        properties = {name: _plain(inner, definitions) for name, inner in merged["properties"].items()}
        return {**required, **({"properties": properties} if properties else {})}
    values: Sequence[Any] = [*merged.get("patternProperties", {}).values(), merged.get("additionalProperties")]
    if isinstance(values[0], Mapping):
        return {"additionalProperties": _plain(values[0], definitions)}
    return {"x-kubernetes-preserve-unknown-fields": True}


def _resolved(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Schema:
    """The schema with its reference or its one alternative beside null written out; what it says itself comes first."""
    outer = {name: value for name, value in schema.items() if name not in ("$ref", "anyOf")}
    if "$ref" in schema:
        return {**_resolved(definitions[schema["$ref"].rpartition("/")[2]], definitions), **outer}
    if "anyOf" in schema:
        real = [one for one in schema["anyOf"] if one != {"type": "null"}]
        if len(real) != 1:
            raise NotStructural("a value may have one type only")
        return {**_resolved(real[0], definitions), **outer}
    return outer
