"""Encrypt, Decrypt and Status without gRPC: what is bound, what is refused, and what is asked of whom."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keymgmt.errors import KeyringRolledBack, KeyServiceError
from keymgmt.kms.annotations import LARGEST_CIPHERTEXT, REGION_NAME, VERSION_NAME
from keymgmt.kms.reasons import Reason
from keymgmt.kms.service import Encrypted, Health, Refused, Stored, WouldWait
from keymgmt.kms.usage import UseUnrecorded
from keymgmt.transit import errors as service_errors
from tests.keymgmt.kms.rings import Replica, Site

SEED = bytes(range(32))


def stored(made: Encrypted, **changes: object) -> Stored:
    """What the API server keeps of an answer, or something else."""
    return replace(Stored(made.ciphertext, made.key_id, made.annotations, "uid-2"), **changes)  # type: ignore[arg-type]


def refusal(replica: Replica, asked: Stored) -> Reason:
    """Why it is refused, which it must be."""
    with pytest.raises(Refused) as refused:
        replica.service.decrypt(asked)
    assert str(refused.value) == refused.value.reason.value  # a word, and nothing that was in an error
    return refused.value.reason


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """The region `eu-de`."""
    return Site(tmp_path)


def test_what_is_encrypted_is_decrypted(site: Site) -> None:
    """A seed comes back; key id and Status agree; the API server's limits are kept."""
    replica = site.replica()
    made = replica.service.encrypt(SEED, "uid-1")
    assert replica.service.decrypt(stored(made)) == SEED
    assert made.key_id == replica.service.status().key_id
    assert replica.service.status().healthz == "ok"
    assert SEED not in made.ciphertext
    assert len(made.ciphertext) <= LARGEST_CIPHERTEXT
    assert all("." in name and "/" not in name for name in made.annotations)
    assert made.ciphertext != replica.service.encrypt(SEED, "uid-1").ciphertext


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_g3_ciphertext_is_bound(site: Site, data: st.DataObject) -> None:
    """Whatever bit, annotation or key id is changed, nothing opens."""
    replica = getattr(site, "shared", None) or site.replica()
    site.shared = replica  # type: ignore[attr-defined]
    made = replica.service.encrypt(SEED, "uid-1")
    at = data.draw(st.integers(0, len(made.ciphertext) * 8 - 1))
    flipped = bytearray(made.ciphertext)
    flipped[at // 8] ^= 1 << at % 8
    refusal(replica, stored(made, ciphertext=bytes(flipped)))
    name = data.draw(st.sampled_from(sorted(made.annotations)))
    value = data.draw(st.binary(max_size=20).filter(lambda v: v != made.annotations[name]))
    refusal(replica, stored(made, annotations=made.annotations | {name: value}))
    refusal(replica, stored(made, annotations={k: v for k, v in made.annotations.items() if k != name}))
    refusal(replica, stored(made, annotations=made.annotations | {"more.example": b"x"}))
    refusal(replica, stored(made, key_id=data.draw(st.text(max_size=30).filter(lambda v: v != made.key_id))))
    refusal(replica, stored(made, ciphertext=made.ciphertext[: data.draw(st.integers(0, len(made.ciphertext) - 1))]))


def test_g3_cluster_and_jurisdiction_are_bound(site: Site) -> None:
    """A seed of one cluster, or of one jurisdiction's declaration, opens in no other with the same key."""
    made = site.replica().service.encrypt(SEED, "uid-1")
    assert refusal(site.replica("b", cluster="test"), stored(made)) is Reason.INVALID
    other = site.replica("c", jurisdiction="EU")
    assert refusal(other, stored(made)) is Reason.INVALID
    told = made.annotations | {"jurisdiction.keys.bailiwick.dev": b"EU"}
    assert refusal(other, stored(made, annotations=told)) is Reason.INVALID


def test_g4_only_the_diagonal_opens(tmp_path: Path) -> None:
    """Of all pairs of four regions only the same one opens, whatever the annotations say; no other keyring is asked."""
    sites = {name: Site(tmp_path, name) for name in ("eu-de", "eu-fr", "ch-zurich", "us-east")}
    replicas = {name: site.replica() for name, site in sites.items()}
    for sealed_in, sealer in replicas.items():
        made = sealer.service.encrypt(SEED, "uid-1")
        for name, replica in replicas.items():
            asked = replica.keyring.unwraps
            if name == sealed_in:
                assert replica.service.decrypt(stored(made)) == SEED
                continue
            assert refusal(replica, stored(made)) is Reason.FOREIGN_REGION
            told = made.annotations | {REGION_NAME: name.encode()}
            assert refusal(replica, stored(made, annotations=told)) is Reason.FOREIGN_REGION
            assert replica.keyring.unwraps == asked


def test_g4_forged_region_and_key_id(tmp_path: Path) -> None:
    """With region and key id of the receiving region forged into another's envelope, the AEAD refuses it."""
    ours, theirs = Site(tmp_path, "eu-de").replica(), Site(tmp_path, "eu-fr").replica()
    made, own = theirs.service.encrypt(SEED, "uid-1"), ours.service.encrypt(SEED, "uid-1")
    head = 8 + len("eu-fr") + 16
    forged = own.ciphertext[:head] + made.ciphertext[head:]
    assert refusal(ours, stored(own, ciphertext=forged)) is Reason.INVALID


def test_an_unknown_key_causes_no_call(site: Site) -> None:
    """A key id that is not known is refused without asking anybody; the watcher is told to look."""
    replica = site.replica()
    made = replica.service.encrypt(SEED, "uid-1")
    raw = bytearray(made.ciphertext)
    raw[8 + len("eu-de")] ^= 1
    from keymgmt.envelopes.envelope import parse_envelope
    from keymgmt.kms.annotations import key_id_of

    asked = replica.keyring.unwraps
    other = key_id_of(parse_envelope(bytes(raw)))
    assert refusal(replica, stored(made, ciphertext=bytes(raw), key_id=other)) is Reason.UNKNOWN_KEY
    assert replica.keyring.unwraps == asked
    assert replica.nudges == [1]


def test_a_request_writes_no_lines_of_its_own(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    """Line breaks and lengths that a request brings do not get into the log."""
    replica = site.replica()
    made = replica.service.encrypt(SEED, "u")
    caplog.clear()
    for changed in ({REGION_NAME: b"x\nERROR forged" * 100}, {"x\nERROR forged": b""}):
        refusal(replica, stored(made, annotations=made.annotations | changed, uid="u\nERROR forged"))
    assert "\nERROR forged" not in caplog.text
    assert all(len(record.getMessage()) < 500 for record in caplog.records)
    assert caplog.records


def test_a_wrong_version_is_refused(site: Site) -> None:
    """The version beside the ciphertext must be the key's."""
    replica = site.replica()
    made = replica.service.encrypt(SEED, "uid-1")
    assert refusal(replica, stored(made, annotations=made.annotations | {VERSION_NAME: b"2"})) is Reason.INVALID


FAULTS = {
    service_errors.Sealed: Reason.SEALED,
    service_errors.Uninitialized: Reason.SEALED,
    service_errors.Standby: Reason.STANDBY,
    service_errors.TooSlow: Reason.UNREACHABLE,
    service_errors.Unreachable: Reason.UNREACHABLE,
    service_errors.Busy: Reason.UNREACHABLE,
    service_errors.AnswerInvalid: Reason.UNREACHABLE,
    service_errors.WrongServer: Reason.WRONG_SERVER,
    service_errors.Redirected: Reason.WRONG_SERVER,
    service_errors.PermissionRefused: Reason.DENIED,
    service_errors.LoginRefused: Reason.DENIED,
    service_errors.MountMissing: Reason.DENIED,
    service_errors.KeyMissing: Reason.NO_KEY,
    service_errors.KeyUnfit: Reason.UNFIT,
    KeyringRolledBack: Reason.ROLLED_BACK,
    KeyServiceError: Reason.UNREACHABLE,
    RuntimeError: Reason.FAULT,
}


@pytest.mark.parametrize("kind", FAULTS, ids=lambda kind: kind.__name__)
def test_g8_fails_closed(site: Site, kind: type[Exception]) -> None:
    """Whatever the key service fails with: Status names it in a word, and nothing is encrypted or decrypted."""
    site.waits = True
    replica = site.replica()
    made = replica.service.encrypt(SEED, "uid-1")
    assert replica.service.decrypt(stored(made)) == SEED
    replica.keyring.failure = kind("token=hvs.canary")
    site.time.seconds += replica.watch.rhythm.patience + 1
    assert replica.look() == FAULTS[kind].value
    # with a key id in it kube-apiserver would write on and on
    assert replica.service.status() == Health(FAULTS[kind].value, "")
    with pytest.raises(Refused) as refused:
        replica.service.encrypt(SEED, "uid-1")
    assert refused.value.reason is FAULTS[kind]
    assert refusal(replica, stored(made)) is FAULTS[kind]  # also what was remembered a moment ago
    replica.keyring.failure = None
    assert replica.look() == "ok"
    assert replica.service.decrypt(stored(made)) == SEED


def test_g8_nothing_without_a_first_look(site: Site) -> None:
    """Before the keyring was seen nothing is answered but `starting`, or why it cannot be seen."""

    def connect(seen: object) -> object:
        raise service_errors.Sealed("sealed; unseal it")

    replica = site.replica(connect=connect)  # type: ignore[arg-type]
    assert replica.service.status().healthz == "sealed"
    made = site.replica("b").service.encrypt(SEED, "u")
    assert refusal(replica, stored(made)) is Reason.SEALED
    with pytest.raises(Refused, match="sealed"):
        replica.service.encrypt(SEED, "u")


def test_g8_what_was_not_seen_for_long_is_stale(site: Site) -> None:
    """A good look counts for its patience and no longer, also when the watcher hangs."""
    replica = site.replica()
    site.time.seconds += replica.watch.rhythm.patience
    assert replica.service.status().healthz == "ok"
    site.time.seconds += 0.1
    assert replica.service.status().healthz == "stale"
    with pytest.raises(Refused, match="stale"):
        replica.service.encrypt(SEED, "u")


def test_a_short_loss_of_the_network_is_no_loss(site: Site) -> None:
    """Unreachable for less than the patience, Status stays ok."""
    replica = site.replica()
    replica.keyring.failure = service_errors.Unreachable("cannot reach")
    site.time.seconds += 10
    assert replica.look() == "ok"
    site.time.seconds += 16
    assert replica.look() == "unreachable"


def test_g6_revoked(site: Site) -> None:
    """A version that was withdrawn opens nothing, remembered or not, from the next look on."""
    replica = site.replica()
    made = replica.service.encrypt(SEED, "u")
    site.ring.rotate("etcd", site.time.now())
    for _ in range(20):
        site.time.seconds += 10
        assert replica.look() == "ok"
    assert replica.service.decrypt(stored(made)) == SEED
    site.revoke(made.key_id)
    assert replica.look() == "ok"
    asked = replica.keyring.unwraps
    assert refusal(replica, stored(made)) is Reason.REVOKED
    assert replica.keyring.unwraps == asked
    replica.service.decrypt(stored(replica.service.encrypt(SEED, "u")))  # the new one does


def test_g6_revoked_while_written_with(site: Site) -> None:
    """When the version written with is withdrawn and no other is there, nothing is written and nothing opens."""
    replica = site.replica()
    made = replica.service.encrypt(SEED, "u")
    site.revoke(made.key_id)
    assert replica.look() == "no-active-key"
    assert refusal(replica, stored(made)) is Reason.REVOKED
    with pytest.raises(Refused, match="no-active-key"):
        replica.service.encrypt(SEED, "u")


def test_g9_what_is_remembered_is_bounded(site: Site) -> None:
    """A data key is remembered for five minutes at most, and not over a loss of the keyring."""
    replica = site.replica()
    made = replica.service.encrypt(SEED, "u")
    asked = replica.keyring.unwraps
    for _ in range(3):
        replica.service.decrypt(stored(made))
    assert replica.keyring.unwraps == asked + 1
    for _ in range(30):
        site.time.seconds += 10
        replica.look()
    asked = replica.keyring.unwraps
    replica.service.decrypt(stored(made))
    assert replica.keyring.unwraps == asked + 1
    replica.keyring.failure = service_errors.Sealed("sealed; unseal it")
    replica.look()
    replica.keyring.failure = None
    replica.look()
    asked = replica.keyring.unwraps
    replica.service.decrypt(stored(made))
    assert replica.keyring.unwraps == asked + 1


def test_g10_every_use_is_recorded(site: Site) -> None:
    """Good or refused, each use is one record with region, key, version and outcome, and none of the content."""
    replica = site.replica()
    made = replica.service.encrypt(SEED, "uid-1")
    replica.service.decrypt(stored(made))
    replica.service.decrypt(stored(made))
    refusal(replica, stored(made, annotations={}))
    found = [(use.operation, use.outcome, use.key_id, use.version, use.uid, use.asked) for use in replica.uses.uses]
    assert found == [
        ("probe", "ok", made.key_id, 1, "", True),
        ("encrypt", "ok", made.key_id, 1, "uid-1", False),
        ("decrypt", "ok", made.key_id, 1, "uid-2", True),
        ("decrypt", "ok", made.key_id, 1, "uid-2", False),  # remembered: no key service knows of it
        ("decrypt", "foreign-region", made.key_id, 1, "uid-2", False),
    ]
    assert sum(use.asked for use in replica.uses.uses) == replica.keyring.unwraps
    assert {use.region for use in replica.uses.uses} == {"eu-de"}
    assert {len(use.bound) for use in replica.uses.uses} == {64}


def test_g10_no_record_no_result(site: Site) -> None:
    """When uses cannot be recorded, nothing is encrypted or decrypted."""
    replica = site.replica()
    made = replica.service.encrypt(SEED, "u")
    replica.uses.failure = UseUnrecorded("the disk is full")
    assert refusal(replica, stored(made)) is Reason.UNRECORDED
    with pytest.raises(Refused, match="unrecorded"):
        replica.service.encrypt(SEED, "u")
    assert replica.look() == "unrecorded"


def test_status_never_waits(site: Site) -> None:
    """While the key service hangs in an opening, Status and Encrypt are answered; so is what is remembered."""
    site.waits = True
    replica = site.replica()
    made = replica.service.encrypt(SEED, "u")
    with pytest.raises(WouldWait):
        replica.service.decrypt(stored(made), may_wait=False)
    replica.keyring.gate.clear()
    opened: list[bytes] = []
    thread = threading.Thread(target=lambda: opened.append(replica.service.decrypt(stored(made))))
    thread.start()
    try:
        assert replica.service.status().healthz == "ok"
        replica.service.encrypt(SEED, "u")
        with pytest.raises(WouldWait):
            replica.service.decrypt(stored(made), may_wait=False)
    finally:
        replica.keyring.gate.set()
        thread.join()
    assert opened == [SEED]
    assert replica.service.decrypt(stored(made), may_wait=False) == SEED  # remembered now


def test_too_long_a_plaintext_is_refused(site: Site) -> None:
    """What would not fit into the API server's limit is refused, not cut."""
    replica = site.replica()
    assert len(replica.service.encrypt(bytes(256), "u").ciphertext) <= LARGEST_CIPHERTEXT
    with pytest.raises(Refused, match="invalid"):
        replica.service.encrypt(bytes(257), "u")
