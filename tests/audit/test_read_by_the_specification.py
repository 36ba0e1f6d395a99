"""Logs that we write, read by a reader that knows only the specifications; and logs that it writes, verified by us."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from audit.checks.chain_check import verify_chain
from audit.checks.verify import verify_log
from audit.files.sharded_log import ShardedLog
from audit.files.shards import ShardSettings, shard_directory
from audit.leaves.record import event_record
from audit.reading import prove
from audit.switching import Keeping
from tests.audit.plain_reader import (
    Wrong,
    check_counters,
    check_proof,
    leaf_digest,
    read_log,
    write_log,
)
from tests.audit.wired import fill
from tests.audit.worlds import NOON, ORIGIN, SMALL, WRITER, Clock, NoteKey, decision, open_log, sealed

KEY = NoteKey()
KEYS: Mapping[str, list[bytes]] = {ORIGIN: [KEY.public_key]}
OF_ITSELF = 3  # a genesis, a start and a stop record


def _log(directory: Path, total: int) -> Path:
    log = open_log(directory, segment_bytes=1 << 22)
    few = [decision(number) for number in range(min(total, 3_000))]
    fill(log, [few[number % len(few)] for number in range(total - OF_ITSELF)], 1_000)
    log.close_now()
    return directory


def _proved(directory: Path, index: int, leaf: bytes) -> bytes:
    """What the other reader makes of the proof of a record, with these bytes as its extra data."""
    return check_proof(replace(prove(directory, index), extra=leaf).to_bytes(), KEYS, ORIGIN)


@pytest.mark.parametrize("total", [3, 4, 255, 256, 257, 511, 512, 513, 1_025])
def test_both_readers_agree_on_a_log(tmp_path: Path, total: int) -> None:
    """At every edge of a tile both read the same number of records under the same root, with whole counters."""
    head, leaves = read_log(_log(tmp_path / "log", total), KEYS, ORIGIN)
    check_counters(leaves)
    report = verify_log(tmp_path / "log", [KEY.verifier()])
    assert report.ok
    assert report.checkpoint is not None
    assert (head.size, head.root) == (total, report.checkpoint.root) == (len(leaves), head.root)


def test_both_readers_agree_where_a_third_level_begins(tmp_path: Path) -> None:
    """65,537 records fill a tile of the second level and begin one of the third."""
    head, leaves = read_log(_log(tmp_path / "log", 65_537), KEYS, ORIGIN)
    assert (head.size, len(leaves)) == (65_537, 65_537)
    assert (tmp_path / "log" / "tile" / "2" / "000.p" / "1").stat().st_size == 32
    assert _proved(tmp_path / "log", 65_536, leaves[65_536]) == leaves[65_536]


@pytest.mark.parametrize("total", [1, 255, 256, 257, 513])
def test_a_log_that_the_specification_wrote_is_read(tmp_path: Path, total: int) -> None:
    """What another program published with these leaves is byte for byte what we publish, and verifies."""
    _, leaves = read_log(_log(tmp_path / "ours", max(total, OF_ITSELF)), KEYS, ORIGIN)
    write_log(tmp_path / "theirs", leaves[:total], ORIGIN, KEY.seed)
    report = verify_log(tmp_path / "theirs", [KEY.verifier()])
    assert (report.ok, report.records) == (True, total)
    if total >= OF_ITSELF:
        for path in (tmp_path / "theirs").rglob("*"):
            if path.is_file():
                ours = tmp_path / "ours" / path.relative_to(tmp_path / "theirs")
                assert path.read_bytes() == ours.read_bytes()


def test_proofs_lead_to_the_root_that_others_compute(tmp_path: Path) -> None:
    """The proof of every record carries it and climbs to the signed root, and to no other with a bit changed."""
    _, leaves = read_log(_log(tmp_path / "log", 300), KEYS, ORIGIN)
    for index, leaf in enumerate(leaves):
        assert _proved(tmp_path / "log", index, leaf) == leaf
        with pytest.raises(Wrong):
            _proved(tmp_path / "log", index, leaf[:-1] + b" ")


def test_shards_commit_as_documented(tmp_path: Path) -> None:
    """Each shard is a log of its own name, whose first record names origin, size, root and checkpoint of the last."""
    log = ShardedLog.open(
        tmp_path / "log",
        Keeping(
            origin=ORIGIN, signer=KEY, clock=Clock(), writer=WRITER, settings=SMALL, shards=ShardSettings(keep_days=30)
        ),
    )
    for shard in range(3):
        for number in range(90):
            log.append_now(decision(number), sealed(number))
        if shard < 2:
            log.rotate()
    log.close_now()
    before = None
    for number in range(3):
        directory = shard_directory(tmp_path / "log", number)
        origin = f"{ORIGIN}/{number}" if number else ORIGIN
        head, leaves = read_log(directory, {origin: [KEY.public_key]}, origin)
        check_counters(leaves)
        first, last = json.loads(leaves[0]), json.loads(leaves[-1])
        assert first.get("shard", 0) == number
        assert last.get("next") == (f"{ORIGIN}/{number + 1}" if number < 2 else None)
        if before:
            assert (first["previous_origin"], first["previous_size"], first["previous_root"]) == before
        before = (origin, head.size, head.root.hex())
    assert verify_chain(tmp_path / "log", [KEY.verifier()]).ok


def test_a_rotated_key_is_announced_under_the_old_one(tmp_path: Path) -> None:
    """Before and after a rotation each key reads what it signed, and the record of it names the new key."""
    old, new = NoteKey(), NoteKey(seed=b"\x0b" * 32)
    log = open_log(tmp_path / "log", signer=old)
    log.append_now(decision(1))
    said = {"time": NOON, "cluster": "prod-7", "region": "eu-de", "purpose": "log"}
    log.append_now(
        event_record("key-rotation", said | {"new_key": str(new.verifier()), "old_key": str(old.verifier())})
    )
    log.close_now()
    head, leaves = read_log(tmp_path / "log", KEYS, ORIGIN)
    assert json.loads(leaves[3])["new_key"] == str(new.verifier())
    log = open_log(tmp_path / "log", signer=new, boot="boot-2")
    log.append_now(decision(2))
    log.close_now()
    with pytest.raises(Wrong):
        read_log(tmp_path / "log", KEYS, ORIGIN)
    later, more = read_log(tmp_path / "log", {ORIGIN: [old.public_key, new.public_key]}, ORIGIN)
    assert (later.size, more[: head.size]) == (head.size + 3, leaves)
    check_counters(more)
    assert verify_log(tmp_path / "log", [old.verifier(), new.verifier()]).ok


def test_leaves_are_what_is_acknowledged(tmp_path: Path) -> None:
    """The hash that an append returned is that of the published entry at the position that it returned."""
    log = open_log(tmp_path / "log")
    told = [log.append_now(decision(number), sealed(number)) for number in range(40)]
    log.close_now()
    _, leaves = read_log(tmp_path / "log", KEYS, ORIGIN)
    assert all(leaf_digest(leaves[one.index]) == one.leaf_hash for one in told)
