"""A region's keys in a key service: sealed here, opened there, signed there, and believed only as far as shown."""

import base64
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from keymgmt.envelopes.envelope import parse_envelope
from keymgmt.envelopes.opening import Memory, RegionOpener
from keymgmt.errors import (
    EnvelopeInvalid,
    ForeignRegion,
    KeyManagementError,
    KeyRevoked,
    KeyringRolledBack,
    KeyServiceError,
    NoSuchKey,
    SignerUnavailable,
)
from keymgmt.file.keyring import FileKeyring
from keymgmt.keys import Algorithm
from keymgmt.public import PublicKeyring
from keymgmt.states import State
from keymgmt.transit.errors import (
    AnswerInvalid,
    Busy,
    KeyMissing,
    KeyUnfit,
    MountMissing,
    PermissionRefused,
    Sealed,
    Standby,
    Uninitialized,
    WrongServer,
)
from keymgmt.transit.keyring import TransitKeyring
from tests.keymgmt.canaries import Canaries
from tests.keymgmt.regions import Region, World
from tests.keymgmt.vault_double import Answer, Fault, VaultDouble, answering, data, errors, hanging_up, where

REGIONS = ("eu-de", "eu-fr", "ch-zurich")


def test_seal_here_open_there(region: Region) -> None:
    """What is sealed to the public key opens through the key service, under its own binding only."""
    keyring = region.connect()
    envelope = keyring.sealer().seal(b"patient 4711", region.bound()).to_bytes()
    assert keyring.opener().open(envelope, region.bound()) == b"patient 4711"
    with pytest.raises(EnvelopeInvalid):
        keyring.opener().open(envelope, region.bound("other"))


def test_sealing_causes_no_call(region: Region) -> None:
    """Sealing works while the key service is sealed or gone, and sends it nothing."""
    keyring = region.connect()
    region.server.sealed, region.server.always = True, hanging_up
    before = len(region.server.requests)
    sealer = keyring.sealer()
    envelopes = [sealer.seal(b"x", region.bound(f"tenant-{n}")).to_bytes() for n in range(10)]
    assert len(region.server.requests) == before
    region.server.sealed, region.server.always = False, None
    assert keyring.opener().open(envelopes[3], region.bound("tenant-3")) == b"x"


def test_sealing_from_a_file(region: Region, tmp_path: Path) -> None:
    """The public document alone seals, in a process that never speaks to the key service."""
    keyring = region.connect()
    path = tmp_path / "eu-de.public.json"
    path.write_bytes(keyring.public_document())
    facts = keyring.keys()
    public = PublicKeyring.load(path, pins={key.key_id for key in facts})
    assert (public.assurance, public.keys()) == ("service", facts)
    envelope = public.sealer().seal(b"x", region.bound()).to_bytes()
    assert keyring.opener().open(envelope, region.bound()) == b"x"


def test_every_byte_counts(region: Region) -> None:
    """No byte of an envelope can be changed unnoticed, wherever the key service would have to find it out."""
    keyring = region.connect()
    envelope = keyring.sealer().seal(b"patient 4711", region.bound()).to_bytes()
    opener = keyring.opener()
    positions = [*range(32), *range(32, len(envelope) - 60, 61), *range(len(envelope) - 60, len(envelope))]
    for position in positions:
        flipped = bytearray(envelope)
        flipped[position] ^= 0x20
        with pytest.raises(EnvelopeInvalid):
            opener.open(bytes(flipped), region.bound())


def test_one_call_opens_a_period(region: Region) -> None:
    """Records that share a data key cost one call, until it is forgotten."""
    keyring = region.connect()
    sealer, opener = keyring.sealer(), RegionOpener(keyring, clock=region.clock)
    envelopes = [sealer.seal(bytes([n]), region.bound()).to_bytes() for n in range(50)]
    before = len(region.server.requests)
    assert [opener.open(envelope, region.bound()) for envelope in envelopes] == [bytes([n]) for n in range(50)]
    assert len(region.server.requests) == before + 1
    region.clock.now += 301
    opener.open(envelopes[0], region.bound())
    assert len(region.server.requests) == before + 2


def test_only_the_diagonal_opens(world: World) -> None:
    """Of all pairs of regions only the same one opens, and no foreign server is asked or told anything."""
    regions = {name: world.region(name) for name in REGIONS}
    keyrings = {name: here.connect() for name, here in regions.items()}
    for sealed_in in REGIONS:
        bound = regions[sealed_in].bound()
        envelope = keyrings[sealed_in].sealer().seal(b"patient 4711", bound).to_bytes()
        for name, keyring in keyrings.items():
            before = len(regions[name].server.requests)
            if name == sealed_in:
                assert keyring.opener().open(envelope, bound) == b"patient 4711"
                continue
            for claimed in (bound, replace(bound, region=name)):
                with pytest.raises(ForeignRegion):
                    keyring.opener().open(envelope, claimed)
            assert len(regions[name].server.requests) == before


def test_a_stolen_key_id_does_not_help(world: World) -> None:
    """With region and key id forged too, the other region's key service cannot open it either."""
    ours, theirs = world.region("eu-de"), world.region("eu-fr")
    envelope = ours.connect().sealer().seal(b"x", ours.bound()).to_bytes()
    foreign = theirs.connect()
    key_at = 8 + len("eu-fr")
    forged = envelope[:8] + b"eu-fr" + foreign.recipient("audit-archive").key_id + envelope[key_at + 16 :]
    with pytest.raises(EnvelopeInvalid, match="data key does not open"):
        foreign.opener().open(forged, theirs.bound())


def test_signing(region: Region) -> None:
    """A signature is 64 bytes of Ed25519 that verify under the public key read at the start."""
    signer = region.connect().signer("audit-checkpoint", "log.example/eu-de")
    signature = signer.sign(b"tree head")
    Ed25519PublicKey.from_public_bytes(signer.public_key).verify(signature, b"tree head")
    assert (len(signature), signer.name) == (64, "log.example/eu-de")
    with pytest.raises(InvalidSignature):
        Ed25519PublicKey.from_public_bytes(signer.public_key).verify(signature, b"another")


def other_signature(version: int) -> Answer:
    signature = base64.b64encode(Ed25519PrivateKey.generate().sign(b"tree head")).decode()
    return data(signature=f"vault:v{version}:{signature}")


@pytest.mark.parametrize(
    "answer",
    [
        other_signature(1),
        other_signature(2),
        data(signature="vault:v1:"),
        data(signature="vault:v1:AAAA"),
        data(signature="vault:v1:not base64"),
        data(signature="v1:" + "A" * 86 + "=="),
        data(signature=None),
        data(),
        Answer(200, b'{"data":[]}'),
        errors(403, "permission denied"),
        errors(503, "Vault is sealed"),
        errors(500),
    ],
)
def test_bad_signatures_are_not_handed_out(region: Region, answer: Answer) -> None:
    """A signature of another key, of another version, or none at all, is SignerUnavailable with its cause."""
    signer = region.connect().signer("audit-checkpoint", "n")
    region.server.always = where("/sign/", answering(answer))
    with pytest.raises(SignerUnavailable) as failure:
        signer.sign(b"tree head")
    assert isinstance(failure.value.__cause__, KeyServiceError)


def test_rotation(region: Region, rsa_keys: list[rsa.RSAPrivateKey]) -> None:
    """After a rotation new records go to the new version, old ones still open, and the old signer is told to go."""
    keyring = region.connect()
    sealer, opener, signer = keyring.sealer(), keyring.opener(), keyring.signer("audit-checkpoint", "n")
    before = sealer.seal(b"before", region.bound()).to_bytes()
    region.server.rotate("archive", rsa_keys[1])
    region.server.rotate("checkpoint", Ed25519PrivateKey.generate())
    assert keyring.refresh()
    after = sealer.seal(b"after", region.bound()).to_bytes()
    assert parse_envelope(before).key_id != parse_envelope(after).key_id
    assert [opener.open(before, region.bound()), opener.open(after, region.bound())] == [b"before", b"after"]
    with pytest.raises(SignerUnavailable, match="no longer active"):
        signer.sign(b"tree head")
    assert keyring.signer("audit-checkpoint", "n").public_key != signer.public_key
    assert not keyring.refresh()


def test_an_unknown_key_may_be_a_new_one(region: Region, rsa_keys: list[rsa.RSAPrivateKey]) -> None:
    """An envelope under a key rotated in elsewhere opens, and strangers cannot make the keyring ask at will."""
    old = region.connect()
    region.server.rotate("archive", rsa_keys[1])
    envelope = region.connect().sealer().seal(b"x", region.bound()).to_bytes()
    region.clock.now += 11
    assert old.opener().open(envelope, region.bound()) == b"x"
    key_at = 8 + len("eu-de")
    stranger = envelope[:key_at] + bytes(16) + envelope[key_at + 16 :]
    region.clock.now += 11
    with pytest.raises(EnvelopeInvalid, match="never had the key"):
        old.opener().open(stranger, region.bound())
    before = len(region.server.requests)
    for _ in range(20):
        with pytest.raises(EnvelopeInvalid, match="never had the key"):
            old.opener().open(stranger, region.bound())
    assert len(region.server.requests) == before


def test_withdrawn_versions(region: Region, rsa_keys: list[rsa.RSAPrivateKey]) -> None:
    """A version below the minimum opens nothing: refused by the server at once, and by us once we know."""
    keyring = region.connect()
    opener = RegionOpener(keyring, memory=Memory(uses=0))
    envelope = keyring.sealer().seal(b"x", region.bound()).to_bytes()
    region.server.rotate("archive", rsa_keys[1])
    region.server.keys["archive"].minimum = 2
    with pytest.raises(KeyRevoked, match="below the key's minimum"):
        opener.open(envelope, region.bound())
    assert keyring.refresh()
    before = len(region.server.requests)
    with pytest.raises(KeyRevoked, match="is revoked"):
        opener.open(envelope, region.bound())
    assert len(region.server.requests) == before
    facts = keyring.keys()
    assert [key.state for key in facts if key.purpose == "audit-archive"] == [State.REVOKED, State.ACTIVE]


def test_a_revocation_empties_the_memory(region: Region, rsa_keys: list[rsa.RSAPrivateKey]) -> None:
    """A data key that is remembered is forgotten when its key is withdrawn."""
    keyring = region.connect()
    opener = keyring.opener()
    envelope = keyring.sealer().seal(b"x", region.bound()).to_bytes()
    opener.open(envelope, region.bound())
    region.server.rotate("archive", rsa_keys[1])
    region.server.keys["archive"].minimum = 2
    keyring.refresh()
    with pytest.raises(KeyRevoked):
        opener.open(envelope, region.bound())


def test_a_restored_server_is_noticed(region: Region, rsa_keys: list[rsa.RSAPrivateKey]) -> None:
    """Fewer versions than before, or other keys under the same versions, stop everything and change nothing."""
    archive = region.server.keys["archive"]
    region.server.rotate("archive", rsa_keys[1])
    keyring = region.connect()
    known = keyring.keys()
    for versions in ([rsa_keys[0]], [rsa_keys[0], rsa_keys[2]], [rsa_keys[3], rsa_keys[1]]):
        archive.versions = list(versions)
        with pytest.raises(KeyringRolledBack, match="find out who did it"):
            keyring.refresh()
        with pytest.raises(KeyringRolledBack):
            region.connect(known=known)
        assert keyring.keys() == known


def test_another_cluster_is_noticed(region: Region) -> None:
    """A server with the right certificate and another cluster id is refused: by the pin, and by a running keyring."""
    keyring = region.connect()
    region.server.cluster_id = "cluster-other"
    with pytest.raises(WrongServer, match="another cluster"):
        keyring.refresh()
    pinned = replace(region, site=replace(region.site, cluster_id="cluster-eu-de"))
    with pytest.raises(WrongServer, match="not the cluster that is pinned"):
        pinned.connect()
    region.server.cluster_id = "cluster-eu-de"
    assert pinned.connect().region == "eu-de"


@pytest.mark.parametrize(
    "promise", ["exportable", "allow_plaintext_backup", "deletion_allowed", "derived", "imported_key"]
)
def test_keys_that_prove_nothing(region: Region, promise: str) -> None:
    """A key that may be exported, copied, deleted, or that came from elsewhere, is not used."""
    region.server.keys["archive"].changes = {promise: True}
    with pytest.raises(KeyUnfit, match=promise):
        region.connect()


@pytest.mark.parametrize("kind", ["aes256-gcm96", "rsa-2048", "ecdsa-p256", "hmac"])
def test_keys_of_other_types(region: Region, kind: str) -> None:
    """A key of a type that neither signs nor seals here is refused with the type to use."""
    region.server.keys["archive"].changes = {"type": kind}
    with pytest.raises(KeyUnfit, match="use ed25519 to sign and rsa-4096 to seal"):
        region.connect()


def public_key(text: str) -> dict[str, Any]:
    return {"keys": {"1": {"creation_time": "2026-11-01T00:00:00Z", "public_key": text}}}


@pytest.mark.parametrize(
    "changes",
    [
        {"exportable": "false"},
        {"exportable": None},
        {"latest_version": "1"},
        {"latest_version": 2},
        {"latest_version": True},
        {"min_decryption_version": -1},
        {"keys": {}},
        {"keys": None},
        {"keys": {"1": 1700000000}},
        {"keys": {"one": {"creation_time": "2026-11-01T00:00:00Z", "public_key": "x"}}},
        {"keys": {"1": {"creation_time": "yesterday", "public_key": "x"}}},
        public_key("x"),
        public_key("-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA\n-----END PUBLIC KEY-----\n"),
    ],
)
def test_answers_are_type_checked(region: Region, changes: dict[str, Any]) -> None:
    """A key described in other types than Vault's is not half-understood but refused."""
    region.server.keys["archive"].changes = changes
    with pytest.raises((AnswerInvalid, KeyUnfit)):
        region.connect()


def test_public_keys_of_other_kinds(region: Region, rsa_keys: list[rsa.RSAPrivateKey]) -> None:
    """A public key that is not what the key's type says is refused."""
    others: list[rsa.RSAPublicKey | ec.EllipticCurvePublicKey] = [rsa.generate_private_key(65537, 2048).public_key()]
    others.append(ec.generate_private_key(ec.SECP256R1()).public_key())
    for other in others:
        pem = other.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        region.server.keys["archive"].changes = public_key(pem)
        with pytest.raises(AnswerInvalid, match="not the rsa-4096 key it says"):
            region.connect()


@pytest.mark.parametrize(
    ("health", "status", "wanted"),
    [
        ({"sealed": True}, 503, Sealed),
        ({"initialized": False, "sealed": True}, 501, Uninitialized),
        ({}, 472, Standby),
        ({"replication_performance_mode": "primary"}, 200, WrongServer),
        ({"replication_dr_mode": "secondary"}, 200, WrongServer),
        ({"replication_dr_mode": "new mode"}, 200, AnswerInvalid),
        ({"cluster_id": ""}, 200, WrongServer),
        ({"cluster_id": 7}, 200, AnswerInvalid),
        ({"sealed": "false"}, 200, AnswerInvalid),
    ],
)
def test_the_state_of_the_server(
    region: Region, health: dict[str, Any], status: int, wanted: type[KeyServiceError]
) -> None:
    """A server that is sealed, new, a standby, replicating or unclear about itself is not used, each by its name."""
    region.server.health, region.server.health_status = health, status
    with pytest.raises(wanted):
        region.connect()
    assert not any("/auth/" in request.path for request in region.server.requests)  # not even a login


def test_a_standby_that_serves_is_used(region: Region) -> None:
    """A standby that forwards, and replication of a mount that stays local, are no obstacle."""
    region.server.health_status = 429
    assert region.connect().region == "eu-de"
    region.server.health = {"replication_performance_mode": "primary"}
    assert replace(region, site=replace(region.site, local_mount=True)).connect().region == "eu-de"


@pytest.mark.parametrize(
    ("fault", "wanted"),
    [
        (answering(errors(503, "Vault is sealed")), Sealed),
        (answering(errors(403, "permission denied")), PermissionRefused),
        (answering(errors(429)), Busy),
        (answering(errors(404, "no handler for route")), MountMissing),
        (answering(errors(400, "encryption key not found")), KeyMissing),
        (answering(errors(400, "invalid ciphertext: version is too new")), KeyServiceError),
        (answering(data()), AnswerInvalid),
        (answering(data(plaintext="")), AnswerInvalid),
        (answering(data(plaintext="!")), AnswerInvalid),
        (answering(data(plaintext=7)), AnswerInvalid),
        (answering(data(plaintext=base64.b64encode(b"k" * 31).decode())), AnswerInvalid),
        (answering(data(plaintext=base64.b64encode(b"k" * 32).decode())), EnvelopeInvalid),
    ],
)
def test_opening_fails_closed(region: Region, fault: Fault, wanted: type[KeyManagementError]) -> None:
    """Whatever goes wrong there, nothing is opened, and the error says which thing it was."""
    keyring = region.connect()
    envelope = keyring.sealer().seal(b"x", region.bound()).to_bytes()
    region.server.always = where("/decrypt/", fault)
    with pytest.raises(wanted):
        keyring.opener().open(envelope, region.bound())


def test_missing_things_are_named(region: Region) -> None:
    """A missing key, a missing mount and a missing purpose are three different errors."""
    with pytest.raises(KeyMissing, match="/v1/transit/keys/nothing"):
        replace(region, site=replace(region.site, keys={"audit-archive": "nothing"})).connect()
    with pytest.raises(MountMissing, match="/v1/other/keys/"):
        replace(region, site=replace(region.site, mount="other")).connect()
    keyring = region.connect()
    with pytest.raises(NoSuchKey, match="it has keys for: audit-archive, audit-checkpoint"):
        keyring.signer("nothing", "n")
    with pytest.raises(NoSuchKey, match="signing needs ed25519"):
        keyring.signer("audit-archive", "n")
    with pytest.raises(NoSuchKey, match="sealing needs rsa-4096"):
        keyring.sealer().seal(b"x", replace(region.bound(), purpose="audit-checkpoint"))


def test_kinds_of_keyrings_do_not_mix(region: Region, keyring: FileKeyring) -> None:
    """A file keyring's envelope and a key service's, of the same region, do not open in each other."""
    transit = region.connect()
    bound = region.bound()
    with pytest.raises(EnvelopeInvalid):
        keyring.opener().open(transit.sealer().seal(b"x", bound).to_bytes(), bound)
    with pytest.raises(EnvelopeInvalid):
        transit.opener().open(keyring.sealer().seal(b"x", bound).to_bytes(), bound)


def test_the_namespace_is_sent(world: World) -> None:
    """Every call names the namespace it is for."""
    here = world.region("eu-de", options={"namespace": "tenants/clinic"})
    here.connect()
    assert {request.headers["x-vault-namespace"] for request in here.server.requests} == {"tenants/clinic"}


def test_threads_share_a_keyring(region: Region) -> None:
    """Many threads open and sign at once through one keyring with one login."""
    keyring = region.connect()
    signer, envelope = keyring.signer("audit-checkpoint", "n"), keyring.sealer().seal(b"x", region.bound()).to_bytes()

    def work(_: int) -> list[bytes]:
        opener = RegionOpener(keyring, memory=Memory(uses=0))
        return [opener.open(envelope, region.bound()) + signer.sign(b"tree head") for _ in range(5)]

    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(work, range(8)))
    assert {one for many in done for one in many} == {b"x" + signer.sign(b"tree head")}
    assert sum("/auth/" in request.path for request in region.server.requests) == 1


def test_lineage(region: Region) -> None:
    """Key ids differ between clusters, mounts, namespaces and purposes even when the keys are the same."""
    facts = region.connect().keys()[0]
    ids = {facts.key_id}
    region.server.cluster_id = "other"
    ids.add(region.connect().keys()[0].key_id)
    ids.add(replace(facts, purpose="other").key_id)
    ids.add(replace(facts, algorithm=Algorithm.X25519).key_id)
    assert len(ids) == 4


def test_no_secret_in_any_failure(world: World, canaries: Canaries) -> None:
    """Tokens, credentials, data keys and plaintexts show in no error of any call that fails, nor in any repr."""
    region = world.region("eu-de", secret_id=canaries.text("secret-id"))
    region.server.new_token = lambda: canaries.text("token")
    keyring = region.connect()
    envelope = keyring.sealer().seal(canaries.draw("plaintext", 64), region.bound()).to_bytes()
    signer = keyring.signer("audit-checkpoint", "n")
    calls: list[Callable[[], object]] = [
        lambda: keyring.opener().open(envelope, region.bound()),
        lambda: signer.sign(b"tree head"),
        keyring.refresh,
        region.connect,
    ]
    answers: list[Fault] = [
        *(answering(errors(status)) for status in (400, 403, 404, 429, 500, 503)),
        *(answering(errors(status, "is sealed")) for status in (400, 403, 500, 503)),
        lambda double, line, request: errors(400, json.dumps(request.headers), request.body.decode()),
        lambda double, line, request: Answer(200, json.dumps([request.headers, request.body.decode()]).encode()),
        hanging_up,
    ]
    for answer in answers:
        region.server.always = answer
        for call in calls:
            with pytest.raises(KeyManagementError) as failure:
                call()
            assert canaries.seen_with(failure.value) == []
    leaking = base64.b64encode(canaries.draw("data key", 31)).decode()
    region.server.always = where("/decrypt/", answering(data(plaintext=leaking)))
    with pytest.raises(AnswerInvalid) as failed:
        calls[0]()
    assert canaries.seen_with(failed.value) == []
    for thing in (keyring, signer, keyring._session, keyring._session.connection, region.login, keyring.opener()):
        assert canaries.seen_in(f"{thing!r} {thing}") == []
    assert canaries.seen_in(keyring.public_document()) == []


def test_deleted_credentials(region: Region) -> None:
    """A keyring cannot be connected once its credential is gone, and says which file it missed."""
    shutil.rmtree(region.site.ca.parent / "nothing", ignore_errors=True)
    (region.site.ca.parent / "secret-id").unlink()
    with pytest.raises(KeyServiceError, match="secret-id`: No such file"):
        region.connect()


def test_without_the_library() -> None:
    """Where hvac is not installed, the error says what to install, and everything else of the package works."""
    script = """
import sys
sys.modules["hvac"] = None
from pathlib import Path
import keymgmt.file.keyring
from keymgmt.transit.errors import ExtraMissing
from keymgmt.transit.keyring import TransitKeyring
from keymgmt.transit.login import TokenLogin
from keymgmt.transit.site import TransitSite
try:
    TransitKeyring.connect(TransitSite("eu-de", "https://vault", Path("ca"), {}), TokenLogin(Path("token")))
except ExtraMissing as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "key services need hvac; install `bailiwick[vault]`\n"


def test_wrong_region_in_the_settings(world: World) -> None:
    """Settings of one region that lead to another's server, with that server's CA and pins, are refused by its name."""
    theirs = world.region("eu-fr")
    settings = replace(theirs.site, region="eu-de")
    with pytest.raises(WrongServer, match="does not prove to be in `eu-de`"):
        TransitKeyring.connect(settings, theirs.login)
    assert isinstance(theirs.server, VaultDouble)
    assert theirs.server.everything() == b""
