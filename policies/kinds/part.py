"""What every part of a kind has in common: strict, closed, immutable, its fields in camelCase outside.

A `Rule` says what must hold between the fields of one part, once for the API server (CEL) and once for us (Python);
tests hold the two together on a real API server.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler, model_validator
from pydantic.alias_generators import to_camel
from pydantic.fields import FieldInfo
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from policies.kinds.words import Unique

Raw = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Rule:
    """Something that must hold inside one part.

    `holds` is asked with the part as it was written, and only when the shape of all its `fields` is right; the first
    of them is where the problem is shown.
    """

    fields: tuple[str, ...]
    expected: str
    cel: str
    holds: Callable[[Raw], bool]
    hint: str = ""

    def to_schema(self) -> dict[str, str]:
        """The rule as the API server takes it."""
        message = f"expected {self.expected}"
        return {"rule": self.cel, "message": f"{message}; {self.hint}" if self.hint else message}


class Part(BaseModel):
    """A part of a kind. A null counts as a field left out, as it does at the API server."""

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        frozen=True,
        alias_generator=to_camel,
        populate_by_name=False,
        defer_build=True,  # a command builds only the kinds that it reads
        hide_input_in_errors=True,
    )
    rules: ClassVar[tuple[Rule, ...]] = ()

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        schema = handler.resolve_ref_schema(handler(core))
        if cls.rules:
            schema["x-kubernetes-validations"] = [rule.to_schema() for rule in cls.rules]
        return schema

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, raw: Any) -> Any:
        if not isinstance(raw, Mapping) or None not in raw.values():
            return raw
        known = {field.alias for field in cls.model_fields.values()}
        return {key: value for key, value in raw.items() if value is not None or key not in known}


def some_of(*fields: str) -> Rule:
    """At least one of these lists, mappings or texts has something in it."""
    words = ", ".join(f"`{field}`" for field in fields)
    return Rule(
        fields,
        f"something in at least one of {words}",
        " || ".join(f"(has(self.{field}) && self.{field}.size() > 0)" for field in fields),
        lambda part: any(part.get(field) for field in fields),
    )


def exactly_one(first: str, second: str) -> Rule:
    """One of the two is given, and not the other."""
    return Rule(
        (first, second),
        f"either `{first}` or `{second}`, not both",
        f"has(self.{first}) != has(self.{second})",
        lambda part: (part.get(first) is None) != (part.get(second) is None),
    )


def star_alone(field: str) -> Rule:
    """`*` means all, and then nothing else is said."""
    return Rule(
        (field,),
        f"`*` alone in `{field}`, or no `*`",
        f"!self.{field}.exists(x, x == '*') || self.{field}.size() == 1",
        lambda part: "*" not in part[field] or len(part[field]) == 1,
        "`*` already covers the others: drop one or the other",
    )


@cache
def children_of(model: type[Part]) -> Mapping[str, tuple[bool, type[Part]]]:
    """The fields that hold further parts, by their outside names: whether many, and which part."""
    found = {}
    for name, field in _fields(model).items():
        many, part = _part_in(field.annotation)
        if part:
            found[name] = (many, part)
    return found


@cache
def unique_of(model: type[Part]) -> Mapping[str, str]:
    """The lists whose items must differ, and by which key; an empty key means the whole item."""
    return {
        name: mark.key for name, field in _fields(model).items() for mark in field.metadata if isinstance(mark, Unique)
    }


def fields_of(model: type[Part], path: Sequence[str | int]) -> list[str]:
    """The names that may stand in the part at this path."""
    part = _part_at(model, path)
    return list(_fields(part)) if part else []


def field_of(model: type[Part], path: Sequence[str | int]) -> FieldInfo | None:
    """The field at this path, when its part has such a field."""
    part = _part_at(model, path[:-1])
    return _fields(part).get(str(path[-1])) if part and path else None


def homes_of(model: type[Part], name: str, path: str = "") -> list[str]:
    """Where else in the kind a field of this name stands, for somebody who put it in the wrong place."""
    found = [f"{path}.{name}".removeprefix(".")] if name in _fields(model) else []
    for field, (many, part) in children_of(model).items():
        found += homes_of(part, name, f"{path}.{field}{'[]' if many else ''}")
    return found


def _fields(model: type[Part]) -> dict[str, FieldInfo]:
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _part_at(model: type[Part], path: Sequence[str | int]) -> type[Part] | None:
    part: type[Part] | None = model
    for step in path:
        if isinstance(step, int):
            continue
        part = children_of(part)[step][1] if part and step in children_of(part) else None
    return part


def _part_in(annotation: Any) -> tuple[bool, type[Part] | None]:
    """The part that an annotation holds: `X`, `X | None` or a tuple of X."""
    if isinstance(annotation, type) and issubclass(annotation, Part):
        return False, annotation
    inside = [_part_in(one)[1] for one in get_args(annotation) if one not in (type(None), Ellipsis)]
    return get_origin(annotation) is tuple, next(filter(None, inside), None)
