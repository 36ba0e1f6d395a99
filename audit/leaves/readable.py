"""Which leaves can be read: those that this release or a newer one wrote, or would have written.

A log proves that a leaf is what was appended, whatever its bytes are: another tool may have appended it, or somebody
who held the writer's end. Guarantees that of a leaf found readable every field of the table has its type, also when a
newer release wrote it, so that whoever reads records needs no care of their own; and that each leaf which isn't has one
reason, in words. Pure.
"""

import json
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import orjson

from audit.errors import RecordInvalid
from audit.leaves.forms import Matches, form
from audit.leaves.leaf import parse_schema, schemas
from audit.leaves.shapes import check_added, check_leaf

UNREADABLE = "unreadable"  # the schema of what stands in for a leaf that can't be read
_SCHEMA_KEY = b'"schema":"'
_DEEPEST = 64  # of what a newer release may nest


def read_leaf(leaf: bytes) -> tuple[Mapping[str, Any], str]:
    """What a leaf says, and an empty text; or what stands in for it, and why it can't be read."""
    if _has_form(leaf):
        return orjson.loads(leaf), ""
    fields, why = _read(leaf)
    if why:
        return {"bytes": b64encode(leaf).decode(), "schema": UNREADABLE, "why": why}, why
    return fields, ""


def unreadable(leaves: Sequence[bytes]) -> Iterator[tuple[int, str]]:
    """The places of those that can't be read, each with the reason."""
    matches: Matches = _nothing
    for place, leaf in enumerate(leaves):
        if matches(leaf):
            continue
        matches = _form_of(leaf)
        if not matches(leaf) and (why := _read(leaf)[1]):
            yield place, why


def _has_form(leaf: bytes) -> bool:
    return bool(_form_of(leaf)(leaf))


def _nothing(_: bytes) -> None:
    return None


def _form_of(leaf: bytes) -> Matches:
    """The pattern of the schema that a leaf seems to have."""
    at = leaf.find(_SCHEMA_KEY) + len(_SCHEMA_KEY)
    end = leaf.find(b'"', at, at + 64)
    return _known(leaf[at:end]) if at >= len(_SCHEMA_KEY) and end > 0 else _nothing


def _known(written: bytes) -> Matches:
    found = _FORMS.get(written)
    if found is None:
        found = _made(written)
        if len(_FORMS) < 1_000:  # a hostile log may name any number
            _FORMS[written] = found
    return found


def _made(written: bytes) -> Callable[[bytes], object]:
    try:
        name, version = parse_schema(written.decode())
    except ValueError:
        return _nothing
    known = schemas().get(name)
    return form(name, version) if known is not None and version <= known.version else _nothing


_FORMS: dict[bytes, Matches] = {}


def _read(leaf: bytes) -> tuple[Mapping[str, Any], str]:
    """A leaf, read with care."""
    try:
        leaf.decode()
    except UnicodeDecodeError as error:
        return {}, f"is no UTF-8 from byte {error.start} on"
    try:
        fields = orjson.loads(leaf)
    except orjson.JSONDecodeError as error:
        return {}, f"is no JSON: {error}"
    if not isinstance(fields, dict):
        return {}, f"is JSON, and no object but {_NAMES.get(type(fields), 'a number')}"
    try:
        _check_bytes(fields, leaf)
        check_leaf(fields)
        check_added(fields)
    except RecordInvalid as error:
        return {}, f"is no record that a log writes: {error}"
    return fields, ""


_NAMES = {list: "a list", str: "a text", bool: "true or false", type(None): "null"}


def _check_bytes(fields: Mapping[str, Any], leaf: bytes) -> None:
    """There is one way to write a leaf, so that no two readers see different things. Raises RecordInvalid."""
    if _depth(fields) > _DEEPEST:
        raise RecordInvalid("it is nested deeper than any record")
    if orjson.dumps(fields, option=orjson.OPT_SORT_KEYS) == leaf:
        return
    seen: list[str] = []

    def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        found = dict(pairs)
        if len(found) < len(pairs):
            counted = Counter(name for name, _ in pairs)
            seen.append(next(name for name, count in counted.items() if count > 1))
        return found

    json.loads(leaf, object_pairs_hook=once)
    if seen:
        raise RecordInvalid(f"it says `{seen[0][:64]}` twice")
    raise RecordInvalid("it is not in canonical form")


def _depth(value: object, at: int = 0) -> int:
    if at > _DEEPEST:
        return at
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return max((_depth(one, at + 1) for one in inner), default=at)
