"""Break-glass: what was signed, for hours, counted and announced first; nothing else opens under a revoked key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from keymgmt.canonical import to_base64url
from keymgmt.emergency import (
    LONGEST,
    BreakGlass,
    BreakGlassInvalid,
    BreakGlassRefused,
    EmergencyDesk,
    NotAnnounced,
    Opening,
    parse_break_glass,
)
from keymgmt.errors import ForeignRegion, KeyDestroyed, KeyManagementError, KeyRevoked, NotApproved
from keymgmt.file.keyring import FileKeyring
from keymgmt.file.unlock import KeyFile
from keymgmt.ledger import FileLedger
from keymgmt.ports import Approval, Binding
from keymgmt.states import Change, State
from keymgmt.transfer import GrantRefused
from tests.keymgmt.approvers import HOUR, NOW, POLICY, votes
from tests.keymgmt.canaries import Canaries

BOUND = Binding("eu-de", "DE", "audit-archive", "prod", "clinic")


@dataclass
class Book:
    """An audit log that can refuse, and that notes what was open when it was asked."""

    deaf: bool = False
    heard: list[Opening] = field(default_factory=list)

    def raised(self, opening: Opening) -> None:
        """Keep it, or say that it can't be kept."""
        if self.deaf:
            raise NotAnnounced("the log takes no records")
        self.heard.append(opening)


@dataclass
class Scene:
    """A region whose first sealing key was revoked, and something that lies under it."""

    ring: FileKeyring
    folder: Path
    envelope: bytes
    old: str  # the revoked version's id
    book: Book = field(default_factory=Book)

    def glass(self, **changes: Any) -> BreakGlass:
        """A permission to open it."""
        fields: dict[str, Any] = {
            "bound": BOUND,
            "lineage": to_base64url(self.ring.keys()[0].lineage),
            "key_id": self.old,
            "reason": "the clinic's records, key service down",
            "uses": 1,
            "begins": NOW,
            "expires": NOW + HOUR,
        }
        return BreakGlass(**(fields | changes))

    def open(self, glass: BreakGlass, cast: Sequence[Approval] | None = None, **changes: Any) -> bytes:
        """Break the glass."""
        desk = EmergencyDesk(self.ring, POLICY, FileLedger(self.folder / "ledger"), self.book)
        given: dict[str, Any] = {"envelope": self.envelope, "bound": BOUND, "now": NOW} | changes
        votes_ = votes(glass.action()) if cast is None else cast
        return desk.open(given["envelope"], given["bound"], glass, votes_, given["now"])


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """As the class says."""
    unlock = KeyFile.create(tmp_path / "kek")
    ring = FileKeyring.create(tmp_path / "ring", "eu-de", unlock=unlock, now=NOW, approvals=POLICY)
    envelope = ring.sealer().seal(b"patient 4711", BOUND).to_bytes()
    known = ring.keys()
    old = next(key.key_id for key in known if key.purpose == "audit-archive")
    ring.rotate("audit-archive", NOW)
    ring.revoke(old, votes(ring.action(Change.REVOKE, old), nonce=b"r" * 16), NOW)
    return Scene(ring, tmp_path, envelope, old)


def test_g7_a_revoked_version_opens_for_those_who_were_asked(scene: Scene) -> None:
    """Otherwise nothing opens under it; under break-glass this envelope does, and the key stays revoked."""
    with pytest.raises(KeyRevoked):
        scene.ring.opener().open(scene.envelope, BOUND)
    assert scene.open(scene.glass()) == b"patient 4711"
    with pytest.raises(KeyRevoked):
        scene.ring.opener().open(scene.envelope, BOUND)
    known = scene.ring.keys()
    assert {key.state for key in known if key.key_id == scene.old} == {State.REVOKED}
    (heard,) = scene.book.heard
    assert (heard.key.key_id, heard.number, heard.quorum.approvers) == (scene.old, 1, ("alice", "bob"))


def refused(scene: Scene, glass: BreakGlass, cast: Sequence[Approval] | None = None, **changes: Any) -> Exception:
    """Why; and nothing was announced, counted or opened."""
    with pytest.raises(KeyManagementError) as said:
        scene.open(glass, cast, **changes)
    assert scene.book.heard == []
    assert FileLedger(scene.folder / "ledger").uses() == ()
    return said.value


def test_g7_break_glass_takes_as_many_as_everything_else(scene: Scene) -> None:
    """One vote, votes for another permission, votes that live for days, strangers: each is refused."""
    glass = scene.glass()
    for cast in (
        [],
        votes(glass.action(), ["alice"]),
        votes(glass.action(), ["alice", "alice"]),
        votes(scene.glass(uses=2).action()),
        votes(glass.action(), expires=NOW + LONGEST + HOUR),
        votes(glass.action(), issued=NOW - HOUR, expires=NOW),
    ):
        assert isinstance(refused(scene, glass, cast), NotApproved)


def test_g7_break_glass_ends_by_itself(scene: Scene) -> None:
    """Before its time and from its end on nothing opens, whoever still votes; a permission is for hours at most."""
    glass = scene.glass()
    cast = votes(glass.action(), expires=NOW + 3 * HOUR)
    for now in (NOW - timedelta(seconds=1), NOW + HOUR, NOW + 2 * HOUR):
        assert isinstance(refused(scene, glass, cast, now=now), BreakGlassRefused | NotApproved)
    assert scene.open(glass, cast, now=NOW + HOUR - timedelta(seconds=1)) == b"patient 4711"
    with pytest.raises(BreakGlassInvalid):
        scene.glass(expires=NOW + LONGEST + timedelta(seconds=1))


def test_g7_break_glass_is_for_exactly_this(scene: Scene) -> None:
    """Another key, keyring, binding or region than was signed is refused before anything is announced."""
    newer = scene.ring.sealer().seal(b"x", BOUND).to_bytes()
    known = scene.ring.keys()
    active = next(key.key_id for key in known if key.purpose == "audit-archive" and key.state is State.ACTIVE)
    elsewhere = replace(BOUND, region="eu-fr")
    for glass, changes in (
        (scene.glass(), {"envelope": newer}),
        (scene.glass(key_id=active), {}),
        (scene.glass(lineage="AAAA"), {}),
        (scene.glass(key_id="bwk1." + "A" * 22), {}),
        (scene.glass(), {"bound": replace(BOUND, tenant="other")}),
        (scene.glass(bound=replace(BOUND, tenant="other")), {}),
        (scene.glass(bound=elsewhere), {"bound": elsewhere}),
    ):
        assert isinstance(refused(scene, glass, **changes), BreakGlassRefused)
    assert scene.open(scene.glass(key_id=active), envelope=newer) == b"x"
    anybody = scene.glass(bound=replace(BOUND, tenant="*"))
    assert scene.open(anybody) == b"patient 4711"


def test_g10_no_record_no_opening(scene: Scene) -> None:
    """A log that takes no record keeps the glass whole; the use is spent."""
    scene.book.deaf = True
    with pytest.raises(NotAnnounced):
        scene.open(scene.glass())
    scene.book.deaf = False
    with pytest.raises(GrantRefused, match="spent"):
        scene.open(scene.glass())


def test_g7_break_glass_is_counted(scene: Scene) -> None:
    """So many envelopes as were signed for, over restarts too, and each has its number."""
    glass = scene.glass(uses=2)
    assert [scene.open(glass), scene.open(glass)] == [b"patient 4711"] * 2
    assert [one.number for one in scene.book.heard] == [1, 2]
    with pytest.raises(GrantRefused, match="for 2 uses"):
        scene.open(glass)


def test_a_destroyed_key_is_gone_for_everybody(scene: Scene) -> None:
    """Break-glass brings back what was revoked, never what was destroyed; another region's envelope stays foreign."""
    scene.ring.destroy(scene.old, votes(scene.ring.action(Change.DESTROY, scene.old), nonce=b"d" * 16), NOW)
    with pytest.raises(KeyDestroyed):
        scene.open(scene.glass(uses=2))
    forged = scene.envelope[:8] + b"eu-fr" + scene.envelope[13:]
    with pytest.raises(ForeignRegion):
        scene.open(scene.glass(uses=2), envelope=forged)


@pytest.mark.parametrize(
    "changes",
    [
        {"reason": " "},
        {"reason": "x" * 513},
        {"uses": 0},
        {"uses": 1001},
        {"expires": NOW},
        {"key_id": "checkpoint"},
    ],
    ids=str,
)
def test_permissions_that_must_not_be(scene: Scene, changes: dict[str, Any]) -> None:
    """Without a reason, an end or a number there is none."""
    with pytest.raises(BreakGlassInvalid):
        scene.glass(**changes)


def test_a_permission_has_one_form(scene: Scene) -> None:
    """What was signed reads back; any other bytes are refused."""
    glass = scene.glass()
    assert parse_break_glass(glass.action()) == glass
    for wrong in (b"", b"[]", b"{}", glass.action() + b" ", glass.action().replace(b'"uses":1', b'"uses":1.0')):
        with pytest.raises(BreakGlassInvalid):
            parse_break_glass(wrong)


def test_failures_show_nothing(scene: Scene, canaries: Canaries) -> None:
    """When opening fails, neither words nor variables hold a secret."""
    plaintext = canaries.draw("plaintext", 40)
    known = scene.ring.keys()
    active = next(key.key_id for key in known if key.purpose == "audit-archive" and key.state is State.ACTIVE)
    envelope = scene.ring.sealer().seal(plaintext, BOUND).to_bytes()
    with pytest.raises(KeyManagementError) as failure:
        scene.open(scene.glass(key_id=active), envelope=envelope[:-1] + bytes([envelope[-1] ^ 1]))
    assert canaries.seen_with(failure.value) == []
    assert canaries.seen_in((scene.folder / "ledger").read_bytes()) == []
