"""What every log promises of shards, holds, erasing and pruning, on files and in a database."""

import re
import threading
import time
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest

from audit import LogBusy, LogUnavailable
from audit.errors import PruneRefused
from audit.files.shards import ShardSettings
from audit.leaves.record import event_record
from audit.sealed.erasure_plan import ErasureRefused, Scope
from audit.tlog import VerifierKey
from tests.audit.keeping import WHOSE, AnyShards, Kept, KeptFiles, KeptTables, approved, later
from tests.audit.lives import hold
from tests.audit.worlds import NOON, ORIGIN, TAGGER, decision, sealed, until

TEAM_1 = Scope("namespace", namespace="team-1")


@pytest.fixture(params=["files", "postgres"])
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Kept:
    """Each place where a log can lie."""
    return KeptFiles() if request.param == "files" else KeptTables(request.getfixturevalue("tables"), tmp_path)


def filled(kept: Kept, shards: int = 3, count: int = 6) -> AnyShards:
    """An open log with this many shards, the last of them written; a day goes by in each."""
    log = kept.open()
    for number in range(shards):
        for record in range(count):
            log.append_now(decision(100 * number + record), sealed(100 * number + record))
        if number < shards - 1:
            kept.time.now += timedelta(days=1)
            log.rotate()
    return log


class TestShards:
    """One shard ends, the next begins."""

    def test_each_commits_to_the_one_before(self, kept: Kept) -> None:
        """The first leaf carries origin, size, root and checkpoint hash of the predecessor; the chain verifies."""
        log = filled(kept)
        assert log.origin == f"{ORIGIN}/2"
        log.close_now()
        assert kept.found() == []
        report = kept.verify()
        assert [one.shard.origin for one in report.shards] == [ORIGIN, f"{ORIGIN}/1", f"{ORIGIN}/2"]
        assert [one.report.records for one in report.shards] == [9, 9, 9]
        genesis = {number: record.fields for number, record in kept.records() if record.index == 0}
        last = {number: record.fields for number, record in kept.records() if record.index == 8}
        for before, number in zip(report.shards, (1, 2), strict=False):
            checkpoint = before.report.checkpoint
            assert checkpoint is not None
            said = genesis[number]
            assert (said["shard"], said["previous_origin"], said["previous_size"]) == (number, checkpoint.origin, 9)
            assert said["previous_root"] == checkpoint.root.hex()
            assert said["previous_checkpoint"] == sha256(said["previous"].encode()).hexdigest()
            assert last[number - 1]["next"] == f"{ORIGIN}/{number}"

    def test_by_size_and_by_age(self, kept: Kept) -> None:
        """A shard as long, or as old, as the settings say is followed by the next, also over restarts."""
        kept.settings = ShardSettings(records=10, days=90)
        log = kept.open()
        for number in range(15):
            log.append_now(decision(number))
        until(lambda: log.status().unsigned_seconds == 0)
        log.tend()
        assert log.origin == f"{ORIGIN}/1"
        log.append_now(decision(16))
        log.close_now()
        kept.time.now += timedelta(days=90)
        log = kept.open()
        assert log.origin == f"{ORIGIN}/1"
        until(lambda: log.status().unsigned_seconds == 0)
        log.tend()
        assert log.origin == f"{ORIGIN}/2"
        log.close_now()
        assert kept.found() == []

    def test_a_signer_that_fails_between(self, kept: Kept) -> None:
        """While the ended shard can't be signed nothing is appended, with the reason; then it goes on by itself."""
        log = filled(kept, 1)
        until(lambda: log.status().signed == log.status().size)
        kept.key.down = True
        with pytest.raises(LogBusy, match=r"has ended and can't be signed yet: the keyring is sealed"):
            log.rotate()
        with pytest.raises(LogUnavailable, match="no shard is open"):
            log.append_now(decision(1))
        assert not log.healthy()
        log.tend()
        assert "can't be signed yet" in log.status().trouble
        kept.key.down = False
        log.tend()
        assert log.origin == f"{ORIGIN}/1"
        log.append_now(decision(1))
        log.close_now()
        assert kept.found() == []

    def test_an_end_that_nobody_signed_before_a_rotation(self, kept: Kept) -> None:
        """It is signed by the key that replaced its own (ADR 32), and the chain holds under both, not under one.

        The next shard commits to that checkpoint and announces that key, so that nothing else is taken for it.
        """
        log = filled(kept, 1)
        until(lambda: log.status().signed == log.status().size)
        old, kept.key.down = kept.key.verifier(), True
        with pytest.raises(LogBusy, match="can't be signed yet"):
            log.rotate()
        log.close_now()
        new = kept.key_replaced().verifier()
        log = kept.open()
        assert log.origin == f"{ORIGIN}/1"
        log.append_now(decision(7))
        log.close_now()
        kept.keys = [old, new]
        report = kept.verify()
        assert kept.found() == []
        assert [one.report.signed_by for one in report.shards] == [(ORIGIN,), (f"{ORIGIN}/1",)]
        genesis = next(record.fields for number, record in kept.records() if number == 1)
        assert VerifierKey.parse(genesis["log_key"]).public == new.public
        assert f"is signed by `{new}`, which no record of this log announces" in str(report.shards[0].report.notes)
        kept.keys = [new]
        assert kept.found() == []


class TestPruning:
    """Old shards go."""

    def test_what_is_left_verifies(self, kept: Kept) -> None:
        """Records and sealed parts are gone; the chain verifies by hashes, checkpoints and the signed record of it."""
        log = filled(kept)
        parts = kept.parts()
        assert kept.found() == []
        later(kept)
        assert [kept.prune(log, number) for number in (0, 1)] == [8, 9]
        assert {number for number, _ in kept.records()} == {2}
        assert [kept.part(parts[f"decision-{number}"]) is None for number in (3, 103, 203)] == [True, True, False]
        pruned = [r.fields for _, r in kept.records() if r.fields["schema"].startswith("bailiwick.prune/")]
        assert [(one["origin"], one["size"], one["basis"]) for one in pruned] == [
            (ORIGIN, 9, "retention of 90 days"),
            (f"{ORIGIN}/1", 9, "retention of 90 days"),
        ]
        log.close_now()
        assert kept.found() == []
        if isinstance(kept, KeptTables):  # a copy that is begun only now
            kept.copies = kept.copies / "later"
            assert kept.found() == []
        assert [one.pruned for one in kept.verify().shards] == [True, True, False]
        assert [one.report.records for one in kept.verify().shards][:2] == [9, 9]

    def test_the_record_of_a_pruning_may_be_pruned_too(self, kept: Kept) -> None:
        """A shard that holds the record of an earlier pruning is pruned itself, and both still verify."""
        log = filled(kept)
        later(kept)
        kept.prune(log, 0)
        log.rotate()
        later(kept)
        kept.prune(log, 1)
        kept.prune(log, 2)
        log.close_now()
        assert kept.found() == []

    @pytest.mark.parametrize(
        ("number", "days", "message"),
        [
            (2, 90, "shard 2 is none that has ended"),
            (7, 90, "shard 7 is none that has ended"),
            (-1, 90, "shard -1 is none that has ended"),
            (0, 90, f"`{ORIGIN}` is 1 days old by its last record, and is kept for 90"),
            (0, 0, f"`{ORIGIN}` is 1 days old by its last record, and is kept for 30"),
        ],
    )
    def test_what_is_refused(self, kept: Kept, number: int, days: int, message: str) -> None:
        """Young, written and unknown shards are not pruned, whatever is asked; nothing is recorded or removed then."""
        log = filled(kept)
        size = log.status().size
        with pytest.raises(PruneRefused, match=re.escape(message)):
            kept.prune(log, number, days)
        assert log.status().size == size
        log.close_now()
        assert not any(one.pruned for one in kept.verify().shards)

    def test_a_hold_keeps_every_shard(self, kept: Kept) -> None:
        """While a hold stands nothing is pruned, also after rotation and restart; once it is lifted, it goes on."""
        log = filled(kept, 2)
        log.append_now(hold("case-7"))
        later(kept)
        log.rotate()
        log.close_now()
        log = kept.open()
        with pytest.raises(PruneRefused, match=f"`{ORIGIN}` is under the legal hold `case-7`"):
            kept.prune(log, 0)
        assert "hold" in kept.schemas(2)
        log.append_now(hold("case-7", "lifted"))
        kept.prune(log, 0)
        with pytest.raises(PruneRefused, match="is pruned already"):
            kept.prune(log, 0)
        log.close_now()
        assert kept.found() == []

    def test_nothing_goes_before_its_record_is_signed(self, kept: Kept) -> None:
        """While the signer is away a pruning waits, and removes nothing."""
        log = filled(kept, 2)
        later(kept)
        until(lambda: log.status().signed == log.status().size)
        kept.key.down = True
        pruner = threading.Thread(target=kept.prune, args=(log, 0))
        pruner.start()
        until(lambda: "prune" in kept.schemas(1))
        time.sleep(0.1)
        assert len(kept.schemas(0)) == 9
        kept.key.down = False
        pruner.join()
        log.close_now()
        assert kept.found() == []
        assert {number for number, _ in kept.records()} == {1}


class TestErasing:
    """Sealed parts go, and nothing else."""

    def test_only_the_asked_parts_go(self, kept: Kept) -> None:
        """What was approved is gone, in every shard; every other part is what it was; records and proofs stay."""
        log = filled(kept)
        before = {name: kept.part(digest) for name, digest in kept.parts().items()}
        done = kept.eraser(log).erase(kept.action(TEAM_1), lambda _: approved())
        assert (done.records, done.parts) == (6, 6)
        after = {name: kept.part(digest) for name, digest in kept.parts().items()}
        gone = {name for name in before if int(name.split("-")[1]) % 3 == 1}
        assert {name for name, data in after.items() if data is None} == gone
        assert all(after[name] == before[name] for name in before.keys() - gone)
        log.append_now(decision(1), sealed(999))
        log.close_now()
        assert kept.found() == []
        kept.open().close_now()
        assert kept.found() == []

    def test_its_record_names_the_parts_and_no_person(self, kept: Kept) -> None:
        """Basis, quorum, scope and the parts are in the record of an erasure."""
        log = filled(kept, 1)
        kept.eraser(log).erase(kept.action(TEAM_1), lambda _: approved())
        leaf = next(r.fields for _, r in kept.records() if "erasure" in r.fields["schema"])
        assert (leaf["basis"], leaf["approvals"], leaf["needed"]) == ("GDPR 17(1)(b)", 2, 2)
        assert (leaf["scope"], leaf["namespace"], len(leaf["sealed"])) == ("namespace", "team-1", 2)
        log.close_now()

    def test_what_was_approved_is_what_goes(self, kept: Kept) -> None:
        """Another log, another scope, records that came later: not what was approved, so nothing happens."""
        log = filled(kept, 1)
        action = kept.action(TEAM_1)
        log.append_now(decision(1), sealed(200))
        for broken in (action.replace(b"prod-7", b"prod-8"), action.replace(b"team-1", b"team-2"), b"{}", b"x"):
            with pytest.raises(ErasureRefused):
                kept.eraser(log).erase(broken, lambda _: approved(b"m" * 16))
        assert kept.eraser(log).erase(action, lambda _: approved()).parts == 2
        log.close_now()

    def test_approvals_count_once(self, kept: Kept) -> None:
        """The same votes can't be used for another erasure; repeating the same one changes nothing."""
        log = filled(kept, 1)
        first = kept.action(TEAM_1)
        kept.eraser(log).erase(first, lambda _: approved())
        assert kept.eraser(log).erase(first, lambda _: approved()).leaves == ()
        with pytest.raises(ErasureRefused, match="used already"):
            other = kept.action(Scope("namespace", namespace="team-2"))
            kept.eraser(log).erase(other, lambda _: approved())
        log.close_now()

    @pytest.mark.parametrize(
        "held",
        [
            {"scope": "all"},
            {"scope": "namespace", "namespace": "team-1"},
            {"scope": "user", "tags": {"user": TAGGER.tag("user", "user-4"), "key": TAGGER.key_id}},
            {"scope": "records", "first": 0, "end": 10},
        ],
    )
    def test_a_hold_stops_it_until_it_is_lifted(self, kept: Kept, held: dict[str, object]) -> None:
        """A hold on anything in the scope forbids the whole erasure; one on something else doesn't."""
        log = filled(kept, 1)
        common = {**WHOSE.fields(NOON), "hold": "case 7", "basis": "GDPR 17(3)(e)"}
        log.append_now(event_record("hold", {**common, "state": "placed", **held}))
        elsewhere = {"hold": "case 8", "scope": "namespace", "namespace": "elsewhere", "state": "placed"}
        log.append_now(event_record("hold", {**common, **elsewhere}))
        action = kept.action(TEAM_1)
        with pytest.raises(ErasureRefused, match="`case 7`"):
            kept.eraser(log).erase(action, lambda _: approved())
        assert "erasure" not in kept.schemas(0)
        log.append_now(event_record("hold", {**common, "state": "lifted"}))
        assert kept.eraser(log).erase(action, lambda _: approved()).parts == 2
        log.close_now()

    def test_a_retention_time_takes_what_is_old_and_not_held(self, kept: Kept) -> None:
        """Records of a class older than its time lose their parts; younger, held and other ones keep them."""
        log = kept.open()
        for number in range(12):
            log.append_now(decision(number, data_class="restricted" if number % 2 else "public"), sealed(number))
        common = {**WHOSE.fields(NOON), "hold": "case 7", "basis": "b", "state": "placed"}
        log.append_now(event_record("hold", {**common, "scope": "records", "first": 0, "end": 4}))
        before = "2026-11-21T12:00:08.000000Z"
        restricted = Scope("retention", record_class="restricted", before=before)
        assert kept.eraser(log).expire(restricted, "retention time").parts == 3  # 3, 5, 7: 1 is held
        others = Scope("retention", before=before, keep=frozenset({"restricted"}))
        assert kept.eraser(log).expire(others, "retention time").parts == 3
        assert kept.eraser(log).expire(restricted, "again").parts == 0
        log.close_now()
        assert kept.found() == []
