"""Verifies a whole log, offline: records, hashes, tiles, checkpoint, head, counters, sealed parts.

Raises nothing for what it finds: every problem is listed with where it is. Covered is every byte of the segments, the
tiles and bundles, the checkpoint and the head; not covered are `lock`, which is empty, and files named `*.tmp`, which
a crash leaves and the next start removes. A directory with only the published files is verified just as far as its
checkpoint goes. What no signed checkpoint covers yet is stated: only the counters vouch for it.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import orjson

from audit.errors import AuditError, LogCorrupt, MerkleError, TileMalformed
from audit.findings import Finding, Findings
from audit.heads import TreeHead
from audit.layout import CHECKPOINT, HEAD, archive_of, wal_of
from audit.reading import bundle_leaves, has_segments
from audit.record_check import RecordCheck
from audit.recovery import LoadedSegment, load_segment, segment_paths
from audit.segments import archive_hash, batch_pairs, parse_header
from audit.store import Disk, FileSystem
from audit.tile_check import TileCheck
from audit.tlog.checkpoints import Checkpoint, Cosignature, verified_checkpoint, verified_cosignatures
from audit.tlog.merkle import leaf_hash
from audit.tlog.notes import VerifierKey, parse_note
from audit.tlog.tiles import TILE_WIDTH

Leaves = tuple[list[bytes], list[bytes]]  # hashes and entries
_LOOKS = 3  # at a last segment that seems damaged
Progress = Callable[[int, int], None]
"""`progress(done, total)` in records; the total may grow."""


@dataclass(frozen=True, slots=True)
class Report:
    """The result. `ok` when nothing is wrong; an unsigned tail and other notes leave it so."""

    problems: tuple[Finding, ...]
    notes: tuple[Finding, ...]
    total_problems: int  # more than are listed, when there are very many
    checkpoint: Checkpoint | None  # verified under one of the keys, None when it isn't
    signed_by: tuple[str, ...]
    cosignatures: tuple[Cosignature, ...]
    records: int
    unsigned: int  # records at the end that no verified checkpoint covers
    writers: dict[str, int]  # each writer's last number
    tenants: int
    sealed: int  # sealed parts that records name and the archive holds
    erased: int  # sealed parts that are gone and declared erased

    @property
    def ok(self) -> bool:
        return self.total_problems == 0


def verify_log(
    directory: Path,
    keys: Iterable[VerifierKey],
    *,
    origin: str | None = None,
    remembered: Iterable[Checkpoint] = (),
    foreign: bool = False,
    files: FileSystem | None = None,
    progress: Progress = lambda _done, _total: None,
) -> Report:
    """Check everything there is.

    `remembered`: checkpoints verified at other times or places, which the log must extend: that finds a log put back,
    and two histories under one key. `foreign`: the records are somebody else's, only tree and signature are checked.
    """
    verification = _Verification(files or Disk(), directory, tuple(keys), origin, tuple(remembered), foreign, progress)
    return verification.run()


class _Verification:
    """One run; the parts are methods in the order in which they run."""

    def __init__(
        self,
        files: FileSystem,
        directory: Path,
        keys: tuple[VerifierKey, ...],
        origin: str | None,
        remembered: tuple[Checkpoint, ...],
        foreign: bool,
        progress: Progress,
    ) -> None:
        self._files = files
        self._directory = directory
        self._keys = keys
        self._origin = origin
        self._remembered = remembered
        self._foreign = foreign
        self._progress = progress
        self._findings = Findings()
        self._records = RecordCheck(self._findings)
        self._signed_by: tuple[str, ...] = ()
        self._cosignatures: tuple[Cosignature, ...] = ()

    def run(self) -> Report:
        claimed, verified = self._checkpoint()
        head = self._head(claimed)
        published = max(claimed.size if claimed else 0, head.size if head else 0)
        sizes = [one.size for one in (claimed, head, *self._remembered) if one]
        tiles = TileCheck(self._files, self._directory, published, sizes, self._findings)
        has_wal = has_segments(self._directory, self._files)
        self._walk(tiles, published, has_wal=has_wal)
        tiles.finish()
        self._roots(tiles, claimed, head)
        sealed, erased = self._sealed(has_wal=has_wal)
        unsigned = tiles.size - min(verified.size if verified else 0, tiles.size)
        if unsigned:
            self._findings.note("checkpoint", f"the last {unsigned} records are under no verified checkpoint")
        return Report(
            problems=tuple(self._findings.problems),
            notes=tuple(self._findings.notes),
            total_problems=self._findings.total,
            checkpoint=verified,
            signed_by=self._signed_by,
            cosignatures=self._cosignatures,
            records=tiles.size,
            unsigned=unsigned,
            writers={_text(by): seq for by, seq in self._records.writers.items()},
            tenants=len(self._records.tenants),
            sealed=sealed,
            erased=erased,
        )

    def _checkpoint(self) -> tuple[Checkpoint | None, Checkpoint | None]:
        """The checkpoint as it claims to be, and again when a key verifies it."""
        try:
            data = self._files.read(self._directory / CHECKPOINT)
        except OSError:
            self._findings.problem(CHECKPOINT, "is missing: nothing here is signed")
            return None, None
        claimed = None
        try:
            note = parse_note(data)
            claimed = Checkpoint.parse(note.text)
            verified, note = verified_checkpoint(data, self._keys, self._origin)
            self._signed_by = tuple(key.name for key in note.verified_by(self._keys))
            self._cosignatures = verified_cosignatures(note, self._keys)
            self._unknown_signatures(len(note.signatures))
        except MerkleError as error:
            self._findings.problem(CHECKPOINT, str(error))
            return claimed, None
        return claimed, verified

    def _unknown_signatures(self, count: int) -> None:
        unknown = count - len(self._signed_by) - len(self._cosignatures)
        if unknown:
            self._findings.note(CHECKPOINT, f"carries {unknown} signatures by keys that were not given")

    def _head(self, claimed: Checkpoint | None) -> TreeHead | None:
        try:
            head = TreeHead.parse(self._files.read(self._directory / HEAD), HEAD)
        except FileNotFoundError:
            return None
        except (AuditError, OSError) as error:
            self._findings.problem(HEAD, str(error))
            return None
        if claimed is not None and claimed.size > head.size:
            self._findings.problem(
                HEAD, f"is at {head.size} records, behind the checkpoint's {claimed.size}: put back?"
            )
        return head

    def _walk(self, tiles: TileCheck, published: int, *, has_wal: bool) -> None:
        """Every record in order, the tiles 256 at a time."""
        hashes: list[bytes] = []
        entries: list[bytes] = []
        for digests, leaves in self._leaves(published, has_wal=has_wal):
            if not self._foreign:
                self._records.records(tiles.size + len(hashes), digests, leaves)
            hashes += digests
            entries += leaves
            while len(hashes) >= TILE_WIDTH:
                tiles.group(hashes[:TILE_WIDTH], entries[:TILE_WIDTH] if has_wal else None)
                del hashes[:TILE_WIDTH], entries[:TILE_WIDTH]
                self._progress(tiles.size, max(published, tiles.size))
        if hashes:
            tiles.group(hashes, entries if has_wal else None)
        self._progress(tiles.size, max(published, tiles.size))

    def _leaves(self, published: int, *, has_wal: bool) -> Iterator[Leaves]:
        """The records of the segments; from the bundles what these have lost, or all where there are no segments."""
        size = 0
        if has_wal:
            for leaves in self._wal_leaves():
                size += len(leaves[0])
                yield leaves
            if size < published:
                self._findings.problem("wal", f"ends at {size} records, {published} were published", size)
        try:
            rest = bundle_leaves(self._files, self._directory, size, published)
            while entries := [entry for _, entry in islice(rest, TILE_WIDTH)]:
                yield [leaf_hash(entry) for entry in entries], entries
        except (OSError, TileMalformed) as error:
            self._findings.problem("tile/entries", f"can't be read on: {error}")

    def _wal_leaves(self) -> Iterator[Leaves]:
        """Hashes and leaves of the segments, batch by batch, up to the first damage that hides records."""
        paths = segment_paths(self._files, wal_of(self._directory))
        for loaded in self._segments(paths, "log"):
            self._check_state(loaded)
            yield from self._batches(loaded, leaf_hash, "record")

    def _batches(self, loaded: LoadedSegment, hasher: Callable[[bytes], bytes], what: str) -> Iterator[Leaves]:
        """Recomputed hashes and bytes of each batch; what differs from the hash beside it is a problem."""
        for batch in loaded.scan.batches:
            try:
                stored, parts = batch_pairs(loaded.data, batch)
            except LogCorrupt as error:
                self._findings.problem(f"{loaded.path.parent.name}/{loaded.path.name}", str(error))
                return
            digests = [hasher(part) for part in parts]
            if digests != stored:
                for index, (left, right) in enumerate(zip(digests, stored, strict=True), batch.first):
                    if left != right:
                        self._findings.problem(f"{what} {index}", "doesn't match the hash beside it", index)
            yield digests, parts

    def _segments(self, paths: Sequence[Path], kind: str) -> Iterator[LoadedSegment]:
        """Each segment, checked against the one before; ends where the order of indices is lost."""
        expected = 0
        for path in paths:
            where = f"{path.parent.name}/{path.name}"
            try:
                loaded = self._loaded(path, kind, is_last=path is paths[-1])
            except (LogCorrupt, OSError) as error:
                self._findings.problem(where, str(error))
                return
            if loaded.state["first"] != expected:
                self._findings.problem(where, f"should begin with {expected}: a segment is missing, or one was cut")
                return
            if (damage := loaded.scan.damage) is not None:
                unacknowledged = path is paths[-1] and not damage.corrupt
                hint = ": a write that was never acknowledged, or tampering" if unacknowledged else ""
                self._findings.problem(
                    where, f"at offset {damage.offset}: {damage.message}{hint}", loaded.scan.next_index
                )
            elif path is not paths[-1] and loaded.scan.end != len(loaded.data):
                self._findings.problem(where, "is finished and has bytes after its last batch")
            yield loaded
            expected = loaded.scan.next_index

    def _loaded(self, path: Path, kind: str, *, is_last: bool) -> LoadedSegment:
        """A segment; the last one again when it seems damaged, since a writer may be in the middle of a batch."""
        for _ in range(_LOOKS if is_last else 1):
            loaded = load_segment(self._files, path, kind, self._segment_origin(path))
            if loaded.scan.damage is None:
                break
        return loaded

    def _segment_origin(self, path: Path) -> str:
        """The log's name as the first segment says it: all others, and the checkpoint, must agree."""
        if self._origin is None:
            self._origin = str(parse_header(self._files.read(path), path.name)[0]["origin"])
        return self._origin

    def _check_state(self, loaded: LoadedSegment) -> None:
        """The counters in a header are those of the records before it."""
        counters = {
            "tenants": {tag.decode(): [seq, last.hex()] for tag, (seq, last) in self._records.tenants.items()},
            "writers": {_text(by): seq for by, seq in self._records.writers.items()},
        }
        if loaded.state.get("counters") != counters:
            self._findings.problem(
                f"wal/{loaded.path.name}", "begins with other counters than the records before it give"
            )

    def _roots(self, tiles: TileCheck, claimed: Checkpoint | None, head: TreeHead | None) -> None:
        seen = [(CHECKPOINT, claimed), (HEAD, head), *(("remembered checkpoint", one) for one in self._remembered)]
        for where, known in seen:
            if known is None:
                continue
            root = tiles.roots.get(known.size)
            if root is None:
                self._findings.problem(where, f"covers {known.size} records, only {tiles.size} are there")
            elif root != known.root:
                self._findings.problem(where, f"the first {known.size} records have another root than it says")

    def _sealed(self, *, has_wal: bool) -> tuple[int, int]:
        """How many named parts are there, and how many are declared erased."""
        if self._foreign:
            return 0, 0
        paths = segment_paths(self._files, archive_of(self._directory))
        if not paths and not has_wal:
            if self._records.sealed:
                self._findings.note("archive", "is not here: a mirror holds no sealed parts")
            return 0, 0
        present = self._archived(paths)
        missing = 0
        for digest, (size, index) in self._records.sealed.items():
            if digest not in present:
                missing += 1
                if digest not in self._records.erased:
                    self._findings.problem(
                        f"record {index}", f"names the sealed part {digest.hex()}, which is gone", index
                    )
            elif present[digest] != size:
                self._findings.problem(
                    f"record {index}", f"names the sealed part {digest.hex()} with another size", index
                )
        orphans = len(present.keys() - self._records.sealed.keys())
        if orphans:
            self._findings.note("archive", f"holds {orphans} sealed parts of appends that were never acknowledged")
        return len(self._records.sealed) - missing, len(self._records.sealed.keys() & self._records.erased)

    def _archived(self, paths: Sequence[Path]) -> dict[bytes, int]:
        present: dict[bytes, int] = {}
        for loaded in self._segments(paths, "archive"):
            for digests, parts in self._batches(loaded, archive_hash, "sealed part"):
                present.update(zip(digests, map(len, parts), strict=True))
        return present


def _text(escaped: bytes) -> str:
    """A JSON string's value; of a damaged one, whatever can be shown."""
    try:
        return str(orjson.loads(b'"%b"' % escaped))
    except orjson.JSONDecodeError:
        return escaped.decode(errors="replace")
