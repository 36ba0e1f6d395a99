"""Where exports go: files that appear whole or not at all, or standard output."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

STANDARD_OUTPUT = "-"


class Targets:
    """Opens what exports write to. Files get their names when all is written, and vanish when something fails."""

    def __init__(self) -> None:
        self._open: list[tuple[IO[bytes], Path, Path]] = []

    def open(self, target: str) -> IO[bytes]:
        """A file beside its later place, or standard output for `-`."""
        if target == STANDARD_OUTPUT:
            return sys.stdout.buffer
        path = Path(target)
        fresh = path.with_name(f".{path.name}.new")
        file = fresh.open("w+b")
        self._open.append((file, fresh, path))
        return file

    def is_terminal(self, target: str) -> bool:
        """Whether somebody looks on."""
        return target == STANDARD_OUTPUT and sys.stdout.isatty()

    def folder(self, target: str, *names: str) -> list[IO[bytes]]:
        """Files in a folder, which is made; on standard output one after the other."""
        if target != STANDARD_OUTPUT:
            Path(target).mkdir(parents=True, exist_ok=True)
        return [self.open(target if target == STANDARD_OUTPUT else str(Path(target) / name)) for name in names]

    def keep(self) -> None:
        """Give every file its name."""
        for file, fresh, path in self._open:
            file.close()
            fresh.replace(path)
        self._open.clear()

    def drop(self) -> None:
        """Remove what isn't finished."""
        for file, fresh, _ in self._open:
            file.close()
            fresh.unlink(missing_ok=True)
        self._open.clear()


@contextmanager
def targets() -> Iterator[Targets]:
    """Files that are kept when the block ends well."""
    opened = Targets()
    try:
        yield opened
        opened.keep()
    finally:
        opened.drop()
        sys.stdout.flush()
