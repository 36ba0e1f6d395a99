"""What every keyring promises, tried on all three: in files, in a key service, in a module. And where they differ."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from keymgmt.attestation import PURPOSE as ATTESTATION
from keymgmt.attestation import AttestationInvalid, AttestationStale, Expected, verify_attestation
from keymgmt.attesting import attest, attester
from keymgmt.canonical import to_base64url
from keymgmt.choosing import AnyKeyring
from keymgmt.emergency import BreakGlass, EmergencyDesk, Opening
from keymgmt.envelopes.envelope import parse_envelope
from keymgmt.envelopes.rewrap import Rewrapper
from keymgmt.envelopes.sealing import RegionSealer
from keymgmt.errors import (
    EnvelopeInvalid,
    ForeignRegion,
    KeyDestroyed,
    KeyManagementError,
    KeyRevoked,
    NotApproved,
    SignerUnavailable,
    TransitionRefused,
)
from keymgmt.file.keyring import FileKeyring
from keymgmt.file.unlock import KeyFile
from keymgmt.hardware.keyring import Pkcs11Keyring
from keymgmt.keys import Algorithm, KeyFacts
from keymgmt.kms.watch import OneKey
from keymgmt.ledger import FileLedger
from keymgmt.notes import VerifierKey
from keymgmt.ports import Approval, Binding
from keymgmt.public import PublicKeyring
from keymgmt.states import Change, State
from keymgmt.transfer import GrantRefused, TransferDesk, TransferGrant
from keymgmt.transit.keyring import TransitKeyring
from keymgmt.uses.use import KeyUse, UseUnrecorded
from tests.keymgmt import approvers
from tests.keymgmt.approvers import NOW, POLICY
from tests.keymgmt.canaries import Canaries
from tests.keymgmt.hardware.conftest import SoftHsm
from tests.keymgmt.regions import World

SEALS = "audit-archive"
KEYS = {SEALS: "archive", ATTESTATION: "attest"}
NONCES = count(1)


def votes(action: bytes, names: tuple[str, ...] = ("alice", "bob")) -> list[Approval]:
    return approvers.votes(action, names, nonce=next(NONCES).to_bytes(16, "big"))


@dataclass
class Book:
    """Where uses are recorded, as long as it likes."""

    closed: bool = False
    told: list[KeyUse] | None = None

    def record(self, use: KeyUse) -> None:
        if self.closed:
            raise UseUnrecorded("the book is closed; open it")
        self.told = [*(self.told or []), use]


@dataclass
class Kind:
    """Keyrings of one kind in two regions."""

    name: str
    assurance: str
    ours: AnyKeyring
    theirs: AnyKeyring
    book: Book
    rotate: Callable[[], None]  # the sealing key of `ours`
    withdraw: Callable[[KeyFacts], None]
    again: Callable[[], AnyKeyring]  # `ours` once more, as another process sees it

    def bound(self, tenant: str = "clinic") -> Binding:
        return Binding(self.ours.region, "DE", SEALS, "prod", tenant)

    def elsewhere(self) -> Binding:
        return Binding(self.theirs.region, "FR", SEALS, "prod-fr", "hospital")

    def versions(self, ring: AnyKeyring | None = None) -> dict[State, list[KeyFacts]]:
        """Of the sealing key, by state."""
        known = (ring or self.ours).keys()
        return {state: [key for key in known if key.purpose == SEALS and key.state is state] for state in State}

    def active(self) -> KeyFacts:
        (found,) = self.versions()[State.ACTIVE]
        return found

    def sealed(self, tenant: str = "clinic") -> bytes:
        return self.ours.sealer().seal(b"patient 4711", self.bound(tenant)).to_bytes()


def files(folder: Path) -> Kind:
    book = Book()
    unlock = KeyFile.create(folder / "kek")
    purposes = {SEALS: Algorithm.X25519, ATTESTATION: Algorithm.ED25519}
    rings = [
        FileKeyring.create(folder / name, name, unlock=unlock, now=NOW, purposes=purposes, approvals=POLICY, uses=book)
        for name in ("eu-de", "eu-fr")
    ]
    ours = rings[0]

    def withdraw(key: KeyFacts) -> None:
        ours.revoke(key.key_id, votes(ours.action(Change.REVOKE, key.key_id)), NOW)

    def again() -> FileKeyring:
        return FileKeyring.open(folder / "eu-de", "eu-de", unlock=unlock)

    return Kind("file", "software", ours, rings[1], book, lambda: _done(ours.rotate(SEALS, NOW)), withdraw, again)


def service(world: World) -> Kind:
    book = Book()
    regions = [world.region(name) for name in ("eu-de", "eu-fr")]
    for region in regions:
        region.site = replace(region.site, keys={SEALS: "archive", ATTESTATION: "checkpoint"})
    rings = [region.connect(uses=book) for region in regions]
    ours, server = rings[0], regions[0].server

    def rotate() -> None:
        server.keys["archive"].versions.append(world.spare())
        assert ours.refresh()

    def withdraw(key: KeyFacts) -> None:
        server.keys["archive"].minimum = key.version + 1
        assert ours.refresh()

    return Kind("transit", "service", ours, rings[1], book, rotate, withdraw, regions[0].connect)


def module(softhsm: SoftHsm) -> Kind:
    book = Book()
    sites = [softhsm.site(f"contract-{name}", region=f"eu-{name}", keys=KEYS) for name in ("de", "fr")]
    rings = [Pkcs11Keyring.connect(site, uses=book, approvals=POLICY) for site in sites]
    for ring in rings:
        ring.rotate(SEALS, NOW, Algorithm.RSA_OAEP)
        ring.rotate(ATTESTATION, NOW, Algorithm.ED25519)
    ours = rings[0]

    def withdraw(key: KeyFacts) -> None:
        ours.revoke(key.key_id, votes(ours.action(Change.REVOKE, key.key_id)), NOW)

    def again() -> Pkcs11Keyring:
        return Pkcs11Keyring.connect(sites[0], approvals=POLICY)

    return Kind("pkcs11", "software", ours, rings[1], book, lambda: _done(ours.rotate(SEALS, NOW)), withdraw, again)


def _done(key: KeyFacts) -> None:
    assert key.state is State.ACTIVE


@pytest.fixture(scope="module", params=["file", "transit", "pkcs11"])
def kind(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, rsa_keys: list[rsa.RSAPrivateKey]
) -> Iterator[Kind]:
    """Each of them, for all tests: what changes keys comes last."""
    with ExitStack() as stack:
        folder = tmp_path_factory.mktemp("contract")
        if request.param == "file":
            yield files(folder)
        elif request.param == "transit":
            spare = iter(rsa_keys)
            yield service(World(folder / "world", stack, lambda: next(spare)))
        else:
            yield module(request.getfixturevalue("softhsm"))


def public(kind: Kind, ring: AnyKeyring, tmp_path: Path) -> PublicKeyring:
    path = tmp_path / f"{ring.region}.public.json"
    path.write_bytes(ring.public_document())
    return PublicKeyring.load(path)


def test_sealed_here_opened_there(kind: Kind, tmp_path: Path) -> None:
    """The public part alone seals; the keyring opens it, for its binding only, and no bit of it can be changed."""
    part = public(kind, kind.ours, tmp_path)
    assert part.assurance == kind.ours.assurance == kind.assurance
    envelope = part.sealer().seal(b"patient 4711", kind.bound()).to_bytes()
    opener = kind.ours.opener()
    assert opener.open(envelope, kind.bound()) == b"patient 4711"
    for at in (60, 300, len(envelope) - 1) if len(envelope) > 400 else (60, 100, len(envelope) - 1):
        with pytest.raises(EnvelopeInvalid):
            opener.open(envelope[:at] + bytes([envelope[at] ^ 1]) + envelope[at + 1 :], kind.bound())
    for wrong in (kind.bound("other"), replace(kind.bound(), cluster="other"), replace(kind.bound(), purpose="x")):
        with pytest.raises(EnvelopeInvalid):
            kind.ours.opener().open(envelope, wrong)


def test_only_the_diagonal_opens(kind: Kind) -> None:
    """Of two regions each opens its own, and the other's by no name."""
    ours, theirs = kind.sealed(), kind.theirs.sealer().seal(b"x", kind.elsewhere()).to_bytes()
    for ring, envelope, bound in ((kind.theirs, ours, kind.bound()), (kind.ours, theirs, kind.elsewhere())):
        for attempt in (bound, replace(bound, region=ring.region)):
            with pytest.raises(ForeignRegion):
                ring.opener().open(envelope, attempt)


def test_g2_attested(kind: Kind) -> None:
    """A statement says what keeps the keys and no more than that; replayed, foreign or overstated it is refused."""
    signer = attester(kind.ours)
    key = VerifierKey(signer.name, signer.public_key)
    note = attest(kind.ours, nonce="asked-just-now", now=NOW, jurisdiction="DE")
    found = verify_attestation(note, key, Expected(kind.ours.region, "asked-just-now"), NOW)
    assert found.assurance == kind.assurance
    assert set(found.facts()) == set(kind.ours.keys())
    assert (found.server is not None, found.module is not None) == (kind.name == "transit", kind.name == "pkcs11")
    assert all(claim.exportable == (kind.assurance == "software") for claim in found.keys)
    with pytest.raises(AttestationStale):
        verify_attestation(note, key, Expected(nonce="asked-by-another"), NOW)
    with pytest.raises(AttestationInvalid):
        verify_attestation(note, key, Expected(region="eu-fr"), NOW)
    with pytest.raises(AttestationInvalid, match="is asked for"):
        verify_attestation(note, key, Expected(least_assurance="hardware"), NOW)


def test_signed(kind: Kind) -> None:
    """A signature is plain Ed25519, by the key that is shown."""
    signer = kind.ours.signer(ATTESTATION, "keys.example/eu-de")
    Ed25519PublicKey.from_public_bytes(signer.public_key).verify(signer.sign(b"statement"), b"statement")


def test_g4_a_grant_takes_it_across(kind: Kind, tmp_path: Path) -> None:
    """Under a grant of two people it opens in the other region, once; without one, or with one vote, it does not."""
    until = NOW + timedelta(hours=1)
    target = next(key.key_id for key in _known(kind.theirs) if key.purpose == SEALS and key.state is State.ACTIVE)
    lineage = to_base64url(_known(kind.ours)[0].lineage)
    grant = TransferGrant(kind.bound(), lineage, kind.elsewhere(), target, "moved", "Art. 20", 1, NOW, until)
    desk = TransferDesk(kind.ours, POLICY, FileLedger(tmp_path / "ledger"))
    there, envelope = public(kind, kind.theirs, tmp_path), kind.sealed()
    with pytest.raises(NotApproved):
        desk.transfer(envelope, kind.bound(), grant, votes(grant.action(), ("alice",)), there, NOW)
    cast = votes(grant.action())
    crossed = desk.transfer(envelope, kind.bound(), grant, cast, there, NOW).to_bytes()
    assert kind.theirs.opener().open(crossed, kind.elsewhere()) == b"patient 4711"
    with pytest.raises(GrantRefused, match="spent"):
        desk.transfer(envelope, kind.bound(), grant, cast, there, NOW)


def _known(ring: AnyKeyring) -> tuple[KeyFacts, ...]:
    return ring.keys()


def test_g10_no_record_no_result(kind: Kind) -> None:
    """Signing and opening are recorded by key, region and outcome; when they can't be, nothing comes of them."""
    envelope = kind.sealed()
    kind.book.told = []
    kind.ours.opener().open(envelope, kind.bound())
    kind.ours.signer(ATTESTATION, "n").sign(b"x")
    with pytest.raises(EnvelopeInvalid):
        kind.ours.opener().open(_broken_key(envelope), kind.bound())
    told = [(use.operation, use.region, use.outcome) for use in kind.book.told]
    assert told[:2] == [("decrypt", "eu-de", "ok"), ("sign", "eu-de", "ok")]
    assert told[2][0] == "decrypt"
    assert told[2][2] != "ok"
    assert kind.book.told[0].key_id == kind.active().key_id
    kind.book.closed = True
    try:
        with pytest.raises(UseUnrecorded):
            kind.ours.opener().open(envelope, kind.bound())
        with pytest.raises((SignerUnavailable, UseUnrecorded)):
            kind.ours.signer(ATTESTATION, "n").sign(b"x")
    finally:
        kind.book.closed = False


def _broken_key(envelope: bytes) -> bytes:
    """With another wrapped data key of the same length."""
    start = envelope.index(parse_envelope(envelope).wrapped) + 40
    return envelope[:start] + bytes([envelope[start] ^ 1]) + envelope[start + 1 :]


def test_no_failure_shows_a_secret(
    kind: Kind, tmp_path: Path, canaries: Canaries, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever fails: no plaintext, PIN or credential in errors, their frames, reprs, logs, records or ledgers."""
    caplog.set_level("DEBUG")
    canaries.names |= {b"987654": "pin", b"a-secret-id": "secret id"}
    plaintext = canaries.draw("plaintext", 40)
    envelope = kind.ours.sealer().seal(plaintext, kind.bound()).to_bytes()
    kind.book.told = []
    part, ledger = public(kind, kind.theirs, tmp_path), tmp_path / "ledger"
    target = next(key.key_id for key in _known(kind.theirs) if key.purpose == SEALS)
    lineage, until = to_base64url(_known(kind.ours)[0].lineage), NOW + timedelta(hours=1)
    grant = TransferGrant(kind.bound(), lineage, kind.elsewhere(), target, "moved", "Art. 20", 9, NOW, until)
    desk = TransferDesk(kind.ours, POLICY, FileLedger(ledger))
    cast = votes(grant.action())
    changed = envelope[:-1] + bytes([envelope[-1] ^ 1])
    attempts: list[Callable[[], object]] = [
        lambda: kind.ours.opener().open(changed, kind.bound()),
        lambda: kind.ours.opener().open(_broken_key(envelope), kind.bound()),
        lambda: kind.ours.opener().open(envelope, kind.bound("other")),
        lambda: kind.theirs.opener().open(envelope, kind.bound()),
        lambda: kind.ours.signer(SEALS, "n"),
        lambda: desk.transfer(changed, kind.bound(), grant, cast, part, NOW),
        lambda: desk.transfer(envelope, kind.bound(), grant, cast[:1], part, NOW),
        lambda: Rewrapper(kind.ours, kind.bound()).rewrapped(_other_key(envelope)),
        lambda: _with_closed_book(kind, lambda: kind.ours.opener().open(envelope, kind.bound())),
    ]
    for attempt in attempts:
        with pytest.raises(KeyManagementError) as failure:
            attempt()
        assert canaries.seen_with(failure.value) == []
        assert "\n" not in str(failure.value)
    for wrong in (replace(kind.bound(), purpose="none"), kind.elsewhere()):
        with pytest.raises(KeyManagementError) as failure:  # its caller's frames hold what was to be sealed
            kind.ours.sealer().seal(plaintext, wrong)
        assert canaries.seen_in(str(failure.value)) == []
    written = [repr(kind.ours), repr(kind.ours.opener()), repr(kind.book.told), caplog.text, str(_known(kind.ours))]
    assert [canaries.seen_in(text) for text in written] == [[]] * len(written)
    assert canaries.seen_in(ledger.read_bytes() + kind.ours.public_document()) == []


def _other_key(envelope: bytes) -> bytes:
    """Naming a key that nobody has."""
    parsed = parse_envelope(envelope)
    return envelope.replace(parsed.key_id, bytes(len(parsed.key_id)))


def _with_closed_book(kind: Kind, call: Callable[[], object]) -> object:
    kind.book.closed = True
    try:
        return call()
    finally:
        kind.book.closed = False


def test_rotated_rewrapped_and_withdrawn(kind: Kind) -> None:
    """After a rotation the old version opens and seals no more; what was rewrapped outlives its withdrawal."""
    before, old = kind.active(), kind.sealed()
    generation = kind.ours.generation
    kind.rotate()
    assert kind.ours.generation > generation
    assert kind.active().version == before.version + 1
    assert {key.key_id for key in kind.versions()[State.RETIRED]} == {before.key_id}
    assert parse_envelope(kind.sealed()).key_id == kind.active().id_bytes
    assert kind.ours.opener().open(old, kind.bound()) == b"patient 4711"
    moved = Rewrapper(kind.ours, kind.bound()).rewrapped(old)
    assert parse_envelope(moved).key_id == kind.active().id_bytes
    opener = kind.ours.opener()
    assert opener.open(old, kind.bound()) == b"patient 4711"
    kind.withdraw(before)
    assert before.key_id in {key.key_id for key in kind.versions()[State.REVOKED]}
    for refusing in (opener, kind.ours.opener()):
        with pytest.raises(KeyRevoked):
            refusing.open(old, kind.bound())
    assert kind.ours.opener().open(moved, kind.bound()) == b"patient 4711"
    with pytest.raises(KeyManagementError):
        Rewrapper(kind.ours, kind.bound()).rewrapped(old)


@dataclass
class Heard:
    """An audit log that takes everything."""

    count: int = 0

    def raised(self, opening: Opening) -> None:
        self.count += 1


def test_g7_break_glass(kind: Kind, tmp_path: Path) -> None:
    """A revoked version opens in an emergency where its secret is ours to use; a key service withholds it."""
    revoked = kind.versions()[State.REVOKED]
    if not revoked:
        pytest.skip("the test before made no revoked version")
    envelope = RegionSealer(OneKey(revoked[0])).seal(b"patient 4711", kind.bound()).to_bytes()
    glass = BreakGlass(
        kind.bound(), to_base64url(revoked[0].lineage), revoked[0].key_id, "ward", 1, NOW, NOW + timedelta(hours=1)
    )
    heard = Heard()
    desk = EmergencyDesk(kind.ours, POLICY, FileLedger(tmp_path / "ledger"), heard)
    if kind.name == "transit":
        with pytest.raises(KeyRevoked):
            desk.open(envelope, kind.bound(), glass, votes(glass.action()), NOW)
    else:
        assert desk.open(envelope, kind.bound(), glass, votes(glass.action()), NOW) == b"patient 4711"
    assert heard.count == 1
    with pytest.raises(KeyRevoked):
        kind.ours.opener().open(envelope, kind.bound())


def test_g6_every_state(kind: Kind) -> None:
    """Staged: nothing; active: all; retired: opens; revoked, destroyed: nothing. Each takes what its table says."""
    if isinstance(kind.ours, TransitKeyring):
        pytest.skip("a key service stages and destroys no versions: its own administrators trim them")
    ring, active = kind.ours, kind.active()
    staged = ring.stage(SEALS, NOW)
    assert parse_envelope(kind.sealed()).key_id == active.id_bytes
    early = RegionSealer(OneKey(staged)).seal(b"x", kind.bound()).to_bytes()
    with pytest.raises(KeyRevoked):
        ring.opener().open(early, kind.bound())
    ring.activate(staged.key_id)
    assert parse_envelope(kind.sealed()).key_id == staged.id_bytes
    assert ring.opener().open(early, kind.bound()) == b"x"
    old = RegionSealer(OneKey(active)).seal(b"y", kind.bound()).to_bytes()
    assert ring.opener().open(old, kind.bound()) == b"y"
    with pytest.raises(TransitionRefused):
        ring.activate(active.key_id)
    with pytest.raises(NotApproved):
        ring.destroy(active.key_id, votes(ring.action(Change.DESTROY, active.key_id), ("alice",)), NOW)
    with pytest.raises(NotApproved):
        ring.destroy(active.key_id, votes(ring.action(Change.REVOKE, active.key_id)), NOW)
    with pytest.raises(TransitionRefused):
        ring.destroy(staged.key_id, votes(ring.action(Change.DESTROY, staged.key_id)), NOW)
    assert ring.opener().open(old, kind.bound()) == b"y"
    cast = votes(ring.action(Change.DESTROY, active.key_id))
    assert ring.destroy(active.key_id, cast, NOW).approvers == ("alice", "bob")
    with pytest.raises(KeyDestroyed):
        ring.opener().open(old, kind.bound())
    seen = {(key.purpose, key.version): key.state for key in _known(kind.again())}
    assert seen == {(key.purpose, key.version): key.state for key in _known(ring)}
    assert seen[SEALS, active.version] is State.DESTROYED
    with pytest.raises((NotApproved, TransitionRefused)):
        ring.revoke(staged.key_id, cast, NOW)


def test_g2_attested_after_all_that(kind: Kind) -> None:
    """The statement of a keyring with versions in every state still holds together, and names each of them."""
    signer = attester(kind.ours)
    note = attest(kind.ours, nonce="asked-just-now", now=NOW)
    found = verify_attestation(note, VerifierKey(signer.name, signer.public_key), Expected(), NOW)
    assert set(found.facts()) == set(_known(kind.ours))
