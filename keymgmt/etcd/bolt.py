"""bbolt, read only: the pages of a file and the buckets in them. What etcd keeps its data in.

Layout (go.etcd.io/bbolt, version 2, little-endian): a page begins with id u64, flags u16, count u16, overflow u32.
Pages 0 and 1 hold the two meta pages; the one that is whole and has the higher transaction is in force. Guarantees
that a file which is cut off or damaged is SnapshotInvalid and never an endless walk: no page is visited twice.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from keymgmt.etcd.errors import SnapshotInvalid

_PAGE = struct.Struct("<QHHI")  # id, flags, count, overflow
_META = struct.Struct(
    "<IIIIQQQQQQ"
)  # magic, version, page size, flags, root, sequence, freelist, pages, transaction, sum
_BRANCH = struct.Struct("<IIQ")  # offset of the key from here, its size, page
_LEAF = struct.Struct("<IIII")  # flags, offset of the key from here, sizes of key and value
_BUCKET = struct.Struct("<QQ")  # root page or 0, sequence
_MAGIC, _VERSION = 0xED0CDAED, 2
_IS_BRANCH, _IS_LEAF, _IS_META, _IS_BUCKET = 0x01, 0x02, 0x04, 0x01
_PAGE_SIZES = (4096, 8192, 16384, 32768, 65536, 1024, 2048)
_FNV_BEGIN, _FNV_PRIME = 0xCBF29CE484222325, 0x100000001B3
_DEEP = 64  # levels; 2^64 pages have fewer

Pair = tuple[bytes, bytes]


@dataclass(frozen=True, slots=True)
class _Meta:
    page_size: int
    root: int
    pages: int
    transaction: int


class Bolt:
    """A bbolt file in memory (a memory map will do). Raises SnapshotInvalid when it has no usable meta page."""

    def __init__(self, data: memoryview) -> None:
        self._data = data
        self._meta = _meta(data)
        if self._meta.pages * self._meta.page_size > len(data):
            whole = self._meta.pages * self._meta.page_size
            raise SnapshotInvalid(f"the file has {len(data)} bytes where its {whole} are named: it was cut off")

    @property
    def size(self) -> int:
        """Bytes that belong to the database; a snapshot has a digest after them."""
        return self._meta.pages * self._meta.page_size

    def bucket(self, name: bytes) -> Iterator[Pair]:
        """The pairs of a top-level bucket, by their keys. Raises SnapshotInvalid, also while it is read."""
        for flags, key, value in self._walk(self._meta.root, set(), 0):
            if flags & _IS_BUCKET and key == name:
                yield from self._pairs(value)
                return
        raise SnapshotInvalid(f"the file has no bucket `{name.decode()}`: it is a database of something else")

    def _pairs(self, bucket: memoryview) -> Iterator[Pair]:
        if len(bucket) < _BUCKET.size:
            raise SnapshotInvalid("a bucket is cut off")
        root, _ = _BUCKET.unpack_from(bucket)
        found = self._leaves(bucket[_BUCKET.size :]) if root == 0 else self._walk(root, set(), 0)
        for _, key, value in found:
            yield bytes(key), bytes(value)

    def _walk(self, number: int, seen: set[int], depth: int) -> Iterator[tuple[int, memoryview, memoryview]]:
        if number in seen or depth > _DEEP:
            raise SnapshotInvalid(f"page {number} is part of itself: the file is damaged")
        seen.add(number)
        page = self._page(number)
        _, flags, count, _ = _PAGE.unpack_from(page)
        if flags & _IS_LEAF:
            yield from self._leaves(page)
        elif flags & _IS_BRANCH:
            for index in range(count):
                yield from self._walk(self._child(page, number, index), seen, depth + 1)
        else:
            raise SnapshotInvalid(f"page {number} is neither branch nor leaf: the file is damaged")

    def _child(self, page: memoryview, number: int, index: int) -> int:
        try:
            child: int = _BRANCH.unpack_from(page, _PAGE.size + index * _BRANCH.size)[2]
        except struct.error as error:
            raise SnapshotInvalid(f"page {number} is cut off") from error
        return child

    def _leaves(self, page: memoryview) -> Iterator[tuple[int, memoryview, memoryview]]:
        try:
            number, _, count, _ = _PAGE.unpack_from(page)
            for at in range(_PAGE.size, _PAGE.size + count * _LEAF.size, _LEAF.size):
                flags, offset, key_size, value_size = _LEAF.unpack_from(page, at)
                begin, middle = at + offset, at + offset + key_size
                end = middle + value_size
                if end > len(page):
                    raise SnapshotInvalid(f"page {number} names bytes that lie outside it: the file is damaged")
                yield flags, page[begin:middle], page[middle:end]
        except struct.error as error:
            raise SnapshotInvalid("a page is cut off") from error

    def _page(self, number: int) -> memoryview:
        size = self._meta.page_size
        if number >= self._meta.pages:
            raise SnapshotInvalid(f"page {number} lies outside the file: it is damaged")
        own, _, _, overflow = _PAGE.unpack_from(self._data, number * size)
        if own != number:
            raise SnapshotInvalid(f"page {number} calls itself {own}: the file is damaged")
        return self._data[number * size : (number + 1 + overflow) * size]


def _meta(data: memoryview) -> _Meta:
    found = [meta for offset in (0, *_PAGE_SIZES) if (meta := _meta_at(data, offset)) is not None]
    if not found:
        raise SnapshotInvalid("the file has no meta page of bbolt")
    return max(found, key=lambda meta: meta.transaction)


def _meta_at(data: memoryview, offset: int) -> _Meta | None:
    begin = offset + _PAGE.size
    if len(data) < begin + _META.size or not _PAGE.unpack_from(data, offset)[1] & _IS_META:
        return None
    magic, version, page_size, _, root, _, _, pages, transaction, checksum = _META.unpack_from(data, begin)
    whole = magic == _MAGIC and version == _VERSION and checksum == _fnv(data[begin : begin + _META.size - 8])
    return _Meta(page_size, root, pages, transaction) if whole and offset in (0, page_size) else None


def _fnv(data: memoryview) -> int:
    """FNV-1a, 64 bits."""
    found = _FNV_BEGIN
    for byte in data:
        found = (found ^ byte) * _FNV_PRIME % 2**64
    return found
