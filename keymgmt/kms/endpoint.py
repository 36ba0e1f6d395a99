"""The plugin's unix socket: whose it is, who can reach it, and that there is only one behind it.

Guarantees: nobody but our own user (and the group that was named) can connect, because the kernel asks for search on
the directory and write on the socket; no link or writable directory on the way lets somebody else put another socket
there; a second plugin on the same path is refused instead of taking over a socket that is in use.
"""

import errno
import fcntl
import grp
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from keymgmt.errors import KeyManagementError

LONGEST = 107  # bytes of a unix socket's path


class SocketRefused(KeyManagementError):
    """The socket cannot be made safely. Correct path, owner or mode."""


class SocketInUse(SocketRefused):
    """Another process answers there. Stop it first."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the API server finds the plugin. Raises SocketRefused for a path that cannot be one."""

    path: Path
    group: str = ""  # whose members may connect too; empty: our own user alone

    def __post_init__(self) -> None:
        raw = os.fsencode(self.path)
        if not self.path.is_absolute() or ".." in self.path.parts or len(raw) > LONGEST:
            raise SocketRefused(f"`{self.path}` must be an absolute path of at most {LONGEST} bytes, without `..`")

    @property
    def url(self) -> str:
        """As it stands in an EncryptionConfiguration."""
        return f"unix://{self.path}"

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the socket's place, checked and empty. Raises SocketRefused, SocketInUse."""
        gid = self._gid()
        self._prepare(gid)
        lock = self._lock()
        try:
            self._clear()
            yield
            self.path.unlink(missing_ok=True)
        finally:
            os.close(lock)

    @contextmanager
    def binding(self) -> Iterator[None]:
        """Within the block a socket is bound that nobody else can connect to; after it the group may."""
        before = os.umask(0o177)
        try:
            yield
        finally:
            os.umask(before)
        status = self.path.lstat()
        if not stat.S_ISSOCK(status.st_mode) or status.st_uid != os.geteuid():
            raise SocketRefused(f"`{self.path}` is not the socket that was made; look at its directory")
        gid = self._gid()
        if gid is not None:
            os.chown(self.path, -1, gid, follow_symlinks=False)
            self.path.chmod(0o660)

    def _gid(self) -> int | None:
        if not self.group:
            return None
        try:
            return grp.getgrnam(self.group).gr_gid
        except KeyError:
            raise SocketRefused(f"there is no group `{self.group}`; create it or leave it out") from None

    def _prepare(self, gid: int | None) -> None:
        directory = self.path.parent
        try:
            if not directory.exists():
                directory.mkdir(mode=0o700, parents=True)
                if gid is not None:
                    os.chown(directory, -1, gid)
                    directory.chmod(0o750)
            self._check(directory, gid)
        except OSError as error:
            raise SocketRefused(f"cannot prepare `{directory}`: {error.strerror}; check path and owner") from error

    def _check(self, directory: Path, gid: int | None) -> None:
        status = directory.lstat()
        allowed = 0o700 if gid is None else 0o750
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o777 & ~allowed:
            raise SocketRefused(f"`{directory}` must be a directory of your own with mode {allowed:o}, and no link")
        if gid is not None and status.st_gid != gid and status.st_mode & 0o070:
            raise SocketRefused(f"`{directory}` belongs to another group than `{self.group}`; chgrp it")
        for parent in directory.parents:
            above = parent.lstat()
            writable = above.st_mode & 0o022 and not above.st_mode & stat.S_ISVTX
            if not stat.S_ISDIR(above.st_mode) or above.st_uid not in {0, os.geteuid()} or writable:
                raise SocketRefused(
                    f"`{parent}` is a link or others can write there: they could exchange the socket; use another path"
                )

    def _lock(self) -> int:
        path = self.path.with_name(self.path.name + ".lock")
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise SocketRefused(f"cannot lock `{path}`: {error.strerror}") from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(handle)
            raise SocketInUse(f"another plugin serves `{self.path}`; stop it, or use another path") from None
        return handle

    def _clear(self) -> None:
        """Remove what a killed plugin left; refuse what still answers, or is no socket of ours."""
        try:
            status = self.path.lstat()
        except FileNotFoundError:
            return
        if not stat.S_ISSOCK(status.st_mode) or status.st_uid != os.geteuid():
            raise SocketRefused(f"`{self.path}` is there and is no socket of yours; remove it")
        with socket.socket(socket.AF_UNIX) as probe:
            if probe.connect_ex(str(self.path)) not in {errno.ECONNREFUSED, errno.ENOENT}:
                raise SocketInUse(f"something answers at `{self.path}`; stop it, or use another path")
        self.path.unlink(missing_ok=True)
