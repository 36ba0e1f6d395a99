"""What a key service says of its keys and of itself is believed only as far as it is shown."""

import base64
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from keymgmt.errors import (
    KeyringRolledBack,
    KeyServiceError,
    SignerUnavailable,
)
from keymgmt.transit.errors import (
    AnswerInvalid,
    KeyUnfit,
    Sealed,
    Standby,
    Uninitialized,
    WrongServer,
)
from keymgmt.transit.keyring import TransitKeyring
from tests.keymgmt.regions import Region, World
from tests.keymgmt.vault_double import Answer, VaultDouble, answering, data, errors, where


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


def test_wrong_region_in_the_settings(world: World) -> None:
    """Settings of one region that lead to another's server, with that server's CA and pins, are refused by its name."""
    theirs = world.region("eu-fr")
    settings = replace(theirs.site, region="eu-de")
    with pytest.raises(WrongServer, match="does not prove to be in `eu-de`"):
        TransitKeyring.connect(settings, theirs.login)
    assert isinstance(theirs.server, VaultDouble)
    assert theirs.server.everything() == b""
