"""Publishes what is durable: tiles and bundles, read back and recomputed, then the head, then the signed checkpoint.

The order survives a crash at any point: tiles are derived and written again with the same bytes; the head moves by
compare-and-swap before anything is signed, so two histories can't both be; a checkpoint never names a record that
isn't durable and published. One thread calls this.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from audit.errors import LogCorrupt, LogRolledBack, MerkleError
from audit.files.heads import Head, TreeHead
from audit.files.layout import CHECKPOINT
from audit.files.store import FileSystem, put_files, write_file
from audit.files.tree import File, GrowingTree, confirm, resumed_tree
from audit.leaves.counters import Pair
from audit.tlog.checkpoints import Checkpoint, signed_checkpoint
from audit.tlog.notes import NoteSigner, parse_note
from audit.tlog.tiles import ENTRIES, TILE_WIDTH, tile_path


@dataclass(frozen=True, slots=True)
class Source:
    """Where a log is published from, and as whom."""

    files: FileSystem
    directory: Path
    origin: str
    signer: NoteSigner
    head: Head


class Publisher:
    """The published side of one log."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._head: TreeHead | None = None
        self._tree = GrowingTree()
        self._signed = 0
        self._folders: set[Path] = set()  # those that are there for good

    @property
    def size(self) -> int:
        """Records under the published head."""
        return self._tree.size

    @property
    def signed_size(self) -> int:
        """Records under the signed checkpoint on disk."""
        return self._signed

    def boundary(self) -> int:
        """Read the head; the first record of its last, unfinished bundle: from there on `resume` needs the records.

        Raises LogRolledBack when the checkpoint is ahead of the head, LogCorrupt.
        """
        self._head = self._source.head.read()
        size = self._head.size if self._head else 0
        self._signed = self._checkpoint_size()
        if self._signed > size:
            raise LogRolledBack(
                f"the checkpoint covers {self._signed} records, the head only {size}: an old head was put back"
            )
        return size - size % TILE_WIDTH

    def resume(self, tail: Sequence[Pair], durable: int) -> None:
        """Take up the tree at the head. `tail`: the records from `boundary()` up to the head at least.

        Raises LogRolledBack when fewer than the published records are left, LogCorrupt when they are others.
        """
        if self._head is None:
            return
        size = self._head.size
        if durable < size:
            raise LogRolledBack(
                f"the directory holds {durable} records, {size} were published: an old copy was put back, "
                "or the end is lost; bring the newer copy back or restore from the mirror"
            )
        try:
            self._tree = resumed_tree(size, tail[: size % TILE_WIDTH], self._read)
        except (MerkleError, OSError) as error:
            raise LogCorrupt(f"the published tiles don't fit the head of {size} records: {error}") from error
        if self._tree.root() != self._head.root:
            raise LogCorrupt(f"the records up to {size} are not those that were published: two histories, or damage")

    def publish(self, pairs: Sequence[Pair]) -> None:
        """Publish these next records. Raises OSError (may be tried again with all of them), LogCorrupt, HeadMoved."""
        tree = GrowingTree(self._tree.size, list(self._tree.entries), [list(level) for level in self._tree.levels])
        made: list[File] = []
        rest = iter(pairs)
        while chunk := list(itertools.islice(rest, tree.room())):
            made += tree.extend([digest for digest, _ in chunk], [entry for _, entry in chunk])
        made += tree.partial_tiles()
        self._put(made)
        confirm(made, self._read)
        new = TreeHead(tree.size, tree.root())
        self._source.head.swap(self._head, new)
        self._remove_partials(self._tree.size, tree.size)
        self._head, self._tree = new, tree

    def sign(self) -> None:
        """Sign and publish the head when the checkpoint is behind it. Raises what the signer raises, and OSError."""
        if self._head is None or self._signed == self._head.size:
            return
        checkpoint = Checkpoint(self._source.origin, self._head.size, self._head.root)
        note = signed_checkpoint(checkpoint, [self._source.signer])
        write_file(self._source.files, self._source.directory / CHECKPOINT, str(note).encode())
        self._source.files.sync_directory(self._source.directory)
        self._signed = self._head.size

    def _checkpoint_size(self) -> int:
        try:
            data = self._source.files.read(self._source.directory / CHECKPOINT)
        except FileNotFoundError:
            return 0
        try:
            checkpoint = Checkpoint.parse(parse_note(data).text)
        except MerkleError as error:
            raise LogCorrupt(f"the file `{CHECKPOINT}` is damaged: {error}; restore it from a copy") from error
        if checkpoint.origin != self._source.origin:
            raise LogCorrupt(f"the checkpoint is of `{checkpoint.origin}`, not of `{self._source.origin}`")
        return checkpoint.size

    def _read(self, path: str) -> bytes:
        return self._source.files.read(self._source.directory / path)

    def _put(self, made: Sequence[File]) -> None:
        """Files in place and durable: all written, then all synced, then all named, so that syncs share their work."""
        files, directory = self._source.files, self._source.directory
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
        self._source.files.make_directory(folder)
        parents = list(itertools.takewhile(lambda place: place != self._source.directory, folder.parents))
        for place in (*parents, self._source.directory):
            self._source.files.sync_directory(place)
        self._folders.update((folder, *parents))

    def _remove_partials(self, old: int, new: int) -> None:
        """Remove partial tiles whose full tile is there now; clients may still ask for any other one."""
        level: int = 0
        while old >> (8 * level):
            index = old >> (8 * (level + 1))
            if new >> (8 * (level + 1)) > index:
                for kind in (level, ENTRIES) if level == 0 else (level,):
                    self._remove_folder(self._source.directory / f"{tile_path(kind, index)}.p")
            level += 1

    def _remove_folder(self, folder: Path) -> None:
        for name in self._source.files.names(folder):
            self._source.files.remove(folder / name)
        self._source.files.remove_directory(folder)
        self._folders.discard(folder)
