"""Publishes what is durable: tiles and bundles, read back and recomputed, then the head.

The order survives a crash at any point: tiles are derived and written again with the same bytes; the head moves by
compare-and-swap before anything is signed (`files.signing`), so two histories can't both be, and no checkpoint names a
record that isn't durable and published. One thread calls this.
"""

import itertools
import logging
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from audit.errors import LogCorrupt, LogRolledBack, MerkleError
from audit.files.heads import Head, TreeHead
from audit.files.mending import Mending
from audit.files.store import FileSystem, put_files
from audit.files.tail import Tail
from audit.files.tree import File, GrowingTree, confirm, resumed_tree
from audit.leaves.counters import Pair
from audit.tlog.tiles import ENTRIES, TILE_WIDTH, tile_path

logger = logging.getLogger("bailiwick.audit")
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
        self._read_on(durable, TILE_WIDTH)
        mending = Mending(self._read, self._names, self._put_again, partial(self._leaves, durable))
        bundle, self._pairs = self._pairs[: size % TILE_WIDTH], self._pairs[size % TILE_WIDTH :]
        self._tree = self._resumed(bundle, self.head, mending)
        last = [*bundle, *self._pairs[: TILE_WIDTH - len(bundle)]]
        try:
            mending.mend(self._tree, [entry for _, entry in last])
        except (OSError, LogCorrupt) as error:  # the records are whole as far as they are needed: they go on
            logger.warning("published files are damaged, and can't be made anew: %s; run `audit verify`", error)
        if made := mending.written:
            told = f"{len(made)} published files were gone or damaged and are made anew from the records"
            logger.warning("%s, the first `%s`, the last `%s`", told, made[0], made[-1])

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

    def _resumed(self, bundle: Sequence[Pair], head: TreeHead, mending: Mending) -> GrowingTree:
        """The tree under the head: by its unfinished tiles or, where these are gone or damaged, by the full ones."""
        with suppress(MerkleError, OSError):
            tree = resumed_tree(head.size, bundle, self._read)
            if tree.root() == head.root:
                return tree
        tree = mending.tree(head.size, bundle)
        if tree.root() != head.root:
            told = f"the records up to {head.size} are not those that were published"
            raise LogCorrupt(f"{told}: two histories, or damage; `audit verify` says where")
        return tree

    def _leaves(self, durable: int, first: int) -> Iterator[list[bytes]]:
        """The records of each full bundle from `first` on, as far as they are durable."""
        tail = Tail(self._files, self._directory, first * TILE_WIDTH)
        waiting: list[bytes] = []
        while more := tail.read(durable):
            waiting += [entry for _, entry in more]
            while len(waiting) >= TILE_WIDTH:
                yield waiting[:TILE_WIDTH]
                del waiting[:TILE_WIDTH]

    def _names(self, path: str) -> list[str]:
        try:
            return self._files.names(self._directory / path)
        except OSError:  # a file in a directory's place
            return []

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

    def _put_again(self, made: Sequence[File]) -> None:
        self._put(made)
        confirm(made, self._read)

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
