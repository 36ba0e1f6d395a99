"""Checks that a range of records lies under the checkpoint's root, without reading the others.

The tiles above the range, and those along the tree's right edge, are enough: each full tile's root must stand in the
tile above it, and the tiles of the edge make the root. Interface and order of calls are those of `TileCheck`.
"""

from pathlib import Path

from audit.checks.findings import Findings
from audit.checks.tile_check import PublishedFiles
from audit.errors import MerkleError
from audit.files.store import FileSystem
from audit.reading import read_tile
from audit.tlog.merkle import EMPTY_ROOT, complete_root, root_hash
from audit.tlog.tiles import ENTRIES, TILE_HEIGHT, TILE_WIDTH, parse_tile, tile_path


class SpineCheck:
    """Takes the range's leaf hashes in order; `first` begins a tile. `published` is the size of the tree."""

    def __init__(self, files: FileSystem, directory: Path, published: int, first: int, found: Findings) -> None:
        self._files = files
        self._directory = directory
        self._published = published
        self._findings = found
        self._compared = PublishedFiles(files, directory, published, found)
        self._full: dict[int, bytes] = {}  # roots of the range's full tiles
        self.size = first
        self.roots: dict[int, bytes] = {}

    def group(self, hashes: list[bytes], entries: list[bytes] | None) -> None:
        """The next 256 leaves, or the last fewer ones."""
        index = self.size // TILE_WIDTH
        if entries is not None:
            self._compared.compare(ENTRIES, index, entries, set())
        self._compared.compare(0, index, hashes, set())
        if len(hashes) == TILE_WIDTH:
            self._full[index] = complete_root(hashes)
        self.size += len(hashes)

    def checked(self, root: bytes) -> None:
        """The next full tile, whose files were compared already."""
        self._full[self.size // TILE_WIDTH] = root
        self.size += TILE_WIDTH

    def finish(self) -> None:
        """Climb from the range's tiles to the edge, and make the root of it."""
        try:
            level, full = 1, self._full
            while self._published >> (TILE_HEIGHT * level):
                full = self._climb(level, full)
                level += 1
            self.roots[self._published] = self._edge_root()
        except (MerkleError, OSError) as error:
            self._findings.problem("tile", f"the tiles above the range can't be read: {error}")

    def _climb(self, level: int, below: dict[int, bytes]) -> dict[int, bytes]:
        """Each root must stand in its place in the tile of this level; the roots of those tiles that are full."""
        roots: dict[int, bytes] = {}
        held: list[bytes] = []
        at = -1
        for index, root in below.items():
            number, place = divmod(index, TILE_WIDTH)
            if index >= self._published >> (TILE_HEIGHT * level):
                continue  # not under this tree yet
            if number != at:
                at, held = number, self._tile(level, number)
                if len(held) == TILE_WIDTH:
                    roots[number] = complete_root(held)
            if held[place] != root:
                path = tile_path(level, number, len(held))
                self._findings.problem(path, f"differs at hash {place} from the root of {tile_path(level - 1, index)}")
        return roots

    def _tile(self, level: int, number: int) -> list[bytes]:
        width = min(TILE_WIDTH, (self._published >> (TILE_HEIGHT * level)) - number * TILE_WIDTH)
        return parse_tile(read_tile(self._files, self._directory, level, number, width), width)

    def _edge_root(self) -> bytes:
        """Each level's unfinished tile, with what is unfinished below as the last of its hashes."""
        below, level = EMPTY_ROOT, 0
        while count := self._published >> (TILE_HEIGHT * level):
            hashes = self._tile(level, count // TILE_WIDTH) if count % TILE_WIDTH else []
            if hashes and below != EMPTY_ROOT:
                hashes.append(below)
            elif not hashes and below != EMPTY_ROOT:
                hashes = [below]
            below = root_hash(hashes) if hashes else EMPTY_ROOT
            level += 1
        return below
