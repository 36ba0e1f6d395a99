"""The bytes between a log's process and the process that it records for: batches one way, what became of them back.

A message is its length (4 bytes, big-endian) and that many bytes. Both ends run the same version of this module on one
machine and trust each other, so nothing is signed here; what is malformed all the same raises WireBroken.
"""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial

import orjson

from audit import errors
from audit.errors import AuditError, LogUnavailable, WireBroken
from audit.leaves.drafts import sealed_parts_of
from audit.leaves.record import Draft, Record, SealedPart, Unsealed
from audit.ports import Envelope
from audit.settings import LogStatus

LENGTH = struct.Struct(">I")
_ITEM = struct.Struct(">?HHIH")  # a draft?; sizes of schema, tenant and body; number of parts
_PART = struct.Struct(">?HI")  # unsealed?; sizes of key id (or tenant) and data
_DONE = struct.Struct(">cQI")
HASH_SIZE = 32

_record = partial(tuple.__new__, Record)  # what its constructor does, without a frame of the interpreter's for each one

Sent = tuple[Record | Draft, Sequence[Envelope | Unsealed]]


@dataclass(frozen=True, slots=True)
class Done:
    """The oldest unanswered records are durable: index of the first of them, and each one's leaf hash.

    `refused`: why some of them are no records, by their place; those have no hash and no index.
    """

    first: int
    hashes: Sequence[bytes]
    refused: Mapping[int, str] = field(default_factory=dict)

    @property
    def count(self) -> int:
        return len(self.hashes) + len(self.refused)


@dataclass(frozen=True, slots=True)
class Failed:
    """So many of the oldest unanswered records don't count; none, when the log could not be opened at all."""

    error: AuditError
    count: int


@dataclass(frozen=True, slots=True)
class State:
    """How the log is doing; `takes` says whether an append may succeed now."""

    takes: bool
    origin: str
    status: LogStatus


def item_bytes(record: Record | Draft, parts: Sequence[Envelope | Unsealed]) -> list[bytes]:
    """One record of a batch, in pieces to be joined. Raises RecordInvalid for parts that no log takes."""
    if isinstance(record, Draft):
        draft, tenant, body = True, b"", record.fields
    else:
        draft, tenant, body = False, record.tenant.encode(), record.body
    schema = record.schema.encode()
    pieces = [_ITEM.pack(draft, len(schema), len(tenant), len(body), len(parts)), schema, tenant, body]
    for part in parts:
        pieces += _unsealed(part) if isinstance(part, Unsealed) else _sealed(part)
    return pieces


def _unsealed(part: Unsealed) -> tuple[bytes, bytes, bytes]:
    tenant = part.tenant.encode()
    return _PART.pack(True, len(tenant), len(part.plain)), tenant, part.plain


def _sealed(part: Envelope) -> tuple[bytes, bytes, bytes]:
    ((key_id, data),) = sealed_parts_of([part])
    key = key_id.encode()
    return _PART.pack(False, len(key), len(data)), key, data


def batch_message(pieces: Sequence[bytes]) -> bytes:
    """The pieces of a batch's records as one message."""
    return b"".join((LENGTH.pack(sum(map(len, pieces))), *pieces))


def read_batch(data: bytes) -> list[Sent]:
    """The records of a batch. Raises WireBroken."""
    try:
        return _items(data)
    except (struct.error, UnicodeDecodeError, IndexError) as error:
        raise WireBroken(f"a batch of {len(data)} bytes can't be read: {error}") from error


def _items(data: bytes) -> list[Sent]:
    """One record after the other; in one function, since the log's writer comes through here with every record."""
    items: list[Sent] = []
    unpack, at, end = _ITEM.unpack_from, 0, len(data)
    while at < end:
        draft, schema, tenant, body, count = unpack(data, at)
        at += _ITEM.size
        name = data[at : (at := at + schema)].decode()
        owner = data[at : (at := at + tenant)].decode()
        content = data[at : (at := at + body)]
        parts: Sequence[Envelope | Unsealed] = ()
        if count:
            parts, at = _parts(data, at, count)
        items.append((Draft(name, content) if draft else _record((name, owner, content, ())), parts))
    if at != end:
        raise IndexError("it ends in the middle of a record")
    return items


def _parts(data: bytes, at: int, count: int) -> tuple[list[Envelope | Unsealed], int]:
    parts: list[Envelope | Unsealed] = []
    for _ in range(count):
        unsealed, key, size = _PART.unpack_from(data, at)
        at += _PART.size
        name = data[at : (at := at + key)].decode()
        content = data[at : (at := at + size)]
        parts.append(Unsealed(content, name) if unsealed else SealedPart(name, content))
    return parts, at


def done_message(first: int, hashes: Sequence[bytes], refused: Mapping[int, str] | None = None) -> bytes:
    """These records are durable, but for those that are none."""
    said = orjson.dumps([[place, why] for place, why in refused.items()]) if refused else b""
    return _message(_DONE.pack(b"d", first, len(hashes)) + b"".join(hashes) + said)


def failed_message(error: AuditError, count: int = 0) -> bytes:
    """Nothing of these records counts."""
    said = {"error": type(error).__name__, "message": str(error), "count": count}
    return _message(b"f" + orjson.dumps(said))


def state_message(takes: bool, origin: str, status: LogStatus) -> bytes:
    """How the log is doing."""
    return _message(b"s" + orjson.dumps({"takes": takes, "origin": origin, "status": asdict(status)}))


def read_answer(data: bytes) -> Done | Failed | State:
    """What a log's process said. Raises WireBroken."""
    try:
        if data[:1] == b"d":
            return _done(data)
        said = orjson.loads(data[1:])
        if data[:1] == b"f":
            kind = getattr(errors, said["error"], LogUnavailable)
            return Failed(kind(said["message"]), said["count"])
        return State(said["takes"], said["origin"], LogStatus(**said["status"]))
    except (struct.error, ValueError, KeyError, TypeError) as error:
        raise WireBroken(f"an answer of {len(data)} bytes can't be read: {error}") from error


def _done(data: bytes) -> Done:
    _, first, count = _DONE.unpack_from(data)
    begin, end = _DONE.size, _DONE.size + count * HASH_SIZE
    if len(data) < end:
        raise WireBroken(f"an answer for {count} records has {len(data)} bytes")
    refused = {int(place): str(why) for place, why in orjson.loads(data[end:])} if len(data) > end else {}
    return Done(first, [data[at : at + HASH_SIZE] for at in range(begin, end, HASH_SIZE)], refused)


def _message(data: bytes) -> bytes:
    return LENGTH.pack(len(data)) + data
