"""One record: the canonical bytes of a leaf, before the log adds its counters.

Guarantees that a record's bytes are UTF-8 JSON with sorted keys, no floats and no insignificant whitespace, at most
65,535 bytes once the log has added `written`, and that they hold only fields of the table (`leaf.yaml`). The bytes
are hashed and stored as they are and never serialised again. Personal values have no field here: they come as tags
(`audit.leaves.tags`) or go into a sealed part (`sealed_json`).
"""

import hashlib
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson

from audit.errors import RecordInvalid
from audit.leaves.leaf import schemas
from audit.leaves.shapes import Cuts, Shape, shape

LEAF_LIMIT = 65_535  # tlog-tiles frames an entry by a 16-bit length
WRITTEN_ROOM = 4_096  # kept free for what the log adds: counters, the tenant's chain, sealed parts
SEALED_PARTS_LIMIT = 8
KEY_ID_LIMIT = 128  # characters, printable ASCII
SEALING_ROOM = 4_096  # bytes that sealing may add
SEALED_LIMIT = 8 << 20  # bytes of one sealed part; an admission review has 3 MiB at most
PLAIN_LIMIT = 64 << 20  # bytes that an opened part may unfold to
_LEVEL = 1  # of deflating; higher levels gain little
_SMALL = (13, 6)  # window bits and memory level: clearing zlib's usual tables takes longer than a review of 7 KiB does
_SMALL_BYTES = 1 << 15


@dataclass(frozen=True, slots=True)
class Input:
    """Something that decisions read and that is archived once for all of them (`audit.sealed.inputs`)."""

    digest: bytes  # of the content: its identity
    tenant: str  # the namespace that it belongs to; empty for what is the cluster's
    content: Callable[[], object]  # JSON values; asked for when it is archived


class Record(NamedTuple):  # made for every answer, at both ends of a socket
    """A leaf without its counters. `body` is canonical JSON; the log inserts `written` as its last key."""

    schema: str  # for example `bailiwick.decision/v2`
    tenant: str  # keyed tag of the tenant, or empty: no counter per tenant then
    body: bytes
    needs: tuple[Input, ...] = ()  # what must be durable before it: the business of whoever appends it

    def leaf(self, written: bytes) -> bytes:
        """The leaf's bytes; `written` is the canonical value of the key of that name, which sorts after all others."""
        return b'%b,"written":%b}' % (self.body[:-1], written)


@dataclass(frozen=True, slots=True)
class SealedPart:
    """A ciphertext and the id of the key it is sealed to, for whoever has no envelope type of their own."""

    key_id: str
    ciphertext: bytes

    def to_bytes(self) -> bytes:
        return self.ciphertext


class Draft(NamedTuple):
    """A record's fields as JSON, not checked yet; a time is written out as the leaf has it."""

    schema: str  # short, for example `decision`
    fields: bytes
    needs: tuple[Input, ...] = ()  # as `Record.needs`


@dataclass(frozen=True, slots=True)
class Unsealed:
    """A part in clear: JSON, not deflated yet."""

    plain: bytes
    tenant: str  # the namespace that it is bound to


def decision_record(fields: Mapping[str, object]) -> Record:
    """The record of one answer. Raises RecordInvalid for an unknown field, a wrong type, or a missing one."""
    return _record(shape("decision"), fields)


def event_record(schema: str, fields: Mapping[str, object]) -> Record:
    """A record of another schema by its short name, such as `policy-load`. Raises RecordInvalid."""
    return _record(shape(schema), fields)


def sealed_json(fields: Mapping[str, object]) -> bytes:
    """Plaintext of a decision's sealed part, not deflated yet. Raises RecordInvalid for what the table doesn't seal."""
    known = {field.name for field in schemas()["decision"].sealed}
    for name in fields:
        if name not in known:
            raise RecordInvalid(f"a sealed part has no field `{name}`: known are {', '.join(sorted(known))}")
    return _dumps(dict(fields) | {"schema": "bailiwick.sealed/v2"})


def inputs_bytes(inputs: Sequence[tuple[bytes, object]]) -> bytes:
    """Plaintext of a part with inputs, each with the digest that it is known by, deflated. Raises RecordInvalid."""
    contents = [[digest.hex(), value] for digest, value in inputs]
    return deflated(_dumps({"schema": "bailiwick.inputs/v1", "inputs": contents}))


def opened_fields(plain: bytes) -> dict[str, Any]:
    """What an opened part of any version says. Raises RecordInvalid for bytes that no release of ours wrote."""
    try:
        inflating = zlib.decompressobj()
        fields = orjson.loads(plain if plain.startswith(b"{") else inflating.decompress(plain, PLAIN_LIMIT))
    except (zlib.error, orjson.JSONDecodeError) as error:
        raise RecordInvalid(f"an opened part can't be read: {error}") from error
    if not isinstance(fields, dict) or "schema" not in fields:
        raise RecordInvalid("an opened part says nothing of its schema")
    return fields


def canonical_size(value: object) -> int:
    """Bytes of the value as canonical JSON. Raises RecordInvalid."""
    return len(_dumps({"": value}))


def deflated(part: bytes) -> bytes:
    """A part's plaintext as it is sealed. Raises RecordInvalid when it is too large."""
    tables = _SMALL if len(part) < _SMALL_BYTES else ()
    deflating = zlib.compressobj(_LEVEL, zlib.DEFLATED, *tables)
    plain = deflating.compress(part) + deflating.flush()
    if len(plain) > SEALED_LIMIT - SEALING_ROOM:
        raise RecordInvalid(f"a sealed part of {len(plain)} bytes is too large: leave out what can be had again")
    return plain


def _record(shaped: Shape, fields: Mapping[str, object]) -> Record:
    cuts: Cuts = {}
    kept = shaped.checked(fields, cuts)
    if cuts:
        kept["cut"] = cuts
        body = _dumps(kept)
    else:
        try:
            body = orjson.dumps(kept)  # sorted by its making
        except orjson.JSONEncodeError:
            body = _dumps(kept)
    if len(body) > LEAF_LIMIT - WRITTEN_ROOM:
        body = _shrunk(kept, cuts)
    tags = kept.get("tags")
    tenant = tags.get("tenant", "") if isinstance(tags, dict) else ""
    return Record(shaped.schema, tenant, body)


def _dumps(value: Mapping[str, object]) -> bytes:
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError as first:
        try:
            return orjson.dumps(_sayable(value), option=orjson.OPT_SORT_KEYS)
        except (orjson.JSONEncodeError, RecursionError):
            raise RecordInvalid(f"a value can't be written as JSON: {first}") from first


def _sayable(value: Any) -> Any:
    """Lone surrogates, which a hostile string may hold and UTF-8 can't, written as escapes."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, Mapping):
        return {_sayable(key): _sayable(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_sayable(entry) for entry in value]
    return value


def _shrunk(kept: dict[str, object], cuts: Cuts) -> bytes:
    """Halve the longest list until the leaf fits; `cut` keeps each full list's digest and count."""
    kept["cut"] = cuts
    while True:
        body = _dumps(kept)
        if len(body) <= LEAF_LIMIT - WRITTEN_ROOM:
            return body
        lists = {name: value for name, value in kept.items() if isinstance(value, list) and value}
        if not lists:
            raise RecordInvalid(f"a record of {len(body)} bytes has no list left to cut")
        name = max(lists, key=lambda key: len(_dumps({"": lists[key]})))
        full = lists[name]
        if name not in cuts:
            whole = _dumps({"": full})[4:-1]
            cuts[name] = {"count": len(full), "sha256": hashlib.sha256(whole).hexdigest()}
        kept[name] = full[: len(full) // 2]
