"""The archive beside a log, read: sealed parts by their SHA-256, and what became of those that are gone.

Believes nothing: a part is given only when its bytes have the hash that it was asked for by. Parts are found also
behind damage, as long as the frames can be followed; a segment that can't be followed is named in `damage`.
"""

import struct
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from audit.errors import AuditError, LogCorrupt
from audit.files.layout import archive_of
from audit.files.recovery import segment_paths
from audit.files.segments import (
    BATCH_HEADER_SIZE,
    BATCH_MAGIC,
    FRAME_OVERHEAD,
    archive_hash,
    batch_fields,
    is_erased,
    parse_header,
)
from audit.files.store import Disk, FileSystem
from audit.tlog.merkle import HASH_SIZE

_LENGTH = struct.Struct(">I")
_HEAD = 8  # bytes of a hash that are kept in memory


class PartMissing(AuditError):
    """The archive hasn't this part. Unless an erasure record declares it, somebody removed it."""


class PartErased(AuditError):
    """The part's place is there and its bytes are gone."""


class PartChanged(AuditError):
    """The part's bytes are not those that its hash was made of."""


@dataclass(frozen=True, slots=True)
class Slot:
    """Where a part lies."""

    path: Path
    offset: int  # of its first byte
    size: int
    batch: int  # offset of the batch that holds it


@dataclass(frozen=True, slots=True)
class StoredParts:
    """Parts that lie elsewhere, such as in a database: `find` gives the bytes, or None when they aren't there."""

    find: Callable[[bytes], bytes | None]

    def get(self, digest: bytes) -> bytes:
        """The ciphertext. Raises PartMissing, PartChanged."""
        data = self.find(digest)
        if data is None:
            raise PartMissing(f"there is no part {digest.hex()[:16]}")
        if archive_hash(data) != digest:
            raise PartChanged(f"part {digest.hex()[:16]} is not what its hash was made of")
        return data


@dataclass(slots=True)
class _Segment:
    """The parts of one segment in their order: eight bytes of each hash, and where it lies."""

    path: Path
    heads: bytearray = field(default_factory=bytearray)
    offsets: "array[int]" = field(default_factory=lambda: array("I"))
    sizes: "array[int]" = field(default_factory=lambda: array("I"))
    batches: "array[int]" = field(default_factory=lambda: array("I"))

    def slots(self, digest: bytes) -> Iterator[Slot]:
        """The places whose hash begins like this one."""
        head = digest[:_HEAD]
        at = self.heads.find(head)
        while at >= 0:
            if at % _HEAD == 0:
                place = at // _HEAD
                yield Slot(self.path, self.offsets[place], self.sizes[place], self.batches[place])
            at = self.heads.find(head, at + 1)


@dataclass(slots=True)
class Archive:
    """Where every part of one or several directories lies. Reads headers once, parts when they are asked for.

    Takes 20 bytes of memory for a part. Parts lie in the order of their records, so whoever asks in that order is
    answered at once; others cost a search through these bytes.
    """

    files: FileSystem
    damage: list[str] = field(default_factory=list)
    _segments: list[_Segment] = field(default_factory=list)
    _last: int = 0  # where the last part was found

    @classmethod
    def open(cls, directories: Sequence[Path], files: FileSystem | None = None) -> "Archive":
        """Raises OSError for directories that can't be read."""
        archive = cls(files or Disk())
        for directory in directories:
            for path in segment_paths(archive.files, archive_of(directory)):
                archive._take(path)
        return archive

    def __contains__(self, digest: bytes) -> bool:
        return self.slot(digest) is not None

    def slot(self, digest: bytes) -> Slot | None:
        """Where the part with this hash lies, or lay."""
        count = len(self._segments)
        for step in range(count):
            place = (self._last + step) % count
            for slot in self._segments[place].slots(digest):
                if self.files.read(slot.path, slot.offset - HASH_SIZE, HASH_SIZE) == digest:
                    self._last = place
                    return slot
        return None

    def get(self, digest: bytes) -> bytes:
        """The ciphertext. Raises PartMissing, PartErased, PartChanged."""
        slot = self.slot(digest)
        if slot is None:
            hint = f"; {self.damage[0]}" if self.damage else ""
            raise PartMissing(f"the archive has no part {digest.hex()[:16]}{hint}")
        data = self.files.read(slot.path, slot.offset, slot.size)
        if archive_hash(data) == digest:
            return data
        if is_erased(data):
            raise PartErased(f"part {digest.hex()[:16]} was erased")
        raise PartChanged(f"part {digest.hex()[:16]} in `{slot.path.name}` is not what its hash was made of")

    def is_erased(self, slot: Slot) -> bool:
        """Whether the place holds nothing any more."""
        return is_erased(self.files.read(slot.path, slot.offset, slot.size))

    def _take(self, path: Path) -> None:
        data = self.files.read(path)
        try:
            _, begin = parse_header(data, path.name)
        except LogCorrupt as error:
            self.damage.append(str(error))
            begin = max(data.find(BATCH_MAGIC), 0)
        segment = _Segment(path)
        self._follow(segment, data, begin)
        self._segments.append(segment)

    def _follow(self, segment: _Segment, data: bytes, at: int) -> None:
        """Frame after frame, as far as their lengths lead."""
        while at + BATCH_HEADER_SIZE <= len(data) and data.startswith(BATCH_MAGIC, at):
            _, count, length = batch_fields(data, at)
            end, frame = at + BATCH_HEADER_SIZE + length, at + BATCH_HEADER_SIZE
            for _ in range(count):
                if frame + FRAME_OVERHEAD > min(end, len(data)):
                    break
                (size,) = _LENGTH.unpack_from(data, frame)
                segment.heads += data[frame + _LENGTH.size : frame + _LENGTH.size + _HEAD]
                segment.offsets.append(frame + FRAME_OVERHEAD)
                segment.sizes.append(size)
                segment.batches.append(at)
                frame += FRAME_OVERHEAD + size
            if frame != end:
                self.damage.append(f"segment `{segment.path.name}` can't be followed from offset {at} on")
                return
            at = end
        if data.count(0, at) != len(data) - at:
            self.damage.append(f"segment `{segment.path.name}` can't be followed from offset {at} on")
