"""The bytes between a log's process and the process that it records for: batches one way, what became of them back.

A message is its length (4 bytes, big-endian) and that many bytes. Both ends run the same version of this module on one
machine and trust each other, so nothing is signed here; what is malformed all the same raises WireBroken.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import orjson

from audit import errors
from audit.committer import Item, Part
from audit.errors import AuditError, LogUnavailable, WireBroken
from audit.record import Record
from audit.settings import LogStatus

LENGTH = struct.Struct(">I")
_ITEM = struct.Struct(">HHIH")  # sizes of schema, tenant and body; number of sealed parts
_PART = struct.Struct(">HI")  # sizes of key id and ciphertext
_DONE = struct.Struct(">cQI")
HASH_SIZE = 32


@dataclass(frozen=True, slots=True)
class Done:
    """The oldest unanswered records are durable: index of the first of them, and each one's leaf hash."""

    first: int
    hashes: Sequence[bytes]


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


def item_bytes(record: Record, parts: Sequence[Part]) -> list[bytes]:
    """One record of a batch, in pieces to be joined."""
    schema, tenant = record.schema.encode(), record.tenant.encode()
    pieces = [_ITEM.pack(len(schema), len(tenant), len(record.body), len(parts)), schema, tenant, record.body]
    for key_id, data in parts:
        key = key_id.encode()
        pieces += (_PART.pack(len(key), len(data)), key, data)
    return pieces


def batch_message(pieces: Sequence[bytes]) -> bytes:
    """The pieces of a batch's records as one message."""
    return b"".join((LENGTH.pack(sum(map(len, pieces))), *pieces))


def read_batch(data: bytes) -> list[Item]:
    """The records of a batch. Raises WireBroken."""
    try:
        return list(_items(data))
    except (struct.error, UnicodeDecodeError, IndexError) as error:
        raise WireBroken(f"a batch of {len(data)} bytes can't be read: {error}") from error


def _items(data: bytes) -> Iterator[Item]:
    at = 0
    while at < len(data):
        sizes = _ITEM.unpack_from(data, at)
        at += _ITEM.size
        fields = []
        for size in sizes[:3]:
            fields.append(data[at : at + size])
            at += size
        parts = []
        for _ in range(sizes[3]):
            key, size = _PART.unpack_from(data, at)
            at += _PART.size
            parts.append((data[at : at + key].decode(), data[at + key : at + key + size]))
            at += key + size
        yield Record(fields[0].decode(), fields[1].decode(), fields[2]), parts
    if at != len(data):
        raise IndexError("it ends in the middle of a record")


def done_message(first: int, hashes: Sequence[bytes]) -> bytes:
    """These records are durable."""
    return _message(_DONE.pack(b"d", first, len(hashes)) + b"".join(hashes))


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
    begin = _DONE.size
    if len(data) != begin + count * HASH_SIZE:
        raise WireBroken(f"an answer for {count} records has {len(data)} bytes")
    return Done(first, [data[at : at + HASH_SIZE] for at in range(begin, len(data), HASH_SIZE)])


def _message(data: bytes) -> bytes:
    return LENGTH.pack(len(data)) + data
