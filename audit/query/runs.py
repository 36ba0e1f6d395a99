"""One file of the index: the terms of up to 2^20 records in a row, and in which of them each stands.

    header    8 magic | u64 first record | u64 records | u64 terms | 32 hash of the last record's leaf
              | u32 crc32 of keys, entries and blocks | u32 crc32 of the header before
    keys      terms times u64, sorted: first 8 bytes of SHA-256(column ‖ 0x00 ‖ value)
    entries   terms times  u64 offset | u32 bytes | u32 records | u32 crc32 of the posting
    blocks    for 4,096 records each  u64 earliest | u64 latest | u32 crc32 of their times
    times     records times u64 microseconds since 1970, in the order of the records
    postings  of a frequent term one bit for each record, of others u32 for each record that has it, rising

Little-endian, as the machines are that map it. Derived from the log: whatever is wrong with a file, it is written anew.
"""

import mmap
import struct
import sys
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from hashlib import sha256
from pathlib import Path
from zlib import crc32

from audit.files.store import Disk, put_files, reading
from audit.query.terms import Term

MAGIC = b"BWIDX\x02\r\n"
WIDEST = 1 << 20  # records of one run
_HEADER = struct.Struct("<8sQQQ32sI")
_CRC = struct.Struct("<I")
_ENTRY = struct.Struct("<QIII")
_BLOCK = struct.Struct("<QQI")
BLOCK = 4_096  # records whose times are looked at together
HEADER_SIZE = _HEADER.size + _CRC.size
_DENSE = 32  # a term in more than every 32nd record is kept as bits


class RunBroken(Exception):
    """The file at `path` is damaged, or of another form: to be written anew."""

    def __init__(self, path: Path, message: str) -> None:
        super().__init__(f"`{path.name}` {message}")
        self.path = path


def key_of(term: Term) -> int:
    """The number that a term is looked up by: two terms share one with a chance of 2^-64."""
    return int.from_bytes(sha256("\0".join(term).encode("utf-8", "backslashreplace")).digest()[:8], "little")


class RunBuilder:
    """Collects the terms of records in a row."""

    def __init__(self, first: int) -> None:
        self.first = first
        self.last_hash = bytes(32)
        self._times = array("Q")
        self._postings: dict[Term, array[int]] = {}

    def __len__(self) -> int:
        return len(self._times)

    def add(self, digest: bytes, time: int, terms: Iterable[Term]) -> None:
        """The next record: its leaf hash, microseconds since 1970, and its terms."""
        place = len(self._times)
        self._times.append(time)
        self.last_hash = digest
        postings = self._postings
        for term in terms:
            known = postings.get(term)
            if known is None:
                postings[term] = array("I", (place,))
            elif known[-1] != place:
                known.append(place)

    def bytes(self) -> bytes:
        """The file."""
        count = len(self._times)
        keyed = sorted((key_of(term), posting) for term, posting in self._postings.items())
        keys = array("Q", (key for key, _ in keyed))
        times = _little(self._times)
        blocks = b"".join(_block(self._times[at : at + BLOCK]) for at in range(0, count, BLOCK))
        offset = HEADER_SIZE + len(keys) * (8 + _ENTRY.size) + len(blocks) + len(times)
        entries, postings = [], []
        for _, posting in keyed:
            data = _bits(posting, count) if len(posting) * _DENSE > count else _little(posting)
            entries.append(_ENTRY.pack(offset, len(data), len(posting), crc32(data)))
            postings.append(data)
            offset += len(data)
        table = b"".join((_little(keys), *entries, blocks))
        head = _HEADER.pack(MAGIC, self.first, count, len(keys), self.last_hash, crc32(table))
        return b"".join((head, _CRC.pack(crc32(head)), table, times, *postings))


def write_run(folder: Path, builder: RunBuilder) -> Path:
    """Put a run in place as a whole. Not synced for durability's sake: it can be had again. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{builder.first:020d}-{builder.first + len(builder):020d}.run"
    put_files(Disk(), [(path, builder.bytes())])
    return path


class Run:
    """A run's file, mapped."""

    def __init__(self, path: Path) -> None:
        """Raises RunBroken, OSError."""
        with reading(path) as file:
            try:
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            except ValueError as error:
                raise RunBroken(path, "is empty") from error
        self.path = path
        if len(self._map) < HEADER_SIZE:
            raise RunBroken(path, "is cut short")
        magic, self.first, self.count, terms, self.last_hash, checksum = _HEADER.unpack_from(self._map)
        if magic != MAGIC or _CRC.unpack_from(self._map, _HEADER.size)[0] != crc32(self._map[: _HEADER.size]):
            raise RunBroken(path, "has a damaged header")
        self._entries = HEADER_SIZE + 8 * terms
        self._blocks = self._entries + _ENTRY.size * terms
        self._times = self._blocks + _BLOCK.size * -(-self.count // BLOCK)
        if self._times + 8 * self.count > len(self._map) or crc32(self._map[HEADER_SIZE : self._times]) != checksum:
            raise RunBroken(path, "has damaged keys")
        self._keys = _numbers("Q", self._map[HEADER_SIZE : self._entries])

    @property
    def end(self) -> int:
        return int(self.first) + int(self.count)

    def close(self) -> None:
        self._map.close()

    def posting(self, term: Term) -> "Posting":
        """In which of its records a term stands. Raises RunBroken."""
        key = key_of(term)
        place = bisect_left(self._keys, key)
        if place == len(self._keys) or self._keys[place] != key:
            return Posting(0, 0, array("I"))
        offset, size, count, checksum = _ENTRY.unpack_from(self._map, self._entries + place * _ENTRY.size)
        data = self._map[offset : offset + size]
        if len(data) != size or crc32(data) != checksum:
            raise RunBroken(self.path, "has a damaged posting")
        if count * _DENSE > self.count:
            return Posting(count, int.from_bytes(data, "little"), None)
        return Posting(count, 0, _numbers("I", data))

    def extremes(self) -> Iterator[tuple[int, int]]:
        """The earliest and the latest time of each block of records."""
        for earliest, latest, _ in _BLOCK.iter_unpack(self._map[self._blocks : self._times]):
            yield earliest, latest

    def times(self, block: int) -> "array[int]":
        """Microseconds of every record of a block. Raises RunBroken."""
        begin = self._times + 8 * BLOCK * block
        data = self._map[begin : min(begin + 8 * BLOCK, self._times + 8 * self.count)]
        _, _, checksum = _BLOCK.unpack_from(self._map, self._blocks + _BLOCK.size * block)
        if crc32(data) != checksum:
            raise RunBroken(self.path, "has damaged times")
        return _numbers("Q", data)


class Posting:
    """A set of places in a run, as bits or as a rising list."""

    __slots__ = ("_bits", "count", "places")

    def __init__(self, count: int, bits: int, places: "array[int] | None") -> None:
        self.count = count
        self.places = places  # None where it is kept as bits
        self._bits = bits

    def bits(self, width: int) -> int:
        """One bit for each record, the first one lowest."""
        return self._bits if self.places is None else int.from_bytes(_bits(self.places, width), "little")


def _block(times: "array[int]") -> bytes:
    return _BLOCK.pack(min(times), max(times), crc32(_little(times)))


def _bits(places: "array[int]", count: int) -> bytes:
    data = bytearray((count + 7) // 8)
    for place in places:
        data[place >> 3] |= 1 << (place & 7)
    return bytes(data)


def _numbers(code: str, data: bytes) -> "array[int]":
    numbers: array[int] = array(code)
    numbers.frombytes(data)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


def _little(numbers: "array[int]") -> bytes:
    if sys.byteorder == "big":
        numbers = array(numbers.typecode, numbers)
        numbers.byteswap()
    return numbers.tobytes()
