"""A copy of a log elsewhere, kept by somebody who believes nothing: every tile and record under a signed checkpoint.

Guarantees that nothing is written that doesn't lie under a checkpoint which a known key signed and which extends the
one before; that the copy's checkpoint moves only when all it covers is durable; and that a fork raises LogForked, with
both checkpoints and the tiles that show it kept in `evidence/`. The copy has the layout of a log and is verified,
proved from and exported like one. Its state is its checkpoint, so that a restart goes on where it was. For one thread.
"""

import itertools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

from audit.errors import LogCorrupt, LogForked, MerkleError, ProofInvalid, SourceBehind, SourceBroken
from audit.files.layout import CHECKPOINT
from audit.files.store import Disk, FileSystem, make_durable_directory, put_files, write_file
from audit.files.tree import File, GrowingTree, confirm, resumed_tree
from audit.published import WITNESSED, NotPublished, Published, PublishedFiles, whole_tile
from audit.tlog.checkpoints import Checkpoint, verified_checkpoint
from audit.tlog.merkle import EMPTY_ROOT, complete_root, leaf_hash
from audit.tlog.notes import VerifierKey
from audit.tlog.proofs import consistency_proof, range_root, verify_consistency
from audit.tlog.tiles import ENTRIES, TILE_WIDTH, parse_bundle, parse_tile, subtrees_in, tile_path, tiles_of

EVIDENCE = "evidence"
WINDOW = 64  # bundles that are fetched side by side and made durable together
FETCHERS = 8
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Copied:
    """What a round came to."""

    size: int  # records in the copy, all under its checkpoint
    new: int  # of which this round brought
    witnessed: int  # records under the newest checkpoint with cosignatures that the log shows


class Mirror:
    """A copy in a directory of what `source` shows."""

    def __init__(
        self,
        source: Published,
        directory: Path,
        keys: Sequence[VerifierKey],
        *,
        origin: str | None = None,
        files: FileSystem | None = None,
    ) -> None:
        self._source = source
        self._directory = directory
        self._keys = keys
        self._origin = origin
        self._files = files or Disk()
        self._copy = PublishedFiles(directory, self._files)
        self._held: Checkpoint | None = None
        self._note = b""
        self._tree = GrowingTree()
        self._witnessed = 0
        self._pool = ThreadPoolExecutor(FETCHERS, "audit-mirror")

    def open(self) -> int:
        """Take up the copy as it lies there; how many records it holds. Raises LogCorrupt, SignatureInvalid, OSError.

        A copy that is damaged within its last tiles is refused: what is older is `audit verify`'s business.
        """
        make_durable_directory(self._files, self._directory)
        try:
            self._note = self._copy.note()
        except NotPublished:
            return 0
        self._held, _ = verified_checkpoint(self._note, self._keys, self._origin)
        size = self._held.size
        try:
            self._tree = resumed_tree(size, self._tail(size), lambda path: self._files.read(self._directory / path))
        except (MerkleError, NotPublished, OSError) as error:
            raise LogCorrupt(f"the copy doesn't fit its checkpoint of {size} records: {error}") from error
        if self._tree.root() != self._held.root:
            raise LogCorrupt(f"the copy's last tiles are not those of its checkpoint of {size} records")
        return size

    def close(self) -> None:
        """Let go of the fetching threads and of the source."""
        self._pool.shutdown()
        self._source.close()

    def round(self, progress: Progress = lambda _done, _total: None) -> Copied:
        """Follow the log to its newest checkpoint.

        Raises LogForked, SourceBroken, SourceBehind, SignatureInvalid, NotPublished, OSError; what the source raises.
        """
        note = self._source.note()
        claimed, _ = verified_checkpoint(note, self._keys, self._origin or (self._held.origin if self._held else None))
        before = self._held.size if self._held else 0
        self._compare(claimed, note)
        if self._held is None or claimed.size > before:
            remote = _Remote(self._source, claimed)
            self._extends(claimed, note, remote)
            self._fetch(remote, claimed, progress)
            self._keep(claimed, note)
        self._follow_witnessed()
        return Copied(claimed.size, claimed.size - before, self._witnessed)

    # — comparing —

    def _compare(self, claimed: Checkpoint, note: bytes) -> None:
        """What needs no tiles: the same size with another root, a smaller one that is or isn't part of ours."""
        held = self._held
        if held is None or claimed.size > held.size:
            return
        if self._root_at(claimed.size) != claimed.root:
            raise self._forked(claimed, note, "a root that is not that of our first records", {})
        if claimed.size < held.size:
            raise SourceBehind(f"the log shows {claimed.size} records, this copy holds {held.size} of the same history")

    def _root_at(self, size: int) -> bytes:
        """The root of the copy's first records."""
        if size == self._tree.size:
            return self._tree.root()

        def tile(level: int, index: int, width: int) -> bytes:
            return whole_tile(self._copy, level, index, width)

        return range_root(0, size, subtrees_in(tile, self._tree.size)) if size else EMPTY_ROOT

    def _extends(self, claimed: Checkpoint, note: bytes, remote: "_Remote") -> None:
        """Raise LogForked unless the signed tree begins with ours, SourceBroken when its tiles don't show even that."""
        held = self._held
        if held is None or held.size == 0:
            return
        proof = consistency_proof(held.size, claimed.size, subtrees_in(remote.tile, claimed.size))
        try:
            verify_consistency(held.size, claimed.size, proof, held.root, claimed.root)
        except ProofInvalid as error:
            raise self._forked(claimed, note, str(error), remote.seen) from error

    def _forked(self, claimed: Checkpoint, note: bytes, reason: str, tiles: dict[str, bytes]) -> LogForked:
        """The alarm, once both checkpoints and what shows the fork are durable."""
        assert self._held is not None
        name = f"{self._held.size}-{claimed.size}-{sha256(self._note + note).hexdigest()[:16]}"
        folder = self._directory / EVIDENCE / name
        told = f"the log `{claimed.origin}` signed two histories: {reason}\n".encode()
        kept = {"held.checkpoint": self._note, "shown.checkpoint": note, "reason.txt": told, **tiles}
        self._put([File(f"{EVIDENCE}/{name}/{path}", data) for path, data in kept.items()])
        return LogForked(
            f"the log `{claimed.origin}` signed two histories: at {claimed.size} records it shows {reason}; "
            f"we hold {self._held.size}; both checkpoints lie in `{folder}`"
        )

    # — copying —

    def _fetch(self, remote: "_Remote", claimed: Checkpoint, progress: Progress) -> None:
        """Bring the copy's tree to the claimed size, windows of bundles at a time."""
        tree = GrowingTree(self._tree.size, list(self._tree.entries), [list(level) for level in self._tree.levels])
        indices = iter(range(tree.size // TILE_WIDTH, -(-claimed.size // TILE_WIDTH)))
        while window := list(itertools.islice(indices, WINDOW)):
            made: list[File] = []
            hashes = [remote.hashes(0, index) for index in window]
            entries = self._pool.map(remote.entries, window, hashes)
            for digests, leaves in zip(hashes, entries, strict=True):
                there = tree.size % TILE_WIDTH  # of the first bundle, some may be ours already
                made += tree.extend(digests[there:], leaves[there:])
            if tree.size == claimed.size:
                made += tree.partial_tiles()
            self._put(made)
            confirm(made, lambda path: self._files.read(self._directory / path))
            progress(tree.size, claimed.size)
        if tree.root() != claimed.root:
            raise SourceBroken(f"the copy of {claimed.size} records has another root than the checkpoint")
        self._tree = tree

    def _keep(self, claimed: Checkpoint, note: bytes) -> None:
        write_file(self._files, self._directory / CHECKPOINT, note)
        self._files.sync_directory(self._directory)
        if self._held is not None:
            gone = _partials(self._held.size) - _partials(claimed.size)
            for path in sorted(gone):
                self._files.remove(self._directory / path)
                self._remove_if_empty((self._directory / path).parent)
        self._held, self._note = claimed, note

    def _follow_witnessed(self) -> None:
        """Keep the log's newest cosigned checkpoint too, once it is part of what we hold."""
        try:
            note = self._source.note(WITNESSED)
        except NotPublished:
            return
        assert self._held is not None
        cosigned, _ = verified_checkpoint(note, self._keys, self._held.origin)
        if self._witnessed < cosigned.size <= self._held.size:
            if self._root_at(cosigned.size) != cosigned.root:
                raise self._forked(cosigned, note, "a cosigned root that is not that of our first records", {})
            self._copy.keep_witnessed(note)
            self._witnessed = cosigned.size

    def _tail(self, size: int) -> list[tuple[bytes, bytes]]:
        width = size % TILE_WIDTH
        if not width:
            return []
        entries = parse_bundle(whole_tile(self._copy, ENTRIES, size // TILE_WIDTH, width), width)
        return [(leaf_hash(entry), entry) for entry in entries]

    def _put(self, made: Sequence[File]) -> None:
        """Files in place and durable."""
        places = [self._directory / file.path for file in made]
        folders = list(dict.fromkeys(place.parent for place in places))
        for folder in folders:
            make_durable_directory(self._files, folder)
        put_files(self._files, list(zip(places, [file.data for file in made], strict=True)))
        for folder in folders:
            self._files.sync_directory(folder)

    def _remove_if_empty(self, folder: Path) -> None:
        if not self._files.names(folder):
            self._files.remove_directory(folder)


class _Remote:
    """The log's tiles, each believed only under the checkpoint.

    The tiles of the right edge make its root; each full tile's root stands in the tile above it.
    """

    def __init__(self, source: Published, claimed: Checkpoint) -> None:
        self._source = source
        self._size = claimed.size
        self.seen: dict[str, bytes] = {}  # tiles that a consistency proof was made from
        self._edges = self._edge_tiles()
        self._full = lru_cache(maxsize=1024)(self._checked)
        if GrowingTree(claimed.size, [], self._edges).root() != claimed.root:
            raise SourceBroken(f"the log's last tiles don't make the root that it signed at {claimed.size} records")

    def hashes(self, level: int, index: int) -> list[bytes]:
        """The hashes of a tile of this tree."""
        if index == (self._size >> (8 * (level + 1))):
            return self._edges[level]
        return self._full(level, index)

    def entries(self, index: int, hashes: list[bytes]) -> list[bytes]:
        """A bundle's entries, once they hash to what stands in its tile."""
        data = whole_tile(self._source, ENTRIES, index, len(hashes))
        try:
            entries = parse_bundle(data, len(hashes))
        except MerkleError as error:
            raise SourceBroken(f"`{tile_path(ENTRIES, index, len(hashes))}` is damaged: {error}") from error
        for number, (entry, digest) in enumerate(zip(entries, hashes, strict=True), index * TILE_WIDTH):
            if leaf_hash(entry) != digest:
                raise SourceBroken(f"record {number} is not the one that its log signed")
        return entries

    def tile(self, level: int, index: int, width: int) -> bytes:
        """A tile's bytes, for proofs."""
        data = b"".join(self.hashes(level, index)[:width])
        self.seen[tile_path(level, index, width)] = data
        return data

    def _edge_tiles(self) -> list[list[bytes]]:
        edges, level, count = [], 0, self._size
        while count:
            width = count % TILE_WIDTH
            edges.append(self._fetched(level, count // TILE_WIDTH, width) if width else [])
            level, count = level + 1, count // TILE_WIDTH
        return edges

    def _checked(self, level: int, index: int) -> list[bytes]:
        hashes = self._fetched(level, index, TILE_WIDTH)
        if complete_root(hashes) != self.hashes(level + 1, index // TILE_WIDTH)[index % TILE_WIDTH]:
            raise SourceBroken(f"`{tile_path(level, index)}` is not part of the tree that its log signed")
        return hashes

    def _fetched(self, level: int, index: int, width: int) -> list[bytes]:
        try:
            return parse_tile(whole_tile(self._source, level, index, width), width)
        except MerkleError as error:
            raise SourceBroken(f"`{tile_path(level, index, width)}` is damaged: {error}") from error


def _partials(size: int) -> set[str]:
    """Paths of the partial tiles and the partial bundle of a tree."""
    found = {tile_path(level, index, width) for level, index, width in tiles_of(size) if width < TILE_WIDTH}
    return found | ({tile_path(ENTRIES, size // TILE_WIDTH, size % TILE_WIDTH)} if size % TILE_WIDTH else set())
