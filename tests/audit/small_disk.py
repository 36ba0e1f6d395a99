"""A disk of a few megabytes, really mounted, where that is allowed."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest


@contextmanager
def small_disk(directory: Path, megabytes: int) -> Iterator[Path]:
    """A tmpfs of this size; the test is skipped where it can't be mounted."""
    directory.mkdir()
    mount, umount = shutil.which("mount"), shutil.which("umount")
    if mount is None or umount is None:
        pytest.skip("needs mount and umount")
    command = [mount, "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(directory)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a tmpfs")
    try:
        yield directory
    finally:
        subprocess.run([umount, "-l", str(directory)], check=True)


def ballast(directory: Path, leave: int) -> Path:
    """A file that leaves so many bytes free."""
    path = directory / "ballast"
    with path.open("ab", buffering=0) as file, suppress(OSError):  # whoever else writes may take the last of it
        while (free := shutil.disk_usage(directory).free) > leave:
            file.write(bytes(min(1 << 20, free - leave)))
    return path
