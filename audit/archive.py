"""The archive beside a log, read: sealed parts by their SHA-256, and what became of those that are gone.

Believes nothing: a part is given only when its bytes have the hash that it was asked for by. Parts are found also
behind damage, as long as the frames can be followed; a segment that can't be followed is named in `damage`.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from audit.errors import AuditError, LogCorrupt
from audit.layout import archive_of
from audit.recovery import segment_paths
from audit.segments import (
    BATCH_HEADER_SIZE,
    BATCH_MAGIC,
    FRAME_OVERHEAD,
    archive_hash,
    batch_fields,
    is_erased,
    parse_header,
)
from audit.store import Disk, FileSystem

_LENGTH = struct.Struct(">I")


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


@dataclass(slots=True)
class Archive:
    """Where every part of one or several directories lies. Reads headers once; parts when they are asked for."""

    files: FileSystem
    slots: dict[bytes, Slot] = field(default_factory=dict)
    damage: list[str] = field(default_factory=list)

    @classmethod
    def open(cls, directories: Sequence[Path], files: FileSystem | None = None) -> "Archive":
        """Raises OSError for directories that can't be read."""
        archive = cls(files or Disk())
        for directory in directories:
            for path in segment_paths(archive.files, archive_of(directory)):
                archive._take(path)
        return archive

    def __contains__(self, digest: bytes) -> bool:
        return digest in self.slots

    def get(self, digest: bytes) -> bytes:
        """The ciphertext. Raises PartMissing, PartErased, PartChanged."""
        slot = self.slots.get(digest)
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
        for digest, slot in self._slots(path, data, begin):
            self.slots.setdefault(digest, slot)

    def _slots(self, path: Path, data: bytes, at: int) -> Iterator[tuple[bytes, Slot]]:
        while at + BATCH_HEADER_SIZE <= len(data) and data.startswith(BATCH_MAGIC, at):
            _, count, length = batch_fields(data, at)
            end, frame = at + BATCH_HEADER_SIZE + length, at + BATCH_HEADER_SIZE
            for _ in range(count):
                if frame + FRAME_OVERHEAD > min(end, len(data)):
                    break
                (size,) = _LENGTH.unpack_from(data, frame)
                begin = frame + FRAME_OVERHEAD
                yield data[frame + _LENGTH.size : begin], Slot(path, begin, size, at)
                frame = begin + size
            if frame != end:
                self.damage.append(f"segment `{path.name}` can't be followed from offset {at} on")
                return
            at = end
        if data.count(0, at) != len(data) - at:
            self.damage.append(f"segment `{path.name}` can't be followed from offset {at} on")
