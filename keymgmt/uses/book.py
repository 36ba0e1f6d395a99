"""A book of key uses: lines in a folder, from where whoever owns a log takes them up (`tallies` counts them).

Guarantees: a use is written before its result leaves, and synced, unless the book was told that the kernel's word is
enough; what was written survives the end of its process and is taken up by the next; a page is taken up by one process
at a time, and only when nobody writes it any more. Each process writes pages of its own, and holds the lock on the one
that it writes: so a page without a lock is finished, whatever became of its writer. With `room`, space is set aside in
advance, so that a full disk does not stop a key from being used.
"""

import fcntl
import os
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from pathlib import Path

from keymgmt.canonical import json_bytes
from keymgmt.uses.use import KeyUse, UseUnrecorded

PAGE = ".page"
_FRESH = ".fresh"  # not locked by its writer yet
FULL = 4 << 20  # bytes of a page; a further one is begun then


class UseBook:
    """Where one process writes its uses down; `task` says what for, where a use does not. For any threads."""

    def __init__(self, folder: Path, task: str = "", *, sync: bool = True, room: int = 0) -> None:
        self.folder = folder
        self._task = task
        self._sync = sync
        self._room = room  # bytes
        self._guard = threading.Lock()
        self._page: _Page | None = None

    def __repr__(self) -> str:
        return f"UseBook({self.folder})"

    def record(self, use: KeyUse) -> None:
        """Write it down. Raises UseUnrecorded."""
        line = json_bytes(asdict(replace(use, task=use.task or self._task))) + b"\n"
        with self._guard, _written(self.folder):
            if self._page is None or not self._page.fits(line):
                self._turn(_Page.begin(self.folder, self._room))
            assert self._page is not None  # as begun
            self._page.write(line)
            if self._sync:
                self._page.sync()

    def prepare(self) -> None:
        """Begin a page now, so that its space is set aside. Raises UseUnrecorded."""
        with self._guard, _written(self.folder):
            if self._page is None:
                self._page = _Page.begin(self.folder, self._room)

    def turn(self) -> None:
        """Finish the page, so that it can be taken up. With `room` the next is begun first, and kept if it can't be.

        Nobody who records waits for the disk meanwhile. For one thread.
        """
        if not self.filled:
            return
        with suppress(OSError):  # no space for another: go on with what is left of this one
            following = _Page.begin(self.folder, self._room) if self._room else None
            with self._guard:
                page, self._page = self._page, following
            if page is not None:
                page.finish()

    @property
    def filled(self) -> int:
        """Bytes in the page."""
        page = self._page
        return page.size if page is not None else 0

    def sync(self) -> None:
        """What was written so far outlives a power loss. Raises UseUnrecorded."""
        with self._guard, _written(self.folder):
            handle = os.dup(self._page.handle) if self._page is not None else -1
        if handle >= 0:
            with os.fdopen(handle, "rb"), _written(self.folder):
                os.fdatasync(handle)

    def close(self) -> None:
        """Finish the page; nothing is recorded afterwards."""
        with self._guard, suppress(OSError):
            self._turn(None)

    def _turn(self, following: "_Page | None") -> None:
        page, self._page = self._page, following
        if page is not None:
            page.finish()


class _Page:
    """The file that is written; locked until it is finished, or its process ends."""

    def __init__(self, path: Path, handle: int, room: int) -> None:
        self._path = path
        self.handle = handle
        self._room = room
        self.size = 0

    @classmethod
    def begin(cls, folder: Path, room: int) -> "_Page":
        """A new one, there for good. Raises OSError."""
        folder.mkdir(mode=0o700, exist_ok=True)
        path = folder / f"{uuid.uuid4().hex}{PAGE}"
        fresh = path.with_suffix(_FRESH)
        handle = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            if room:
                os.posix_fallocate(handle, 0, room)
                os.fsync(handle)
            fresh.rename(path)
            sync_folder(folder)
        except OSError:
            os.close(handle)
            fresh.unlink(missing_ok=True)
            raise
        return cls(path, handle, room)

    def fits(self, line: bytes) -> bool:
        return not self.size or self.size + len(line) <= max(self._room, FULL * (not self._room))

    def write(self, line: bytes) -> None:
        """Raises OSError; what was half written is no line, and is written over by the next."""
        if os.pwrite(self.handle, line, self.size) != len(line):
            raise OSError(None, "it took half a line")
        self.size += len(line)

    def sync(self) -> None:
        os.fdatasync(self.handle)

    def finish(self) -> None:
        """Cut what was set aside, sync, and let go of the lock; an empty page goes."""
        try:
            if not self.size:
                self._path.unlink(missing_ok=True)
                return
            os.ftruncate(self.handle, self.size)
            os.fsync(self.handle)
        finally:
            os.close(self.handle)


@contextmanager
def _written(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        why = f"{error.strerror}; free the disk, or mend the folder"
        raise UseUnrecorded(f"cannot write down the use of a key in `{folder}`: {why}") from error


def uses_beside(folder: Path, region: str) -> Path:
    """The folder of the book that lies beside a region's keyring."""
    return folder / f"{region}.uses"


def waiting(folder: Path) -> list[Path]:
    """The pages that are there, written or finished, the oldest first."""
    with suppress(OSError):
        return sorted(folder.glob(f"*{PAGE}"), key=lambda path: path.stat().st_mtime)
    return []


@contextmanager
def taken(page: Path) -> Iterator[bytes | None]:
    """Its lines, for whoever takes it up alone; None while it is written, or when somebody else has taken it.

    Raises OSError. Whoever has put its content somewhere else removes it within.
    """
    try:
        handle = os.open(page, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        yield None
        return
    with os.fdopen(handle, "rb") as file:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
            return
        if not page.exists():  # taken up between our opening and our lock
            yield None
            return
        yield written_lines(file.read())


def written_lines(data: bytes) -> bytes:
    """What was written of a page, without the space that was set aside and without a last line that never was whole."""
    return data[: data.rfind(b"\n") + 1]


def remove(page: Path) -> None:
    """Its content is kept elsewhere: it goes, durably. Raises OSError."""
    page.unlink(missing_ok=True)
    sync_folder(page.parent)


def sync_folder(folder: Path) -> None:
    """Names in it outlive a power loss. Raises OSError."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
