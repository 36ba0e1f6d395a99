"""Takes sealed parts out of an archive: their bytes become zeros, where they lie, and their places stay.

Guarantees that after a crash at any point the archive is whole: what is going to be written is durable in a note beside
the segments first, and whoever opens the log next finishes it. Works beside a writer, which only writes behind what is
there. Leaves to others: whether a part may be erased (`sealed.erasure`), the record of it, and other copies (backups,
snapshots of the volume, what a disk keeps of overwritten blocks).
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any
from zlib import crc32

import orjson

from audit.errors import LogCorrupt
from audit.files.layout import archive_of
from audit.files.segments import BATCH_HEADER_SIZE, batch_fields, batch_head
from audit.files.store import FileSystem, put_files, write_all
from audit.sealed.archive import Archive, Slot

NOTE = "erasing.json"  # in the archive's directory, while an erasure is under way


def erase_parts(files: FileSystem, directory: Path, digests: Iterable[bytes]) -> int:
    """Erase the parts with these hashes; those that are gone already don't count. Durable when it returns.

    Only for the process that holds the log's lock. Raises OSError: then some may be erased, and it may be called again.
    """
    finish_erasing(files, directory)
    archive = Archive.open([directory], files)
    wanted: dict[Path, list[Slot]] = {}
    for digest in dict.fromkeys(digests):
        slot = archive.slot(digest)
        if slot is not None and not archive.is_erased(slot):
            wanted.setdefault(slot.path, []).append(slot)
    for path, slots in sorted(wanted.items()):
        note = _note(files, path, slots)
        put_files(files, [(archive_of(directory) / NOTE, orjson.dumps(note | {"crc32": crc32(_bytes(note))}))])
        files.sync_directory(archive_of(directory))
        _apply(files, directory, note)
    return sum(map(len, wanted.values()))


def finish_erasing(files: FileSystem, directory: Path) -> None:
    """Do again what a crash may have left half done. Raises LogCorrupt for a damaged note, OSError."""
    folder = archive_of(directory)
    if NOTE not in files.names(folder):
        return
    try:
        note = orjson.loads(files.read(folder / NOTE))
        checksum = note.pop("crc32")
    except (ValueError, KeyError, AttributeError) as error:
        raise LogCorrupt(f"`{NOTE}` in the archive can't be read: restore it, or the archive") from error
    if crc32(_bytes(note)) != checksum:
        raise LogCorrupt(f"`{NOTE}` in the archive is damaged: restore it, or the archive")
    _apply(files, directory, note)


def _note(files: FileSystem, path: Path, slots: Iterable[Slot]) -> dict[str, Any]:
    """What is to be written into one segment: zeros over the parts, and the batches' heads that fit them."""
    data = bytearray(files.read(path))
    zeros = sorted((slot.offset, slot.size) for slot in slots)
    for offset, size in zeros:
        data[offset : offset + size] = bytes(size)
    heads = []
    for at in sorted({slot.batch for slot in slots}):
        first, count, length = batch_fields(data, at)
        begin = at + BATCH_HEADER_SIZE
        heads.append([at, batch_head(first, count, bytes(data[begin : begin + length])).hex()])
    return {"segment": path.name, "zeros": zeros, "heads": heads}


def _apply(files: FileSystem, directory: Path, note: dict[str, Any]) -> None:
    folder = archive_of(directory)
    descriptor = files.open(folder / note["segment"])
    try:
        for offset, size in note["zeros"]:
            write_all(files, descriptor, bytes(size), offset)
        for at, head in note["heads"]:
            write_all(files, descriptor, bytes.fromhex(head), at)
        files.sync_data(descriptor)
    finally:
        files.close(descriptor)
    files.remove(folder / NOTE)
    files.sync_directory(folder)


def _bytes(note: dict[str, Any]) -> bytes:
    return orjson.dumps(note, option=orjson.OPT_SORT_KEYS)
