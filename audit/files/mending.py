"""The published end of a log, held to its records by each start, and written anew where it isn't what they make.

Tiles and bundles are derived, so whatever of them is gone or damaged can be made again while records and head are
whole. Looked at are the unfinished tile of each level, in every width, and the full ones before it, back to the first
that is right: the cost follows what is missing. Guarantees that tiles are only written that the head's root vouches
for, as far as the tiles above are there. What is damaged further back, `audit verify` finds.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import accumulate

from audit.errors import LogCorrupt, MerkleError, NoteMalformed
from audit.files.tree import File, GrowingTree, ReadBack
from audit.tlog.merkle import complete_root, leaf_hashes
from audit.tlog.tiles import (
    ENTRIES,
    TILE_HEIGHT,
    TILE_WIDTH,
    bundle_bytes,
    bundle_hashes,
    parse_tile,
    parse_tile_path,
    tile_path,
)

Leaves = Callable[[int], Iterator[list[bytes]]]
"""`leaves(first)`: the records of each full bundle from that one on, as far as there are some. Raises LogCorrupt."""
Names = Callable[[str], list[str]]
"""The names in a directory of the log, by its path; none where there isn't one."""
Put = Callable[[Sequence[File]], None]

AT_ONCE = 16  # bundles written with one sync


class Mending:
    """For one start of one log: reads through `read` and `names`, writes through `put`. Methods raise OSError."""

    def __init__(self, read: ReadBack, names: Names, put: Put, leaves: Leaves) -> None:
        self._read = read
        self._names = names
        self._put_files = put
        self._leaves = leaves
        self.written: list[str] = []  # the paths of what was made anew
        self._reading: Iterator[list[bytes]] = iter(())
        self._next = -1  # the bundle that is read next

    def tree(self, size: int, tail: Sequence[tuple[bytes, bytes]]) -> GrowingTree:
        """The tree at `size` without its unfinished tiles: from the full ones below, or the records where one is gone.

        `tail`: the (hash, entry) pairs of the last, unfinished bundle. Whose root it has is for the caller to see.
        """
        tree = GrowingTree(size, [entry for _, entry in tail], [[digest for digest, _ in tail]] if size else [])
        level, count = 1, size // TILE_WIDTH
        while count:
            first = count - count % TILE_WIDTH
            tree.levels.append([complete_root(self._derived(level - 1, index)) for index in range(first, count)])
            level, count = level + 1, count // TILE_WIDTH
        return tree

    def mend(self, tree: GrowingTree, entries: Sequence[bytes]) -> None:
        """Hold the published end to this tree, whose root is the head's, and to the `entries` of its last bundle.

        These may be more than the tree has: records that are durable and not published yet.
        """
        for level, hashes in enumerate(tree.levels):
            index = tree.size >> (TILE_HEIGHT * (level + 1))
            if level == 0:
                self._unfinished(ENTRIES, index, len(hashes), _prefixes(entries))
                self._unfinished(0, index, len(hashes), _beginnings(leaf_hashes(entries)))
                self._bundles(tree, index)
            else:
                self._unfinished(level, index, len(hashes), _beginnings(hashes))
                self._tiles(tree, level, index)

    # — unfinished tiles —

    def _unfinished(self, level: int | str, index: int, needed: int, expected: Sequence[bytes]) -> None:
        """Every width of the last tile; the one at `needed` must be there. `expected`: the bytes by width."""
        folder = f"{tile_path(level, index)}.p"
        widths = {needed} if needed else set()
        for name in self._names(folder):
            with suppress(NoteMalformed):  # what is no tile is `verify`'s to name
                widths.add(parse_tile_path(f"{folder}/{name}")[2])
        self._put(
            File(tile_path(level, index, width), expected[width])
            for width in sorted(widths)
            if width < min(len(expected), TILE_WIDTH) and self._bytes(level, index, width) != expected[width]
        )

    # — full tiles —

    def _bundles(self, tree: GrowingTree, end: int) -> None:
        """Level 0 and the bundles, back from number `end` to the first that are right."""
        first = end
        while first and not self._is_right(tree, first - 1):
            first -= 1
        made: list[File] = []
        for index in range(first, end):
            entries = self._records(index)
            hashes = leaf_hashes(entries)
            if self._root(tree, 0, index) in (None, complete_root(hashes)):  # else the records are others
                made.append(File(tile_path(ENTRIES, index), bundle_bytes(entries)))
                made.append(File(tile_path(0, index), b"".join(hashes)))
            if len(made) >= 2 * AT_ONCE:
                self._put(made)
                made = []
        self._put(made)

    def _is_right(self, tree: GrowingTree, index: int) -> bool:
        hashes = self._tile(0, index)
        if hashes is None or self._root(tree, 0, index) not in (None, complete_root(hashes)):
            return False
        try:
            return bundle_hashes(self._read(tile_path(ENTRIES, index)), TILE_WIDTH) == hashes
        except (MerkleError, OSError):
            return False

    def _tiles(self, tree: GrowingTree, level: int, end: int) -> None:
        """The same for a level of hashes, whose tiles below are mended."""
        for index in reversed(range(end)):
            found, root = self._tile(level, index), self._root(tree, level, index)
            if found is not None and root in (None, complete_root(found)):
                return
            made = self._from_below(level, index)
            if root in (None, complete_root(made)):
                self._put([File(tile_path(level, index), b"".join(made))])

    def _root(self, tree: GrowingTree, level: int, index: int) -> bytes | None:
        """The root of a full tile as the tile above it has it; None when that one isn't there, or is wrong itself."""
        above, at = divmod(index, TILE_WIDTH)
        if above == tree.size >> (TILE_HEIGHT * (level + 2)):
            return tree.levels[level + 1][at]
        hashes = self._tile(level + 1, above)
        if hashes is None or self._root(tree, level + 1, above) != complete_root(hashes):
            return None
        return hashes[at]

    # — what is there —

    def _tile(self, level: int, index: int) -> list[bytes] | None:
        data = self._bytes(level, index, TILE_WIDTH)
        with suppress(MerkleError):
            return None if data is None else parse_tile(data, TILE_WIDTH)
        return None

    def _bytes(self, level: int | str, index: int, width: int) -> bytes | None:
        try:
            return self._read(tile_path(level, index, width))
        except OSError:
            return None

    def _derived(self, level: int, index: int) -> list[bytes]:
        return self._tile(level, index) or self._from_below(level, index)

    def _from_below(self, level: int, index: int) -> list[bytes]:
        if level == 0:
            return leaf_hashes(self._records(index))
        first = index * TILE_WIDTH
        return [complete_root(self._derived(level - 1, below)) for below in range(first, first + TILE_WIDTH)]

    def _records(self, index: int) -> list[bytes]:
        """Those of one bundle; one after the other they are read as they lie."""
        if index != self._next:
            self._reading, self._next = self._leaves(index), index
        self._next += 1
        found = next(self._reading, None)
        if found is None:
            raise LogCorrupt(f"the records from {index * TILE_WIDTH} on are published and aren't there")
        return found

    def _put(self, files: Iterator[File] | Sequence[File]) -> None:
        made = list(files)
        if made:
            self._put_files(made)
            self.written += [file.path for file in made]


def _beginnings(hashes: Sequence[bytes]) -> list[bytes]:
    """The tile of the first none, one, two ... hashes."""
    return [b"".join(hashes[:width]) for width in range(len(hashes) + 1)]


def _prefixes(entries: Sequence[bytes]) -> list[bytes]:
    """The bundle of the first none, one, two ... entries."""
    whole = bundle_bytes(entries)
    ends = accumulate((2 + len(entry) for entry in entries), initial=0)
    return [whole[:end] for end in ends]
