"""A copy of a shared log elsewhere, shard after shard, laid out as a log with shards: for `audit verify`.

Each shard is a `Mirror` of its own, with its guarantees. Of a shard that was pruned before it was copied there are its
hashes under its checkpoint, and the proofs that lie in its place; what was copied before it was pruned stays.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType

from audit.errors import SourceBroken
from audit.files.layout import CHECKPOINT
from audit.files.shards import GENESIS, TOMBSTONE, keys_of_shards, shard_directory
from audit.files.store import Disk, FileSystem, make_durable_directory, put_files
from audit.files.tree import GrowingTree
from audit.mirror import Copied, Mirror, Progress
from audit.postgres.address import Address
from audit.postgres.errors import reading
from audit.postgres.published import PublishedTables
from audit.postgres.registry import SharedShard, shards_of
from audit.postgres.tables import Buried
from audit.published import NotPublished, PublishedFiles, whole_tile
from audit.tlog.checkpoints import Checkpoint, verified_checkpoint
from audit.tlog.notes import VerifierKey, parse_note
from audit.tlog.tiles import ENTRIES, TILE_WIDTH, parse_tile


class SharedMirror:
    """A copy in a directory of a shared log and its shards. For one thread."""

    def __init__(
        self,
        address: Address,
        origin: str,
        directory: Path,
        keys: Sequence[VerifierKey],
        files: FileSystem | None = None,
    ) -> None:
        self._address = address
        self._origin = origin
        self._directory = directory
        self._keys = tuple(keys)
        self._files = files or Disk()
        self._at = 0  # the shard that is copied
        self._copy: Mirror | None = None
        self._held = 0  # records of the shards before it

    def __enter__(self) -> "SharedMirror":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def open(self) -> int:
        """As `Mirror.open`, of the first shard; those after it are taken up when their turn comes."""
        return 0

    def close(self) -> None:
        """Let go of the source."""
        if self._copy is not None:
            self._copy.close()
            self._copy = None

    def round(self, progress: Progress = lambda _done, _total: None) -> Copied:
        """Follow the log to the newest checkpoint of its newest shard. Raises as `Mirror.round`."""
        new = 0
        for shard in self._shards()[self._at :]:
            try:
                copied = self._copied(shard, progress)
            except NotPublished:
                if shard.number == 0:
                    raise
                break  # it has just begun
            new += copied.new
            if shard.ended and copied.size == shard.ended:
                self.close()
                self._at, self._held = shard.number + 1, self._held + copied.size
            else:
                return replace(copied, size=self._held + copied.size, new=new)
        return Copied(self._held, new, 0)

    def _shards(self) -> list[SharedShard]:
        with reading(f"the log in `{self._address.shown}`"), self._address.connect("bailiwick", write=False) as session:
            return shards_of(session, self._origin)

    def _copied(self, shard: SharedShard, progress: Progress) -> Copied:
        place = shard_directory(self._directory, shard.number)
        keys = keys_of_shards(self._keys, shard.origin)
        if shard.pruned:
            return self._left_over(shard, place, keys)
        if self._copy is None:
            copy = Mirror(
                PublishedTables(self._address, shard.origin), place, keys, origin=shard.origin, files=self._files
            )
            try:
                copy.open()
            except BaseException:
                copy.close()
                raise
            self._copy = copy
        return self._copy.round(progress)

    def _left_over(self, shard: SharedShard, place: Path, keys: Sequence[VerifierKey]) -> Copied:
        """What is left of a pruned shard, unless all of it was copied before."""
        names = self._files.names(place)
        if CHECKPOINT in names:
            held, _ = verified_checkpoint(PublishedFiles(place, self._files).note(), keys, shard.origin)
            if TOMBSTONE in names or held.size == shard.ended:
                return Copied(held.size, 0, 0)
        source = PublishedTables(self._address, shard.origin)
        try:
            buried = source.buried()
            assert buried is not None, "only pruned shards come here"
            self._take(place, source, buried, keys)
        finally:
            source.close()
        return Copied(shard.ended, shard.ended, 0)

    def _take(self, place: Path, source: PublishedTables, buried: Buried, keys: Sequence[VerifierKey]) -> None:
        note = source.note()
        checkpoint, _ = verified_checkpoint(note, keys, Checkpoint.parse(parse_note(note).text).origin)
        tree = GrowingTree()
        made: dict[str, bytes] = {}
        for index in range(-(-checkpoint.size // TILE_WIDTH)):
            width = min(TILE_WIDTH, checkpoint.size - index * TILE_WIDTH)
            hashes = parse_tile(whole_tile(source, 0, index, width), width)
            made |= {file.path: file.data for file in tree.extend(hashes, [b""] * width)}
        made |= {file.path: file.data for file in tree.partial_tiles()}
        if tree.root() != checkpoint.root:
            raise SourceBroken(f"the hashes of the pruned shard `{checkpoint.origin}` make another root than it signed")
        kept = {path: data for path, data in made.items() if f"/{ENTRIES}/" not in path}
        self._put(place, kept | {GENESIS: buried.genesis, TOMBSTONE: buried.tombstone})
        self._put(place, {CHECKPOINT: note})

    def _put(self, place: Path, contents: dict[str, bytes]) -> None:
        folders = {(place / path).parent for path in contents}
        for folder in sorted(folders):
            make_durable_directory(self._files, folder)
        put_files(self._files, [(place / path, data) for path, data in contents.items()])
        for folder in sorted(folders):
            self._files.sync_directory(folder)
