"""Transfers, rewrapping and attestations that fail show no plaintext and no key: not in words, records or variables."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from keymgmt.approvals import ApprovalPolicy, approve
from keymgmt.attestation import PURPOSE, AttestationInvalid
from keymgmt.attesting import attest, attester
from keymgmt.canonical import to_base64url
from keymgmt.envelopes.rewrap import Rewrapper
from keymgmt.envelopes.sealing import RegionSealer
from keymgmt.envelopes.wrapping import Recipient
from keymgmt.errors import KeyManagementError, NoSuchKey
from keymgmt.file.keyring import FileKeyring
from keymgmt.file.unlock import KeyFile
from keymgmt.keys import Algorithm
from keymgmt.ledger import FileLedger
from keymgmt.ports import Binding
from keymgmt.public import PublicKeyring
from keymgmt.transfer import TransferDesk, TransferGrant
from tests.keymgmt.canaries import Canaries

NOW = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
SEALS = "audit-archive"


@dataclass
class Failing:
    """A destination whose key is gone when it comes to sealing."""

    public: PublicKeyring
    asked: int = 0

    @property
    def region(self) -> str:
        return self.public.region

    @property
    def generation(self) -> int:
        return 1

    def recipient(self, purpose: str) -> Recipient:
        self.asked += 1
        if self.asked > 1:
            raise NoSuchKey("gone")
        return self.public.recipient(purpose)

    def sealer(self) -> RegionSealer:
        return RegionSealer(self)


@dataclass
class Rotten:
    """A keyring that opens and can seal no more."""

    ring: FileKeyring
    asked: int = 0

    @property
    def region(self) -> str:
        return self.ring.region

    @property
    def generation(self) -> int:
        return self.ring.generation

    def keys(self) -> Any:
        return self.ring.keys()

    def opener(self) -> Any:
        return self.ring.opener()

    def recipient(self, purpose: str) -> Recipient:
        self.asked += 1
        if self.asked > 1:
            raise NoSuchKey("gone")
        return self.ring.recipient(purpose)

    def sealer(self) -> RegionSealer:
        return RegionSealer(self)


def test_failures_after_opening_show_nothing(tmp_path: Path, canaries: Canaries) -> None:
    """Even when sealing fails with the plaintext at hand, no error, frame or ledger holds it."""
    plaintext = canaries.draw("plaintext", 40)
    unlock = KeyFile.create(tmp_path / "kek", entropy=lambda size: canaries.draw("kek", size))
    purposes = {SEALS: Algorithm.X25519, PURPOSE: Algorithm.ED25519}
    rings = {
        name: FileKeyring.create(tmp_path / name, name, unlock=unlock, now=NOW, purposes=purposes)
        for name in ("eu-de", "eu-fr")
    }
    ours, theirs = Binding("eu-de", "", SEALS, "c", "t"), Binding("eu-fr", "", SEALS, "c", "t")
    envelope = rings["eu-de"].sealer().seal(plaintext, ours).to_bytes()
    rings["eu-de"].rotate(SEALS, NOW)
    people = {name: Ed25519PrivateKey.generate() for name in ("alice", "bob")}
    policy = ApprovalPolicy({name: key.public_key().public_bytes_raw() for name, key in people.items()}, 2)
    target = next(key.key_id for key in rings["eu-fr"].keys() if key.purpose == SEALS)  # noqa: SIM118  # no dictionary
    until = NOW + timedelta(hours=1)
    lineage = to_base64url(rings["eu-de"].keys()[0].lineage)
    grant = TransferGrant(ours, lineage, theirs, target, "moved", "Art. 20", 9, NOW, until)
    votes = [
        approve(grant.action(), name, key, nonce=b"n" * 16, issued=NOW, expires=until) for name, key in people.items()
    ]
    desk = TransferDesk(rings["eu-de"], policy, FileLedger(tmp_path / "ledger"))
    public = PublicKeyring.load(rings["eu-fr"].public_path)
    path = tmp_path / "file"
    path.write_bytes(envelope)
    attempts: list[Callable[[], Any]] = [
        lambda: desk.transfer(envelope, ours, grant, votes, Failing(public), NOW),
        lambda: desk.transfer(envelope[:-1] + b"x", ours, grant, votes, public, NOW),
        lambda: desk.transfer(envelope, replace(ours, tenant="x"), grant, votes, public, NOW),
        lambda: desk.transfer(envelope, ours, grant, votes[:1], public, NOW),
        lambda: Rewrapper(Rotten(rings["eu-de"]), ours).rewrapped(envelope),
        lambda: Rewrapper(rings["eu-de"], ours).rewrapped(envelope[:-1] + b"x"),
    ]
    for attempt in attempts:
        with pytest.raises(KeyManagementError) as failure:
            attempt()
        assert canaries.seen_with(failure.value) == []
    done = list(Rewrapper(Rotten(rings["eu-de"]), ours).files([path]))
    assert canaries.seen_in(repr(done)) == []
    assert canaries.seen_in((tmp_path / "ledger").read_bytes()) == []
    note = attest(rings["eu-de"], nonce="asked-just-now", now=NOW)
    assert canaries.seen_in(note + repr(attester(rings["eu-de"])).encode()) == []
    assert issubclass(AttestationInvalid, KeyManagementError)
