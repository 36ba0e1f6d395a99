"""Databases and snapshots that a real etcd wrote, read byte by byte; damaged ones are refused."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from keymgmt.etcd import live, snapshot
from keymgmt.etcd.errors import EtcdError, EtcdUnavailable, SnapshotInvalid
from keymgmt.etcd.live import Credentials
from tests.cluster.bed import build
from tests.cluster.bed.shown import shown
from tests.keymgmt.etcd.servers import Etcd, etcd

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def member(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Etcd]:
    """An etcd with two thousand keys, written, overwritten and deleted in random order."""
    program = shown(request, lambda: build.build("etcd")) / "etcd"
    with etcd(tmp_path_factory.mktemp("etcd"), program) as found:
        _fill(found, random.Random(7))
        yield found


def _fill(member: Etcd, chance: random.Random) -> None:
    for number in range(400):
        key = f"/registry/secrets/ns-{chance.randrange(5)}/s-{chance.randrange(150):03}".encode()
        size = chance.choice((0, 1, 40, 900, 5_000, 40_000))  # some need pages of their own, and more than one
        if number % 9 == 8:
            member.delete(key)
        else:
            member.put(key, chance.randbytes(size))
    member.put(b"/elsewhere/a", b"x")


def _present(path: Path) -> dict[bytes, bytes]:
    """What is there now, by the past."""
    found: dict[bytes, bytes] = {}
    for entry in snapshot.entries(path):
        if entry.value is None:
            found.pop(entry.key, None)
        else:
            found[entry.key] = entry.value
    return found


def test_a_snapshot_holds_what_etcd_answers(member: Etcd, tmp_path: Path) -> None:
    """The present of a snapshot's revisions is what the live etcd answers, key for key and byte for byte."""
    read = _present(member.save(tmp_path / "snapshot.db"))
    answered = {entry.key: entry.value for entry in live.entries(member.url, Credentials())}
    assert {key: value for key, value in read.items() if key.startswith(b"/registry/")} == answered
    assert read[b"/elsewhere/a"] == b"x"
    assert len(answered) > 100


def test_the_past_is_there_until_it_is_compacted(member: Etcd, tmp_path: Path) -> None:
    """Overwritten values are in the file, in the order in which they were written, until etcd is compacted."""
    for value in (b"one", b"two", b"three"):
        member.put(b"/registry/secrets/ns/past", value)
    revisions = snapshot.entries(member.save(tmp_path / "before.db"))
    assert [found.value for found in revisions if found.key.endswith(b"/past")] == [b"one", b"two", b"three"]
    member.compact()
    revisions = snapshot.entries(member.save(tmp_path / "after.db"))
    assert [found.value for found in revisions if found.key.endswith(b"/past")] == [b"three"]


def test_a_flipped_byte_in_a_snapshot(member: Etcd, tmp_path: Path) -> None:
    """Any flipped byte is found by the digest at the end, any cut by the length."""
    whole = member.save(tmp_path / "snapshot.db").read_bytes()
    damaged = tmp_path / "damaged.db"
    for at in random.Random(3).sample(range(len(whole)), 12):
        damaged.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(SnapshotInvalid, match="SHA-256"):
            list(snapshot.entries(damaged))
    for size in (0, 1, 4096, 9000, len(whole) // 2, len(whole) - 32 - 4096):
        damaged.write_bytes(whole[:size])
        with pytest.raises(SnapshotInvalid):
            list(snapshot.entries(damaged))


def test_a_damaged_database_ends(member: Etcd, tmp_path: Path) -> None:
    """A database has no digest: whatever is damaged in it, reading ends, with what is there or with SnapshotInvalid."""
    database = member.save(tmp_path / "snapshot.db").read_bytes()[:-32]
    damaged, chance = tmp_path / "damaged.db", random.Random(5)
    refused = 0
    for _ in range(60):
        found = bytearray(database)
        for _ in range(chance.choice((1, 3, 200))):
            found[chance.randrange(len(found))] = chance.randrange(256)
        page = chance.randrange(len(found) // 4096) * 4096
        found[page : page + 16] = chance.randbytes(16)  # a page's own header
        damaged.write_bytes(found)
        try:
            list(snapshot.entries(damaged))
        except SnapshotInvalid:
            refused += 1
    assert refused


def test_something_else(tmp_path: Path) -> None:
    """A file that is no database is refused with what to do."""
    other = tmp_path / "other"
    other.write_bytes(b"PK\x03\x04" * 4096)
    with pytest.raises(SnapshotInvalid, match="no meta page") as refused:
        list(snapshot.entries(other))
    assert "etcdctl snapshot save" in refused.value.hint


def test_no_etcd_there() -> None:
    """An endpoint where nothing listens, or that is none, is refused with a hint."""
    for endpoint in ("http://127.0.0.1:1", "127.0.0.1:2379", "https://127.0.0.1:1"):
        with pytest.raises(EtcdUnavailable) as refused:
            list(live.entries(endpoint, Credentials()))
        assert isinstance(refused.value, EtcdError)
        assert refused.value.hint
