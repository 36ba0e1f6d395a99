"""A schema's checks, compiled from the leaf's table.

Guarantees that what passes a shape has only known fields, each of the table's type and within its bounds, so that
no mistake of a caller reaches the log. Whether a value is true is the caller's business.
"""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache

import orjson

from audit.errors import RecordInvalid
from audit.leaves.leaf import Field, common_fields, fields_of_written, parse_schema, schemas

LARGEST_COUNT = (1 << 53) - 1  # beyond it JavaScript and others lose digits
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")

Cuts = dict[str, dict[str, object]]
Check = Callable[[object, Cuts], object]


@cache
def shape(name: str, version: int | None = None) -> "Shape":
    """The compiled checks of a schema, as of now or of a version. Raises RecordInvalid for one the table hasn't."""
    schema = schemas().get(name)
    if schema is None:
        raise RecordInvalid(f"schema `{name}` is not in the table; known are {', '.join(sorted(schemas()))}")
    if version is not None:
        schema = schema.at(version)
    return Shape(schema.name, _members(f"a `{schema.name}` record", schema.fields))


def check_leaf(leaf: Mapping[str, object]) -> bool:
    """Whether this release knows all that the leaf says: false for one that a newer release wrote.

    Raises RecordInvalid for a leaf that doesn't fit the table as it was at the version that the leaf names.
    """
    try:
        name, version = parse_schema(str(leaf.get("schema")))
    except ValueError as error:
        raise RecordInvalid(str(error)) from error
    known = schemas().get(name)
    if known is None or version > known.version:
        _check_newer(leaf, known.fields if known else common_fields())
        return False
    given = {key: value for key, value in leaf.items() if key not in ("schema", "written", "cut")}
    cuts: Cuts = {}
    if shape(name, version).checked(given, cuts) != {**given, "schema": leaf["schema"]} or cuts:
        raise RecordInvalid(f"a `{leaf['schema']}` record holds values that its writer would not have written")
    return True


def check_added(leaf: Mapping[str, object]) -> None:
    """What no caller gives: the log's own counters, and the full sizes of what was cut. Raises RecordInvalid."""
    _object("written", fields_of_written())(leaf.get("written", {}), {})
    for name, full in _mapping("cut", leaf.get("cut", {})).items():
        said = _mapping(f"cut.{name}", full)
        if set(said) != {"count", "sha256"} or type(said["count"]) is not int or not _is_hex(said["sha256"], 64):
            raise _mistyped(f"cut.{name}", "a count and a SHA-256", full)


def _check_newer(leaf: Mapping[str, object], fields: Sequence[Field]) -> None:
    """No field ever goes or changes its form: what a newer release wrote has all that we know, and may have more."""
    for field in fields:
        check = _check(replace(field, choices=(), limit=LARGEST_COUNT, items=LARGEST_COUNT))
        *path, last = field.name.split(".")
        objects: list[object] = [leaf]
        for name in path:
            objects = [inner for value in objects for inner in _inside(name, value)]
        for one in objects:
            values = _inside(last, one)
            if field.required and not values:
                raise RecordInvalid(f"a `{leaf['schema']}` record needs the field `{field.name}`")
            for value in values:
                check(value, {})


def _inside(name: str, value: object) -> Sequence[object]:
    """What an object holds under a name of the table: nothing, a value, or with `[]` a list's entries."""
    inner = _mapping(name, value).get(name.removesuffix("[]"))
    if inner is None:
        return ()
    if not name.endswith("[]"):
        return (inner,)
    if not isinstance(inner, list):
        raise _mistyped(name.removesuffix("[]"), "a list of objects", inner)
    return inner


def _mapping(name: str, value: object) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise _mistyped(name, "an object", value)
    return value


Row = tuple[str, int, Check, bool]
"""A name, the length up to which a text passes at once (-1: never), the check for all else, whether it is required."""


@dataclass(frozen=True, slots=True)
class Members:
    """The names that an object may have, sorted: what is made of them needs no more sorting."""

    owner: str  # for messages
    rows: tuple[Row, ...]

    def checked(self, given: Mapping[str, object], cuts: Cuts) -> dict[str, object]:
        """The members as they go into the leaf, empty ones left out. Raises RecordInvalid at the first misfit."""
        kept: dict[str, object] = {}
        found = 0
        get = given.get
        for name, bound, check, required in self.rows:
            value = get(name)
            if value is not None:
                found += 1
                if not (value.__class__ is str and len(value) <= bound):
                    value = check(value, cuts)
                if value or value == 0:  # zero and false are said, nothing is not
                    kept[name] = value
                    continue
            if required:
                raise RecordInvalid(f"{self.owner} needs the field `{name}`, got {value!r}")
        if found != len(given):
            self._refuse(given)
        return kept

    def _refuse(self, given: Mapping[str, object]) -> None:
        known = {row[0] for row in self.rows}
        for name, value in given.items():
            if name not in known:
                hint = "add it to the table as a new version, or leave it out"
                raise RecordInvalid(f"{self.owner} has no field `{name}`: {hint}")
            if value is None:
                raise RecordInvalid(f"field `{name}`: expected a value, got None")


@dataclass(frozen=True, slots=True)
class Shape:
    """Checks for the fields that a caller gives. The schema's own name comes with them."""

    schema: str
    members: Members

    def checked(self, fields: Mapping[str, object], cuts: Cuts) -> dict[str, object]:
        """The fields of the leaf in their order. Raises RecordInvalid at the first misfit."""
        if "schema" in fields:
            raise RecordInvalid("the field `schema` is set by whoever makes the record")
        return self.members.checked({**fields, "schema": self.schema}, cuts)


def _members(owner: str, fields: Sequence[Field]) -> Members:
    """Rows by top-level name: a dotted name becomes an object, `name[]` a list of objects."""
    rows: list[Row] = []
    nested: dict[str, list[Field]] = {}
    for field in fields:
        head, dot, rest = field.name.partition(".")
        if dot:
            nested.setdefault(head, []).append(replace(field, name=rest))
            continue
        plain = field.type == "text" and not field.choices
        rows.append((head, field.limit if plain else -1, _check(field), field.required))
    for head, inner in nested.items():
        name = head.removesuffix("[]")
        check = _object_list(name, inner) if head.endswith("[]") else _object(name, inner)
        rows.append((name, -1, check, False))
    return Members(owner, tuple(sorted(rows, key=lambda row: row[0])))


def _object(name: str, fields: Sequence[Field]) -> Check:
    members = _members(f"`{name}`", fields)

    def check(value: object, cuts: Cuts) -> object:
        if not isinstance(value, dict):
            raise _mistyped(name, "an object", value)
        return members.checked(value, cuts)

    return check


def _object_list(name: str, fields: Sequence[Field]) -> Check:
    members = _members(f"`{name}[]`", fields)
    items = max(field.items for field in fields if field.type == "text") or 100

    def check(value: object, cuts: Cuts) -> object:
        if not isinstance(value, list | tuple):
            raise _mistyped(name, "a list of objects", value)
        inner: Cuts = {}
        kept = []
        for entry in value[:items]:
            if not isinstance(entry, dict):
                raise _mistyped(name, "a list of objects", value)
            kept.append(members.checked(entry, inner))
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


def time_text(moment: datetime) -> str:
    """A moment in UTC as a leaf has it."""
    return moment.isoformat(timespec="microseconds")[:-6] + "Z"


def _time(field: Field) -> Check:
    name = field.name

    def check(value: object, cuts: Cuts) -> object:  # noqa: ARG001
        if isinstance(value, datetime):
            if value.utcoffset() != timedelta(0):
                raise RecordInvalid(f"field `{name}`: the time must be in UTC and say so")
            return time_text(value)
        if isinstance(value, str) and _TIME.fullmatch(value):
            with suppress(ValueError):  # the 31st of a month that has none
                datetime.fromisoformat(value)
                return value
        raise RecordInvalid(f"field `{name}`: expected a UTC time such as `2026-01-31T23:59:59.000000Z`")

    return check


def _hex(digits: int) -> Callable[[Field], Check]:
    """Exactly so many lower-case hex digits."""

    def make(field: Field) -> Check:
        def check(value: object, cuts: Cuts) -> object:  # noqa: ARG001
            if not _is_hex(value, digits):
                raise _mistyped(field.name, f"{digits} lower-case hex digits", value)
            return value

        return check

    return make


def _hex_list(digits: int) -> Callable[[Field], Check]:
    def make(field: Field) -> Check:
        name, items = field.name, field.items

        def check(value: object, cuts: Cuts) -> object:
            if not isinstance(value, list | tuple):
                raise _mistyped(name, "a list of hex digits", value)
            for entry in value:
                if not _is_hex(entry, digits):
                    raise _mistyped(name, f"{digits} lower-case hex digits in each", entry)
            if len(value) > items:
                cuts[name] = _full(value, len(value))
            return list(value[:items])

        return check

    return make


def _is_hex(value: object, digits: int) -> bool:
    if not isinstance(value, str) or len(value) != digits:
        return value == ""
    try:
        return bytes.fromhex(value).hex() == value  # quicker than a pattern, and there are many
    except ValueError:
        return False


_CHECKS: Mapping[str, Callable[[Field], Check]] = {
    "text": _text,
    "texts": _texts,
    "count": _count,
    "flag": _flag,
    "time": _time,
    "digest": _hex(64),
    "digests": _hex_list(64),
    "tag": _hex(32),
    "tags": _hex_list(32),
}
