"""A disk in memory that can do what disks do: refuse, write short, and lose power.

It keeps what is durable apart from what is merely written. Losing power leaves of each unsynced write any sectors, or
none, and of each directory's unsynced changes any first few: worse than a journalling file system, never better.
"""

import errno
import random
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

SECTOR = 512
Change = tuple[str, int | None]  # a name, and the file that it now stands for


@dataclass
class Inode:
    """A file: what a reader sees, what is durable, and the writes between."""

    content: bytearray = field(default_factory=bytearray)
    durable: bytes = b""
    pending: list[tuple[int, bytes]] = field(default_factory=list)  # offset and data; offset -1: truncated to len


@dataclass
class Directory:
    """Names of files and of directories, and the changes since the last sync."""

    names: dict[str, int | None] = field(default_factory=dict)  # None: a directory
    durable: dict[str, int | None] = field(default_factory=dict)
    pending: list[tuple[Change, ...]] = field(default_factory=list)


@dataclass
class Fault:
    """What happens at the call with this number (from 1), once or from then on."""

    at: int
    error: int | None = errno.EIO  # None: a write takes only half
    forever: bool = False
    only: str = ""  # count only calls of this method
    site: tuple[str, int, int] | None = None  # count only calls from this file, between these lines


class SimulatedDisk:
    """A file system in memory; safe for threads, as a real one is."""

    def __init__(self) -> None:
        self._inodes: list[Inode] = []
        self._directories: dict[str, Directory] = {"/": Directory()}
        self._open: dict[int, int] = {}
        self._locked: dict[int, int] = {}  # inode: descriptor
        self._guard = threading.RLock()
        self.calls = 0
        self.fault: Fault | None = None
        self.hit = 0  # how many calls the fault has met
        self.sites: set[tuple[str, int]] = set()  # file and line of every caller
        self.struck: set[tuple[str, int]] = set()  # those whose calls met a fault
        self.stingy = False  # whether every write takes only half
        self.free = 1 << 40
        self.before: Callable[[str, Path | int], None] = lambda _method, _what: None
        self.lie: Callable[[Path, bytes], bytes] = lambda _path, data: data

    # — the port —

    def open(self, path: Path, *, create: bool = False) -> int:
        with self._called("open", path):
            directory, name = self._parent(path)
            number = directory.names.get(name)
            if number is None:
                if not create:
                    raise FileNotFoundError(errno.ENOENT, "no such file", str(path))
                number = len(self._inodes)
                self._inodes.append(Inode())
                self._change(directory, (name, number))
            descriptor = max(self._open, default=2) + 1
            self._open[descriptor] = number
            return descriptor

    def close(self, descriptor: int) -> None:
        try:
            with self._called("close", descriptor):
                pass
        finally:  # a close that fails has let go all the same
            with self._guard:
                number = self._open.pop(descriptor)
                if self._locked.get(number) == descriptor:
                    del self._locked[number]

    def write(self, descriptor: int, data: bytes | memoryview, offset: int) -> int:
        with self._called("write", descriptor) as short:
            part = bytes(data[: -(-len(data) // 2)] if self.stingy else data[: len(data) // 2] if short else data)
            inode = self._inode(descriptor)
            _put(inode.content, offset, part)
            inode.pending.append((offset, part))
            return len(part)

    def truncate(self, descriptor: int, size: int) -> None:
        with self._called("truncate", descriptor):
            inode = self._inode(descriptor)
            _resize(inode.content, size)
            inode.pending.append((-1, bytes(size)))

    def sync_data(self, descriptor: int) -> None:
        self.before("sync_data", descriptor)
        with self._called("sync_data", descriptor):
            self._sync(descriptor)

    def sync(self, descriptor: int) -> None:
        with self._called("sync", descriptor):
            self._sync(descriptor)

    def sync_directory(self, path: Path) -> None:
        with self._called("sync_directory", path):
            directory = self._directory(path)
            directory.durable = dict(directory.names)
            directory.pending.clear()

    def rename(self, old: Path, new: Path) -> None:
        with self._called("rename", old):
            directory, name = self._parent(old)
            assert self._parent(new)[0] is directory, "the log renames within a directory"
            number = directory.names.get(name)
            if number is None:
                raise FileNotFoundError(errno.ENOENT, "no such file", str(old))
            self._change(directory, (name, -1), (new.name, number))

    def remove(self, path: Path) -> None:
        with self._called("remove", path):
            directory, name = self._parent(path)
            if name in directory.names:
                self._change(directory, (name, -1))

    def remove_directory(self, path: Path) -> None:
        with self._called("remove_directory", path):
            directory, name = self._parent(path)
            if name in directory.names:
                if self._directory(path).names:
                    raise OSError(errno.ENOTEMPTY, "not empty", str(path))
                self._change(directory, (name, -1))
                del self._directories[str(path)]

    def make_directory(self, path: Path) -> None:
        with self._called("make_directory", path):
            for place in reversed([path, *path.parents]):
                if str(place) not in self._directories:
                    self._directories[str(place)] = Directory()
                    self._change(self._directory(place.parent), (place.name, None))

    def names(self, path: Path) -> list[str]:
        with self._called("names", path):
            if str(path) not in self._directories:
                parent = self._directories.get(str(path.parent))
                if parent is not None and path.name in parent.names:
                    raise NotADirectoryError(errno.ENOTDIR, "a file", str(path))
                return []
            return sorted(self._directories[str(path)].names)

    def read(self, path: Path, offset: int = 0, size: int = -1) -> bytes:
        with self._called("read", path):
            directory, name = self._parent(path)
            number = directory.names.get(name)
            if number is None:
                raise FileNotFoundError(errno.ENOENT, "no such file", str(path))
            data = bytes(self._inodes[number].content)
            return self.lie(path, data)[offset : None if size < 0 else offset + size]

    def lock(self, descriptor: int) -> bool:
        with self._called("lock", descriptor):
            holder = self._locked.setdefault(self._open[descriptor], descriptor)
            return holder == descriptor

    def free_bytes(self, path: Path) -> int:
        with self._called("free_bytes", path):
            return self.free

    # — what tests do with it —

    def lose_power(self) -> None:
        """From now on every call fails, as for a process that is gone."""
        with self._guard:
            self.fault = Fault(0, forever=True)

    def after_power_loss(self, chance: random.Random) -> "SimulatedDisk":
        """The disk that the next start finds."""
        with self._guard:
            disk = SimulatedDisk()
            disk._inodes = [_survivor(inode, chance) for inode in self._inodes]
            disk._directories = {}
            for path, directory in self._directories.items():
                names = dict(directory.durable)
                for change in directory.pending[: chance.randint(0, len(directory.pending))]:
                    _apply(names, change)
                disk._directories[path] = Directory(names, dict(names))
            for directory in disk._directories.values():  # a directory that isn't named anywhere is gone
                directory.names = {n: i for n, i in directory.names.items() if i is None or i < len(disk._inodes)}
            disk._drop_unnamed("/")
            return disk

    def copy(self) -> "SimulatedDisk":
        """A backup of everything as it is, durable."""
        with self._guard:
            disk = SimulatedDisk()
            disk._inodes = [Inode(bytearray(i.content), bytes(i.content)) for i in self._inodes]
            disk._directories = {p: Directory(dict(d.names), dict(d.names)) for p, d in self._directories.items()}
            return disk

    def edit(self, path: Path, change: Callable[[bytearray], object]) -> None:
        """Change a file behind everybody's back."""
        directory, name = self._parent(path)
        number = directory.names[name]
        assert number is not None
        change(self._inodes[number].content)

    def files(self, under: Path) -> list[Path]:
        """Every file below a directory."""
        found = []
        for path, directory in self._directories.items():
            if Path(path) == under or under in Path(path).parents:
                found += [Path(path) / name for name, number in directory.names.items() if number is not None]
        return sorted(found)

    # — inside —

    def _drop_unnamed(self, root: str) -> None:
        named, todo = {root}, [root]
        while todo:
            path = todo.pop()
            for name, number in self._directories[path].names.items():
                if number is None:
                    below = str(Path(path) / name)
                    self._directories.setdefault(below, Directory())
                    named.add(below)
                    todo.append(below)
        self._directories = {path: d for path, d in self._directories.items() if path in named}

    def _called(self, method: str, what: Path | int) -> "_Call":
        frame = sys._getframe(2)
        with self._guard:
            site = Path(frame.f_code.co_filename).name, frame.f_lineno
            self.sites.add(site)
            self.calls += 1
            return _Call(self._guard, self._meets(method, site), method, what)

    def _meets(self, method: str, site: tuple[str, int]) -> Fault | None:
        fault = self.fault
        if fault is None or (fault.only and fault.only != method):
            return None
        if fault.site is not None and self.hit < fault.at:  # once it was met, `forever` is for all
            file, first, last = fault.site
            if site[0] != file or not first <= site[1] <= last:
                return None
        self.hit += 1
        if self.hit == fault.at or (fault.forever and self.hit > fault.at):
            self.struck.add(site)
            return fault
        return None

    def _sync(self, descriptor: int) -> None:
        inode = self._inode(descriptor)
        inode.durable = bytes(inode.content)
        inode.pending.clear()

    def _inode(self, descriptor: int) -> Inode:
        return self._inodes[self._open[descriptor]]

    def _directory(self, path: Path) -> Directory:
        if str(path) not in self._directories:
            raise FileNotFoundError(errno.ENOENT, "no such directory", str(path))
        return self._directories[str(path)]

    def _parent(self, path: Path) -> tuple[Directory, str]:
        return self._directory(path.parent), path.name

    def _change(self, directory: Directory, *changes: Change) -> None:
        _apply(directory.names, changes)
        directory.pending.append(changes)


class _Call:
    """One call under the disk's guard: raises the fault, or says that a write must be short."""

    def __init__(self, guard: threading.RLock, fault: Fault | None, method: str, what: Path | int) -> None:
        self._guard = guard
        self._fault = fault
        self._method = method
        self._what = what

    def __enter__(self) -> bool:
        if self._fault is not None and (self._fault.error is not None or self._method != "write"):
            number = self._fault.error or errno.EIO
            raise OSError(number, f"{errno.errorcode[number]} on purpose in {self._method}", str(self._what))
        self._guard.acquire()
        return self._fault is not None

    def __exit__(self, *_: object) -> None:
        self._guard.release()


def _apply(names: dict[str, int | None], changes: tuple[Change, ...]) -> None:
    for name, number in changes:
        if number == -1:
            names.pop(name, None)
        else:
            names[name] = number


def _put(content: bytearray, offset: int, data: bytes) -> None:
    if len(content) < offset:
        content.extend(bytes(offset - len(content)))
    content[offset : offset + len(data)] = data


def _resize(content: bytearray, size: int) -> None:
    if len(content) > size:
        del content[size:]
    else:
        content.extend(bytes(size - len(content)))


def _survivor(inode: Inode, chance: random.Random) -> Inode:
    """What is left of a file: the durable bytes, and any sectors of what was written since."""
    content = bytearray(inode.durable)
    mood = chance.random()  # all, nothing, or a mixture: the extremes are the likely ones on real disks
    for offset, data in inode.pending:
        if offset < 0:
            if chance.random() < mood:
                _resize(content, len(data))
            continue
        for at in range(0, len(data), SECTOR):
            if chance.random() < mood:
                _put(content, offset + at, data[at : at + SECTOR])
    return Inode(content, bytes(content))
