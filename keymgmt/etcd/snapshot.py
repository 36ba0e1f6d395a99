"""An etcd snapshot, or the database of a stopped member: what etcd holds now, and what it still keeps of the past.

Layout (etcd 3.x): bucket `key`, from a revision (u64 `_` u64, and `t` for a deletion) to an mvccpb.KeyValue. A snapshot
has the SHA-256 of everything before it at its end; a member's own file has none.
"""

import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from keymgmt.etcd.bolt import Bolt
from keymgmt.etcd.errors import SnapshotInvalid
from keymgmt.etcd.protobuf import fields

_DIGEST = 32
_SECTOR = 512  # a database is a multiple of it, a snapshot with its digest is not
_REVISION, _DELETION = 17, 18  # bytes
_KEY, _VALUE, _MODIFIED = 1, 5, 3  # of mvccpb.KeyValue


@dataclass(frozen=True, slots=True)
class Entry:
    """One revision of one key. `value` is None where it was deleted."""

    key: bytes
    value: bytes | None
    revision: int


def entries(path: Path) -> Iterator[Entry]:
    """Every revision in the file, oldest first. Raises SnapshotInvalid and OSError, also while it is read.

    The file is mapped and not read into memory; the map goes with the iterator.
    """
    with path.open("rb") as file:
        try:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except ValueError as error:  # an empty file can't be mapped
            raise SnapshotInvalid(f"`{path}` is empty") from error
    yield from _entries(Bolt(_database(memoryview(mapped))))


def _database(whole: memoryview) -> memoryview:
    """Without the digest. Raises SnapshotInvalid when that is another one."""
    if len(whole) % _SECTOR != _DIGEST:
        return whole
    data, named = whole[:-_DIGEST], bytes(whole[-_DIGEST:])
    if sha256(data).digest() != named:
        raise SnapshotInvalid("the snapshot does not have the SHA-256 that stands at its end: it is damaged")
    return data


def _entries(bolt: Bolt) -> Iterator[Entry]:
    for revision, pair in bolt.bucket(b"key"):
        if len(revision) not in (_REVISION, _DELETION):
            raise SnapshotInvalid(f"a revision of {len(revision)} bytes: this is not etcd's layout")
        main = int.from_bytes(revision[:8], "big")
        key, value = _pair(pair)
        yield Entry(key, None if len(revision) == _DELETION else value, main)


def _pair(data: bytes) -> tuple[bytes, bytes]:
    key = value = b""
    try:
        for number, found in fields(data):
            if number == _KEY and isinstance(found, bytes):
                key = found
            elif number == _VALUE and isinstance(found, bytes):
                value = found
    except ValueError as error:
        raise SnapshotInvalid(f"a pair can't be read: {error}") from error
    return key, value
