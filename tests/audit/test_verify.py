"""Tampering: whatever is changed in a log is found, and the message says where."""

import threading
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import orjson
import pytest

from audit.checks.report import Report
from audit.checks.verify import verify_log
from audit.errors import LogCorrupt, LogRefused, LogRolledBack
from audit.files.heads import FileHead
from audit.files.log import FileLog
from audit.files.segments import BATCH_MAGIC, archive_hash, batch_head, frames_body, parse_header
from audit.leaves.record import decision_record, event_record
from audit.reading import read_checkpoint
from audit.tlog import bundle_bytes, leaf_hash, parse_bundle
from tests.audit.disks import SimulatedDisk
from tests.audit.worlds import NOON, ORIGIN, WRITER, Clock, NoteKey, decision, fields, filled, open_log, sealed

HOME = Path("/log")
QUIET: dict[str, Any] = {"publish_seconds": 60.0, "publish_leaves": 10_000}  # published once, when it is closed
KEY = NoteKey().verifier()


def _log(count: int, **options: Any) -> SimulatedDisk:
    disk = SimulatedDisk()
    filled(HOME, count, files=disk, **(QUIET | options))
    return disk


def _verify(disk: SimulatedDisk, **options: Any) -> Report:
    return verify_log(HOME, [KEY], files=disk, **options)


def _problems(disk: SimulatedDisk, **options: Any) -> str:
    report = _verify(disk, **options)
    assert not report.ok
    return "\n".join(map(str, report.problems))


def _leaves(data: bytes) -> list[bytes]:
    """The leaves of a segment, by a reader of its own."""
    leaves, at = [], data.find(BATCH_MAGIC)
    while data.startswith(BATCH_MAGIC, at):
        count = int.from_bytes(data[at + 16 : at + 20], "big")
        at += 32
        for _ in range(count):
            length = int.from_bytes(data[at : at + 4], "big")
            leaves.append(data[at + 36 : at + 36 + length])
            at += 36 + length
    return leaves


def _rewritten(disk: SimulatedDisk, change: Callable[[list[bytes]], object]) -> SimulatedDisk:
    """The one segment written anew, checksums and hashes included, as somebody without the key could."""
    path = next(path for path in disk.files(HOME) if path.parent.name == "wal")
    data = disk.read(path)
    leaves = _leaves(data)
    change(leaves)
    begin = parse_header(data, path.name)[1]
    body = frames_body([(leaf_hash(leaf), leaf) for leaf in leaves])
    batch = batch_head(0, len(leaves), body) + body
    disk.edit(path, lambda content: content.__setitem__(slice(begin, None), batch))
    return disk


def test_an_untouched_log_holds() -> None:
    """A whole log verifies, and the report counts what it covers."""
    report = _verify(_log(20))
    assert report.ok
    assert (report.records, report.unsigned, report.sealed, report.tenants) == (23, 0, 10, 3)
    assert report.writers == {"bailiwick-0": 23}
    assert report.signed_by == (ORIGIN,)
    assert report.notes == ()


@pytest.mark.parametrize("mirror", [False, True], ids=["log", "mirror"])
def test_every_flipped_byte_is_found(mirror: bool) -> None:
    """One flipped bit in any byte of any file that counts is found: in the log, and in a copy of what is published."""
    disk = _log(2, segment_bytes=1024)
    if mirror:
        for path in disk.files(HOME):
            if path.parent.name in ("wal", "archive") or path.name == "head.json":
                disk.remove(path)
    assert _verify(disk).ok
    flipped = 0
    for path in disk.files(HOME):
        if path.name == "lock":
            assert disk.read(path) == b""
            continue
        for at in range(len(disk.read(path))):
            bit = 1 << at % 8
            disk.edit(path, lambda content, at=at, bit=bit: content.__setitem__(at, content[at] ^ bit))  # type: ignore[misc]
            report = _verify(disk)
            assert not report.ok, f"byte {at} of {path}"
            named = {problem.where for problem in report.problems}
            assert named & _places(path, mirror=mirror), f"byte {at} of {path}: {named}"
            disk.edit(path, lambda content, at=at, bit=bit: content.__setitem__(at, content[at] ^ bit))  # type: ignore[misc]
            flipped += 1
    assert _verify(disk).ok
    assert flipped > 2_000


def _places(path: Path, *, mirror: bool) -> set[str]:
    """What a message about a flip in this file may name: the file, or what is derived from it."""
    name = str(path.relative_to(HOME))
    if mirror and name.startswith("tile/entries/"):  # the records themselves: their hashes don't fit any more
        return {"tile/entries", name.replace("entries", "0"), name}
    return {name}


def test_flips_in_old_partial_tiles_are_found() -> None:
    """Partial tiles of earlier checkpoints are compared too."""
    disk = SimulatedDisk()
    log = open_log(HOME, files=disk, publish_leaves=1)
    for number in range(6):
        log.append_now(decision(number))
        _wait(lambda: log.status().signed == log.status().size)
    log.close_now()
    assert _verify(disk).ok
    partials = [path for path in disk.files(HOME / "tile") if path.parent.name.endswith(".p")]
    assert len(partials) > 6
    for path in partials:
        disk.edit(path, lambda content: content.__setitem__(40, content[40] ^ 1) if len(content) > 40 else None)
        if len(disk.read(path)) > 40:
            assert f"{path.relative_to(HOME)}: differs" in _problems(disk)
            disk.edit(path, lambda content: content.__setitem__(40, content[40] ^ 1))


@pytest.mark.parametrize(
    ("change", "messages"),
    [
        (lambda leaves: leaves.pop(4), ["number 5 of writer `bailiwick-0` is missing", "hash of record 4"]),
        (lambda leaves: leaves.__setitem__(slice(4, 6), leaves[5:3:-1]), ["is number 5 of writer `bailiwick-0` again"]),
        (lambda leaves: leaves.insert(5, leaves[4]), ["is number 5 of writer `bailiwick-0` again, expected 6"]),
        (lambda leaves: leaves.__setitem__(2, leaves[2].replace(b"denied", b"warned")), ["hash of record 2"]),
        (lambda leaves: leaves.__delitem__(slice(6, None)), ["ends at 6 records, 11 were published"]),
        (
            lambda leaves: leaves.__setitem__(3, leaves[3][:-30] + b"}"),
            ["record 3: can't be read: it is no JSON"],
        ),
        (lambda leaves: leaves.append(leaves[-1]), ["is number 11 of writer `bailiwick-0` again, expected 12"]),
    ],
    ids=["removed", "swapped", "doubled", "changed", "truncated", "counters removed", "appended"],
)
def test_records_changed_with_their_checksums(change: Callable[[list[bytes]], object], messages: list[str]) -> None:
    """Somebody who rewrites the segments with all checksums, but can't sign, is found, whatever they did."""
    problems = _problems(_rewritten(_log(8), change))
    for message in messages:
        assert message in problems


def test_a_tenants_record_removed() -> None:
    """A missing record of one tenant is named as that tenant's, also when the writer's counter was repaired."""

    def change(leaves: list[bytes]) -> None:
        del leaves[5]  # the fourth decision: the second of its tenant
        for index in range(5, len(leaves)):
            leaves[index] = leaves[index].replace(b'"seq":%d' % (index + 2), b'"seq":%d' % (index + 1))

    problems = _problems(_rewritten(_log(12, parts=False), change))
    assert "number 2 of tenant" in problems
    assert "is missing" in problems


def test_a_chain_that_does_not_follow() -> None:
    """A tenant's record that names another predecessor is found."""

    def change(leaves: list[bytes]) -> None:
        leaf = orjson.loads(leaves[5])
        prev = leaf["written"]["tenant"]["prev"].encode()
        leaves[5] = leaves[5].replace(prev, b"0" * 64)

    assert "record 5: does not follow on the last record of tenant" in _problems(_rewritten(_log(8), change))


def test_everything_rewritten_by_another_key() -> None:
    """A log made anew as a whole, under another key, is refused by its signature."""
    disk = SimulatedDisk()
    filled(HOME, 4, files=disk, signer=NoteKey(seed=b"\x66" * 32))
    assert "checkpoint: no known key signed the note" in _problems(disk)


def test_two_histories_under_one_key() -> None:
    """A log that does not extend a checkpoint seen elsewhere is found: a fork, or an old copy put back."""
    ours, short = _log(8), _log(3)
    other = SimulatedDisk()
    filled(HOME, 9, files=other, boot="boot-9", **QUIET)
    seen = read_checkpoint(HOME, ours)
    assert _verify(ours, remembered=[seen, read_checkpoint(HOME, short)]).ok is False  # the stop record came between
    assert _verify(ours, remembered=[seen]).ok
    assert "the first 11 records have another root" in _problems(other, remembered=[seen])
    assert "covers 11 records, only 6 are there" in _problems(short, remembered=[seen])


def test_a_rolled_back_checkpoint() -> None:
    """An older checkpoint put in place of a newer one leaves the rest stated as unsigned."""
    disk = _log(3)
    old = disk.read(HOME / "checkpoint")
    open_log(HOME, files=disk, boot="boot-2").close_now()
    disk.edit(HOME / "checkpoint", lambda content: content.__setitem__(slice(None), old))
    report = _verify(disk)
    assert report.unsigned == 2
    assert "the last 2 records are under no verified checkpoint" in str(report.notes[0])


def test_files_that_do_not_belong() -> None:
    """A tile beyond the log, a file that is none, and a missing tile or checkpoint are named."""
    disk = _log(3)
    disk.make_directory(HOME / "tile/0/x001")
    for name in ("tile/0/x001/000", "tile/readme"):
        disk.close(disk.open(HOME / name, create=True))
    problems = _problems(disk)
    assert "tile/0/x001/000: belongs to no record of the log" in problems
    assert "tile/readme: is no file of a log" in problems
    disk.remove(HOME / "tile/entries/000.p/6")
    assert "tile/entries/000.p/6: is missing" in _problems(disk)
    disk.remove(HOME / "checkpoint")
    assert "checkpoint: is missing: nothing here is signed" in _problems(disk)


def test_a_segment_removed() -> None:
    """A segment that is gone is noticed by the one after it."""
    disk = _log(40, segment_bytes=4096)
    second = [path for path in disk.files(HOME) if path.parent.name == "wal"][1]
    disk.remove(second)
    assert "a segment is missing, or one was cut" in _problems(disk)


def test_an_unsigned_tail_is_stated() -> None:
    """Records that no checkpoint covers are no problem, and are said."""
    disk, signer = SimulatedDisk(), NoteKey()
    filled(HOME, 2, files=disk, signer=signer)
    signer.down = True
    filled(HOME, 3, files=disk, signer=signer, boot="boot-2")
    report = _verify(disk)
    assert report.ok
    assert report.unsigned == 5
    assert "the last 5 records are under no verified checkpoint" in str(report.notes[0])


def _cut_last_batch(disk: SimulatedDisk, path: Path) -> None:
    disk.edit(path, lambda content: content.__delitem__(slice(content.rindex(BATCH_MAGIC), None)))


def test_sealed_parts_gone_and_erased() -> None:
    """A sealed part that is gone is a problem, until an erasure record declares it."""
    disk = SimulatedDisk()
    log = open_log(HOME, files=disk)
    log.append_now(decision(1), sealed(1))
    log.append_now(decision(2), sealed(2))
    log.close_now()
    archive = next(path for path in disk.files(HOME) if path.parent.name == "archive")
    whole = disk.read(archive)
    _cut_last_batch(disk, archive)
    gone = archive_hash(sealed(2)[0].ciphertext).hex()
    assert f"record 3: names the sealed part {gone}, which is gone" in _problems(disk)
    disk.edit(archive, lambda content: content.__setitem__(slice(None), whole))
    again = open_log(HOME, files=disk, boot="boot-2")
    common: dict[str, object] = {"time": NOON, "cluster": "prod-7", "region": "eu-de"}
    again.append_now(event_record("erasure", common | {"sealed": [gone], "basis": "GDPR 17(1)(b)", "approvals": 2}))
    again.close_now()
    _cut_last_batch(disk, archive)
    report = _verify(disk)
    assert report.ok
    assert (report.sealed, report.erased) == (1, 1)


def test_a_mirror_verifies() -> None:
    """What is published verifies alone, and says that the sealed parts are elsewhere."""
    disk = _log(300)
    for path in disk.files(HOME):
        if path.parent.name in ("wal", "archive") or path.name == "head.json":
            disk.remove(path)
    report = _verify(disk)
    assert report.ok
    assert report.records == 303
    assert [str(note) for note in report.notes] == ["archive: is not here: a mirror holds no sealed parts"]
    bundle = HOME / "tile/entries/000"
    entries = parse_bundle(disk.read(bundle), 256)
    entries[7] = decision_record(fields(7)).body
    disk.edit(bundle, lambda content: content.__setitem__(slice(None), bundle_bytes(entries)))
    assert "tile/0/000: differs from the records at byte 224: hash of record 7" in _problems(disk)


def test_progress_is_told() -> None:
    """A caller hears how far the verification is, up to all of it."""
    heard: list[tuple[int, int]] = []
    verify_log(HOME, [KEY], files=_log(100), progress=lambda done, total: heard.append((done, total)))
    assert len(heard) > 5
    assert heard == sorted(heard)
    assert heard[-1] == (103, 103)


def test_a_log_at_work(tmp_path: Path) -> None:
    """A log that is written while it is verified holds, each time."""
    log = open_log(tmp_path / "log", segment_bytes=1 << 16, publish_seconds=0.001)
    _wait(lambda: log.status().signed > 0)
    stop = threading.Event()

    def work() -> None:
        for number in count():
            if stop.is_set():
                return
            log.append_now(decision(number), sealed(number))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        sizes = [0]
        while sizes[-1] < 700:  # two tiles are filled meanwhile
            report = verify_log(tmp_path / "log", [KEY])
            assert [str(problem) for problem in report.problems] == []
            sizes.append(report.records)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        log.close_now()
    assert sizes == sorted(sizes)


def test_nothing_to_verify(tmp_path: Path) -> None:
    """An empty directory is no log, and no crash either."""
    report = verify_log(tmp_path, [KEY])
    assert [str(problem) for problem in report.problems] == ["checkpoint: is missing: nothing here is signed"]


class TestStarting:
    """What `open` finds of the same."""

    def test_a_corrupt_middle(self) -> None:
        """Damage with whole batches after it is refused with its place."""
        disk = _log(8)
        path = next(path for path in disk.files(HOME) if path.parent.name == "wal")
        disk.edit(path, lambda content: content.__setitem__(900, content[900] ^ 1))
        with pytest.raises(
            LogCorrupt, match=r"segment `0+.seg` at offset \d+: record \d+ is damaged and record \d+ after"
        ):
            open_log(HOME, files=disk)

    def test_a_segment_removed(self) -> None:
        """A missing segment is refused."""
        disk = _log(40, segment_bytes=4096)
        segments = [path for path in disk.files(HOME) if path.parent.name == "wal"]
        disk.remove(segments[-2])
        disk.remove(HOME / "head.json")
        disk.remove(HOME / "checkpoint")
        with pytest.raises(LogCorrupt, match="a segment is missing or was cut"):
            open_log(HOME, files=disk)

    def test_an_old_copy_put_back(self) -> None:
        """Segments older than what was published are refused, as is an older head, and an empty directory."""
        disk = _log(3)
        old = disk.copy()
        open_log(HOME, files=disk, boot="boot-2").close_now()
        mixed = old.copy()
        mixed.edit(HOME / "head.json", lambda content: content.__setitem__(slice(None), disk.read(HOME / "head.json")))
        with pytest.raises(LogRolledBack, match="holds 6 records, 8 were published"):
            open_log(HOME, files=mixed)
        mixed = disk.copy()
        mixed.edit(HOME / "head.json", lambda content: content.__setitem__(slice(None), old.read(HOME / "head.json")))
        with pytest.raises(LogRolledBack, match="the checkpoint covers 8 records, the head only 6"):
            open_log(HOME, files=mixed)
        mixed = disk.copy()
        for path in mixed.files(HOME):
            if path.parent.name == "wal":
                mixed.remove(path)
        with pytest.raises(LogRolledBack, match="holds 0 records, 8 were published"):
            open_log(HOME, files=mixed)

    def test_a_head_kept_elsewhere(self) -> None:
        """A whole directory put back is refused when the head lies on another disk."""
        disk, elsewhere = SimulatedDisk(), SimulatedDisk()
        elsewhere.make_directory(Path("/head"))
        head = FileHead(elsewhere, Path("/head/prod-7.json"))
        filled(HOME, 3, files=disk, head=head)
        old = disk.copy()
        filled(HOME, 3, files=disk, head=head, boot="boot-2")
        with pytest.raises(LogRolledBack, match="holds 6 records, 11 were published"):
            open_log(HOME, files=old, head=head)

    def test_other_records_than_published(self) -> None:
        """Segments that hold other records than those published are refused: a fork."""
        disk = _rewritten(_log(8), lambda leaves: leaves.__setitem__(2, leaves[2].replace(b"denied", b"warned")))
        with pytest.raises(LogCorrupt, match="two histories, or damage"):
            open_log(HOME, files=disk)

    def test_another_logs_directory(self) -> None:
        """A directory of another log is refused."""
        disk = _log(1)
        with pytest.raises(LogRefused, match=f"of `{ORIGIN}`"):
            FileLog.open(HOME, origin="other", signer=NoteKey(), clock=Clock(), writer=WRITER, files=disk)

    @pytest.mark.parametrize("name", ["head.json", "checkpoint"])
    def test_a_damaged_head_or_checkpoint(self, name: str) -> None:
        """A damaged head or checkpoint is refused by name."""
        disk = _log(1)
        disk.edit(HOME / name, lambda content: content.__delitem__(slice(10, None)))
        with pytest.raises(LogCorrupt, match=name):
            open_log(HOME, files=disk)

    def test_a_missing_tile(self) -> None:
        """A published tile that is gone is made anew, under the head's root alone: other records are refused."""
        disk = _log(300)
        path = HOME / "tile/1/000.p/1"
        whole = disk.read(path)
        disk.remove(path)
        open_log(HOME, files=disk).close_now()
        assert disk.read(path) == whole
        disk.remove(path)
        disk.edit(HOME / "tile/0/000", lambda content: content.__setitem__(7, content[7] ^ 1))
        with pytest.raises(LogCorrupt, match="are not those that were published: two histories, or damage"):
            open_log(HOME, files=disk)


def _wait(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.002)
