"""Every state of a key times everything that can be asked of it: the table of docs/keys.md, cell by cell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from itertools import count, product
from pathlib import Path

import pytest

from keymgmt.attestation import PURPOSE as ATTESTATION
from keymgmt.attesting import attest
from keymgmt.canonical import to_base64url
from keymgmt.envelopes.envelope import parse_envelope
from keymgmt.envelopes.rewrap import Rewrapper
from keymgmt.envelopes.sealing import RegionSealer
from keymgmt.envelopes.wrapping import HpkeRecipient, recipient_of
from keymgmt.errors import (
    KeyDestroyed,
    KeyManagementError,
    KeyRevoked,
    NoSuchKey,
    SignatureInvalid,
    SignerUnavailable,
    TransitionRefused,
)
from keymgmt.file.keyring import FileKeyring
from keymgmt.file.unlock import KeyFile
from keymgmt.keys import Algorithm, KeyFacts
from keymgmt.ledger import FileLedger
from keymgmt.ports import Approval, Binding
from keymgmt.public import PublicKeyring
from keymgmt.states import MAY, NEXT, Change, State, Use
from keymgmt.transfer import TransferDesk, TransferGrant
from tests.keymgmt.approvers import NOW, POLICY, votes

SEALS, SIGNS, TAGS = "audit-archive", "audit-checkpoint", "audit-tags"
PURPOSES = {
    SEALS: Algorithm.X25519,
    SIGNS: Algorithm.ED25519,
    TAGS: Algorithm.HMAC,
    ATTESTATION: Algorithm.ED25519,
}
CONCERNS = {"sign": SIGNS, "attest": ATTESTATION, "tag": TAGS, "verify": SIGNS}  # the others: what seals
NONCES = count(1)
BOUND = Binding("eu-de", "DE", SEALS, "prod", "clinic")
# as docs/keys.md says, written here once more: what may be done with a key in each state
TABLE = {
    "sign": {State.ACTIVE},
    "attest": {State.ACTIVE},
    "tag": {State.ACTIVE},
    "seal": {State.ACTIVE},
    "open": {State.ACTIVE, State.RETIRED},
    "rewrap from": {State.ACTIVE, State.RETIRED},
    "transfer from": {State.ACTIVE, State.RETIRED},
    "transfer to": {State.ACTIVE},
    "verify": {State.STAGED, State.ACTIVE, State.RETIRED},
    "activate": {State.STAGED},
    "revoke": {State.STAGED, State.ACTIVE, State.RETIRED},
    "destroy": {State.STAGED, State.RETIRED, State.REVOKED},
}


@dataclass
class ToKey:
    """Seals to one version whatever its state: somebody who has an old public part."""

    key: KeyFacts
    generation: int = 1

    @property
    def region(self) -> str:
        return self.key.region

    def recipient(self, purpose: str) -> HpkeRecipient:
        assert purpose == self.key.purpose
        found = recipient_of(self.key)
        assert isinstance(found, HpkeRecipient)
        return found


@dataclass
class Scene:
    """A keyring whose second version of each purpose, or the first, is in the state that is asked about."""

    ring: FileKeyring
    state: State
    folder: Path
    other: FileKeyring

    def key(self, purpose: str) -> KeyFacts:
        known = self.ring.keys()
        return next(key for key in known if key.purpose == purpose and key.state is self.state)

    def votes(self, action: bytes) -> list[Approval]:
        return votes(action, nonce=next(NONCES).to_bytes(16, "big"))

    def envelope(self, purpose: str = SEALS) -> bytes:
        """Something sealed to the key in question."""
        return RegionSealer(ToKey(self.key(purpose))).seal(b"patient 4711", BOUND).to_bytes()


def scene(folder: Path, state: State, purpose: str) -> Scene:
    """The keyring, moved along until there is a key of the purpose in this state."""
    unlock = KeyFile.create(folder / "kek")
    ring = FileKeyring.create(folder / "ring", "eu-de", unlock=unlock, now=NOW, purposes=PURPOSES, approvals=POLICY)
    other = FileKeyring.create(folder / "other", "eu-fr", unlock=unlock, now=NOW, purposes=PURPOSES, approvals=POLICY)
    made = Scene(ring, state, folder, other)
    first = next(key.key_id for key in made.ring.keys() if key.purpose == purpose)  # noqa: SIM118  # no dictionary
    match state:
        case State.STAGED:
            ring.stage(purpose, NOW)
        case State.RETIRED:
            ring.rotate(purpose, NOW)
        case State.REVOKED:
            ring.revoke(first, made.votes(ring.action(Change.REVOKE, first)), NOW)
            ring.activate(ring.stage(purpose, NOW).key_id)
        case State.DESTROYED:
            ring.rotate(purpose, NOW)
            ring.destroy(first, made.votes(ring.action(Change.DESTROY, first)), NOW)
    return made


def sign(at: Scene) -> None:
    signer = at.ring.signer(SIGNS, "log")
    if signer.key_id != at.key(SIGNS).key_id:
        raise SignerUnavailable("another version signs")
    signer.sign(b"x")


def attests(at: Scene) -> None:
    note = attest(at.ring, nonce="asked-just-now", now=NOW).decode()
    assert '"purpose":"attestation"' in note
    if at.ring.signer(ATTESTATION, "x").key_id != at.key(ATTESTATION).key_id:
        raise SignerUnavailable("another version attests")


def tag(at: Scene) -> None:
    tagger = at.ring.tagger(TAGS)
    if tagger.key_id != at.key(TAGS).key_id:
        raise SignerUnavailable("another version tags")
    tagger(b"x")


def seal(at: Scene) -> None:
    """By the keyring and by the public part alike."""
    used = set()
    for sealer in (at.ring.sealer(), PublicKeyring.load(at.ring.public_path).sealer()):
        used.add(parse_envelope(sealer.seal(b"x", BOUND).to_bytes()).key_id)
    assert len(used) == 1
    if used != {at.key(SEALS).id_bytes}:
        raise NoSuchKey("another version seals")


def opens(at: Scene) -> None:
    assert at.ring.opener().open(at.envelope(), BOUND) == b"patient 4711"


def rewrap(at: Scene) -> None:
    moved = Rewrapper(at.ring, BOUND).rewrapped(at.envelope())
    active = at.ring.recipient(SEALS).key_id
    assert parse_envelope(moved).key_id == active
    if at.state is State.ACTIVE:
        assert at.ring.opener().open(moved, BOUND) == b"patient 4711"


def transfer(at: Scene, source: FileKeyring, to: FileKeyring, key: str, envelope: bytes) -> None:
    lineage = to_base64url(source.keys()[0].lineage)
    bound, becomes = Binding(source.region, "", SEALS, "c", ""), Binding(to.region, "", SEALS, "c", "")
    if source is at.ring:
        bound = BOUND
    until = NOW + timedelta(hours=1)
    grant = TransferGrant(bound, lineage, becomes, key, "moved", "Art. 20", 1, NOW, until)
    desk = TransferDesk(source, POLICY, FileLedger(at.folder / "ledger"))
    sealed = desk.transfer(envelope, bound, grant, at.votes(grant.action()), PublicKeyring.load(to.public_path), NOW)
    to.opener().open(sealed.to_bytes(), becomes)


def transfer_from(at: Scene) -> None:
    known = at.other.keys()
    key = next(key.key_id for key in known if key.purpose == SEALS)
    transfer(at, at.ring, at.other, key, at.envelope())


def transfer_to(at: Scene) -> None:
    envelope = at.other.sealer().seal(b"x", Binding("eu-fr", "", SEALS, "c", "")).to_bytes()
    transfer(at, at.other, at.ring, at.key(SEALS).key_id, envelope)


def verify(at: Scene) -> None:
    """A version that is not active cannot sign now; what is asked is whether its signatures are still believed."""
    key = at.key(SIGNS)
    public = PublicKeyring.load(at.ring.public_path)
    if at.state is State.ACTIVE:
        public.verify(key.key_id, b"x", at.ring.signer(SIGNS, "log").sign(b"x"))
    try:
        public.verify(key.key_id, b"x", b"s" * 64)
    except SignatureInvalid:
        return  # the signature was looked at
    raise AssertionError("a false signature was believed")


def activate(at: Scene) -> None:
    at.ring.activate(at.key(SEALS).key_id)


def revoke(at: Scene) -> None:
    key = at.key(SEALS).key_id
    at.ring.revoke(key, at.votes(at.ring.action(Change.REVOKE, key)), NOW)


def destroy(at: Scene) -> None:
    key = at.key(SEALS).key_id
    at.ring.destroy(key, at.votes(at.ring.action(Change.DESTROY, key)), NOW)


OPERATIONS: dict[str, Callable[[Scene], None]] = {
    "sign": sign,
    "attest": attests,
    "tag": tag,
    "seal": seal,
    "open": opens,
    "rewrap from": rewrap,
    "transfer from": transfer_from,
    "transfer to": transfer_to,
    "verify": verify,
    "activate": activate,
    "revoke": revoke,
    "destroy": destroy,
}


@pytest.mark.parametrize(("state", "operation"), list(product(State, OPERATIONS)), ids=str)
def test_g6_every_state_and_operation(tmp_path: Path, state: State, operation: str) -> None:
    """What the table allows happens; what it does not allow is refused with an error of ours."""
    at = scene(tmp_path, state, CONCERNS.get(operation, SEALS))
    if state in TABLE[operation]:
        OPERATIONS[operation](at)
        return
    with pytest.raises(KeyManagementError) as refusal:
        OPERATIONS[operation](at)
    if operation in ("open", "rewrap from", "verify") and state is State.REVOKED:
        assert isinstance(refusal.value, KeyRevoked)
    if operation in ("open", "rewrap from", "verify") and state is State.DESTROYED:
        assert isinstance(refusal.value, KeyDestroyed)
    if operation in ("activate", "revoke", "destroy"):
        assert isinstance(refusal.value, TransitionRefused)


def test_the_table_here_is_the_program_s() -> None:
    """`MAY` and `NEXT` say the same as the table above, so that neither changes alone."""
    assert set(OPERATIONS) == set(TABLE)
    for state in State:
        assert (Use.PRODUCE in MAY[state]) == (state in TABLE["seal"])
        assert (Use.OPEN in MAY[state]) == (state in TABLE["open"])
        assert (Use.VERIFY in MAY[state]) == (state in TABLE["verify"])
        for change in (Change.ACTIVATE, Change.REVOKE, Change.DESTROY):
            assert ((state, change) in NEXT) == (state in TABLE[change])
