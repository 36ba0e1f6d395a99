"""Sealed parts erased where they lie: nothing else changes, no proof breaks, and a crash leaves nothing half done."""

import random
import time
from contextlib import suppress
from pathlib import Path

import pytest

from audit import AuditError, SealedPart
from audit.checks.verify import verify_log
from audit.errors import LogCorrupt
from audit.files.layout import archive_of
from audit.files.log import FileLog
from audit.files.segments import archive_hash
from audit.leaves.record import event_record
from audit.reading import prove, read_records, sealed_parts
from audit.sealed.archive import Archive, PartChanged, PartErased, PartMissing
from audit.sealed.erasing import NOTE, erase_parts
from audit.sealed.erasure import Approved, Eraser, plan, surveyed, with_siblings
from audit.sealed.erasure_plan import ErasureRefused, Scope, action_bytes
from audit.sealed.inputs import Origin
from audit.whole import WholeFiles
from tests.audit.disks import Fault, SimulatedDisk
from tests.audit.test_log import HOME, open_log
from tests.audit.worlds import NOON, ORIGIN, TAGGER, Clock, NoteKey, decision, sealed

KEY = NoteKey().verifier()
ORIGIN_FIELDS = Origin("prod-7", "eu-de", "0.1.0")
TEAM_1 = Scope("namespace", namespace="team-1")


def filled(disk: SimulatedDisk, count: int = 30) -> FileLog:
    """A log with a sealed part for each record, of several batches and several segments."""
    log = open_log(HOME, files=disk)
    for number in range(count):
        log.append_now(decision(number), sealed(number))
    return log


def parts_by_record(disk: SimulatedDisk) -> dict[int, bytes]:
    """The hash of each decision's part."""
    return {
        record.index: bytes.fromhex(record.fields["written"]["sealed"][0]["sha256"])
        for record in read_records(HOME, files=disk)
        if record.fields["schema"].startswith("bailiwick.decision/")
    }


def eraser(log: FileLog, disk: SimulatedDisk) -> Eraser:
    return Eraser(log, WholeFiles(HOME, disk), ORIGIN_FIELDS, Clock())


def approved(nonce: bytes = b"n" * 16) -> Approved:
    return Approved(2, 2, nonce, (SealedPart("k", b"the votes"),))


@pytest.fixture
def disk() -> SimulatedDisk:
    return SimulatedDisk()


def test_only_the_asked_parts_go(disk: SimulatedDisk) -> None:
    """The erased bytes are nowhere in the directory any more, every other part is what it was."""
    log = filled(disk)
    parts = parts_by_record(disk)
    gone, kept = list(parts.values())[3:9], list(parts.values())[9:]
    before = {digest: Archive.open([HOME], disk).get(digest) for digest in parts.values()}
    assert erase_parts(disk, HOME, gone) == 6
    archive = Archive.open([HOME], disk)
    for digest in gone:
        with pytest.raises(PartErased):
            archive.get(digest)
    assert all(archive.get(digest) == before[digest] for digest in kept)
    everything = b"".join(disk.read(archive_of(HOME) / name) for name in disk.names(archive_of(HOME)))
    assert not any(before[digest] in everything for digest in gone)
    assert erase_parts(disk, HOME, gone) == 0
    log.close_now()


def test_the_log_goes_on_and_verifies(disk: SimulatedDisk) -> None:
    """With its record, an erasure leaves nothing to complain about: proofs, counters, restarts, new parts."""
    log = filled(disk)
    proof = _proof(log, disk, 12)
    done = eraser(log, disk).erase(_plan(disk, TEAM_1), lambda _: approved())
    assert done.records == done.parts == 10
    log.append_now(decision(1), sealed(99))
    log.close_now()
    report = verify_log(HOME, [KEY], files=disk)
    assert report.ok, report.problems
    assert report.erased == 10
    assert prove(HOME, 12, disk).index == proof
    log = open_log(HOME, files=disk, boot="boot-2")
    log.append_now(decision(1), sealed(100))
    log.close_now()
    assert verify_log(HOME, [KEY], files=disk).ok


def _proof(log: FileLog, disk: SimulatedDisk, index: int) -> int:
    until = time.monotonic() + 10
    while log.status().signed <= index and time.monotonic() < until:
        time.sleep(0.01)
    return prove(HOME, index, disk).index


def _plan(disk: SimulatedDisk, scope: Scope, basis: str = "GDPR 17(1)(b)") -> bytes:
    end = 0, sum(1 for _ in read_records(HOME, files=disk))
    return action_bytes(ORIGIN, end, scope, basis, surveyed(WholeFiles(HOME, disk), scope, end).chosen)


def test_the_erasure_is_recorded_first(disk: SimulatedDisk) -> None:
    """Its record names parts, basis, quorum and scope, and no person; it is durable before the first byte goes."""
    log = filled(disk)
    seen: list[bool] = []

    def before(_method: str, _what: object) -> None:
        if NOTE in disk.names(archive_of(HOME)):
            seen.append(any("erasure" in record.fields["schema"] for record in read_records(HOME, files=disk.copy())))

    disk.before = before
    eraser(log, disk).erase(_plan(disk, TEAM_1), lambda _: approved())
    assert seen
    assert all(seen)
    leaf = next(r.fields for r in read_records(HOME, files=disk) if "erasure" in r.fields["schema"])
    assert (leaf["basis"], leaf["approvals"], leaf["needed"]) == ("GDPR 17(1)(b)", 2, 2)
    assert (leaf["scope"], leaf["namespace"], len(leaf["sealed"])) == ("namespace", "team-1", 10)
    log.close_now()


def _erase_on(disk: SimulatedDisk, at: int, kind: str) -> bool:
    """Erase while something goes wrong at this call; whether it did."""
    log = filled(disk, 12)
    action = _plan(disk, TEAM_1)
    faults = {"power": Fault(at, forever=True), "error": Fault(at), "short": Fault(at, error=None)}
    disk.hit, disk.fault = 0, faults[kind]
    with suppress(AuditError, OSError):
        eraser(log, disk).erase(action, lambda _: approved())
    hit = disk.hit >= at
    if kind != "power":
        disk.fault = None
    with suppress(AuditError, OSError):
        log.close_now()
    return hit


@pytest.mark.parametrize("kind", ["power", "error", "short"])
def test_a_crash_at_any_call_leaves_a_whole_archive(kind: str) -> None:
    """Power fails, an error comes, a write is short, at every call: the next start works, and erasing again ends it."""
    chance = random.Random(7)
    for at in range(1, 1000):
        disk = SimulatedDisk()
        hit = _erase_on(disk, at, kind)
        after = disk.after_power_loss(chance) if kind == "power" else disk.copy()
        log = open_log(HOME, files=after, boot="boot-2")
        survey = surveyed(WholeFiles(HOME, after), TEAM_1, (0, 14))
        action = action_bytes(ORIGIN, (0, 14), TEAM_1, "again", survey.chosen)
        eraser(log, after).erase(action, lambda _: approved(b"a" * 16))
        log.close_now()
        report = verify_log(HOME, [KEY], files=after)
        assert report.ok, (at, report.problems)
        assert report.erased == 4
        if not hit:
            break
    assert at > 30


def test_a_note_that_was_tampered_with_is_refused(disk: SimulatedDisk) -> None:
    """What a note says is written only when it is whole."""
    filled(disk).close_now()
    descriptor = disk.open(archive_of(HOME) / NOTE, create=True)
    disk.write(descriptor, b'{"segment":"x","zeros":[[0,100]],"heads":[],"crc32":1}', 0)
    disk.close(descriptor)
    with pytest.raises(LogCorrupt, match="damaged"):
        open_log(HOME, files=disk)


def test_zeros_without_a_record_are_found(disk: SimulatedDisk) -> None:
    """Whoever erases without a record is found by verification, part by part."""
    filled(disk).close_now()
    digest = list(parts_by_record(disk).values())[5]
    erase_parts(disk, HOME, [digest])
    report = verify_log(HOME, [KEY], files=disk)
    assert [problem.message for problem in report.problems] == [f"names the sealed part {digest.hex()}, which is gone"]


def test_a_declared_part_that_is_still_there_is_noted(disk: SimulatedDisk) -> None:
    """A record of an erasure that was never done is no problem of the log, and is said."""
    log = filled(disk)
    digest = list(parts_by_record(disk).values())[5]
    fields = {**ORIGIN_FIELDS.fields(NOON), "sealed": [digest.hex()], "basis": "none"}
    log.append_now(event_record("erasure", fields))
    log.close_now()
    report = verify_log(HOME, [KEY], files=disk)
    assert report.ok
    assert any("still holds 1 sealed parts that are declared erased" in note.message for note in report.notes)


def test_records_of_the_other_door_go_along(tmp_path: Path, disk: SimulatedDisk) -> None:
    """An object judged behind both doors lies in two parts; asking for one record takes both."""
    log = open_log(HOME, files=disk)
    for number in range(4):
        tags = TAGGER.of(tenant="team", user="u", object_digest=bytes([number // 2]) * 32)
        log.append_now(decision(number, tags=tags), sealed(number))
    assert with_siblings(WholeFiles(HOME, disk), Scope("records", records=frozenset({(0, 2)}))).records == {
        (0, 2),
        (0, 3),
    }
    log.close_now()


def test_many_parts_make_several_records(disk: SimulatedDisk) -> None:
    """Each erasure record names as many parts as a leaf holds, and none is cut."""
    log = open_log(HOME, files=disk)
    for number in range(520):
        log.append_now(decision(number, namespace="team-1"), sealed(number))
    done = eraser(log, disk).erase(_plan(disk, TEAM_1), lambda _: approved())
    assert len(done.leaves) == 2
    leaves = [r.fields for r in read_records(HOME, files=disk) if "erasure" in r.fields["schema"]]
    assert [len(leaf["sealed"]) for leaf in leaves] == [500, 20]
    assert not any("cut" in leaf for leaf in leaves)
    log.close_now()
    assert verify_log(HOME, [KEY], files=disk).erased == 520


def test_an_empty_scope_is_refused(tmp_path: Path) -> None:
    """Nobody is asked to approve nothing."""
    log = open_log(tmp_path)
    log.append_now(decision(1), sealed(1))
    with pytest.raises(ErasureRefused, match="no record"):
        plan(WholeFiles(tmp_path), Scope("namespace", namespace="nobody"), "x")
    assert plan(WholeFiles(tmp_path), Scope("namespace", namespace="team-1"), "x").parts == 1
    log.close_now()


def test_the_archive_says_what_became_of_a_part(disk: SimulatedDisk) -> None:
    """There, erased, changed, missing: each is told apart, also behind damage."""
    filled(disk).close_now()
    parts = list(sealed_parts(HOME, disk))
    archive = Archive.open([HOME], disk)
    assert all(archive.get(digest) == data for digest, data in parts)
    with pytest.raises(PartMissing):
        archive.get(archive_hash(b"never there"))
    slot = archive.slot(parts[3][0])
    assert slot is not None
    descriptor = disk.open(slot.path)
    disk.write(descriptor, b"\x01", slot.offset + 2)
    damaged = Archive.open([HOME], disk)
    with pytest.raises(PartChanged):
        damaged.get(parts[3][0])
    assert all(damaged.get(digest) == data for digest, data in parts[4:])
