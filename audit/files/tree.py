"""The published tree as it grows: which tiles and bundles a run of new records makes, and the root over all. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from audit.errors import LogCorrupt, TileMalformed
from audit.tlog.merkle import EMPTY_ROOT, complete_root, root_hash
from audit.tlog.tiles import ENTRIES, TILE_WIDTH, bundle_bytes, bundle_hashes, parse_tile, parse_tile_path, tile_path

ReadBack = Callable[[str], bytes]
"""The bytes of a published file by its path within the log."""


_BUNDLES, _LEAVES = f"tile/{ENTRIES}/", "tile/0/"


@dataclass(frozen=True, slots=True)
class File:
    """A file to publish, by its path within the log."""

    path: str
    data: bytes


@dataclass(slots=True)
class GrowingTree:
    """The tree's right edge: the entries of the last bundle, and the hashes of the last tile of each level."""

    size: int = 0
    entries: list[bytes] = field(default_factory=list)
    levels: list[list[bytes]] = field(default_factory=list)

    def root(self) -> bytes:
        """The root over all records so far: each tile's hashes, with what is unfinished below as the last of them."""
        below: bytes | None = None
        for hashes in self.levels:
            nodes = hashes if below is None else [*hashes, below]
            below = root_hash(nodes) if nodes else None
        return EMPTY_ROOT if below is None else below

    def room(self) -> int:
        """How many records fit into the last bundle."""
        return TILE_WIDTH - self.size % TILE_WIDTH

    def extend(self, hashes: Sequence[bytes], entries: Sequence[bytes]) -> list[File]:
        """Add at most `room()` records; the files that they make or change, but for unfinished tiles above level 0."""
        if not self.levels:
            self.levels.append([])
        self.levels[0] += hashes
        self.entries += entries
        self.size += len(hashes)
        index, width = (self.size - 1) // TILE_WIDTH, len(self.entries)
        made = [
            File(tile_path(ENTRIES, index, width), bundle_bytes(self.entries)),
            File(tile_path(0, index, width), b"".join(self.levels[0])),
        ]
        if width == TILE_WIDTH:
            self.entries = []
            made += self._carried()
        return made

    def partial_tiles(self) -> list[File]:
        """The unfinished tiles above level 0."""
        return [
            File(tile_path(level, self.size >> (8 * (level + 1)), len(hashes)), b"".join(hashes))
            for level, hashes in enumerate(self.levels)
            if level and hashes
        ]

    def _carried(self) -> list[File]:
        """Empty each full tile into the level above; the tiles that this fills."""
        made = []
        level = 0
        while len(self.levels[level]) == TILE_WIDTH:
            if level + 1 == len(self.levels):
                self.levels.append([])
            self.levels[level + 1].append(complete_root(self.levels[level]))
            self.levels[level] = []
            level += 1
            if len(self.levels[level]) == TILE_WIDTH:
                index = (self.size >> (8 * (level + 1))) - 1
                made.append(File(tile_path(level, index), b"".join(self.levels[level])))
        return made


def confirm(files: Sequence[File], read_back: ReadBack) -> None:
    """Check what was published as it reads back: bundles by hashing every entry anew. Raises LogCorrupt.

    With it the root stands for what the disk gives, and not for what was meant to be written.
    """
    hashes: dict[str, bytes] = {}
    for file in files:
        data = read_back(file.path)
        if file.path.startswith(_BUNDLES):
            hashes[file.path.replace(_BUNDLES, _LEAVES)] = _hashes(file.path, data)
        elif data != file.data:
            raise LogCorrupt(
                f"`{file.path}` reads back as something else than was written: the disk is not to be trusted"
            )
    for file in files:
        if file.data != hashes.get(file.path, file.data):
            raise LogCorrupt(f"the bundle of `{file.path}` reads back with other records than were written")


def _hashes(path: str, data: bytes) -> bytes:
    """The level-0 tile that the entries of a bundle make."""
    try:
        return b"".join(bundle_hashes(data, parse_tile_path(path)[2]))
    except TileMalformed as error:
        raise LogCorrupt(f"`{path}` reads back damaged: {error}") from error


def resumed_tree(size: int, tail: Sequence[tuple[bytes, bytes]], read: ReadBack) -> GrowingTree:
    """The tree at `size`, from the (hash, entry) pairs of its last, unfinished bundle and the published tiles above."""
    tree = GrowingTree(size, [entry for _, entry in tail], [[digest for digest, _ in tail]] if size else [])
    level, count = 1, size // TILE_WIDTH
    while count:
        width = count % TILE_WIDTH
        tree.levels.append(parse_tile(read(tile_path(level, count // TILE_WIDTH, width)), width) if width else [])
        level, count = level + 1, count // TILE_WIDTH
    return tree
