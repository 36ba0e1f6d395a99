"""Transfer grants: sealed data crosses exactly where, how often and as long as enough people signed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from bailiwick import command
from keymgmt.approvals import ApprovalPolicy
from keymgmt.canonical import to_base64url
from keymgmt.errors import EnvelopeInvalid, ForeignRegion, KeyManagementError, NotApproved
from keymgmt.file.keyring import FileKeyring
from keymgmt.file.unlock import KeyFile
from keymgmt.ledger import FileLedger
from keymgmt.ports import Approval, Binding, Opener
from keymgmt.public import PublicKeyring
from keymgmt.transfer import (
    ANY,
    GrantInvalid,
    GrantRefused,
    LedgerUnusable,
    TransferDesk,
    TransferGrant,
    parse_grant,
)
from tests.keymgmt.approvers import HOUR, NOW, PEOPLE, POLICY, votes

REGIONS = ("eu-de", "eu-fr", "ch-zurich", "us-east", "eu-de-2")


def bound_in(region: str, tenant: str = "clinic") -> Binding:
    return Binding(region, region[:2].upper(), "audit-archive", f"prod-{region}", tenant)


@dataclass
class Counted:
    """A keyring that counts how often it was asked to open."""

    ring: FileKeyring
    opened: int = 0

    @property
    def region(self) -> str:
        return self.ring.region

    def keys(self) -> Any:
        return self.ring.keys()

    def opener(self) -> Opener:
        return self

    def open(self, envelope: bytes, bound: Binding) -> bytes:
        self.opened += 1
        return self.ring.opener().open(envelope, bound)


@dataclass
class World:
    """Keyrings of several regions, and where uses are counted."""

    rings: dict[str, FileKeyring]
    folder: Path

    def grant(self, of: str = "eu-de", to: str = "eu-fr", **changes: Any) -> TransferGrant:
        fields: dict[str, Any] = {
            "source": bound_in(of),
            "lineage": to_base64url(self.rings[of].keys()[0].lineage),
            "destination": bound_in(to, "hospital"),
            "destination_key": self.key(to),
            "reason": "patient moved",
            "legal_basis": "GDPR Art. 20",
            "uses": 1,
            "begins": NOW - HOUR,
            "expires": NOW + HOUR,
        }
        return TransferGrant(**(fields | changes))

    def key(self, region: str) -> str:
        return next(key.key_id for key in reversed(self.rings[region].keys()) if key.purpose == "audit-archive")

    def sealed(self, region: str = "eu-de", tenant: str = "clinic") -> bytes:
        return self.rings[region].sealer().seal(b"patient 4711", bound_in(region, tenant)).to_bytes()

    def desk(self, region: str = "eu-de") -> tuple[TransferDesk, Counted]:
        counted = Counted(self.rings[region])
        return TransferDesk(counted, POLICY, FileLedger(self.folder / "ledger")), counted

    def public(self, region: str) -> PublicKeyring:
        return PublicKeyring.load(self.rings[region].public_path)


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Five regions under one key file."""
    unlock = KeyFile.create(tmp_path / "kek")
    rings = {name: FileKeyring.create(tmp_path / name, name, unlock=unlock, now=NOW) for name in REGIONS}
    return World(rings, tmp_path)


def test_g4_of_all_pairs_only_the_diagonal_and_the_granted_cell_open(world: World) -> None:
    """N x N regions: each opens its own; under one grant one more cell opens, and only at its destination."""
    grant = world.grant(uses=100)
    cast = votes(grant.action())
    opened = set()
    for source, destination in product(REGIONS, REGIONS):
        envelope = world.sealed(source)
        try:
            data = world.rings[destination].opener().open(envelope, bound_in(source))
            assert data == b"patient 4711"
            opened.add((source, destination))
        except ForeignRegion:
            pass
        try:
            desk, _ = world.desk(source)
            sealed = desk.transfer(envelope, bound_in(source), grant, cast, world.public(destination), NOW)
        except KeyManagementError:
            continue
        assert sealed.region == destination
        for name in REGIONS:
            bound = grant.destination
            if name == destination:
                assert world.rings[name].opener().open(sealed.to_bytes(), bound) == b"patient 4711"
                continue
            with pytest.raises(ForeignRegion):
                world.rings[name].opener().open(sealed.to_bytes(), bound)
        opened.add((source, destination))
    assert opened == {(name, name) for name in REGIONS} | {("eu-de", "eu-fr")}


def test_g4_the_new_binding_counts(world: World) -> None:
    """At the destination it opens for what the grant says there, and for nothing else."""
    grant = world.grant()
    desk, _ = world.desk()
    sealed = desk.transfer(
        world.sealed(), bound_in("eu-de"), grant, votes(grant.action()), world.public("eu-fr"), NOW
    ).to_bytes()
    with pytest.raises(EnvelopeInvalid):
        world.rings["eu-fr"].opener().open(sealed, bound_in("eu-fr", "clinic"))
    assert world.rings["eu-fr"].opener().open(sealed, bound_in("eu-fr", "hospital")) == b"patient 4711"


def refused(world: World, grant: TransferGrant, cast: Sequence[Approval], **changes: Any) -> str:
    """What is said when a transfer is refused; nothing may have been opened or counted."""
    desk, counted = world.desk(changes.get("source", "eu-de"))
    with pytest.raises((GrantRefused, NotApproved, ForeignRegion)) as said:
        desk.transfer(
            changes.get("envelope", world.sealed()),
            changes.get("bound", bound_in("eu-de")),
            grant,
            cast,
            world.public(changes.get("destination", "eu-fr")),
            changes.get("now", NOW),
        )
    assert counted.opened == 0
    assert FileLedger(world.folder / "ledger").uses() == ()
    return str(said.value)


def test_g7_two_people_sign_exactly_this(world: World) -> None:
    """One vote, a stranger's, votes for another grant or of another time: refused before anything is opened."""
    grant = world.grant()
    action = grant.action()
    assert "1 of 2" in refused(world, grant, votes(action, ["alice"]))
    assert "0 of 2" in refused(world, grant, [])
    assert "duplicate" in refused(world, grant, votes(action, ["alice", "alice"]))
    for other in (
        world.grant(uses=2),
        world.grant(reason="another"),
        world.grant(legal_basis="another"),
        world.grant(expires=NOW + 2 * HOUR),
        world.grant(begins=NOW - 2 * HOUR),
        world.grant(to="ch-zurich"),
        world.grant(destination=bound_in("eu-fr")),
        world.grant(source=bound_in("eu-de", ANY), destination=bound_in("eu-fr", ANY)),
    ):
        assert "not for this action" in refused(world, grant, votes(other.action()))
    assert "expired" in refused(world, grant, votes(action, expires=NOW))
    assert "not valid before" in refused(world, grant, votes(action, issued=NOW + timedelta(seconds=1)))


def test_g7_one_approver_is_not_enough(world: World) -> None:
    """A policy that asks for one person alone makes no desk."""
    policy = ApprovalPolicy({"alice": PEOPLE["alice"].public_key().public_bytes_raw()}, needed=1)
    with pytest.raises(GrantRefused, match="2 approvers or more"):
        TransferDesk(world.rings["eu-de"], policy, FileLedger(world.folder / "ledger"))


def test_g4_expiry(world: World) -> None:
    """A grant counts from its beginning until its end, to the second."""
    grant = world.grant()
    long = votes(grant.action(), issued=NOW - 3 * HOUR, expires=NOW + 3 * HOUR)
    second = timedelta(seconds=1)
    for now in (NOW + HOUR, NOW - HOUR - second):
        assert "counts from" in refused(world, grant, long, now=now)
    desk, _ = world.desk()
    desk.transfer(world.sealed(), bound_in("eu-de"), grant, long, world.public("eu-fr"), NOW + HOUR - second)


def test_g4_source(world: World) -> None:
    """The keyring, its lineage and every field of the binding are those of the grant."""
    grant = world.grant()
    cast = votes(grant.action())
    assert "these are keys of `eu-fr`" in refused(world, grant, cast, source="eu-fr")
    other = world.grant(lineage="AAAAAAAAAAAAAAAAAAAAAA")
    assert "another keyring" in refused(world, other, votes(other.action()))
    for name in ("jurisdiction", "purpose", "cluster", "tenant"):
        bound = replace(bound_in("eu-de"), **{name: "other"})
        assert "is asked for" in refused(world, grant, cast, bound=bound)
    assert "sealed for `eu-fr`" in refused(world, grant, cast, envelope=world.sealed("eu-fr"))


def test_g4_destination(world: World) -> None:
    """Another region's keys are refused, and so is the right region's after it has rotated or been replaced."""
    grant = world.grant()
    cast = votes(grant.action())
    assert "these are keys of `us-east`" in refused(world, grant, cast, destination="us-east")
    world.rings["eu-fr"].rotate("audit-archive", NOW)
    assert "is active" in refused(world, grant, cast)


def test_g4_uses_are_counted(world: World) -> None:
    """Two uses are two, over restarts and for other envelopes too; the same grant with new votes counts anew."""
    grant = world.grant(uses=2)
    cast = votes(grant.action())
    for _ in range(2):
        desk, _ = world.desk()
        desk.transfer(world.sealed(), bound_in("eu-de"), grant, cast, world.public("eu-fr"), NOW)
    desk, counted = world.desk()
    with pytest.raises(GrantRefused, match="are spent"):
        desk.transfer(world.sealed(), bound_in("eu-de"), grant, cast, world.public("eu-fr"), NOW)
    assert counted.opened == 0
    again = votes(grant.action(), nonce=b"m" * 16)
    desk.transfer(world.sealed(), bound_in("eu-de"), grant, again, world.public("eu-fr"), NOW)
    uses = FileLedger(world.folder / "ledger").uses()
    assert [use.approvers for use in uses] == [("alice", "bob")] * 3
    assert {(use.source, use.destination, use.key_id) for use in uses} == {("eu-de", "eu-fr", world.key("eu-de"))}


def test_g10_no_record_no_transfer(world: World) -> None:
    """What cannot be counted is not opened: a ledger that is cut, changed, shared or no file."""
    grant = world.grant(uses=5)
    cast, path = votes(grant.action()), world.folder / "ledger"
    desk, counted = world.desk()
    for _ in range(2):
        desk.transfer(world.sealed(), bound_in("eu-de"), grant, cast, world.public("eu-fr"), NOW)
    whole, counted.opened = path.read_bytes(), 0
    first, second, _ = whole.split(b"\n")
    damaged = [
        whole[:-1],
        whole[:-5],
        second + b"\n",
        first.replace(b"eu-fr", b"us-fr") + b"\n" + second + b"\n",
        b"x\n",
    ]
    for content in damaged:
        path.write_bytes(content)
        with pytest.raises(LedgerUnusable):
            desk.transfer(world.sealed(), bound_in("eu-de"), grant, cast, world.public("eu-fr"), NOW)
    path.write_bytes(whole)
    path.chmod(0o644)
    with pytest.raises(LedgerUnusable, match="600"):
        desk.transfer(world.sealed(), bound_in("eu-de"), grant, cast, world.public("eu-fr"), NOW)
    path.unlink()
    path.mkdir()
    with pytest.raises(LedgerUnusable):
        desk.transfer(world.sealed(), bound_in("eu-de"), grant, cast, world.public("eu-fr"), NOW)
    assert counted.opened == 0


def test_any_tenant(world: World) -> None:
    """A grant for any tenant keeps the tenant."""
    grant = world.grant(source=bound_in("eu-de", ANY), destination=bound_in("eu-fr", ANY), uses=2)
    desk, _ = world.desk()
    for tenant in ("clinic", "school"):
        sealed = desk.transfer(
            world.sealed(tenant=tenant),
            bound_in("eu-de", tenant),
            grant,
            votes(grant.action()),
            world.public("eu-fr"),
            NOW,
        )
        bound = bound_in("eu-fr", tenant)
        assert world.rings["eu-fr"].opener().open(sealed.to_bytes(), bound) == b"patient 4711"


@pytest.mark.parametrize(
    "changes",
    [
        {"reason": " "},
        {"legal_basis": ""},
        {"uses": 0},
        {"expires": NOW - HOUR},
        {"expires": NOW + timedelta(days=7)},
        {"destination": bound_in("eu-de")},
        {"destination": replace(bound_in("eu-fr"), purpose="etcd")},
        {"destination": bound_in("eu-fr", ANY)},
        {"destination_key": "any"},
    ],
)
def test_grants_without_meaning(world: World, changes: dict[str, Any]) -> None:
    """No reason, no basis, no end, no key, no other region: no grant."""
    with pytest.raises(GrantInvalid):
        world.grant(**changes)


def test_grants_have_one_form(world: World) -> None:
    """A grant reads back; other bytes, even of the same JSON, are none."""
    action = world.grant().action()
    assert parse_grant(action) == world.grant()
    for other in (action + b" ", b"{}", b"[]", b"", action.replace(b'"uses":1', b'"uses":1.0'), action[:-1]):
        with pytest.raises(GrantInvalid):
            parse_grant(other)


def test_from_the_command_line(tmp_path: Path) -> None:
    """`grant`, `approve` twice, `transfer`; then the use is spent, and the destination opens what arrived."""
    run = CliRunner()

    def keys(*words: object) -> Any:
        return run.invoke(command, ["keys", *map(str, words)])

    approvers: list[object] = []
    for name, key in PEOPLE.items():
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (tmp_path / f"{name}.key").write_bytes(pem)
        public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        (tmp_path / f"{name}.pub").write_bytes(public)
        approvers += ["--approver", f"{name}={tmp_path / name}.pub"]
    for region in ("eu-de", "eu-fr"):
        words = (tmp_path / region, "--region", region, "--key-file", tmp_path / f"{region}.kek", "--new-key-file")
        assert keys("init", *words, *approvers, "--needed", 2).exit_code == 0
    rings = {
        region: FileKeyring.open(tmp_path / region, region, unlock=KeyFile(tmp_path / f"{region}.kek"))
        for region in ("eu-de", "eu-fr")
    }
    (tmp_path / "in").write_bytes(rings["eu-de"].sealer().seal(b"patient 4711", bound_in("eu-de")).to_bytes())
    asked = tmp_path / "request.json"
    places = ("--from", rings["eu-de"].public_path, "--to", rings["eu-fr"].public_path)
    words = (*places, "--purpose", "audit-archive", "--of", "EU/prod-eu-de/clinic", "--as", "EU/prod-eu-fr/hospital")
    done = keys("grant", *words, "--reason", "moved", "--legal-basis", "GDPR Art. 20", "--out", asked)
    assert done.exit_code == 0, done.output
    cast: list[object] = []
    for name in ("alice", "bob"):
        out = tmp_path / f"{name}.vote"
        assert keys("approve", asked, "--as", name, "--key", tmp_path / f"{name}.key", "--out", out).exit_code == 0
        cast += ["--vote", out]
    source = ("--directory", tmp_path / "eu-de", "--region", "eu-de", "--key-file", tmp_path / "eu-de.kek")
    use = ("--in", tmp_path / "in", "--grant", asked, "--to", rings["eu-fr"].public_path, "--ledger", tmp_path / "uses")
    assert keys("transfer", *source, *use, *cast[:2], "--out", tmp_path / "one").exit_code == 2
    done = keys("transfer", *source, *use, *cast, "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    arrived = (tmp_path / "out").read_bytes()
    assert rings["eu-fr"].opener().open(arrived, bound_in("eu-fr", "hospital")) == b"patient 4711"
    done = keys("transfer", *source, *use, *cast, "--out", tmp_path / "again")
    assert (done.exit_code, "are spent" in done.output, (tmp_path / "again").exists()) == (2, True, False)
