"""m people of n, one exact action, a limited time."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keymgmt.approvals import ApprovalPolicy, approval_bytes, approve
from keymgmt.errors import NotApproved
from keymgmt.ports import Approval
from tests.keymgmt.approvers import NOW, PEOPLE, POLICY

PUBLIC = POLICY.approvers
ACTION = b'{"action":"destroy"}'
NONCE = b"n" * 16


def vote(name: str, action: bytes = ACTION, **changes: object) -> Approval:
    given = {"nonce": NONCE, "issued": NOW - timedelta(hours=1), "expires": NOW + timedelta(hours=1)} | changes
    return approve(action, name, PEOPLE[name], **given)  # type: ignore[arg-type]


def test_quorum() -> None:
    """Two of three is enough, whoever they are, and the quorum says who they were."""
    quorum = POLICY.verify(ACTION, [vote("carol"), vote("alice")], NOW)
    assert (quorum.approvers, quorum.needed, quorum.action, quorum.nonce) == (("alice", "carol"), 2, ACTION, NONCE)


@pytest.mark.parametrize(
    ("votes", "says"),
    [
        ([], "0 of 2 needed approvals; may still approve: `alice`, `bob`, `carol`"),
        ([vote("alice")], "1 of 2 needed approvals; may still approve: `bob`, `carol`"),
        ([vote("alice"), vote("alice")], "`alice`: duplicate vote"),
        ([vote("alice"), vote("bob", b"other")], "`bob`: signature is not for this action"),
        ([vote("alice"), replace(vote("bob"), approver="eve")], "`eve`: unknown approver"),
        ([vote("alice"), replace(vote("bob"), approver="carol")], "`carol`: signature is not for this action"),
        ([vote("alice"), vote("bob", expires=NOW)], "`bob`: expired at 2026-11-21T08:00:00Z"),
        (
            [vote("alice"), vote("bob", issued=NOW + timedelta(seconds=1))],
            "`bob`: not valid before 2026-11-21T08:00:01Z",
        ),
        ([vote("alice"), vote("bob", expires=NOW + timedelta(days=8))], "`bob`: lives longer than 7 days"),
        ([vote("alice"), replace(vote("bob"), signature=b"")], "`bob`: signature is not for this action"),
        ([vote("alice"), replace(vote("bob"), expires=NOW.replace(tzinfo=None))], "`bob`: malformed vote"),
        ([vote("alice"), vote("bob", nonce=b"m" * 16)], "different requests"),
        ([vote("alice", nonce=b"n"), vote("bob", nonce=b"n")], "nonce is shorter than 16 bytes"),
    ],
)
def test_what_is_missing_is_named(votes: Sequence[Approval], says: str) -> None:
    """Too little is refused, and the message says what is wrong with which vote."""
    with pytest.raises(NotApproved) as refusal:
        POLICY.verify(ACTION, votes, NOW)
    assert says in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_bad_vote_takes_nothing_away() -> None:
    """Enough good votes stay enough when somebody adds a bad one."""
    assert POLICY.verify(ACTION, [vote("alice"), vote("bob", b"other"), vote("carol")], NOW).approvers == (
        "alice",
        "carol",
    )


@settings(deadline=None)
@given(position=st.integers(0, 63), bit=st.integers(0, 7))
def test_every_bit_of_a_signature_counts(position: int, bit: int) -> None:
    """A vote with one bit of its signature changed counts for nothing."""
    good = vote("bob")
    damaged = bytearray(good.signature)
    damaged[position] ^= 1 << bit
    with pytest.raises(NotApproved):
        POLICY.verify(ACTION, [vote("alice"), replace(good, signature=bytes(damaged))], NOW)


@settings(deadline=None)
@given(seconds=st.integers(-86400 * 30, 86400 * 30).filter(bool), name=st.sampled_from(["issued", "expires"]))
def test_times_are_signed(seconds: int, name: str) -> None:
    """A vote cannot be made to live longer or earlier by whoever carries it."""
    good = vote("bob")
    moved = replace(good, **{name: getattr(good, name) + timedelta(seconds=seconds)})
    with pytest.raises(NotApproved):
        POLICY.verify(ACTION, [vote("alice"), moved], NOW)


def test_fractions_of_a_second_are_refused() -> None:
    """What the signed form would round away is not accepted."""
    moved = replace(vote("bob"), expires=vote("bob").expires + timedelta(microseconds=1))
    with pytest.raises(NotApproved, match="whole seconds"):
        POLICY.verify(ACTION, [vote("alice"), moved], NOW)


def test_time_zones_do_not_matter() -> None:
    """A vote says the same when its times are written in another zone."""
    east = timezone(timedelta(hours=5, minutes=30))
    moved = replace(vote("bob"), issued=vote("bob").issued.astimezone(east))
    assert POLICY.verify(ACTION, [vote("alice"), moved], NOW).approvers == ("alice", "bob")


@given(
    st.lists(
        st.tuples(st.binary(max_size=40), st.text(max_size=10), st.binary(max_size=20)),
        min_size=2,
        max_size=2,
        unique=True,
    )
)
def test_no_two_requests_share_bytes(requests: list[tuple[bytes, str, bytes]]) -> None:
    """Different actions, approvers or nonces never have the same bytes to sign."""
    one, other = (approval_bytes(action, name, nonce, NOW, NOW) for action, name, nonce in requests)
    assert one != other


@pytest.mark.parametrize(
    ("approvers", "needed"),
    [
        ({}, 0),
        (PUBLIC, 0),
        (PUBLIC, 4),
        ({"alice": PUBLIC["alice"], "alias": PUBLIC["alice"]}, 2),
        ({"alice": b"short"}, 1),
        ({"": PUBLIC["alice"]}, 1),
    ],
)
def test_policies_that_cannot_work(approvers: dict[str, bytes], needed: int) -> None:
    """A policy without a real quorum, with a shared key or a malformed one cannot be made."""
    with pytest.raises(ValueError, match=r"quorum|share|needs"):
        ApprovalPolicy(approvers, needed)
