"""Publishes what is durable: tiles and bundles, read back and recomputed, then the head.

The order survives a crash at any point: tiles are derived and written again with the same bytes; the head moves by
compare-and-swap before anything is signed (`files.signing`), so two histories can't both be, and no checkpoint names a
record that isn't durable and published. One thread calls this.
"""

import itertools
from collections.abc import Sequence
from pathlib import Path

from audit.errors import LogCorrupt, LogRolledBack, MerkleError
from audit.files.heads import Head, TreeHead
from audit.files.store import FileSystem, put_files
from audit.files.tail import Tail
from audit.files.tree import File, GrowingTree, confirm, resumed_tree
from audit.leaves.counters import Pair
from audit.tlog.tiles import ENTRIES, TILE_WIDTH, tile_path

AT_ONCE = 16 * TILE_WIDTH  # records of one publication, or a batch more; the rest comes in the next


class Publisher:
    """The published side of one log."""

    def __init__(self, files: FileSystem, directory: Path, head: Head) -> None:
        self._files = files
        self._directory = directory
        self._store = head
        self.head: TreeHead | None = None  # what is published
        self._tree = GrowingTree()
        self._tail = Tail(files, directory, 0)
        self._pairs: list[Pair] = []  # read and not yet published
        self._folders: set[Path] = set()  # those that are there for good

    @property
    def size(self) -> int:
        """Records under the head."""
        return self.head.size if self.head else 0

    def begin(self) -> None:
        """All is ready."""

    def close(self) -> None:
        """Nothing is held."""

    def boundary(self) -> int:
        """Read the head; the first record of its last, unfinished bundle, from where on records are needed.

        Raises LogCorrupt, OSError.
        """
        self.head = self._store.read()
        return self.size - self.size % TILE_WIDTH

    def resume(self, durable: int) -> None:
        """Take up the tree at the head, after `boundary`.

        Raises LogRolledBack when fewer than the published records are left, LogCorrupt when they are others.
        """
        size = self.size
        if durable < size:
            raise LogRolledBack(
                f"the directory holds {durable} records, {size} were published: an old copy was put back, "
                "or the end is lost; bring the newer copy back or restore from the mirror"
            )
        self._tail = Tail(self._files, self._directory, size - size % TILE_WIDTH)
        self._pairs = []
        if self.head is None:
            return
        self._read_on(durable, size % TILE_WIDTH)
        bundle, self._pairs = self._pairs[: size % TILE_WIDTH], self._pairs[size % TILE_WIDTH :]
        try:
            self._tree = resumed_tree(size, bundle, self._read)
        except (MerkleError, OSError) as error:
            raise LogCorrupt(f"the published tiles don't fit the head of {size} records: {error}") from error
        if self._tree.root() != self.head.root:
            raise LogCorrupt(f"the records up to {size} are not those that were published: two histories, or damage")

    def publish(self, durable: int) -> TreeHead | None:
        """Publish some of the next records, at most up to `durable`; the head after that.

        Raises OSError (may be tried again), LogCorrupt, HeadMoved.
        """
        self._read_on(durable, AT_ONCE)
        if not self._pairs:
            return self.head
        tree = GrowingTree(self._tree.size, list(self._tree.entries), [list(level) for level in self._tree.levels])
        made: list[File] = []
        rest = iter(self._pairs)
        while chunk := list(itertools.islice(rest, tree.room())):
            made += tree.extend([digest for digest, _ in chunk], [entry for _, entry in chunk])
        made += tree.partial_tiles()
        self._put(made)
        confirm(made, self._read)
        new = TreeHead(tree.size, tree.root())
        self._store.swap(self.head, new)
        old, self.head, self._tree, self._pairs = self._tree.size, new, tree, []
        self._remove_partials(old, new.size)
        return new

    def _read_on(self, durable: int, count: int) -> None:
        """Have so many records to publish, or all that are durable."""
        while len(self._pairs) < count and (more := self._tail.read(durable)):
            self._pairs += more

    def _read(self, path: str) -> bytes:
        return self._files.read(self._directory / path)

    def _put(self, made: Sequence[File]) -> None:
        """Files in place and durable: all written, then all synced, then all named, so that syncs share their work."""
        files, directory = self._files, self._directory
        places = [directory / file.path for file in made]
        for folder in dict.fromkeys(place.parent for place in places):
            self._make_folder(folder)
        put_files(files, list(zip(places, [file.data for file in made], strict=True)))
        for folder in dict.fromkeys(place.parent for place in places):
            files.sync_directory(folder)

    def _make_folder(self, folder: Path) -> None:
        """A directory that is there for good, with its parents up to the log's own."""
        if folder in self._folders:
            return
        self._files.make_directory(folder)
        parents = list(itertools.takewhile(lambda place: place != self._directory, folder.parents))
        for place in (*parents, self._directory):
            self._files.sync_directory(place)
        self._folders.update((folder, *parents))

    def _remove_partials(self, old: int, new: int) -> None:
        """Remove partial tiles whose full tile is there now; clients may still ask for any other one."""
        level: int = 0
        while old >> (8 * level):
            index = old >> (8 * (level + 1))
            if new >> (8 * (level + 1)) > index:
                for kind in (level, ENTRIES) if level == 0 else (level,):
                    self._remove_folder(self._directory / f"{tile_path(kind, index)}.p")
            level += 1

    def _remove_folder(self, folder: Path) -> None:
        for name in self._files.names(folder):
            self._files.remove(folder / name)
        self._files.remove_directory(folder)
        self._folders.discard(folder)
