"""A region's keys in a key service: sealed here, opened there, signed there, rotated and withdrawn there."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from keymgmt.envelopes.envelope import parse_envelope
from keymgmt.envelopes.opening import Memory, RegionOpener
from keymgmt.errors import (
    EnvelopeInvalid,
    ForeignRegion,
    KeyRevoked,
    SignerUnavailable,
)
from keymgmt.file.keyring import FileKeyring
from keymgmt.keys import Algorithm
from keymgmt.public import PublicKeyring
from keymgmt.states import State
from tests.keymgmt.regions import Region, World
from tests.keymgmt.vault_double import hanging_up

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
