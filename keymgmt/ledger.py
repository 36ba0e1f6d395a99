"""Uses of transfer grants, kept in a file of JSON lines that only grows, each chained to the one before.

A use is on disk before the caller goes on. A file that was cut, changed in the middle or is not ours alone is refused;
that its end was cut away is noticed by whoever kept a later `head`.
"""

import fcntl
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, fields
from pathlib import Path

import orjson

from keymgmt.canonical import json_bytes
from keymgmt.transfer import GrantRefused, LedgerUnusable, Use

START = "0" * 64
NAMES = {one.name for one in fields(Use)} | {"before"}


class FileLedger:
    """Counts in one file, mode 0600; several processes take turns."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __repr__(self) -> str:
        return f"FileLedger({self.path})"

    def spend(self, use: Use, limit: int) -> int:
        """As `Ledger` says."""
        with self._alone() as handle:
            uses, head = _read(handle, str(self.path))
            count = sum(known.grant == use.grant for known in uses) + 1
            if count > limit:
                raise GrantRefused(f"the grant was for {limit} uses, and they are spent; ask for a new one")
            _append(handle, json_bytes({**asdict(use), "before": head}) + b"\n")
            return count

    def uses(self) -> tuple[Use, ...]:
        """All of them, oldest first. Raises LedgerUnusable."""
        with self._alone() as handle:
            return tuple(_read(handle, str(self.path))[0])

    @contextmanager
    def _alone(self) -> Iterator[int]:
        try:
            handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            try:
                found = os.fstat(handle)
                if not stat.S_ISREG(found.st_mode) or found.st_mode & 0o077 or found.st_uid != os.geteuid():
                    raise LedgerUnusable(f"`{self.path}` is not a file of your own alone; set its mode to 600")
                fcntl.flock(handle, fcntl.LOCK_EX)
                yield handle
            finally:
                os.close(handle)
        except OSError as error:
            raise LedgerUnusable(f"cannot keep uses in `{self.path}`: {error.strerror}") from error


def _append(handle: int, line: bytes) -> None:
    if os.write(handle, line) != len(line):  # what is there of it is refused from now on
        raise OSError(28, "the line was cut")
    os.fsync(handle)


def _read(handle: int, name: str) -> tuple[list[Use], str]:
    data = os.pread(handle, os.fstat(handle).st_size, 0)
    uses, head = [], START
    lines = data.split(b"\n")
    if lines.pop():
        raise LedgerUnusable(f"`{name}` ends in half a line; somebody must look at what was transferred then")
    for number, line in enumerate(lines, 1):
        uses.append(_use(line, head, f"`{name}` line {number}"))
        head = hashlib.sha256(line).hexdigest()
    return uses, head


def _use(line: bytes, head: str, where: str) -> Use:
    try:
        said = orjson.loads(line)
        fits = set(said) == NAMES and said.pop("before") == head
        use = Use(**{**said, "approvers": tuple(said["approvers"])}) if fits else None
    except (ValueError, TypeError, KeyError):
        use = None
    if use is None:
        raise LedgerUnusable(f"{where} does not follow from the one before: changed, or cut; restore the file")
    return use
