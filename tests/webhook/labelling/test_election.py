"""Of several replicas one writes, whatever happens to them, their clocks and their way to the API server."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.webhook.labelling.fake_api import Clock, FakeApi, Write
from tests.webhook.labelling.replicas import (
    LEASE,
    PLACE,
    REGION,
    TERMS,
    Declared,
    Replica,
    believable,
    geography,
    labels,
)
from webhook.labelling.plan import survey

Json = dict[str, Any]


@dataclass
class Stage:
    """Three replicas and a few nodes."""

    api: FakeApi = field(default_factory=lambda: FakeApi(Clock()))
    replicas: list[Replica] = field(default_factory=list)

    def __post_init__(self) -> None:
        for name in ("n0", "n1"):
            self.api.put_node(name, **believable())
        declared = Declared()
        skews = {"a": 0.0, "b": -5000.0, "c": 12345.6}
        self.replicas = [Replica(self.api, name, declared, skew) for name, skew in skews.items()]

    @property
    def leaders(self) -> list[str]:
        return [replica.name for replica in self.replicas if replica.labeller.leading()]

    def step(self, action: Json) -> None:
        kind, who = action["do"], self.replicas[action["who"]]
        if kind == "turn":
            who.labeller.turn()
        elif kind == "hear":
            who.hear()
        elif kind == "pass":
            self.api.clock.now += action["seconds"]
        elif kind == "trouble":
            for name, value in action["trouble"].items():
                setattr(who.client, name, value)
        elif kind == "node":
            self.api.put_node(f"n{action['node']}", labels=action["labels"])
        elif kind == "leave":
            who.candidate.release()
        self.check()

    def check(self) -> None:
        """Nobody leads beside another; and before anybody asked for the lease, whoever wrote before had given up
        every write that was under way, or had let go of the lease after it."""
        assert len(self.leaders) <= 1
        for holder, asked in self.api.taken:
            for write in self.api.writes:
                if write.by != holder and write.begun < asked:
                    assert write.given_up <= asked or self._let_go(write, asked)

    def _let_go(self, write: Write, asked: float) -> bool:
        return any(who == write.by and write.begun <= at <= asked for who, at in self.api.released)


NO_TROUBLE: Json = {"cut_off": False, "slow": 0.0, "answers_lost": False, "refuse": {}}
TROUBLES = st.sampled_from(
    [
        NO_TROUBLE,
        NO_TROUBLE | {"cut_off": True},
        NO_TROUBLE | {"slow": 3.0},
        NO_TROUBLE | {"slow": 60.0},
        NO_TROUBLE | {"answers_lost": True},
        NO_TROUBLE | {"refuse": {"PUT": 500}},
        NO_TROUBLE | {"refuse": {"PATCH": 409}},
    ]
)
LABELS = st.sampled_from([{REGION: "eu-central-1"}, {REGION: "us-east-1", PLACE: "aws.eu-central-1"}, {}])
WHO = st.integers(0, 2)
ACTIONS = st.one_of(
    st.fixed_dictionaries({"do": st.sampled_from(["turn", "turn", "turn", "hear", "leave"]), "who": WHO}),
    st.fixed_dictionaries(
        {"do": st.just("pass"), "who": WHO, "seconds": st.sampled_from([0.5, 1.9, 2.1, 5.0, 9.9, 15.1])}
    ),
    st.fixed_dictionaries({"do": st.just("trouble"), "who": WHO, "trouble": TROUBLES}),
    st.fixed_dictionaries({"do": st.just("node"), "who": WHO, "node": st.integers(0, 2), "labels": LABELS}),
)


@settings(max_examples=int(os.environ.get("BAILIWICK_ELECTIONS", "100")))
@given(st.lists(ACTIONS, max_size=60))
def test_one_writes_and_in_the_end_all_is_right(actions: list[Json]) -> None:
    """Cut off, slow, paused, with lost answers and clocks that differ: never two leaders, and no write of one who was
    succeeded can still be under way. When the trouble ends, one leads and every label is as it should be."""
    stage = Stage()
    for action in actions:
        stage.step(action)
    for replica in stage.replicas:
        for name, value in NO_TROUBLE.items():
            setattr(replica.client, name, value)
    for _ in range(120):
        for replica in stage.replicas:
            replica.hear()
            replica.labeller.turn()
        stage.api.clock.now += 1.0
        stage.check()
    assert len(stage.leaders) == 1
    assert all(one.change is None for one in survey(stage.api.nodes.values(), geography())), labels(stage.api)


def elected(stage: Stage) -> tuple[Replica, Replica]:
    """A leader, and another that has seen it lead."""
    first, second = stage.replicas[:2]
    first.labeller.turn()
    second.labeller.turn()
    assert stage.leaders == ["a"]
    return first, second


def test_a_killed_leader_is_followed_after_its_lease() -> None:
    """Not before the lease is over, and then at once; the successor looks at all nodes."""
    stage = Stage()
    first, second = elected(stage)
    began = stage.api.clock()
    stage.api.put_node("n2", **believable())
    second.turns(TERMS.lease - 0.1)
    assert not second.labeller.leading()
    second.turns(TERMS.retry * 2)
    assert second.labeller.leading()
    assert stage.api.clock() - began < TERMS.lease + TERMS.retry * 2
    second.turns(2)
    assert labels(stage.api)["n2"] == "aws.eu-central-1"
    assert {write.by for write in stage.api.writes} == {"b"}
    assert not first.labeller.leading()


def test_a_deposed_leader_stops_before_its_lease_ends() -> None:
    """Cut off from the lease, it writes until two thirds of it are over, and no request outlasts the lease."""
    stage = Stage()
    first, _ = elected(stage)
    first.client.refuse = {"PUT": 500, "GET": 500}
    stopped = None
    for second in range(20):
        stage.api.put_node("n0", labels={REGION: "eu-central-1", "x": str(second)})
        first.hear()
        first.labeller.turn()
        if not first.labeller.leading() and stopped is None:
            stopped = second
        stage.api.clock.now += 1.0
    assert stopped is not None
    assert TERMS.hold <= stopped < TERMS.lease
    assert max(write.given_up for write in stage.api.writes) < 1000.0 + TERMS.lease
    assert TERMS.hold + TERMS.request < TERMS.lease


def test_one_that_was_frozen_does_not_write_when_it_comes_back() -> None:
    """Stopped for a minute while another took over: its first turn looks at the lease, and writes nothing."""
    stage = Stage()
    first, second = elected(stage)
    second.turns(60)
    stage.api.put_node("n0", labels={REGION: "us-east-1", PLACE: "aws.eu-central-1"})
    first.hear()
    before = len(stage.api.writes)
    first.labeller.turn()
    assert len(stage.api.writes) == before
    assert first.labeller.holder == "b"


def test_a_leader_that_ends_lets_go() -> None:
    """The next look of another finds the lease free; nothing is waited for."""
    stage = Stage()
    first, second = elected(stage)
    first.labeller.stop()
    first.labeller.run()
    assert stage.api.leases[LEASE.path]["spec"]["holderIdentity"] == ""
    second.turns(TERMS.retry * 1.5)
    assert stage.leaders == ["b"]


def test_a_lease_that_another_took_is_noticed_at_the_next_renewal() -> None:
    """Somebody wrote it: the conflict ends what the leader may do at once, not only when its own time is over."""
    stage = Stage()
    first, _ = elected(stage)
    lease = stage.api.leases[LEASE.path]
    taken = {**lease, "spec": {**lease["spec"], "holderIdentity": "somebody"}}
    stage.api.put_lease(LEASE.path, taken, stage.api.clock(), fresh=False)
    stage.api.clock.now += TERMS.retry
    first.labeller.turn()
    assert not first.labeller.leading()


def test_what_stands_in_the_lease_is_what_kubernetes_asks_for() -> None:
    """Whole seconds, times with microseconds, transitions counted."""
    stage = Stage()
    first, second = elected(stage)
    spec = stage.api.leases[LEASE.path]["spec"]
    assert spec["leaseDurationSeconds"] == 15
    assert spec["renewTime"] == "2026-11-01T00:00:00.000000Z"
    assert spec["leaseTransitions"] == 0
    first.labeller.stop()
    first.labeller.run()
    second.turns(TERMS.retry * 1.5)
    assert stage.api.leases[LEASE.path]["spec"]["leaseTransitions"] == 1


@pytest.mark.parametrize(
    "junk", [{}, {"spec": None}, {"spec": {"holderIdentity": "x", "leaseDurationSeconds": "soon"}}]
)
def test_a_lease_of_any_content_is_waited_for_and_taken(junk: Json) -> None:
    """Somebody else's odd record is another's lease for one length, no more."""
    stage = Stage()
    stage.api.leases[LEASE.path] = {"metadata": {"resourceVersion": "1", "name": "labeller"}, **junk}
    stage.replicas[0].turns(TERMS.lease + TERMS.retry * 2)
    assert stage.leaders == ["a"]
