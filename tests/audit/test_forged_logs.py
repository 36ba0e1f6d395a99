"""Logs that somebody wrote anew, tiles, roots and all: what no known key signed, and what a key's holder left out.

Each forgery is put before both readers: `audit verify`, and one that knows only the specifications.
"""

import base64
import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from audit.checks.report import Report
from audit.checks.verify import verify_log
from audit.errors import LogForked
from audit.files.log import FileLog
from audit.mirror import Mirror
from audit.published import PublishedFiles
from audit.tlog import verified_checkpoint
from tests.audit.exporting import exported, population
from tests.audit.plain_reader import (
    Wrong,
    check_counters,
    checkpoint_text,
    head_of,
    leaf_digest,
    note_of,
    read_log,
    root_of,
    tile_name,
    write_log,
)
from tests.audit.worlds import NOON, ORIGIN, SMALL, WRITER, Clock, NoteKey, decision, filled, open_log

KEY = NoteKey()
SEED = KEY.seed
KEYS: Mapping[str, list[bytes]] = {ORIGIN: [KEY.public_key]}
OTHER = b"\x0c" * 32
Leaves = list[bytes]


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log of 303 records, with sealed parts."""
    directory = tmp_path_factory.mktemp("forged") / "log"
    filled(directory, 300)
    return directory


@pytest.fixture(scope="module")
def leaves(log: Path) -> Leaves:
    return read_log(log, KEYS, ORIGIN)[1]


def _plain(directory: Path) -> None:
    check_counters(read_log(directory, KEYS, ORIGIN)[1])


def _found(directory: Path) -> Report:
    return verify_log(directory, [KEY.verifier()], origin=ORIGIN)


def _swapped(leaves: Leaves) -> Leaves:
    return [*leaves[:10], leaves[20], *leaves[11:20], leaves[10], *leaves[21:]]


def _changed(leaves: Leaves, index: int, **written: object) -> Leaves:
    fields = json.loads(leaves[index])
    fields["written"] |= written
    made = json.dumps(fields, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
    return [*leaves[:index], made, *leaves[index + 1 :]]


FORGERIES: dict[str, Callable[[Leaves], Leaves]] = {
    "two records swapped": _swapped,
    "one left out": lambda leaves: leaves[:100] + leaves[101:],
    "the first left out": lambda leaves: leaves[1:],
    "the last once more": lambda leaves: [*leaves, leaves[-1]],
    "a gap in the count": lambda leaves: _changed(leaves, 50, seq=52),
    "a count below nothing": lambda leaves: _changed(leaves, 50, seq=-1),
    "a count that is true": lambda leaves: _changed(leaves, 50, seq=True),
    "a count in words": lambda leaves: _changed(leaves, 50, seq="51"),
    "a count of 400 digits": lambda leaves: _changed(leaves, 50, seq=10**400),
    "another writer's count": lambda leaves: _changed(leaves, 50, by="bailiwick-1"),
    "several writers at once": lambda leaves: _changed(leaves, 50, by=["bailiwick-0"]),
    "a tenant that begins anew": lambda leaves: _changed(leaves, 50, tenant={"seq": 1}),
    "no JSON": lambda leaves: [*leaves, b"\xff\xfe"],
    "nothing": lambda leaves: [*leaves, b""],
    "a list": lambda leaves: [*leaves, b"[]"],
    "no counters": lambda leaves: [*leaves, b"{}"],
    "a key twice": lambda leaves: [*leaves[:50], leaves[50][:-1] + b',"verdict":"denied"}', *leaves[51:]],
    "brackets without end": lambda leaves: [*leaves, b"[" * 30_000 + b"]" * 30_000],
    "64 KiB of one letter": lambda leaves: [*leaves, b"x" * 65_535],
    "a number of 5,000 digits": lambda leaves: [*leaves, b'{"a":' + b"9" * 5_000 + b',"written":{}}'],
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_history_written_anew_is_found(tmp_path: Path, leaves: Leaves, name: str) -> None:
    """Whoever holds the log's key and leaves out, doubles, swaps or changes records is found by the counters."""
    write_log(tmp_path, FORGERIES[name](leaves), ORIGIN, SEED)
    with pytest.raises((Wrong, ValueError, LookupError, TypeError, AttributeError, RecursionError)):
        _plain(tmp_path)
    report = _found(tmp_path)
    assert not report.ok
    assert all(len(str(problem)) < 700 for problem in report.problems), "a message fits on a screen"


def test_the_right_history_under_another_key_is_found(tmp_path: Path, leaves: Leaves) -> None:
    """Not a byte of the records is changed, and somebody else signed: no known key did."""
    write_log(tmp_path, leaves, ORIGIN, OTHER)
    with pytest.raises(Wrong, match="nobody known"):
        _plain(tmp_path)
    assert any("no known key signed" in str(problem) for problem in _found(tmp_path).problems)


def test_segments_that_tell_another_story_than_the_tiles(tmp_path: Path, log: Path, leaves: Leaves) -> None:
    """Tiles, bundles and checkpoint written anew beside the old segments differ from them, wherever they differ."""
    directory = tmp_path / "log"
    shutil.copytree(log, directory)
    shutil.rmtree(directory / "tile")
    write_log(directory, _swapped(leaves), ORIGIN, SEED)
    found = [str(problem) for problem in _found(directory).problems]
    assert any("tile/entries/000: differs from the records at byte" in one for one in found)
    assert any("tile/0/000: differs from the records at byte 320: hash of record 10" in one for one in found)


def test_the_same_root_beside_another_bundle(tmp_path: Path, leaves: Leaves) -> None:
    """Hash tiles, root and signature are untouched; one letter of one entry is not, and the record is named."""
    write_log(tmp_path, leaves, ORIGIN, SEED)
    path = tmp_path / tile_name("entries", 1, 47)
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b'"verdict":"denied"', b'"verdict":"passed"', 1))
    with pytest.raises(Wrong, match="tile 0/1 is another"):
        _plain(tmp_path)
    assert any("tile/0/001" in str(problem) for problem in _found(tmp_path).problems)


LENGTHS: dict[str, Callable[[bytes], bytes]] = {
    "an entry more": lambda body: body + b"\x00\x02{}",
    "an entry of nothing more": lambda body: body + b"\x00\x00",
    "half an entry more": lambda body: body + b"\x00\x09{}",
    "one byte more": lambda body: body + b"\x00",
    "one byte less": lambda body: body[:-1],
    "nothing at all": lambda body: b"",
}


@pytest.mark.parametrize("name", LENGTHS)
@pytest.mark.parametrize("path", [tile_name("entries", 1, 47), tile_name("entries", 0), tile_name(0, 1, 47)])
def test_a_tile_longer_or_shorter_than_its_name_says(tmp_path: Path, leaves: Leaves, path: str, name: str) -> None:
    """What a tile or bundle holds beyond its width, or doesn't, is a problem of that file."""
    write_log(tmp_path, leaves, ORIGIN, SEED)
    (tmp_path / path).write_bytes(LENGTHS[name]((tmp_path / path).read_bytes()))
    report = _found(tmp_path)
    assert not report.ok
    assert any(path in str(problem) for problem in report.problems)


def _text(size: str, root: bytes, *, origin: str = ORIGIN) -> str:
    return f"{origin}\n{size}\n{base64.b64encode(root).decode()}\n"


def _notes(leaves: Leaves) -> dict[str, bytes]:
    """Checkpoints that aren't, all but the last few signed by the log's own key."""
    root = root_of([leaf_digest(leaf) for leaf in leaves])
    size = str(len(leaves))
    good = note_of(_text(size, root), (ORIGIN, SEED))
    line = good.rpartition(b"\n\n")[2]
    texts = {
        "a leading zero": _text("0303", root),
        "a sign": _text("+303", root),
        "an underscore": _text("3_0_3", root),
        "a space": _text(" 303", root),
        "digits of another script": _text("\u0663\u0660\u0663", root),
        "beyond any counter": _text(str(2**63), root),
        "thousands of digits": _text("9" * 5_000, root),
        "more than there is": _text("304", root),
        "less than there is": _text("302", root),
        "another log's name": _text(size, root, origin="other.example/log"),
        "a mark before the name": _text(size, root, origin="\ufeff" + ORIGIN),
        "a shorter root": _text(size, root[:31]),
        "a longer root": _text(size, root + b"\x00"),
        "the root's last bits": _text(size, root).replace(base64.b64encode(root).decode(), _last_bits(root)),
        "an empty line and more": _text(size, root) + "\nmore\n",
        "a NUL": _text(size, root) + "a\x00b\n",
        "a form feed": _text(size, root, origin=ORIGIN + "\x0c"),
        "no root": f"{ORIGIN}\n{size}\n",
    }
    made = {name: note_of(text, (ORIGIN, SEED)) for name, text in texts.items()}
    return made | {
        "line ends of another system": good.replace(b"\n", b"\r\n"),
        "a space at the end": good[:-1] + b" \n",
        "an empty line at the end": good + b"\n",
        "no line end": good[:-1],
        "a mark before everything": b"\xef\xbb\xbf" + good,
        "a known key's failing signature after a good one": good + line.replace(line[-12:-4], b"AAAAAAAA"),
        "no signature": good[: -len(line)],
        "no text": b"\n" + line,
        "nothing": b"",
        "all bytes": bytes(range(256)),
    }


def _last_bits(root: bytes) -> str:
    whole = base64.b64encode(root).decode()
    return whole[:-2] + chr(ord(whole[-2]) + 1) + "="


def test_no_other_checkpoint_is_taken(tmp_path: Path, leaves: Leaves) -> None:
    """Sizes, names, roots, line ends and signatures that aren't just so are refused by both readers, signed or not."""
    write_log(tmp_path, leaves, ORIGIN, SEED)
    _plain(tmp_path)
    for name, note in _notes(leaves).items():
        (tmp_path / "checkpoint").write_bytes(note)
        with pytest.raises((Wrong, ValueError)):
            _plain(tmp_path)
        report = _found(tmp_path)
        assert not report.ok, name
        assert not any("Errno" in str(problem) for problem in report.problems), name


def test_extension_lines_and_strangers_signatures_are_no_harm(tmp_path: Path, leaves: Leaves) -> None:
    """Lines after the root and signatures by unknown keys are the specification's own, and both readers take them."""
    root = root_of([leaf_digest(leaf) for leaf in leaves])
    text = checkpoint_text(ORIGIN, len(leaves), root)
    write_log(tmp_path, leaves, ORIGIN, SEED)
    for note in (
        note_of(text + "an extension\n", (ORIGIN, SEED)),
        note_of(text + "lines\u2028of one\x85line\n".replace("\x85", ""), (ORIGIN, SEED)),
        note_of(text, (ORIGIN, SEED), ("stranger.example/x", OTHER)),
        note_of(text, ("stranger.example/x", OTHER), (ORIGIN, SEED), (ORIGIN, SEED)),
        note_of(text, (ORIGIN, OTHER), (ORIGIN, SEED)),
    ):
        (tmp_path / "checkpoint").write_bytes(note)
        _plain(tmp_path)
        assert _found(tmp_path).ok
        assert verified_checkpoint(note, [KEY.verifier()])[0].root == head_of(note, KEYS, ORIGIN).root


def test_a_copy_under_another_name_is_found(tmp_path: Path, leaves: Leaves) -> None:
    """A checkpoint by the log's key that names another log than the first record does isn't that log's."""
    write_log(tmp_path, leaves, ORIGIN, SEED)
    root = root_of([leaf_digest(leaf) for leaf in leaves])
    note = note_of(checkpoint_text("other.example/log", len(leaves), root), (ORIGIN, SEED))
    (tmp_path / "checkpoint").write_bytes(note)
    report = verify_log(tmp_path, [KEY.verifier()])
    assert not report.ok
    assert any("other.example/log" in str(problem) for problem in report.problems)


def test_put_back_and_gone_on(tmp_path: Path) -> None:
    """A directory put back whole and written on verifies by itself; a mirror finds the fork, a remembered head too."""
    directory, copy, old = tmp_path / "log", tmp_path / "copy", tmp_path / "old"
    filled(directory, 20)
    shutil.copytree(directory, old)
    filled(directory, 30, boot="boot-2")
    mirror = Mirror(PublishedFiles(directory), copy, [KEY.verifier()], origin=ORIGIN)
    mirror.open()
    assert mirror.round().size == 20 + 30 + 5
    seen = verified_checkpoint((directory / "checkpoint").read_bytes(), [KEY.verifier()])[0]
    shutil.rmtree(directory)
    shutil.copytree(old, directory)
    log = open_log(directory, boot="boot-3")
    for number in range(60):
        log.append_now(decision(1_000 + number))
    log.close_now()
    _plain(directory)
    assert _found(directory).ok
    assert not verify_log(directory, [KEY.verifier()], remembered=[seen]).ok
    with pytest.raises(LogForked):
        mirror.round()
    mirror.close()
    assert verify_log(copy, [KEY.verifier()], remembered=[seen]).ok, "the copy is what it was"
    assert list((copy / "evidence").rglob("*.checkpoint"))


def test_sealed_parts_of_another_log_are_no_replacement(tmp_path: Path, log: Path) -> None:
    """An archive that is removed, or that of somebody else, leaves each record without its part, each by number."""
    filled(tmp_path / "other", 300, signer=NoteKey(seed=OTHER), boot="boot-9")
    for number in range(2):
        directory = tmp_path / f"log-{number}"
        shutil.copytree(log, directory)
        for path in (directory / "archive").iterdir():
            path.unlink()
            if number:
                shutil.copy(next((tmp_path / "other" / "wal").iterdir()), path)
        report = _found(directory)
        assert not report.ok
        assert report.total_problems >= 150


class TestClocks:
    """Time is the writer's word; what doesn't fit together is said."""

    def test_a_clock_that_went_back_stops_nothing(self, tmp_path: Path) -> None:
        """Records of a writer whose clock is put back by a day are in the order of their writing, and verify."""
        clock = Clock()
        log = FileLog.open(tmp_path, origin=ORIGIN, signer=KEY, clock=clock, writer=WRITER, settings=SMALL)
        log.append_now(decision(1))
        clock.now = NOON.replace(day=NOON.day - 1)
        log.append_now(decision(2, time=NOON.replace(day=NOON.day - 1)))
        log.close_now()
        _plain(tmp_path)
        assert _found(tmp_path).ok
        report = exported(population(tmp_path), ["html"], tmp_path / "out")["html"].decode()
        assert "A clock went back: record 3 is dated 24.0 hours before one that stands earlier in the log." in report

    def test_records_that_waited_for_each_other_are_no_setback(self, tmp_path: Path) -> None:
        """Decisions whose records overtook each other by seconds, as they do, are not said to be a clock's doing."""
        log = open_log(tmp_path)
        for number in (30, 10, 20, 0):
            log.append_now(decision(number))
        log.close_now()
        assert "clock went back" not in exported(population(tmp_path), ["html"], tmp_path / "out")["html"].decode()
