"""Checks the published files against the records: every bundle and tile that is there, and that none is missing."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from audit.checks.findings import Findings, unread
from audit.errors import NoteMalformed
from audit.files.store import FileSystem
from audit.tlog.merkle import Frontier, complete_root, root_hash
from audit.tlog.tiles import ENTRIES, TILE_HEIGHT, TILE_WIDTH, bundle_bytes, parse_tile_path, tile_path

Place = tuple[int | str, int]  # level or `entries`, index


class PublishedFiles:
    """Compares single tiles and bundles, in all widths in which they lie there, with what they must hold."""

    def __init__(self, files: FileSystem, directory: Path, published: int, found: Findings) -> None:
        self._files = files
        self._directory = directory
        self._published = published
        self._findings = found

    def compare_leaves(self, index: int, hashes: list[bytes], entries: list[bytes] | None) -> None:
        """A full tile of leaves and, when `entries` come from elsewhere than the bundles, their bundle."""
        if entries is not None:
            self.compare(ENTRIES, index, entries, self._widths(ENTRIES, index))
        self.compare(0, index, hashes, self._widths(0, index))

    def compare(self, level: int | str, index: int, parts: list[bytes], widths: set[int]) -> None:
        """The files of this tile in these widths, and the one that must be there."""
        height = 0 if level == ENTRIES else int(level) * TILE_HEIGHT
        needed = min(TILE_WIDTH, (self._published >> height) - index * TILE_WIDTH)
        if needed > 0 and needed not in widths and TILE_WIDTH not in widths:
            widths = widths | {needed}
        for width in sorted(widths):
            self._compare_file(level, index, width, parts[:width] if width <= len(parts) else None)

    def _widths(self, level: int | str, index: int) -> set[int]:
        """The widths in which this tile lies there."""
        folder = f"{tile_path(level, index)}.p"
        partial, names = set(), []
        with suppress(OSError):
            names = self._files.names(self._directory / folder)
        for name in names:
            with suppress(NoteMalformed):  # what is no tile is named by whoever lists all files
                partial.add(parse_tile_path(f"{folder}/{name}")[2])
        is_due = self._published >= (index + 1) * TILE_WIDTH  # then it is asked for anyway
        return partial | {TILE_WIDTH} if not is_due and self._is_full_now(level, index) else partial

    def _compare_file(self, level: int | str, index: int, width: int, parts: list[bytes] | None) -> None:
        path = tile_path(level, index, width)
        try:
            data = self._files.read(self._directory / path)
        except FileNotFoundError:
            if width == TILE_WIDTH or not self._is_full_now(level, index):
                self._findings.problem(path, "is missing")
            return
        except OSError as error:
            self._findings.problem(path, unread(error))
            return
        if parts is None:
            self._findings.problem(path, "holds more records than the log has")
            return
        expected = bundle_bytes(parts) if level == ENTRIES else b"".join(parts)
        if data != expected:
            self._findings.problem(path, _difference(data, expected, level, index))

    def _is_full_now(self, level: int | str, index: int) -> bool:
        """Whether a writer at work has just put the full tile in the place of its partial ones."""
        try:
            self._files.read(self._directory / tile_path(level, index), 0, 1)
        except FileNotFoundError:
            return False
        except OSError:  # it lies there, and is a problem of its own
            return True
        return True


class TileCheck:
    """Takes the leaf hashes in order, a tile at a time, and compares each published file with what it must hold."""

    def __init__(
        self, files: FileSystem, directory: Path, published: int, sizes: Iterable[int], found: Findings
    ) -> None:
        self._published = PublishedFiles(files, directory, published, found)
        self._findings = found
        self._present = present_files(files, directory, found)
        self._levels: list[list[bytes]] = []
        self._frontier = Frontier()
        self._sizes = set(sizes)
        self.roots: dict[int, bytes] = {0: Frontier().root()}  # at each of `sizes` that was reached

    @property
    def size(self) -> int:
        """Records taken in."""
        return self._frontier.size

    def group(self, hashes: list[bytes], entries: list[bytes] | None) -> None:
        """The next 256 leaves, or the last fewer ones; `entries` when they came from elsewhere than the bundles."""
        index, first = self.size // TILE_WIDTH, self.size
        if entries is not None:
            self._compare(ENTRIES, index, entries)
        else:
            self._present.pop((ENTRIES, index), None)
        self._compare(0, index, hashes)
        self._roots_within(first, hashes)
        if len(hashes) == TILE_WIDTH:
            self._grow(complete_root(hashes))
        else:
            for value in hashes:
                self._frontier.append(value)

    def checked(self, root: bytes) -> None:
        """The next full tile, whose files were compared already; no root is wanted within it."""
        index = self.size // TILE_WIDTH
        self._present.pop((ENTRIES, index), None)
        self._present.pop((0, index), None)
        self._grow(root)
        if self.size in self._sizes:
            self.roots[self.size] = self._frontier.root()

    def finish(self) -> None:
        """Compare the unfinished tiles, then report what lies there and belongs to no record."""
        for level, hashes in enumerate(self._levels, 1):
            if hashes:
                self._compare(level, self.size >> (TILE_HEIGHT * (level + 1)), hashes)
        for (place, index), widths in sorted(self._present.items(), key=str):
            for width in sorted(widths):
                self._findings.problem(tile_path(place, index, width), "belongs to no record of the log")

    def _grow(self, root: bytes) -> None:
        self._frontier.append_subtree(root, TILE_HEIGHT)
        self._carry(0, root)

    def _roots_within(self, first: int, hashes: list[bytes]) -> None:
        wanted = [size for size in self._sizes if first < size <= first + len(hashes)]
        if wanted:
            frontier = Frontier(self._frontier.size, self._frontier.peaks())
            for value in hashes:
                frontier.append(value)
                if frontier.size in wanted:
                    self.roots[frontier.size] = frontier.root()

    def _carry(self, level: int, root: bytes) -> None:
        if level == len(self._levels):
            self._levels.append([])
        hashes = self._levels[level]
        hashes.append(root)
        if len(hashes) == TILE_WIDTH:
            self._compare(level + 1, (self.size >> (TILE_HEIGHT * (level + 2))) - 1, hashes)
            self._levels[level] = []
            self._carry(level + 1, root_hash(hashes))

    def _compare(self, level: int | str, index: int, parts: list[bytes]) -> None:
        self._published.compare(level, index, parts, self._present.pop((level, index), set()))


def _difference(data: bytes, expected: bytes, level: int | str, index: int) -> str:
    if len(data) != len(expected):
        return f"has {len(data)} bytes, the records make {len(expected)}"
    at = next(place for place, (left, right) in enumerate(zip(data, expected, strict=True)) if left != right)
    if level == 0:
        return f"differs from the records at byte {at}: hash of record {index * TILE_WIDTH + at // 32}"
    return f"differs from the records at byte {at}"


def present_files(files: FileSystem, directory: Path, findings: Findings) -> dict[Place, set[int]]:
    """The widths in which each tile and bundle lies there; what is none is a problem."""
    found: dict[Place, set[int]] = {}
    for path in _walk(files, directory, "tile"):
        if path.endswith(".tmp"):  # a crash left it; nobody reads it, and the next publication writes over it
            continue
        try:
            level, index, width = parse_tile_path(path)
        except NoteMalformed:
            findings.problem(path, "is no file of a log")
        else:
            found.setdefault((level, index), set()).add(width)
    return found


def _walk(files: FileSystem, directory: Path, path: str) -> Iterator[str]:
    try:
        names = files.names(directory / path)
    except OSError:  # a file; what can't be read either is said by whoever compares it
        yield path
        return
    for name in names:
        yield from _walk(files, directory, f"{path}/{name}")
