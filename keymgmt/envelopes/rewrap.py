"""Moving envelopes to the newest version of their key, so that an old one can be withdrawn.

Opened under the old version, sealed anew under the active one with another data key, opened again to see that it can
be, and only then put in the old one's place: whole or not at all, whatever ends the process. What the table of states
forbids (opening under a revoked or destroyed key) stays forbidden here; what is bound stays bound.
"""

import contextlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from keymgmt.envelopes.envelope import key_id_text, parse_envelope
from keymgmt.envelopes.sealing import RegionSealer
from keymgmt.envelopes.wrapping import Recipient
from keymgmt.errors import EnvelopeInvalid, KeyManagementError
from keymgmt.keys import KeyFacts
from keymgmt.ports import Binding, Opener
from keymgmt.regular import open_regular

LARGEST = 1 << 30  # bytes of an envelope in a file


class Rewrapping(Protocol):
    """A keyring that opens old versions and seals to the newest."""

    @property
    def region(self) -> str: ...

    def keys(self) -> tuple[KeyFacts, ...]: ...

    def recipient(self, purpose: str) -> Recipient: ...

    def sealer(self) -> RegionSealer: ...

    def opener(self) -> Opener: ...


class Outcome(StrEnum):
    """What became of a file."""

    CURRENT = "current"  # it lies under the newest version already
    REWRAPPED = "rewrapped"
    WOULD = "would be rewrapped"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Rewrapped:
    """One file's fate."""

    path: Path
    outcome: Outcome
    before: str  # key id; empty when the file is no envelope
    after: str
    reason: str = ""


class Rewrapper:
    """Rewraps what is bound to one thing."""

    def __init__(self, ring: Rewrapping, bound: Binding) -> None:
        self._newest = ring.recipient(bound.purpose).key_id
        self._bound = bound
        self._opener = ring.opener()
        self._sealer = ring.sealer()

    @property
    def newest(self) -> str:
        """The key id that everything is moved to."""
        return key_id_text(self._newest)

    def rewrapped(self, envelope: bytes) -> bytes:
        """The same data under the newest version; the same bytes if it lies there already.

        Raises ForeignRegion, EnvelopeInvalid, KeyRevoked, KeyDestroyed, or what the key service fails with.
        """
        if parse_envelope(envelope).key_id == self._newest:
            return envelope
        self._sealer.seal(b"", self._bound)  # what cannot be sealed is not opened: no error then holds the data
        data = self._opener.open(envelope, self._bound)
        sealed = self._sealer.seal(data, self._bound).to_bytes()
        if self._opener.open(sealed, self._bound) != data:
            del data
            raise EnvelopeInvalid("what was sealed anew does not open to the same data; nothing was changed")
        return sealed

    def files(self, paths: Sequence[Path], *, dry: bool = False) -> Iterator[Rewrapped]:
        """Each file in its turn; one that is refused stays as it is, and the others go on."""
        for path in paths:
            before = ""
            try:
                envelope = _read(path)
                before = key_id_text(parse_envelope(envelope).key_id)
                yield self._file(path, envelope, before, dry=dry)
            except KeyManagementError as error:
                yield Rewrapped(path, Outcome.REFUSED, before, before, str(error))
            except OSError as error:
                yield Rewrapped(path, Outcome.REFUSED, before, before, f"{error.strerror}".lower())

    def _file(self, path: Path, envelope: bytes, before: str, *, dry: bool) -> Rewrapped:
        changed = self.rewrapped(envelope)
        if changed == envelope:
            return Rewrapped(path, Outcome.CURRENT, before, before)
        if not dry:
            _replace(path, changed)
        return Rewrapped(path, Outcome.WOULD if dry else Outcome.REWRAPPED, before, self.newest)


def _read(path: Path) -> bytes:
    with open_regular(path, follow=False) as file:
        return file.read(LARGEST)


def _replace(path: Path, content: bytes) -> None:
    """Whole or not at all, with the mode that it had."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            os.fchmod(file.fileno(), path.stat().st_mode & 0o7777)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).rename(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
