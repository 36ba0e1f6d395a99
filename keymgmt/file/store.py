"""The keyring's files: written whole or not at all, readable by their owner alone, one writer at a time.

Guarantees that after a crash the file is the old one or the new one, and that what `read` returned was never readable
by group or others at that moment. What the bytes mean is the document's business.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from keymgmt.errors import KeyringExists, KeyringMissing, KeyringUnsafe, KeyringUnwritable
from keymgmt.regular import open_regular

LARGEST = 8 * 1024 * 1024  # bytes; thousands of key versions


class KeyringFiles:
    """The files of one region in one directory."""

    def __init__(self, directory: Path, region: str) -> None:
        self.directory = directory
        self.keyring = directory / f"{region}.keyring.json"
        self.public = directory / f"{region}.public.json"
        self._lock = directory / f"{region}.lock"

    def prepare(self) -> None:
        """Make the directory 0700, or check that nobody else can write there."""
        with _writing(self.directory, "nothing was changed"):
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._check_directory()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the lock; the kernel frees it if we die."""
        with _writing(self._lock, "nothing was changed"):
            handle = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def read(self) -> bytes:
        """The keyring's bytes. Raises KeyringMissing, KeyringUnsafe."""
        try:
            file = open_regular(self.keyring, follow=False)
        except FileNotFoundError:
            raise KeyringMissing(f"no keyring at `{self.keyring}`; make one with `bailiwick keys init`") from None
        except OSError as error:
            raise KeyringUnsafe(f"cannot read `{self.keyring}`: {error.strerror}") from error
        with file:
            self._check_directory()
            status = os.fstat(file.fileno())
            if status.st_uid != os.geteuid() or status.st_mode & 0o077:
                raise KeyringUnsafe(f"`{self.keyring}` must be a file of your own with mode 600")
            return file.read(LARGEST)

    def write_new(self, keyring: bytes) -> None:
        """Write the first generation. Raises KeyringExists rather than replace one."""
        if self.keyring.exists() or self.keyring.is_symlink():
            raise KeyringExists(f"keyring `{self.keyring}` exists already; it is never overwritten")
        self.write(keyring)

    def write(self, keyring: bytes) -> None:
        """Replace the keyring. Raises KeyringUnwritable, and then the old one is still there."""
        with _writing(self.keyring, "nothing was changed"):
            _replace(self.keyring, keyring, 0o600)

    def publish(self, public: bytes) -> None:
        """Replace the public part; always after the keyring, so that it never names a key that is not stored."""
        with _writing(self.public, "the keyring itself has changed; publish again"):
            _replace(self.public, public, 0o644)

    def published(self) -> bytes | None:
        """The public part, if it can be read."""
        try:
            return self.public.read_bytes()
        except OSError:
            return None

    def _check_directory(self) -> None:
        status = self.directory.stat()
        if status.st_uid != os.geteuid() or status.st_mode & 0o077:
            raise KeyringUnsafe(f"directory `{self.directory}` must be your own with mode 700")


@contextmanager
def _writing(path: Path, so: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise KeyringUnwritable(f"cannot write `{path}`: {error.strerror}; {so}") from error


def _replace(path: Path, data: bytes, mode: int) -> None:
    scratch = path.with_name(f".{path.name}.new")
    scratch.unlink(missing_ok=True)  # left by a crash; we hold the lock
    handle = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as file:
        os.fchmod(file.fileno(), mode)
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    scratch.rename(path)
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
