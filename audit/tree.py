"""The published tree as it grows: which tiles and bundles a run of new records makes, and the root over all. Pure.

Level 0 of a full tile is only hashed upwards from what was read back (`confirm`), so a root never vouches for bytes
that the disk doesn't hold.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from audit.errors import LogCorrupt, TileMalformed
from audit.tlog.merkle import EMPTY_ROOT, complete_root, root_hash
from audit.tlog.tiles import ENTRIES, TILE_WIDTH, bundle_bytes, bundle_hashes, parse_tile, tile_path

ReadBack = Callable[[str], bytes]
"""The bytes of a published file by its path within the log."""


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

    def extend(self, hashes: Sequence[bytes], entries: Sequence[bytes]) -> None:
        """Add at most `room()` records. A tile that is full now has to be published and confirmed before the next."""
        if not self.levels:
            self.levels.append([])
        self.levels[0] += hashes
        self.entries += entries
        self.size += len(hashes)

    def bundle(self) -> tuple[tuple[str, bytes], ...]:
        """Path and bytes of the last entry bundle and of its tile at level 0, partial or full."""
        index, width = (self.size - 1) // TILE_WIDTH, len(self.entries)
        return (
            (tile_path(ENTRIES, index, width), bundle_bytes(self.entries)),
            (tile_path(0, index, width), b"".join(self.levels[0])),
        )

    def confirm(self, read_back: ReadBack) -> list[tuple[str, bytes]]:
        """Check the last bundle and tile as they were read back. A full one goes up: the tiles that this fills.

        Raises LogCorrupt when what was read is not what was written.
        """
        index, width = (self.size - 1) // TILE_WIDTH, len(self.entries)
        hashes = _confirmed(read_back, index, width)
        if hashes != self.levels[0]:
            raise LogCorrupt(
                f"tile {index} reads back as other records than were written: the disk is not to be trusted"
            )
        if width < TILE_WIDTH:
            return []
        self.entries = []
        return list(self._carried(hashes))

    def partial_tiles(self) -> list[tuple[str, bytes]]:
        """Paths and bytes of the unfinished tiles above level 0."""
        return [
            (tile_path(level, self.size >> (8 * (level + 1)), len(hashes)), b"".join(hashes))
            for level, hashes in enumerate(self.levels)
            if level and hashes
        ]

    def _carried(self, hashes: list[bytes]) -> Iterator[tuple[str, bytes]]:
        """Empty each full tile into the level above; give those above level 0, which are not written yet."""
        level, above = 0, complete_root(hashes)
        while True:
            self.levels[level] = []
            level += 1
            if level == len(self.levels):
                self.levels.append([])
            self.levels[level].append(above)
            if len(self.levels[level]) < TILE_WIDTH:
                return
            yield tile_path(level, (self.size >> (8 * (level + 1))) - 1), b"".join(self.levels[level])
            above = complete_root(self.levels[level])


def _confirmed(read_back: ReadBack, index: int, width: int) -> list[bytes]:
    try:
        recomputed = bundle_hashes(read_back(tile_path(ENTRIES, index, width)), width)
        hashes = parse_tile(read_back(tile_path(0, index, width)), width)
    except TileMalformed as error:
        raise LogCorrupt(f"tile {index} reads back damaged: {error}") from error
    if recomputed != hashes:
        raise LogCorrupt(f"bundle {index} reads back with records that don't match its tile")
    return hashes


def resumed_tree(size: int, tail: Sequence[tuple[bytes, bytes]], read: ReadBack) -> GrowingTree:
    """The tree at `size`, from the (hash, entry) pairs of its last, unfinished bundle and the published tiles above."""
    tree = GrowingTree(size, [entry for _, entry in tail], [[digest for digest, _ in tail]] if size else [])
    level, count = 1, size // TILE_WIDTH
    while count:
        width = count % TILE_WIDTH
        tree.levels.append(parse_tile(read(tile_path(level, count // TILE_WIDTH, width)), width) if width else [])
        level, count = level + 1, count // TILE_WIDTH
    return tree
