"""What a mutation's expression yields, made into JSON: operations of a JSON Patch, or an object to be merged.

Constructed objects must be named after the place where they stand (`Object.spec.template` in the field `template` of
`Object.spec`): an author's slip that the type checker can't see. Raises `Mistyped` in the API server's words.
"""

import base64
from calendar import month_name
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from policies.cel.kinds import runtime_type
from policies.cel.library.clock import format_duration, format_timestamp
from policies.cel.library.patch import ObjectValue, PatchValue
from policies.cel.values import Duration, Timestamp, UInt, Value
from policies.json import Json, JsonObject
from policies.native.merging import Foreign, Untaken
from policies.native.shapes import Shape

Steps = tuple[str, ...]  # from an object down to a part of it
_LARGEST = 2**53 - 1  # that every double can hold


class Mistyped(ValueError):
    """The expression's value is no patch."""


class Unsendable(Exception):
    """The API server breaks off the request, whatever the failurePolicy."""


def operations(value: list[Value]) -> list[JsonObject]:
    """The operations of a JSON Patch."""
    return [_operation(one) for one in value]


def _operation(patch: PatchValue | Mapping[str, Value]) -> JsonObject:
    one = patch.fields if isinstance(patch, PatchValue) else patch
    made: dict[str, Any] = {"op": one.get("op", ""), "path": one.get("path", "")}
    if one.get("from"):
        made["from"] = one["from"]
    if "value" in one:
        value = one["value"]
        if isinstance(value, ObjectValue):
            _named(value)
        try:
            made["value"] = plain(value) if isinstance(value, ObjectValue) else _exact(value)
        except Mistyped as error:
            wrong = "JSONPath valueExpression evaluated to a type that could not marshal to JSON"
            raise Mistyped(f"{wrong}: {error}") from error
    return made


def _exact(value: Value) -> Json:
    """The value of an operation: integers that a double can't hold become text."""
    if isinstance(value, ObjectValue):
        raise Unsendable("an object in a list or map in a JSON Patch value breaks the API server: write a plain map")
    if isinstance(value, Mapping):
        return {_key(key): _exact(member) for key, member in value.items()}
    if isinstance(value, list):
        return [_exact(member) for member in value]
    if isinstance(value, Duration):
        return format_duration(value)
    if isinstance(value, Timestamp):
        return format_timestamp(value)
    if type(value) in (int, UInt) and abs(value) > _LARGEST:
        return str(int(value))
    return plain(value)


def configuration(value: ObjectValue, given: Iterable[object]) -> JsonObject:
    """The object that is to be merged. `given` are the inputs of the expression.

    The API server makes JSON of constructed objects, and of one list or map written in an expression, but not of a map
    written inside another: nothing takes that. What comes from an input may be as deep as it likes.
    """
    _named(value)
    return _configured(value, _Given(given))


class _Given:
    """Knows the lists and maps of the inputs again."""

    def __init__(self, given: Iterable[object]) -> None:
        self._given, self._known = given, set[int]()

    def __contains__(self, value: object) -> bool:
        if not self._known:
            for one in self._given:
                self._learn(one)
        return id(value) in self._known

    def _learn(self, value: object) -> None:
        if isinstance(value, Mapping | list):
            self._known.add(id(value))
            for inner in value.values() if isinstance(value, Mapping) else value:
                self._learn(inner)


def _configured(value: ObjectValue, given: _Given) -> JsonObject:
    return {name: _field(member, given) for name, member in value.fields.items()}


def _field(value: Value, given: _Given) -> Json:
    if isinstance(value, ObjectValue):
        return _configured(value, given)
    if isinstance(value, list) and value not in given:
        return [_inner(member, given) for member in value]
    if isinstance(value, Mapping) and value not in given:
        return {_key(key): _inner(member, given) for key, member in value.items()}
    return _foreign(value) or plain(value)


def _foreign(value: Value) -> Foreign | None:
    """A value that the API server hands on as one of Go's own types, which no field takes."""
    if isinstance(value, bytes):
        return Foreign(list(value), "[]uint8", f"[]uint8{{{', '.join(f'0x{byte:x}' for byte in value)}}}")
    if isinstance(value, Duration):
        return Foreign(format_duration(value), "time.Duration", str(int(value)))
    if isinstance(value, Timestamp):
        return Foreign(format_timestamp(value), "time.Time", _moment(value))
    return None


def _moment(value: Timestamp) -> str:
    """A moment in UTC as Go writes it in a program."""
    seconds, nanoseconds = divmod(int(value), 10**9)
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    day = f"{at.year}, time.{month_name[at.month]}, {at.day}"
    return f"time.Date({day}, {at.hour}, {at.minute}, {at.second}, {nanoseconds}, time.UTC)"


def _inner(value: Value, given: _Given) -> Json:
    """A member of a list or map that was written in the expression."""
    if isinstance(value, Mapping | list) and value not in given:
        return Untaken(plain(value))
    return _field(value, given)


def nested(patch: JsonObject, steps: Steps) -> JsonObject:
    """The patch as one of what lies further out."""
    for step in reversed(steps):
        patch = {step: patch}
    return patch


def _named(value: ObjectValue) -> None:
    wrong = list(_misnamed(value, value.cel_type.name))
    if wrong:
        raise Mistyped("type mismatch: " + "\n".join(wrong))


def _misnamed(value: Value, path: str) -> Iterator[str]:
    if isinstance(value, ObjectValue):
        name = value.cel_type.name
        if name != path:
            head = f'unexpected type name "{name}", expected "{path}"'
            yield f"{head}, which matches field name path from root Object type"
        for field, member in value.fields.items():
            yield from _misnamed(member, f"{path}.{field}")
    elif isinstance(value, Mapping):
        for member in value.values():
            yield from _misnamed(member, path)
    elif isinstance(value, list):
        for member in value:
            yield from _misnamed(member, path)


def plain(value: Value) -> Json:
    """The value as JSON."""
    if isinstance(value, ObjectValue):
        value = value.fields
    if isinstance(value, Mapping):
        return {_key(key): plain(member) for key, member in value.items()}
    if isinstance(value, list):
        return [plain(member) for member in value]
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) < 1e21 else value
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if type(value) in (int, UInt):
        return int(value)
    raise Mistyped(f"unsupported conversion from '{runtime_type(value).name}' to JSON")


def _key(key: Value) -> str:
    if not isinstance(key, str):
        raise Mistyped(f"unsupported type conversion from '{runtime_type(key).name}' to string")
    return key


def settled(shape: Shape, before: Json, after: Json) -> Json:
    """The object as a built-in kind's own type holds it: without what is null or an empty list or map.

    Only parts that differ from `before` are looked at.
    """
    if after is before:
        return after
    if isinstance(after, Mapping) and shape.map is not None:
        known = before if isinstance(before, Mapping) else {}
        made = {}
        for name, member in after.items():
            inner = shape.map.fields.get(name, shape.map.other)
            if inner is not None and name not in known and _vanishes(inner.shape, member):
                continue
            if inner is not None and member is not known.get(name) and _vanishes(inner.shape, member):
                continue
            made[name] = member if inner is None else settled(inner.shape, known.get(name), member)
        return made
    if isinstance(after, list) and shape.list is not None:
        known_items = before if isinstance(before, list) else []
        item = shape.list.item.shape
        pairs = zip(after, [*known_items, *[None] * len(after)], strict=False)
        return [settled(item, held, member) for member, held in pairs]
    return after


def _vanishes(shape: Shape, value: Json) -> bool:
    """Whether Go's types have no place for the value."""
    free = bool(shape.map and shape.scalar)  # anything goes: what is written stays
    if free:
        return False
    if value is None:
        return True
    return value == [] or (value == {} and shape.map is not None and not shape.map.fields)
