"""The life of a key, as two tables: which changes exist, and what a key may be used for in each state.

Whether somebody may ask for a change is the business of approvals.
"""

from enum import StrEnum

from keymgmt.errors import KeyDestroyed, KeyRevoked, TransitionRefused


class State(StrEnum):
    """Where a key stands."""

    STAGED = "staged"  # made and published, not used yet
    ACTIVE = "active"  # the one version of its purpose that signs, seals and tags
    RETIRED = "retired"  # replaced: opens and verifies what it made
    REVOKED = "revoked"  # not trusted any more: nothing
    DESTROYED = "destroyed"  # its secret part is gone


class Change(StrEnum):
    """What can be done to a key."""

    ACTIVATE = "activate"
    RETIRE = "retire"
    REVOKE = "revoke"
    DESTROY = "destroy"


class Use(StrEnum):
    """What a key can be asked for."""

    PRODUCE = "produce"  # sign, seal, tag
    OPEN = "open"
    VERIFY = "verify"


NEXT: dict[tuple[State, Change], State] = {
    (State.STAGED, Change.ACTIVATE): State.ACTIVE,
    (State.ACTIVE, Change.RETIRE): State.RETIRED,
    (State.STAGED, Change.REVOKE): State.REVOKED,
    (State.ACTIVE, Change.REVOKE): State.REVOKED,
    (State.RETIRED, Change.REVOKE): State.REVOKED,
    (State.STAGED, Change.DESTROY): State.DESTROYED,
    (State.RETIRED, Change.DESTROY): State.DESTROYED,
    (State.REVOKED, Change.DESTROY): State.DESTROYED,
    # an active key is never destroyed in one step: first something else must be active, or it must be revoked
}

MAY: dict[State, frozenset[Use]] = {
    State.STAGED: frozenset({Use.VERIFY}),
    State.ACTIVE: frozenset({Use.PRODUCE, Use.OPEN, Use.VERIFY}),
    State.RETIRED: frozenset({Use.OPEN, Use.VERIFY}),
    State.REVOKED: frozenset(),
    State.DESTROYED: frozenset(),
}


def check_opening(key_id: str, state: State) -> None:
    """Whether a key opens what was sealed to it. Raises KeyRevoked, KeyDestroyed."""
    if state is State.DESTROYED:
        raise KeyDestroyed(f"key `{key_id}` was destroyed; what was sealed to it is gone")
    if Use.OPEN not in MAY[state]:
        raise KeyRevoked(f"key `{key_id}` is {state} and opens nothing")


def after(state: State, change: Change) -> State:
    """The state that follows. Raises TransitionRefused when the table has no such change."""
    try:
        return NEXT[state, change]
    except KeyError:
        possible = ", ".join(sorted(c for s, c in NEXT if s is state)) or "nothing"
        raise TransitionRefused(f"a key that is `{state}` cannot {change}; possible here: {possible}") from None
