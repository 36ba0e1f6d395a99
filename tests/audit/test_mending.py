"""What is published of a log, damaged or cut before a start: made anew from the records, and only where it must be."""

import logging
import random
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audit.checks.verify import verify_log
from audit.errors import LogCorrupt
from audit.files.mending import Mending
from audit.files.tree import File, GrowingTree
from audit.tlog.merkle import leaf_hashes, root_hash
from audit.tlog.tiles import ENTRIES, TILE_WIDTH, bundle_bytes, tile_path, tiles_of
from tests.audit.worlds import NoteKey, decision, open_log, until

KEY = NoteKey()
LARGE = 66_000  # records: three levels of tiles


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log as a kill leaves it: two full bundles, a third that was published in several widths, a second level."""
    place = tmp_path_factory.mktemp("killed")
    log = open_log(place / "live", publish_seconds=3600, publish_leaves=1 << 30)
    for size in (200, 500, 560, 600, 601):
        log.append_batch([(decision(number), ()) for number in range(size - log.status().size)])
        log.publish_soon()
        until(lambda: log.status().signed == log.status().size)
    log.append_batch([(decision(number), ()) for number in range(9)])  # durable, and not published
    shutil.copytree(place / "live", place / "log")
    log.close_now()
    return place / "log"


def _published(directory: Path) -> list[str]:
    return sorted(str(path.relative_to(directory)) for path in (directory / "tile").rglob("*") if path.is_file())


def _is_whole(directory: Path) -> bool:
    return verify_log(directory, [KEY.verifier()]).ok


def _damage(path: Path, how: str) -> None:
    data = bytearray(path.read_bytes())
    if how == "gone":
        path.unlink()
        return
    if how == "cut":
        del data[len(data) // 2 :]
    elif how == "empty":
        data.clear()
    elif how == "flipped":
        data[len(data) // 3] ^= 4
    else:
        data += b"more"
    path.write_bytes(data)


@pytest.mark.parametrize("how", ["gone", "cut", "empty", "flipped", "grown"])
def test_a_damaged_file_of_the_end(tmp_path: Path, killed: Path, caplog: pytest.LogCaptureFixture, how: str) -> None:
    """Each tile and bundle of the end, in each width: after a start it is right again, and a line says which."""
    names = [name for name in _published(killed) if "000" not in name or "tile/1" in name]
    assert [name for name in names if name.startswith("tile/0/002.p/")], "several widths of the last tile"
    assert [name for name in names if name.startswith("tile/1/000.p/")]
    for name in names:
        shutil.rmtree(tmp_path / "log", ignore_errors=True)
        shutil.copytree(killed, tmp_path / "log")
        whole = (tmp_path / "log" / name).read_bytes()
        _damage(tmp_path / "log" / name, how)
        is_needed = how != "gone" or not _is_whole(tmp_path / "log")
        caplog.clear()
        open_log(tmp_path / "log", boot="boot-2", publish_leaves=1 << 30).close_now()
        assert _is_whole(tmp_path / "log"), name
        assert not is_needed or (tmp_path / "log" / name).read_bytes() == whole, name
        said = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
        assert [name in line and "made anew" in line for line in said] == [True] * is_needed, said


def test_nothing_is_written_where_nothing_is_wrong(
    tmp_path: Path, killed: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A start says nothing of a published end that is right, and leaves it as it is."""
    shutil.copytree(killed, tmp_path / "log")
    (tmp_path / "log" / "tile" / "0" / "001").chmod(0o400)
    before = (tmp_path / "log" / "tile" / "0" / "001").stat().st_ino
    open_log(tmp_path / "log", boot="boot-2").close_now()
    assert (tmp_path / "log" / "tile" / "0" / "001").stat().st_ino == before
    assert "made anew" not in caplog.text


@pytest.mark.parametrize("left", ["", "tile/0", "tile/1", "tile/entries"])
def test_cut_off_altogether(tmp_path: Path, killed: Path, left: str) -> None:
    """All that is published gone, or all but one kind of it: it is published again, to the byte."""
    shutil.copytree(killed, tmp_path / "log")
    for name in _published(killed):
        if not left or not name.startswith(left):
            (tmp_path / "log" / name).unlink()
    open_log(tmp_path / "log", boot="boot-2", publish_leaves=1 << 30).close_now()
    assert _is_whole(tmp_path / "log")
    for path in ("tile/0/000", "tile/0/001", "tile/entries/000", "tile/entries/001"):
        assert (tmp_path / "log" / path).read_bytes() == (killed / path).read_bytes()


def test_an_older_copy_of_what_is_published(tmp_path: Path) -> None:
    """The tiles of an earlier day beside the records of today."""
    log = open_log(tmp_path / "log")
    log.append_batch([(decision(number), ()) for number in range(300)])
    log.close_now()
    shutil.copytree(tmp_path / "log" / "tile", tmp_path / "old")
    log = open_log(tmp_path / "log", boot="boot-2")
    log.append_batch([(decision(number), ()) for number in range(900)])
    log.close_now()
    shutil.rmtree(tmp_path / "log" / "tile")
    shutil.copytree(tmp_path / "old", tmp_path / "log" / "tile")
    assert not _is_whole(tmp_path / "log")
    open_log(tmp_path / "log", boot="boot-3").close_now()
    assert _is_whole(tmp_path / "log")


def test_a_folder_in_a_files_place(tmp_path: Path, killed: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What can't be written over is told of and left to `verify`; the log goes on."""
    shutil.copytree(killed, tmp_path / "log")
    odd = tmp_path / "log" / "tile" / "0" / "001"
    odd.unlink()
    odd.mkdir()
    open_log(tmp_path / "log", boot="boot-2").close_now()
    assert "can't be made anew" in caplog.text
    (problem,) = verify_log(tmp_path / "log", [KEY.verifier()]).problems
    assert "tile/0/001" in str(problem)


def test_records_that_are_others_are_published_nowhere(tmp_path: Path, killed: Path) -> None:
    """Where records aren't those that were published, the start refuses, as ever, and no tile is written over."""
    shutil.copytree(killed, tmp_path / "log")
    (last,) = (tmp_path / "log" / "tile" / "1").rglob("2")
    _damage(last, "flipped")
    full = tmp_path / "log" / "tile" / "0" / "000"
    _damage(full, "flipped")
    before = {name: (tmp_path / "log" / name).read_bytes() for name in _published(tmp_path / "log")}
    with pytest.raises(LogCorrupt, match="not those that were published"):
        open_log(tmp_path / "log", boot="boot-2")
    assert {name: (tmp_path / "log" / name).read_bytes() for name in _published(tmp_path / "log")} == before


class Shelf:
    """The published files of a tree of any size, in memory."""

    def __init__(self, entries: Sequence[bytes]) -> None:
        self.entries = entries
        self.files: dict[str, bytes] = {}
        self.read_bytes = self.bundles = 0
        levels = [leaf_hashes(entries)]
        while len(levels[-1]) >= TILE_WIDTH:
            below = levels[-1]
            whole = len(below) // TILE_WIDTH * TILE_WIDTH
            levels.append([root_hash(below[at : at + TILE_WIDTH]) for at in range(0, whole, TILE_WIDTH)])
        for level, index, width in tiles_of(len(entries)):
            first = index * TILE_WIDTH
            self.files[tile_path(level, index, width)] = b"".join(levels[level][first : first + width])
            if level == 0:
                self.files[tile_path(ENTRIES, index, width)] = bundle_bytes(entries[first : first + width])

    def read(self, path: str) -> bytes:
        if path not in self.files:
            raise FileNotFoundError(path)
        self.read_bytes += len(self.files[path])
        return self.files[path]

    def names(self, path: str) -> list[str]:
        return sorted(name[len(path) + 1 :] for name in self.files if name.startswith(f"{path}/"))

    def put(self, files: Sequence[File]) -> None:
        self.files |= {file.path: file.data for file in files}

    def leaves(self, first: int) -> Iterator[list[bytes]]:
        for at in range(first * TILE_WIDTH, len(self.entries) - TILE_WIDTH + 1, TILE_WIDTH):
            self.bundles += 1
            yield list(self.entries[at : at + TILE_WIDTH])

    def mended(self) -> tuple[GrowingTree, list[str]]:
        mending = Mending(self.read, self.names, self.put, self.leaves)
        last = len(self.entries) // TILE_WIDTH * TILE_WIDTH
        tail = list(self.entries[last:])
        tree = mending.tree(len(self.entries), list(zip(leaf_hashes(tail), tail, strict=True)))
        mending.mend(tree, tail)
        return tree, mending.written


ENTRIES_OF_ALL = [b"record %d" % number for number in range(LARGE)]


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from([1, 255, 256, 257, 7_000, 65_535, 65_536, 65_537, LARGE]), st.integers(0, 40), st.randoms())
def test_of_any_size_any_end_that_is_lost(size: int, lost: int, chance: random.Random) -> None:
    """Of a tree of any size, up to three levels, any files of the end gone: all of them are as they were."""
    shelf = Shelf(ENTRIES_OF_ALL[:size])
    whole = dict(shelf.files)
    for level in (ENTRIES, "0", "1", "2"):
        names = [path for path in whole if path.startswith(f"tile/{level}/")]
        for path in names[len(names) - min(lost, chance.randint(0, 40)) :]:
            del shelf.files[path]
    tree, _ = shelf.mended()
    assert tree.root() == root_hash(leaf_hashes(shelf.entries))
    assert shelf.files == whole


def test_the_cost_follows_what_is_missing() -> None:
    """Of a whole log a start reads the last files of each level; for a lost end the records of that end."""
    shelf = Shelf(ENTRIES_OF_ALL)
    tree, written = shelf.mended()
    assert (written, shelf.bundles) == ([], 0)
    shelf.read_bytes = 0
    mending = Mending(shelf.read, shelf.names, shelf.put, shelf.leaves)
    mending.mend(tree, shelf.entries[LARGE // TILE_WIDTH * TILE_WIDTH :])
    assert shelf.read_bytes < 6 * TILE_WIDTH * 32
    for path in [tile_path(0, 255), tile_path(0, 256), tile_path(ENTRIES, 254)]:
        del shelf.files[path]
    mending.mend(tree, shelf.entries[LARGE // TILE_WIDTH * TILE_WIDTH :])
    assert set(mending.written) >= {tile_path(0, 255), tile_path(0, 256), tile_path(ENTRIES, 254)}
    assert shelf.bundles <= 5
