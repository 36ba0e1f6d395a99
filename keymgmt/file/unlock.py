"""What unlocks a file keyring: a key file, a systemd credential or a passphrase.

Guarantees 32 bytes of key-encrypting key or UnlockFailed. A key file that others can read is refused: file modes are
its whole protection.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from keymgmt.errors import KeyringExists, UnlockFailed
from keymgmt.regular import open_regular
from keymgmt.secret import Secret

KEK_SIZE = 32


@dataclass(frozen=True, slots=True)
class Derivation:
    """Argon2id's parameters (RFC 9106), kept in the keyring's header."""

    salt: bytes
    memory: int = 65536  # KiB: 64 MiB
    iterations: int = 3
    lanes: int = 4


class Unlock(Protocol):
    """A source of the key-encrypting key."""

    @property
    def derives(self) -> bool:
        """Whether the keyring's header must carry a Derivation for it."""
        ...

    def key(self, derivation: Derivation | None) -> Secret:
        """32 bytes. Raises UnlockFailed."""
        ...


@dataclass(frozen=True, slots=True)
class KeyFile:
    """32 raw bytes in a file that only its owner can read."""

    path: Path

    derives = False

    @classmethod
    def create(cls, path: Path, entropy: Callable[[int], bytes] = os.urandom) -> "KeyFile":
        """Make a new key file, 0600. Raises KeyringExists rather than replace one."""
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        except FileExistsError:
            raise KeyringExists(f"key file `{path}` exists already; use it, or choose another name") from None
        with os.fdopen(handle, "wb") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(entropy(KEK_SIZE))
            file.flush()
            os.fsync(file.fileno())
        return cls(path)

    def key(self, derivation: Derivation | None) -> Secret:  # noqa: ARG002  # nothing to derive
        return _read_key(self.path, owned=True)


@dataclass(frozen=True, slots=True)
class Credential:
    """32 raw bytes that systemd puts into `$CREDENTIALS_DIRECTORY`."""

    name: str
    environment: Mapping[str, str]

    derives = False

    def __repr__(self) -> str:
        return f"Credential({self.name!r})"  # the environment holds other people's secrets

    def key(self, derivation: Derivation | None) -> Secret:  # noqa: ARG002  # nothing to derive
        directory = self.environment.get("CREDENTIALS_DIRECTORY")
        if not directory:
            raise UnlockFailed(
                "`CREDENTIALS_DIRECTORY` is not set; start under systemd with LoadCredential=, or use a key file"
            )
        if "/" in self.name or self.name in {"", ".", ".."}:
            raise UnlockFailed(f"`{self.name}` is no credential name; it must be a file name")
        return _read_key(Path(directory) / self.name, owned=False)  # systemd owns it and guards the directory


@dataclass(frozen=True, slots=True)
class Passphrase:
    """Argon2id over what a person remembers."""

    passphrase: Secret

    derives = True

    def key(self, derivation: Derivation | None) -> Secret:
        from cryptography.hazmat.primitives.kdf.argon2 import Argon2id  # only people need it

        if derivation is None:
            raise UnlockFailed("this keyring is not protected by a passphrase; give its key file")
        kdf = Argon2id(
            salt=derivation.salt,
            length=KEK_SIZE,
            iterations=derivation.iterations,
            lanes=derivation.lanes,
            memory_cost=derivation.memory,
        )
        return Secret(kdf.derive(self.passphrase.reveal()))


def _read_key(path: Path, *, owned: bool) -> Secret:
    try:
        file = open_regular(path, follow=not owned)  # systemd may link
    except OSError as error:
        raise UnlockFailed(f"cannot read key file `{path}`: {error.strerror}; check path and owner") from error
    with file:
        status = os.fstat(file.fileno())
        if owned and (status.st_mode & 0o077 or status.st_uid != os.geteuid()):
            raise UnlockFailed(f"key file `{path}` can be read by others; chmod 600 and own it, then rotate")
        if status.st_size != KEK_SIZE:
            raise UnlockFailed(f"key file `{path}` has {status.st_size} bytes, not {KEK_SIZE}")
        return Secret(file.read(KEK_SIZE))
