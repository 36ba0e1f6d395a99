"""A schema's checks, compiled from the leaf's table.

Guarantees that what passes a shape has only known fields, each of the table's type and within its bounds, so that
no mistake of a caller reaches the log. Whether a value is true is the caller's business.
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache

import orjson

from audit.errors import RecordInvalid
from audit.leaf import Field, schemas

LARGEST_COUNT = (1 << 53) - 1  # beyond it JavaScript and others lose digits
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_TAG = re.compile(r"[0-9a-f]{32}")

Cuts = dict[str, dict[str, object]]
Check = Callable[[object, Cuts], object]


@cache
def shape(name: str) -> "Shape":
    """The compiled checks of a schema. Raises RecordInvalid for a schema that the table doesn't have."""
    schema = schemas().get(name)
    if schema is None:
        raise RecordInvalid(f"schema `{name}` is not in the table; known are {', '.join(sorted(schemas()))}")
    top, required = _members([f for f in schema.fields if f.name != "schema"])
    return Shape(schema.name, top, required)


@dataclass(frozen=True, slots=True)
class Shape:
    """Checks for the fields that a caller gives."""

    schema: str
    checks: Mapping[str, Check]
    required: tuple[str, ...]

    def checked(self, fields: Mapping[str, object], cuts: Cuts) -> dict[str, object]:
        """The fields as they go into the leaf, empty ones left out. Raises RecordInvalid at the first misfit."""
        return _checked_members(f"a `{self.schema}` record", self.checks, self.required, fields, cuts)


def _checked_members(
    owner: str, checks: Mapping[str, Check], required: tuple[str, ...], fields: Mapping[str, object], cuts: Cuts
) -> dict[str, object]:
    kept = {}
    for name, value in fields.items():
        check = checks.get(name)
        if check is None:
            raise RecordInvalid(f"{owner} has no field `{name}`: add it to the table as a new version, or leave it out")
        checked = check(value, cuts)
        if checked or checked == 0:  # zero and false are said, nothing is not
            kept[name] = checked
    for name in required:
        if name not in kept:
            raise RecordInvalid(f"{owner} needs the field `{name}`")
    return kept


def _members(fields: list[Field]) -> tuple[dict[str, Check], tuple[str, ...]]:
    """Checks by top-level name: a dotted name becomes an object, `name[]` a list of objects."""
    checks: dict[str, Check] = {}
    required: list[str] = []
    nested: dict[str, list[Field]] = {}
    for field in fields:
        head, dot, rest = field.name.partition(".")
        if dot:
            nested.setdefault(head, []).append(replace(field, name=rest))
            continue
        checks[head] = _check(field)
        if field.required:
            required.append(head)
    for head, members in nested.items():
        name = head.removesuffix("[]")
        checks[name] = _object_list(name, members) if head.endswith("[]") else _object(name, members)
    return checks, tuple(required)


def _object(name: str, members: list[Field]) -> Check:
    checks, required = _members(members)

    def check(value: object, cuts: Cuts) -> object:
        if not isinstance(value, Mapping):
            raise _mistyped(name, "an object", value)
        return _checked_members(f"`{name}`", checks, required, value, cuts) or None

    return check


def _object_list(name: str, members: list[Field]) -> Check:
    checks, required = _members(members)
    items = max(member.items for member in members if member.type == "text") or 100

    def check(value: object, cuts: Cuts) -> object:
        if not isinstance(value, list | tuple):
            raise _mistyped(name, "a list of objects", value)
        inner: Cuts = {}
        kept = []
        for entry in value[:items]:
            if not isinstance(entry, Mapping):
                raise _mistyped(name, "a list of objects", value)
            kept.append(_checked_members(f"`{name}[]`", checks, required, entry, inner))
        if inner or len(value) > items:
            cuts[name] = _full(value, len(value))
        return kept

    return check


def _check(field: Field) -> Check:
    make = _CHECKS.get(field.type)
    if make is None:
        raise RecordInvalid(f"the table gives `{field.name}` the unknown type `{field.type}`")
    return make(field)


def _mistyped(name: str, expected: str, value: object) -> RecordInvalid:
    return RecordInvalid(f"field `{name}`: expected {expected}, got {type(value).__name__}")


def _full(value: object, count: int) -> dict[str, object]:
    """What `cut` says about a value that the leaf has no room for."""
    try:
        full = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:
        full = repr(value).encode()  # lone surrogates, which JSON can't carry
    return {"count": count, "sha256": hashlib.sha256(full).hexdigest()}


def _text(field: Field) -> Check:
    name, limit, choices = field.name, field.limit, frozenset(field.choices)

    def check(value: object, cuts: Cuts) -> object:
        if not isinstance(value, str):
            raise _mistyped(name, "text", value)
        if choices and value not in choices:
            raise RecordInvalid(f"field `{name}`: expected one of {', '.join(sorted(choices))}, got `{value[:64]!r}`")
        if len(value) > limit:
            cuts[name] = _full(value, len(value))
            return value[:limit]
        return value

    return check


def _texts(field: Field) -> Check:
    name, limit, items = field.name, field.limit, field.items

    def check(value: object, cuts: Cuts) -> object:
        if not isinstance(value, list | tuple):
            raise _mistyped(name, "a list of texts", value)
        cut = len(value) > items
        for entry in value:
            if not isinstance(entry, str):
                raise _mistyped(name, "a list of texts", entry)
            cut = cut or len(entry) > limit
        if not cut:
            return list(value)
        cuts[name] = _full(value, len(value))
        return [entry[:limit] for entry in value[:items]]

    return check


def _count(field: Field) -> Check:
    def check(value: object, cuts: Cuts) -> object:  # noqa: ARG001
        if type(value) is not int:
            raise _mistyped(field.name, "a whole number", value)
        if not 0 <= value <= LARGEST_COUNT:
            raise RecordInvalid(f"field `{field.name}`: {value} is not between 0 and 2^53-1")
        return value

    return check


def _flag(field: Field) -> Check:
    def check(value: object, cuts: Cuts) -> object:  # noqa: ARG001
        if not isinstance(value, bool):
            raise _mistyped(field.name, "true or false", value)
        return value

    return check


def _time(field: Field) -> Check:
    name = field.name

    def check(value: object, cuts: Cuts) -> object:  # noqa: ARG001
        if isinstance(value, datetime):
            if value.utcoffset() != timedelta(0):
                raise RecordInvalid(f"field `{name}`: the time must be in UTC and say so")
            return value.isoformat(timespec="microseconds")[:-6] + "Z"
        if isinstance(value, str) and _TIME.fullmatch(value):
            return value
        raise RecordInvalid(f"field `{name}`: expected a UTC time such as `2026-01-31T23:59:59.000000Z`")

    return check


def _matching(pattern: re.Pattern[str], expected: str) -> Callable[[Field], Check]:
    match = pattern.fullmatch

    def make(field: Field) -> Check:
        def check(value: object, cuts: Cuts) -> object:  # noqa: ARG001
            if not isinstance(value, str) or (value and not match(value)):
                raise _mistyped(field.name, expected, value)
            return value

        return check

    return make


def _matching_list(pattern: re.Pattern[str], expected: str) -> Callable[[Field], Check]:
    one = _matching(pattern, expected)

    def make(field: Field) -> Check:
        check_one, name, items = one(field), field.name, field.items

        def check(value: object, cuts: Cuts) -> object:
            if not isinstance(value, list | tuple):
                raise _mistyped(name, f"a list, each {expected}", value)
            kept = [check_one(entry, cuts) for entry in value]
            if len(kept) > items:
                cuts[name] = _full(kept, len(kept))
                return kept[:items]
            return kept

        return check

    return make


_CHECKS: Mapping[str, Callable[[Field], Check]] = {
    "text": _text,
    "texts": _texts,
    "count": _count,
    "flag": _flag,
    "time": _time,
    "digest": _matching(_DIGEST, "64 lower-case hex digits"),
    "digests": _matching_list(_DIGEST, "64 lower-case hex digits"),
    "tag": _matching(_TAG, "32 lower-case hex digits"),
    "tags": _matching_list(_TAG, "32 lower-case hex digits"),
}
