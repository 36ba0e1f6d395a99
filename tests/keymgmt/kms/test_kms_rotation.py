"""Rotation: when a new version is written with, that replicas agree, and that nothing goes back."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from keymgmt.errors import KeyringUnsafe, NoSuchKey
from keymgmt.keys import Algorithm, KeyFacts
from keymgmt.kms.annotations import etcd_binding
from keymgmt.kms.memory import Memory, MemoryForeign, Seen
from keymgmt.kms.service import Stored
from keymgmt.kms.serving import Ripening, to_serve
from keymgmt.states import State
from tests.keymgmt.kms.rings import NOW, Site, Time

SEED = bytes(range(32))
RIPENING = Ripening(timedelta(minutes=3), 3)


def key(version: int, *, age: float, state: State = State.RETIRED) -> KeyFacts:
    """A version made so many seconds before NOW."""
    created = NOW - timedelta(seconds=age)
    return KeyFacts(b"l" * 16, "eu-de", "etcd", Algorithm.X25519, version, created, state, bytes(32))


def served(*keys: KeyFacts, served: int = 0, observed: dict[str, int] | None = None) -> int:
    """The version written with."""
    return to_serve(keys, "etcd", served=served, observed=observed or {}, now=NOW, ripening=RIPENING).version


@pytest.mark.parametrize(
    ("keys", "before", "wanted"),
    [
        ((key(1, age=0, state=State.ACTIVE),), 0, 1),  # the first one has nobody to wait for
        ((key(1, age=999), key(2, age=179, state=State.ACTIVE)), 1, 1),  # others may not know it yet
        ((key(1, age=999), key(2, age=180, state=State.ACTIVE)), 1, 2),
        ((key(1, age=999), key(2, age=10, state=State.ACTIVE)), 2, 2),  # once served, served
        ((key(1, age=999), key(2, age=10, state=State.ACTIVE)), 0, 1),  # a fresh replica agrees with the others
        ((key(1, age=999), key(2, age=-3600, state=State.ACTIVE)), 1, 1),  # a clock is wrong: ours or the server's
        ((key(1, age=-3600, state=State.ACTIVE),), 0, 1),  # and there is no other
        ((key(1, age=999), key(2, age=500), key(3, age=9, state=State.ACTIVE)), 1, 2),  # two rotations in a row
        ((key(1, age=999, state=State.REVOKED), key(2, age=9, state=State.ACTIVE)), 1, 2),  # nothing else is left
    ],
)
def test_which_version_is_written_with(keys: tuple[KeyFacts, ...], before: int, wanted: int) -> None:
    """The newest one that is ripe, never older than before."""
    assert served(*keys, served=before) == wanted


def test_a_version_that_just_appeared_must_be_seen_again() -> None:
    """A clock that is ahead does not make it ripe: it must have been observed, too."""
    old, new = key(1, age=9999), key(2, age=999, state=State.ACTIVE)
    assert served(old, new, served=1, observed={new.key_id: 2}) == 1
    assert served(old, new, served=1, observed={new.key_id: 3}) == 2


@pytest.mark.parametrize("keys", [(), (key(1, age=999),), (key(1, age=999, state=State.ACTIVE), key(2, age=99))])
def test_never_back(keys: tuple[KeyFacts, ...]) -> None:
    """With no active version as new as the one written with, there is none at all."""
    with pytest.raises(NoSuchKey):
        served(*keys, served=2)


@example([0, 1, 2], [2, 180])  # nothing ripe at first
@given(
    st.lists(st.integers(0, 1200), min_size=1, max_size=6, unique=True),
    st.lists(st.integers(0, 3600), min_size=1, max_size=20),
)
def test_monotone_and_convergent(births: list[int], looks: list[int]) -> None:
    """Over any history, no replica ever goes back, and one that starts fresh at any moment agrees with the others."""
    births = sorted(births)
    before = 0
    for moment in sorted(looks):
        made = [birth for birth in births if birth <= moment]
        if not made:
            continue
        states = [State.RETIRED] * (len(made) - 1) + [State.ACTIVE]
        keys = [key(n, age=moment - birth, state=s) for n, (birth, s) in enumerate(zip(made, states, strict=True), 1)]
        now, fresh = served(*keys, served=before), served(*keys)
        assert now >= before
        ripe = [k.version for k in keys if NOW - k.created >= RIPENING.delay]
        if ripe:
            assert now == fresh == max(ripe)
        before = now


def test_g5_rotation_under_load(tmp_path: Path) -> None:
    """Two replicas under concurrent load through three rotations: no failed call, no reused or flipped key id."""
    site = Site(tmp_path)
    replicas = [site.replica(name) for name in "ab"]
    over = threading.Event()
    failures: list[Exception] = []
    calls = [0]

    def load(one: int) -> None:
        while not over.is_set():
            try:
                made = replicas[one].service.encrypt(SEED, "u")
                other = replicas[1 - one].service  # the other API server reads what this one wrote
                assert other.decrypt(Stored(made.ciphertext, made.key_id, made.annotations, "u")) == SEED
                calls[0] += 1
            except Exception as failure:  # noqa: BLE001  # shown below
                failures.append(failure)
                return

    threads = [threading.Thread(target=load, args=(n % 2,)) for n in range(4)]
    for thread in threads:
        thread.start()
    history: list[list[str]] = [[], []]
    try:
        for step in range(90):
            if step % 30 == 5:
                site.ring.rotate("etcd", site.time.now())
            site.time.seconds += 10
            for at, replica in enumerate(replicas):
                replica.look()
                history[at].append(replica.service.status().key_id)
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert failures == []
    assert calls[0] > 50
    for ids in history:
        changes = [now for before, now in pairwise(ids) if before != now]
        assert len(changes) == len(set(changes)) == 3
        assert ids[0] not in changes
    assert history[0] == history[1]


def test_written_with_only_when_all_replicas_know_it(tmp_path: Path) -> None:
    """At the moment a replica writes with a new version, another that looks as often has known it for long."""
    site = Site(tmp_path)
    a, b = site.replica("a"), site.replica("b")
    before = a.service.status().key_id
    new = site.ring.rotate("etcd", site.time.now()).key_id
    while a.service.status().key_id == before:
        site.time.seconds += 10
        a.look()
        if site.time.seconds == 30:
            b.look()
    assert a.service.status().key_id == new
    assert b.watch.standing.known(new) is not None


def test_restarts_do_not_go_back(tmp_path: Path) -> None:
    """After a restart with a clock that went back an hour, the version written with is the same."""
    site = Site(tmp_path)
    site.ring.rotate("etcd", site.time.now())
    site.time.seconds = 300
    served_last = site.replica().service.status().key_id
    site.time.seconds = -3600
    assert site.replica().service.status().key_id == served_last


def test_a_restored_keyring_is_noticed_after_a_restart(tmp_path: Path) -> None:
    """An older file put in place while the plugin was down is refused, and nothing is done with it."""
    site = Site(tmp_path)
    path = tmp_path / "eu-de" / "keys" / "eu-de.keyring.json"
    old = path.read_bytes()
    site.ring.rotate("etcd", site.time.now())
    first = site.replica()
    assert first.look() == "ok"
    path.write_bytes(old)
    assert first.look() == "rolled-back"

    from keymgmt.file.keyring import FileKeyring

    def connect(seen: Seen) -> FileKeyring:
        folder = tmp_path / "eu-de" / "keys"
        return FileKeyring.open(folder, "eu-de", unlock=site.unlock, seen=seen.head)

    again = site.replica("a2", connect=connect)
    assert again.service.status().healthz == "ok"  # without a memory nobody can tell
    (tmp_path / "eu-de" / "a2" / "eu-de.etcd.seen.json").write_bytes(
        (tmp_path / "eu-de" / "a" / "eu-de.etcd.seen.json").read_bytes()
    )
    assert site.replica("a2", connect=connect).service.status().healthz == "rolled-back"


def test_the_memory_is_for_one_cluster(tmp_path: Path) -> None:
    """Another cluster's or jurisdiction's settings on the same state are refused before anything is written."""
    bound = etcd_binding("eu-de", "DE", "prod")
    folder = tmp_path / "state"
    memory = Memory(folder, bound)
    memory.prepare()
    seen = Seen((key(1, age=5, state=State.ACTIVE),), None, 1)
    memory.store(seen)
    assert Memory(folder, bound).load() == seen
    for other in (replace(bound, cluster="test"), replace(bound, jurisdiction="EU")):
        with pytest.raises(MemoryForeign):
            Memory(folder, other).load()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"schema":"bailiwick.dev/kms-memory/v1"}'])
def test_a_damaged_memory_is_refused(tmp_path: Path, content: bytes) -> None:
    """What no plugin wrote is neither believed nor overwritten."""
    folder = tmp_path / "state"
    memory = Memory(folder, etcd_binding("eu-de", "DE", "prod"))
    memory.prepare()
    (folder / "eu-de.etcd.seen.json").write_bytes(content)
    with pytest.raises(KeyringUnsafe):
        memory.load()


def test_a_state_directory_others_can_read_is_refused(tmp_path: Path) -> None:
    """The directory must be the plugin's alone."""
    folder = tmp_path / "state"
    folder.mkdir(mode=0o755)
    with pytest.raises(KeyringUnsafe):
        Memory(folder, etcd_binding("eu-de", "DE", "prod")).prepare()


def test_two_kinds_of_time() -> None:
    """The tests' clock moves both together."""
    time = Time(5)
    assert (time.now() - NOW).total_seconds() == time.monotonic() - 1000
