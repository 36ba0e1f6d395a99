"""Verifies a whole log or a range of it, offline: records, hashes, tiles, checkpoint, head, counters, sealed parts.

Raises nothing for what it finds: every problem is listed with where it is. Covered is every byte of the segments, the
tiles and bundles, the checkpoint and the head; not covered are `lock`, which is empty, and files named `*.tmp`, which
a crash leaves and the next start removes. A directory with only the published files is verified just as far as its
checkpoint goes. What no signed checkpoint covers yet is stated: only the counters vouch for it.

Segments are checked each by itself (`checks.stretches`), in several processes where asked, and joined here in order.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import orjson

from audit.checks.crew import Crew
from audit.checks.findings import Findings
from audit.checks.part_check import check_archive, segment_firsts
from audit.checks.record_check import RecordCheck
from audit.checks.report import Progress, Report
from audit.checks.signed_check import SignedCheck
from audit.checks.spine_check import SpineCheck
from audit.checks.stretches import Ground, Leaves, Stretch, check_bundles, check_segment
from audit.checks.tile_check import TileCheck
from audit.errors import LogCorrupt
from audit.files.archive_end import PARTS_BEFORE, parts_before
from audit.files.layout import CHECKPOINT, archive_of, wal_of
from audit.files.segments import parse_header, segment_name
from audit.files.store import Disk, FileSystem
from audit.tlog.checkpoints import Checkpoint
from audit.tlog.notes import VerifierKey
from audit.tlog.tiles import TILE_WIDTH

BUNDLES_AT_ONCE = 32  # of a directory without segments


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
        self._asked = asked  # the first record and the end that were asked for; limits are those of whole tiles
        self._begin, self._end = limits
        self._is_range = limits != (0, 1 << 62)
        self._remembered = () if self._is_range else remembered
        self._crew = crew
        self._progress = progress
        self._findings = Findings()
        self._records = RecordCheck(self._findings)
        self._signed = SignedCheck(files, directory, keys, self._remembered, self._findings, is_range=self._is_range)
        self._hashes: list[bytes] = []  # of records whose tile isn't whole yet
        self._entries: list[bytes] = []

    def run(self, origin: str | None, erased: frozenset[bytes], *, foreign: bool, quick: bool) -> Report:
        self._records.erased |= erased
        claimed, verified = self._signed.checkpoint()
        firsts = segment_firsts(self._files, wal_of(self._directory))
        names = self._origins(claimed, firsts)
        if origin is not None and names and origin not in names:
            return self._another(origin, names[0])
        head = self._signed.head(claimed)
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
        self._signed.roots(tiles, claimed, head)
        self._signed.announced(claimed, self._records)
        if verified is not None and not foreign and verified.size < tiles.size:
            self._signed.put_back(verified.size)
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
            signed_by=tuple(key.name for key in self._signed.signers),
            cosignatures=self._signed.cosignatures,
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
        self._signed.signers, self._signed.cosignatures = (), ()
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
        before = parts_before(stretch.state)
        if PARTS_BEFORE in stretch.state and (before is None or before < len(self._records.sealed)):
            self._findings.problem(where, "begins with fewer sealed parts than the records before it name")

    def _sealed(self, ground: Ground, *, has_wal: bool) -> tuple[int, int]:
        """How many named parts are there, and how many are declared erased."""
        firsts = segment_firsts(self._files, archive_of(self._directory))
        if not self._is_range and (firsts or has_wal):
            return check_archive(ground, firsts, self._records, self._findings, self._crew)
        if self._records.sealed:
            why = "was not looked at for a range" if firsts else "is not here: a mirror holds no sealed parts"
            self._findings.note("archive", why)
        return 0, 0


def _text(escaped: bytes) -> str:
    """A JSON string's value; of a damaged one, whatever can be shown."""
    try:
        return str(orjson.loads(b'"%b"' % escaped))
    except orjson.JSONDecodeError:
        return escaped.decode(errors="replace")
