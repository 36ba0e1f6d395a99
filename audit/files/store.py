"""Files, the only door of this package to a disk: the calls it makes, as a port, and the real ones.

Guarantees that every durable step of the log goes through `FileSystem`, so that tests can refuse any of them. What a
successful `fdatasync` is worth is the disk's business.
"""

import errno
import fcntl
import io
import os
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import Protocol

LARGEST = 1 << 30  # bytes read at once; nothing that the log writes is near it, a sparse file may be beyond any memory


class FileSystem(Protocol):
    """What the log needs of a file system. Every method raises OSError; `write` may write less than asked."""

    def open(self, path: Path, *, create: bool = False) -> int:
        """A descriptor for reading and writing."""
        ...

    def close(self, descriptor: int) -> None: ...

    def write(self, descriptor: int, data: bytes | memoryview, offset: int) -> int:
        """How many bytes were written at `offset`."""
        ...

    def truncate(self, descriptor: int, size: int) -> None: ...

    def sync_data(self, descriptor: int) -> None:
        """Return once the data, and what is needed to read it back, is on the disk."""
        ...

    def sync(self, descriptor: int) -> None: ...

    def sync_directory(self, path: Path) -> None:
        """Return once the directory's entries are on the disk."""
        ...

    def rename(self, old: Path, new: Path) -> None: ...

    def remove(self, path: Path) -> None:
        """Remove a file; a missing one is no error."""
        ...

    def remove_directory(self, path: Path) -> None:
        """Remove an empty directory; a missing one is no error."""
        ...

    def make_directory(self, path: Path) -> None:
        """Make a directory with its parents; an existing one is no error."""
        ...

    def names(self, path: Path) -> list[str]:
        """The sorted names in a directory; none when it doesn't exist."""
        ...

    def read(self, path: Path, offset: int = 0, size: int = -1) -> bytes:
        """The bytes of a file, fewer where it ends. Raises FileNotFoundError."""
        ...

    def lock(self, descriptor: int) -> bool:
        """Lock a file for this process alone, until it is closed; false when another holds it."""
        ...

    def free_bytes(self, path: Path) -> int: ...


class Disk:
    """The real thing, on POSIX."""

    def open(self, path: Path, *, create: bool = False) -> int:
        return os.open(path, os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if create else 0), 0o640)

    def close(self, descriptor: int) -> None:
        os.close(descriptor)

    def write(self, descriptor: int, data: bytes | memoryview, offset: int) -> int:
        return os.pwrite(descriptor, data, offset)

    def truncate(self, descriptor: int, size: int) -> None:
        os.ftruncate(descriptor, size)

    def sync_data(self, descriptor: int) -> None:
        _sync_data(descriptor)

    def sync(self, descriptor: int) -> None:
        os.fsync(descriptor)

    def sync_directory(self, path: Path) -> None:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def rename(self, old: Path, new: Path) -> None:
        old.replace(new)

    def remove(self, path: Path) -> None:
        path.unlink(missing_ok=True)

    def remove_directory(self, path: Path) -> None:
        with suppress(FileNotFoundError):
            path.rmdir()

    def make_directory(self, path: Path) -> None:
        path.mkdir(mode=0o750, parents=True, exist_ok=True)

    def names(self, path: Path) -> list[str]:
        try:
            return sorted(os.listdir(path))  # noqa: PTH208 — names, not paths
        except FileNotFoundError:
            return []

    def read(self, path: Path, offset: int = 0, size: int = -1) -> bytes:
        with reading(path) as file:
            if size < 0 and os.fstat(file.fileno()).st_size - offset > LARGEST:
                raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(path))
            if offset:
                file.seek(offset)
            return file.read(size) or b""

    def lock(self, descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def free_bytes(self, path: Path) -> int:
        stat = os.statvfs(path)
        return stat.f_bavail * stat.f_frsize


def reading(path: Path) -> io.FileIO:
    """A regular file, unbuffered. Raises OSError for anything else: a pipe would be waited for, a device has no end."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    mode = os.fstat(descriptor).st_mode
    if not S_ISREG(mode):
        os.close(descriptor)
        code = errno.EISDIR if S_ISDIR(mode) else errno.EINVAL
        raise OSError(code, os.strerror(code) if code == errno.EISDIR else "Not a regular file", str(path))
    return io.FileIO(descriptor, "rb")


_sync_data = getattr(os, "fdatasync", os.fsync)  # macOS has only fsync


def write_all(files: FileSystem, descriptor: int, data: bytes, offset: int) -> None:
    """Write everything, going on after short writes. Raises OSError."""
    written = files.write(descriptor, data, offset)
    while written < len(data):
        more = files.write(descriptor, memoryview(data)[written:], offset + written)
        if more <= 0:
            raise OSError(f"wrote {written} of {len(data)} bytes and then none")
        written += more


def write_file(files: FileSystem, path: Path, data: bytes) -> None:
    """Put a file in place as a whole: written aside, synced, renamed. The directory is synced by the caller."""
    put_files(files, [(path, data)])


def put_files(files: FileSystem, contents: Sequence[tuple[Path, bytes]]) -> None:
    """`write_file` for several: all are written before the first is synced, and synced before the first is renamed."""
    asides = [path.with_name(path.name + ".tmp") for path, _ in contents]
    with ExitStack() as stack:
        descriptors = []
        for aside, (_, data) in zip(asides, contents, strict=True):
            descriptor = files.open(aside, create=True)
            stack.callback(files.close, descriptor)
            files.truncate(descriptor, 0)
            write_all(files, descriptor, data, 0)
            descriptors.append(descriptor)
        for descriptor in descriptors:
            files.sync(descriptor)
    for aside, (path, _) in zip(asides, contents, strict=True):
        files.rename(aside, path)


def make_durable_directory(files: FileSystem, path: Path) -> None:
    """Make a directory that survives a power loss, with those of its parents that are missing."""
    made = [path]
    while made[-1].parent != made[-1] and made[-1].parent.name not in files.names(made[-1].parent.parent):
        made.append(made[-1].parent)
    files.make_directory(path)
    for place in made:
        with suppress(PermissionError):  # a parent that isn't ours to read wasn't made by us either
            files.sync_directory(place.parent)
