"""Verifies a whole log or a range of it, offline: records, hashes, tiles, checkpoint, head, counters, sealed parts.

Raises nothing for what it finds: every problem is listed with where it is. Covered is every byte of the segments, the
tiles and bundles, the checkpoint and the head; not covered are `lock`, which is empty, and files named `*.tmp`, which
a crash leaves and the next start removes. A directory with only the published files is verified just as far as its
checkpoint goes. What no signed checkpoint covers yet is stated: only the counters vouch for it.

Segments are checked each by itself (`checks.stretches`), in several processes where asked, and joined here in order.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from audit.checks.crew import Crew
from audit.checks.findings import Finding, Findings, unread
from audit.checks.part_check import check_archive, segment_firsts
from audit.checks.record_check import RecordCheck
from audit.checks.rollback_check import put_back
from audit.checks.spine_check import SpineCheck
from audit.checks.stretches import Ground, Leaves, Stretch, check_bundles, check_segment
from audit.checks.tile_check import TileCheck
from audit.errors import AuditError, LogCorrupt, MerkleError
from audit.files.heads import TreeHead
from audit.files.layout import CHECKPOINT, HEAD, archive_of, wal_of
from audit.files.segments import parse_header, segment_name
from audit.files.store import Disk, FileSystem
from audit.reading import read_checkpoint, read_records
from audit.tlog.checkpoints import Checkpoint, Cosignature, verified_checkpoint, verified_cosignatures
from audit.tlog.notes import VerifierKey, parse_note
from audit.tlog.tiles import TILE_WIDTH

BUNDLES_AT_ONCE = 32  # of a directory without segments
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
    records: int  # verified
    unsigned: int  # records at the end that no verified checkpoint covers
    writers: dict[str, int]  # each writer's last number
    tenants: int
    sealed: int  # sealed parts that records name and the archive holds
    erased: int  # sealed parts that are gone and declared erased
    first: int = 0  # number of the first verified record; not 0 for a range
    erasures: frozenset[bytes] = frozenset()  # hashes of all sealed parts that are declared erased
    unreadable: Mapping[int, str] = field(default_factory=dict)  # records that nobody can read, and why
    about_unreadable: int = 0  # problems that are nothing else

    @property
    def ok(self) -> bool:
        return self.total_problems == 0

    @property
    def is_intact(self) -> bool:
        """Whether nothing is wrong but that records can't be read: all are there, as they were appended and signed."""
        return self.total_problems == self.about_unreadable


def verify_log(
    directory: Path,
    keys: Iterable[VerifierKey],
    *,
    origin: str | None = None,
    remembered: Iterable[Checkpoint] = (),
    foreign: bool = False,
    begin: int = 0,
    end: int | None = None,
    jobs: int = 1,
    quick: bool = False,
    erased: frozenset[bytes] = frozenset(),
    files: FileSystem | None = None,
    progress: Progress = lambda _done, _total: None,
) -> Report:
    """Check everything there is, or the records `[begin, end)` with the whole tiles that they lie in.

    `origin`: whose log it must be; another one is a single problem, and nothing else is looked at. `remembered`:
    checkpoints verified at other times or places, which the log must extend: that finds a log put back, and two
    histories under one key (not for a range). `foreign`: the records are somebody else's, only tree and signature are
    checked. `quick`: what records say is not looked at, so that of leaves that nobody can read most are not named.
    `erased`: sealed parts that another shard of the log declares erased. `jobs`: processes to share the work,
    only for files on a real disk.
    """
    limits = begin // TILE_WIDTH * TILE_WIDTH, 1 << 62 if end is None else -(-end // TILE_WIDTH) * TILE_WIDTH
    seen = tuple(remembered)
    with Crew(jobs if files is None else 1) as crew:
        asked = (begin, end)
        verification = _Verification(files or Disk(), directory, tuple(keys), seen, asked, limits, crew, progress)
        return verification.run(origin, erased, foreign=foreign, quick=quick)


class _Verification:
    """One run; the parts are methods in the order in which they run."""

    def __init__(
        self,
        files: FileSystem,
        directory: Path,
        keys: tuple[VerifierKey, ...],
        remembered: tuple[Checkpoint, ...],
        asked: tuple[int, int | None],
        limits: tuple[int, int],
        crew: Crew,
        progress: Progress,
    ) -> None:
        self._files = files
        self._directory = directory
        self._keys = keys
        self._asked = asked  # the first record and the end that were asked for; limits are those of whole tiles
        self._begin, self._end = limits
        self._is_range = limits != (0, 1 << 62)
        self._remembered = () if self._is_range else remembered
        self._crew = crew
        self._progress = progress
        self._findings = Findings()
        self._records = RecordCheck(self._findings)
        self._signers: tuple[VerifierKey, ...] = ()
        self._cosignatures: tuple[Cosignature, ...] = ()
        self._hashes: list[bytes] = []  # of records whose tile isn't whole yet
        self._entries: list[bytes] = []

    def run(self, origin: str | None, erased: frozenset[bytes], *, foreign: bool, quick: bool) -> Report:
        self._records.erased |= erased
        claimed, verified = self._checkpoint()
        firsts = segment_firsts(self._files, wal_of(self._directory))
        names = self._origins(claimed, firsts)
        if origin is not None and names and origin not in names:
            return self._another(origin, names[0])
        head = self._head(claimed)
        published = max(claimed.size if claimed else 0, head.size if head else 0)
        sizes = [one.size for one in (claimed, head, *self._remembered) if one]
        tree = claimed.size if claimed else published
        ground = Ground(
            self._files,
            self._directory,
            origin or (names[0] if names else ""),
            tree if self._is_range else published,
            frozenset(sizes),
            self._begin,
            self._end,
            foreign,
            quick,
        )
        if quick:
            self._findings.note("records", "were not read: only hashes, signatures and counters were checked")
        tiles: TileCheck | SpineCheck
        if self._is_range:
            tiles = SpineCheck(self._files, self._directory, tree, self._begin, self._findings)
        else:
            tiles = TileCheck(self._files, self._directory, published, sizes, self._findings)
        firsts = segment_firsts(
            self._files, wal_of(self._directory)
        )  # again: a writer at work must not be ahead in tiles alone
        self._walk(ground, tiles, firsts)
        if self._is_range and tiles.size <= self._asked[0]:
            self._findings.problem("range", f"there is no record {self._asked[0]}: the log ends before")
        elif self._asked[1] is not None and tiles.size < self._asked[1]:
            self._findings.note("range", f"ends with record {tiles.size - 1}: the log has no more")
        tiles.finish()
        self._roots(tiles, claimed, head)
        self._announced(claimed)
        if verified is not None and not foreign and verified.size < tiles.size:
            self._put_back(verified.size)
        sealed, gone = (0, 0) if foreign else self._sealed(ground, has_wal=bool(firsts))
        return self._report(tiles.size, verified, sealed, gone)

    def _report(self, size: int, verified: Checkpoint | None, sealed: int, erased: int) -> Report:
        covered = verified.size if verified else 0
        unsigned = max(0, size - max(covered, self._begin))
        if unsigned:
            self._findings.note("checkpoint", f"the last {unsigned} records are under no verified checkpoint")
        return Report(
            problems=tuple(self._findings.problems),
            notes=tuple(self._findings.notes),
            total_problems=self._findings.total,
            checkpoint=verified,
            signed_by=tuple(key.name for key in self._signers),
            cosignatures=self._cosignatures,
            records=max(0, size - self._begin),
            unsigned=unsigned,
            writers={_text(by): seq for by, seq in self._records.writers.items()},
            tenants=len(self._records.tenants),
            sealed=sealed,
            erased=erased,
            first=self._begin,
            erasures=frozenset(self._records.erased),
            unreadable=dict(self._findings.unreadable),
            about_unreadable=self._findings.about_unreadable,
        )

    def _another(self, expected: str, found: str) -> Report:
        """The report on a log that isn't the one that was meant: nothing else about it matters."""
        self._findings = Findings()
        self._findings.problem("origin", f"this is the log `{found}`, not `{expected}`; nothing else was looked at")
        self._signers, self._cosignatures = (), ()
        return self._report(self._begin, None, 0, 0)

    def _origins(self, claimed: Checkpoint | None, firsts: Sequence[int]) -> list[str]:
        """Whose log it is, as the first segment and the checkpoint say."""
        names = []
        try:
            if firsts:
                path = wal_of(self._directory) / segment_name(firsts[0])
                names.append(str(parse_header(self._files.read(path), path.name)[0]["origin"]))
        except (LogCorrupt, OSError):
            pass  # said by whoever checks the segment
        if claimed is not None:
            if names and names[0] != claimed.origin:
                self._findings.problem(
                    CHECKPOINT, f"is of the log `{claimed.origin}`, the segments are of `{names[0]}`"
                )
            names.append(claimed.origin)
        return names

    def _checkpoint(self) -> tuple[Checkpoint | None, Checkpoint | None]:
        """The checkpoint as it claims to be, and again when a key verifies it."""
        try:
            data = self._files.read(self._directory / CHECKPOINT)
        except OSError as error:
            why = "is missing" if isinstance(error, FileNotFoundError) else unread(error)
            self._findings.problem(CHECKPOINT, f"{why}: nothing here is signed")
            return None, None
        claimed = None
        try:
            note = parse_note(data)
            claimed = Checkpoint.parse(note.text)
            verified, note = verified_checkpoint(data, self._keys)
            self._signers = note.verified_by(self._keys)
            self._cosignatures = verified_cosignatures(note, self._keys)
            self._unknown_signatures(len(note.signatures))
        except MerkleError as error:
            self._findings.problem(CHECKPOINT, str(error))
            return claimed, None
        return claimed, verified

    def _unknown_signatures(self, count: int) -> None:
        unknown = count - len(self._signers) - len(self._cosignatures)
        if unknown:
            self._findings.note(CHECKPOINT, f"carries {unknown} signatures by keys that were not given")

    def _head(self, claimed: Checkpoint | None) -> TreeHead | None:
        try:
            head = TreeHead.parse(self._files.read(self._directory / HEAD), HEAD)
        except FileNotFoundError:
            return None
        except (AuditError, OSError) as error:
            self._findings.problem(HEAD, unread(error))
            return None
        if claimed is not None and claimed.size > head.size:
            self._findings.problem(
                HEAD, f"is at {head.size} records, behind the checkpoint's {claimed.size}: put back?"
            )
        return head

    def _walk(self, ground: Ground, tiles: TileCheck | SpineCheck, firsts: Sequence[int]) -> None:
        """Every record in order: those of the segments, then from the bundles what these have lost, or all."""
        size = self._begin
        if firsts:
            size = self._segments(ground, tiles, firsts)
            if size < min(ground.published, self._end):
                self._findings.problem("wal", f"ends at {size} records, {ground.published} were published", size)
        self._bundles(ground, tiles, size, has_wal=bool(firsts))
        if self._hashes:
            tiles.group(self._hashes, self._entries if firsts else None)
            self._hashes = []
        self._tell(ground, tiles)

    def _segments(self, ground: Ground, tiles: TileCheck | SpineCheck, firsts: Sequence[int]) -> int:
        """The segments, each checked against the one before, up to the first damage that hides records."""
        within = [first for first in firsts if first < self._end]
        within = [first for first, after in zip(within, [*within[1:], 1 << 62], strict=False) if after > self._begin]
        expected = within[0] if self._is_range and within and within[0] <= self._begin else 0
        stretches = self._crew.work(check_segment, [(ground, first, first == firsts[-1]) for first in within])
        for first, stretch in zip(within, stretches, strict=False):
            where = f"wal/{segment_name(first)}"
            if stretch.first is not None and stretch.first != expected:
                self._findings.problem(where, f"should begin with {expected}: a segment is missing, or one was cut")
                break
            if not self._is_range:
                self._check_state(where, stretch)
            self._join(tiles, stretch, has_wal=True)
            self._tell(ground, tiles)
            expected = stretch.next if stretch.first is not None else expected
            if stretch.lost:
                break
        return min(max(expected, self._begin), self._end)

    def _bundles(self, ground: Ground, tiles: TileCheck | SpineCheck, size: int, *, has_wal: bool) -> None:
        """The records from `size` on, as far as they are published."""
        step, end = BUNDLES_AT_ONCE * TILE_WIDTH, min(ground.published, self._end)
        begins = [size, *range((size // step + 1) * step, end, step)] if size < end else []
        tasks = [(ground, *limits) for limits in zip(begins, [*begins[1:], end], strict=False)]
        work = self._crew.work(check_bundles, tasks)
        for stretch in work:
            self._join(tiles, stretch, has_wal=has_wal)
            self._tell(ground, tiles)
            if stretch.lost:
                break

    def _join(self, tiles: TileCheck | SpineCheck, stretch: Stretch, *, has_wal: bool) -> None:
        """Take in the next stretch."""
        self._findings.take(stretch.findings)
        self._records.join(stretch.records, whole=self._begin == 0)
        for piece in stretch.pieces:
            if isinstance(piece, bytes):
                tiles.checked(piece)
            else:
                self._loose(tiles, piece, has_wal=has_wal)

    def _loose(self, tiles: TileCheck | SpineCheck, leaves: Leaves, *, has_wal: bool) -> None:
        self._hashes += leaves[0]
        self._entries += leaves[1]
        if len(self._hashes) >= TILE_WIDTH:
            tiles.group(self._hashes[:TILE_WIDTH], self._entries[:TILE_WIDTH] if has_wal else None)
            del self._hashes[:TILE_WIDTH], self._entries[:TILE_WIDTH]

    def _tell(self, ground: Ground, tiles: TileCheck | SpineCheck) -> None:
        done = tiles.size + len(self._hashes) - self._begin
        self._progress(done, max(min(ground.published, self._end) - self._begin, done))

    def _check_state(self, where: str, stretch: Stretch) -> None:
        """The counters in a header are those of the records before it."""
        counters = {
            "tenants": {tag.decode(): [seq, last.hex()] for tag, (seq, last) in self._records.tenants.items()},
            "writers": {_text(by): seq for by, seq in self._records.writers.items()},
        }
        if stretch.first is not None and stretch.state.get("counters") != counters:
            self._findings.problem(where, "begins with other counters than the records before it give")

    def _sealed(self, ground: Ground, *, has_wal: bool) -> tuple[int, int]:
        """How many named parts are there, and how many are declared erased."""
        firsts = segment_firsts(self._files, archive_of(self._directory))
        if not self._is_range and (firsts or has_wal):
            return check_archive(ground, firsts, self._records, self._findings, self._crew)
        if self._records.sealed:
            why = "was not looked at for a range" if firsts else "is not here: a mirror holds no sealed parts"
            self._findings.note("archive", why)
        return 0, 0

    def _roots(self, tiles: TileCheck | SpineCheck, claimed: Checkpoint | None, head: TreeHead | None) -> None:
        seen = [(CHECKPOINT, claimed), (HEAD, head), *(("remembered checkpoint", one) for one in self._remembered)]
        for where, known in seen:
            root = tiles.roots.get(known.size) if known is not None else None
            if known is None or (root is None and self._is_range):
                continue
            if root is None:
                self._findings.problem(where, f"covers {known.size} records, only {tiles.size} are there")
            elif root != known.root:
                self._findings.problem(where, f"the first {known.size} records have another root than it says")
        seen_size = max((one.size for one in self._remembered), default=0)
        if claimed is not None and claimed.size < seen_size <= tiles.size:
            self._findings.problem(CHECKPOINT, f"covers {claimed.size} records, one of {seen_size} was seen: put back?")

    def _put_back(self, covered: int) -> None:
        """Say so when the unsigned records show that a newer checkpoint was there."""
        with suppress(AuditError, OSError, ValueError, KeyError, TypeError):  # damage is said by whoever found it
            why = put_back(read_records(self._directory, covered, files=self._files))
            if why and read_checkpoint(self._directory, self._files).size == covered:  # not one that was signed since
                self._findings.problem(CHECKPOINT, why)

    def _announced(self, claimed: Checkpoint | None) -> None:
        """Say of a key that signed and that no record names; genesis and key-rotation records do. The name too."""
        own = self._records.origin
        if claimed is not None and own and own != claimed.origin:
            self._findings.problem(CHECKPOINT, f"is of the log `{claimed.origin}`, the first record is of `{own}`")
        for key in self._signers:
            if self._records.announced and str(key) not in self._records.announced:
                self._findings.note(CHECKPOINT, f"is signed by `{key}`, which no record of this log announces")


def _text(escaped: bytes) -> str:
    """A JSON string's value; of a damaged one, whatever can be shown."""
    try:
        return str(orjson.loads(b'"%b"' % escaped))
    except orjson.JSONDecodeError:
        return escaped.decode(errors="replace")
