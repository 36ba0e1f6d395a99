"""The bytes of a segment: a header, then batches of frames; zeros, or nothing, after the last batch.

    header   8 magic | u32 n | u32 crc32 of the state | n bytes of state, JSON
    batch    8 magic | u64 first index | u32 count | u32 b | u32 crc32 of the body | u32 crc32 of what is before | body
    body     b bytes: count times  u32 length | 32 hash | bytes

Integers are big-endian. One batch is what one sync made durable: it is valid as a whole or it never was. A damaged
batch is *torn* when no valid batch follows (the next batch is only written once the one before is durable), and
*corrupt* otherwise. The hash of a frame is the leaf hash in a log, plain SHA-256 in an archive.
"""

import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from zlib import crc32

import orjson

from audit.errors import LogCorrupt
from audit.tlog.merkle import HASH_SIZE, leaf_hash

HEADER_MAGIC = b"\xf7BWSEG\x01\n"
BATCH_MAGIC = b"\xf7BWBAT\x01\n"
_HEADER = struct.Struct(">8sII")
_BATCH = struct.Struct(">8sQIIII")
_UNSIGNED = struct.Struct(">I")
_FRAME = struct.Struct(f">I{HASH_SIZE}s")
HEADER_SIZE = _HEADER.size  # without the state
BATCH_HEADER_SIZE = _BATCH.size
FRAME_OVERHEAD = _FRAME.size

Hasher = Callable[[bytes], bytes]


def archive_hash(data: bytes) -> bytes:
    """The address of a sealed part."""
    return sha256(data).digest()


def archive_hashes(parts: Iterable[bytes]) -> list[bytes]:
    """The addresses of many sealed parts."""
    return [sha256(part).digest() for part in parts]


def is_erased(part: bytes) -> bool:
    """Whether these bytes are what erasing leaves of a sealed part: zeros. No sealed part looks so."""
    return part.count(0) == len(part)


HASHERS: Mapping[str, Hasher] = {"log": leaf_hash, "archive": archive_hash}


@dataclass(frozen=True, slots=True)
class Frame:
    """One record, or one sealed part, at its index."""

    index: int
    hash: bytes
    data: bytes


@dataclass(frozen=True, slots=True)
class Batch:
    """Where a batch lies in its segment, and which indices it holds."""

    first: int
    count: int
    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class Damage:
    """The first bytes of a segment that are no valid batch. `corrupt`: valid batches follow, so these were durable."""

    offset: int
    message: str
    corrupt: bool


@dataclass(frozen=True, slots=True)
class Scan:
    """What a segment holds. `end` is the offset after its last valid batch."""

    batches: tuple[Batch, ...]
    end: int
    next_index: int
    damage: Damage | None


def segment_name(first: int) -> str:
    """The file's name; names sort like indices."""
    return f"{first:020d}.seg"


def segment_first(name: str) -> int | None:
    """The first index in a segment by its name, None for other files."""
    stem, dot, suffix = name.partition(".")
    return int(stem) if suffix == "seg" and dot and len(stem) == 20 and stem.isdecimal() else None


def header_bytes(state: Mapping[str, Any]) -> bytes:
    """The header: `state` has at least `first`, `kind` and `origin`."""
    body = orjson.dumps(state, option=orjson.OPT_SORT_KEYS)
    return _HEADER.pack(HEADER_MAGIC, len(body), crc32(body)) + body


def header_size(data: bytes) -> int:
    """How long the header is that begins so, with its state; 0 for what begins no header."""
    return _HEADER.size + _HEADER.unpack_from(data)[1] if len(data) >= _HEADER.size else 0


def parse_header(data: bytes, name: str) -> tuple[dict[str, Any], int]:
    """The state and the offset of the first batch. Raises LogCorrupt."""
    if len(data) < _HEADER.size:
        raise LogCorrupt(f"segment `{name}` is cut short in its header")
    magic, length, checksum = _HEADER.unpack_from(data)
    body = data[_HEADER.size : _HEADER.size + length]
    if magic != HEADER_MAGIC or len(body) != length or crc32(body) != checksum:
        raise LogCorrupt(f"segment `{name}` has a damaged header")
    try:
        state = orjson.loads(body)
        first, _, _ = int(state["first"]), str(state["kind"]), str(state["origin"])
    except (ValueError, KeyError, TypeError) as error:
        raise LogCorrupt(f"segment `{name}` has a header that says nothing") from error
    if segment_first(name) != first:
        raise LogCorrupt(f"segment `{name}` says that it begins with {first}")
    return state, _HEADER.size + length


def frames_body(pairs: Sequence[tuple[bytes, bytes]]) -> bytes:
    """The body of a batch: a frame for each pair of hash and bytes."""
    pack = _UNSIGNED.pack
    return b"".join([part for digest, data in pairs for part in (pack(len(data)), digest, data)])


def batch_head(first: int, count: int, body: bytes) -> bytes:
    """What stands before the body of a batch."""
    head = _BATCH.pack(BATCH_MAGIC, first, count, len(body), crc32(body), 0)[:-4]
    return head + _UNSIGNED.pack(crc32(head))


def batch_fields(data: bytes | bytearray, at: int) -> tuple[int, int, int]:
    """First index, count and length of the body of the batch at an offset, as its header says, checked by nobody."""
    _, first, count, length, _, _ = _BATCH.unpack_from(data, at)
    return first, count, length


def batch_size(data: bytes) -> int:
    """How long the batch is that begins so, with its header; 0 for what begins no batch."""
    if len(data) < BATCH_HEADER_SIZE or not data.startswith(BATCH_MAGIC):
        return 0
    return BATCH_HEADER_SIZE + batch_fields(data, 0)[2]


def walk(data: bytes, begin: int, first: int) -> Iterator[Batch]:
    """The valid batches one after the other from offset `begin`, where index `first` is expected."""
    while (batch := _batch_at(data, begin, first)) is not None:
        yield batch
        begin, first = batch.end, batch.first + batch.count


def scan(data: bytes, begin: int, first: int) -> Scan:
    """Walk the batches from offset `begin`, where index `first` is expected. Hashes are not recomputed here."""
    batches = tuple(walk(data, begin, first))
    at, index = (batches[-1].end, batches[-1].first + batches[-1].count) if batches else (begin, first)
    return Scan(batches, at, index, _damage(data, at, index))


def frames(data: bytes, batch: Batch) -> Iterator[Frame]:
    """The frames of a valid batch. Raises LogCorrupt when they don't fill it, which no writer does."""
    hashes, parts = batch_pairs(data, batch)
    for place, (digest, part) in enumerate(zip(hashes, parts, strict=True)):
        yield Frame(batch.first + place, digest, part)


def batch_pairs(data: bytes, batch: Batch) -> tuple[list[bytes], list[bytes]]:
    """The hashes and the bytes of a batch's frames, as `frames` gives them, for whoever reads very many."""
    at, end = batch.begin + BATCH_HEADER_SIZE, batch.end
    hashes: list[bytes] = []
    parts: list[bytes] = []
    unpack = _FRAME.unpack_from
    for _ in range(batch.count):
        begin = at + FRAME_OVERHEAD
        if begin > end:
            raise LogCorrupt(f"batch at offset {batch.begin} ends within frame {batch.first + len(parts)}")
        length, digest = unpack(data, at)
        at = begin + length
        hashes.append(digest)
        parts.append(data[begin:at])
    if at != end:
        raise LogCorrupt(f"batch at offset {batch.begin} has {end - at} bytes after its last frame")
    return hashes, parts


def _batch_at(data: bytes, at: int, index: int | None) -> Batch | None:
    if len(data) - at < BATCH_HEADER_SIZE or not data.startswith(BATCH_MAGIC, at):
        return None
    _, first, count, length, body_crc, head_crc = _BATCH.unpack_from(data, at)
    begin = at + BATCH_HEADER_SIZE
    if crc32(data[at : begin - 4]) != head_crc or (index is not None and first != index) or count == 0:
        return None
    if len(data) < begin + length or crc32(memoryview(data)[begin : begin + length]) != body_crc:
        return None
    return Batch(first, count, at, begin + length)


def _damage(data: bytes, at: int, index: int) -> Damage | None:
    if data.count(0, at) == len(data) - at:  # zeros made in advance, or the end of the file
        return None
    found = data.find(BATCH_MAGIC, at + 1)
    while found >= 0:
        later = _batch_at(data, found, None)
        if later is not None and later.first >= index:
            return Damage(at, f"record {index} is damaged and record {later.first} after it is not", corrupt=True)
        found = data.find(BATCH_MAGIC, found + 1)
    return Damage(at, f"bytes after record {index - 1} are no whole batch", corrupt=False)
