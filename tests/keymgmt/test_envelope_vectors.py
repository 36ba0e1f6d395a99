"""The envelope's format as files, opened by this package and by a second reading of the specifications."""

import hashlib
import json
import os
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from keymgmt.envelopes.envelope import UnverifiedEnvelope, parse_envelope
from keymgmt.envelopes.opening import RegionOpener
from keymgmt.envelopes.wrapping import hpke_unwrap
from keymgmt.errors import EnvelopeInvalid, ForeignRegion
from keymgmt.file.keyring import FileKeyring
from keymgmt.file.unlock import KeyFile
from keymgmt.keys import Algorithm, KeyFacts
from keymgmt.ports import Binding
from keymgmt.secret import Secret
from keymgmt.states import State

FOLDER = Path(__file__).resolve().parents[1] / "vectors" / "envelopes"
VECTORS = [json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))]
WANTED = {"EnvelopeInvalid": EnvelopeInvalid, "ForeignRegion": ForeignRegion}


@dataclass(frozen=True)
class OneKey:
    """An unwrapper that knows the vectors' key."""

    key: dict[str, str]
    region: str = "eu-de"
    generation: int = 1

    def unwrap(self, envelope: UnverifiedEnvelope, purpose: str, info: bytes) -> Secret:
        if envelope.key_id != id_bytes(self.key) or purpose != self.key["purpose"]:
            raise EnvelopeInvalid("another key")
        private = X25519PrivateKey.from_private_bytes(bytes.fromhex(self.key["secret"]))
        return hpke_unwrap(private, envelope.wrapped, info)


def id_bytes(key: dict[str, str]) -> bytes:
    """The key id's bytes, by the documentation's formula."""
    hashed = [b"bailiwick/key/v1", bytes.fromhex(key["lineage"])]
    hashed += [key[name].encode() for name in ("region", "purpose", "algorithm", "version", "created")]
    hashed += [bytes.fromhex(key["public"])]
    return hashlib.sha256(b"".join(len(part).to_bytes(2, "big") + part for part in hashed)).digest()[:16]


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["name"] for vector in VECTORS])
def test_vectors(vector: dict[str, Any]) -> None:
    """Each vector opens or is refused as it says, by exactly the error it names."""
    opener = RegionOpener(OneKey(vector["key"]))
    envelope, bound = bytes.fromhex(vector["envelope"]), Binding(**vector["binding"])
    if vector["want"] == "opens":
        assert opener.open(envelope, bound) == bytes.fromhex(vector["plaintext"])
        return
    with pytest.raises(EnvelopeInvalid) as refusal:
        opener.open(envelope, bound)
    assert refusal.type is WANTED[vector["want"]]


def test_there_are_vectors() -> None:
    """The folder holds one that opens and many that do not."""
    wanted = [vector["want"] for vector in VECTORS]
    assert wanted.count("opens") == 1
    assert wanted.count("EnvelopeInvalid") >= 15
    assert wanted.count("ForeignRegion") == 2


def test_key_ids() -> None:
    """The documentation's formula and the code give the vectors' key id."""
    key = VECTORS[0]["key"]
    facts = KeyFacts(
        lineage=bytes.fromhex(key["lineage"]),
        region=key["region"],
        purpose=key["purpose"],
        algorithm=key["algorithm"],
        version=int(key["version"]),
        created=datetime(2026, 11, 21, 8, tzinfo=UTC),
        state=State.ACTIVE,
        public=bytes.fromhex(key["public"]),
    )
    assert facts.key_id == key["key_id"]
    assert facts.id_bytes == id_bytes(key)


def extract(salt: bytes, label: bytes, material: bytes, suite: bytes) -> bytes:
    mac = hmac.HMAC(salt or bytes(32), hashes.SHA256())
    mac.update(b"HPKE-v1" + suite + label + material)
    return mac.finalize()


def expand(key: bytes, label: bytes, info: bytes, length: int, suite: bytes) -> bytes:
    labelled = length.to_bytes(2, "big") + b"HPKE-v1" + suite + label + info
    return HKDFExpand(hashes.SHA256(), length, labelled).derive(key)


def rfc9180_open(private: X25519PrivateKey, wrapped: bytes, info: bytes) -> bytes:
    """RFC 9180 base mode from its text: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM, one message."""
    encapsulated, ciphertext = wrapped[:32], wrapped[32:]
    kem = b"KEM" + (0x20).to_bytes(2, "big")
    suite = b"HPKE" + b"".join(n.to_bytes(2, "big") for n in (0x20, 0x01, 0x02))
    exchanged = private.exchange(X25519PublicKey.from_public_bytes(encapsulated))
    context = encapsulated + private.public_key().public_bytes_raw()
    shared = expand(extract(b"", b"eae_prk", exchanged, kem), b"shared_secret", context, 32, kem)
    schedule = b"\x00" + extract(b"", b"psk_id_hash", b"", suite) + extract(b"", b"info_hash", info, suite)
    secret = extract(shared, b"secret", b"", suite)
    key = expand(secret, b"key", schedule, 32, suite)
    nonce = expand(secret, b"base_nonce", schedule, 12, suite)
    return AESGCM(key).decrypt(nonce, ciphertext, b"")


def second_opinion(private: X25519PrivateKey, envelope: bytes, bound: Binding) -> bytes:
    """Open an envelope by the documentation alone, with nothing of this package."""
    region_size = envelope[7]
    key_id = envelope[8 + region_size : 24 + region_size]
    wrapped_size = int.from_bytes(envelope[24 + region_size : 26 + region_size], "big")
    nonce_at = 26 + region_size + wrapped_size
    parts = ("bailiwick/binding/v1", bound.region, bound.jurisdiction, bound.purpose, bound.cluster, bound.tenant)
    binding = b"".join(len(part.encode()).to_bytes(2, "big") + part.encode() for part in parts)
    info = b"bailiwick/envelope/v1 data key\x00" + key_id + binding
    data_key = rfc9180_open(private, envelope[26 + region_size : nonce_at], info)
    nonce, ciphertext = envelope[nonce_at : nonce_at + 12], envelope[nonce_at + 12 :]
    return AESGCM(data_key).decrypt(nonce, ciphertext, binding + envelope[:nonce_at])


def test_second_opinion_on_the_vectors() -> None:
    """A reader that has only the documentation and RFC 9180 opens the vector that opens, and refuses other bindings."""
    private = X25519PrivateKey.from_private_bytes(bytes.fromhex(VECTORS[0]["key"]["secret"]))
    for vector in VECTORS:
        envelope, bound = bytes.fromhex(vector["envelope"]), Binding(**vector["binding"])
        if vector["want"] == "opens":
            assert second_opinion(private, envelope, bound) == bytes.fromhex(vector["plaintext"])
        elif vector["name"].startswith("other-"):
            with pytest.raises(InvalidTag):
                second_opinion(private, envelope, bound)


@pytest.mark.parametrize("region", ["x", "eu-de", "r" * 63])
def test_second_opinion_on_fresh_envelopes(tmp_path: Path, key_file: KeyFile, bound: Binding, region: str) -> None:
    """What a keyring seals now is what the documentation says, for names of any length."""
    drawn: list[bytes] = []

    def noted(size: int) -> bytes:
        drawn.append(os.urandom(size))
        return drawn[-1]

    now = datetime(2026, 11, 21, 8, tzinfo=UTC)
    purposes = {"audit-archive": Algorithm.X25519}
    keyring = FileKeyring.create(tmp_path / "k", region, unlock=key_file, now=now, purposes=purposes, entropy=noted)
    here = replace(bound, region=region)
    envelope = keyring.sealer().seal(b"patient 4711", here).to_bytes()
    private = X25519PrivateKey.from_private_bytes(next(draw for draw in drawn if len(draw) == 32))
    assert second_opinion(private, envelope, here) == b"patient 4711"
    assert parse_envelope(envelope).region == region
