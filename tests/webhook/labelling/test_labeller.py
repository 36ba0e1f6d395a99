"""The labeller's loop: what it writes, what it takes back, what it leaves alone, and what that costs."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.geography import UnknownPlace, labelled_place
from tests.webhook.labelling.fake_api import Clock, FakeApi
from tests.webhook.labelling.replicas import AWS, PLACE, REGION, TERMS, Declared, alone, believable, geography, labels
from webhook.labelling.claims import Claims
from webhook.labelling.plan import judge, survey
from webhook.labelling.work import Pace, Work

Json = dict[str, Any]


def fleet(**nodes: Json) -> FakeApi:
    api = FakeApi(Clock())
    for name, node in nodes.items():
        api.put_node(name, **node)
    return api


def test_what_is_believed_is_written_and_nothing_else_is_touched() -> None:
    """The place where everything agrees, beside the labels that were there; a node that lies gets none."""
    api = fleet(
        good=believable(rack="7"),
        lying={**believable("us-east-1"), "labels": {REGION: "eu-central-1"}},
        undeclared=believable("eu-west-1"),
        bare={},
    )
    replica = alone(api)
    replica.turns(5)
    assert labels(api) == {"good": "aws.eu-central-1", "lying": None, "undeclared": None, "bare": None}
    assert api.nodes["good"]["metadata"]["labels"] == {
        REGION: "eu-central-1",
        "rack": "7",
        PLACE: "aws.eu-central-1",
    }
    assert replica.count("labels_total", change="written") == 1
    assert replica.count("labels_unplaced") == 3


def test_a_label_that_is_preset_is_verified() -> None:
    """A right one stays without a write; a wrong one is replaced; one that nothing supports is taken back."""
    api = fleet(
        right=believable(**{PLACE: "aws.eu-central-1"}),
        wrong=believable("us-east-1", **{PLACE: "aws.eu-central-1"}),
        groundless={"labels": {PLACE: "aws.eu-central-1"}},
    )
    replica = alone(api)
    replica.turns(5)
    assert labels(api) == {"groundless": None, "right": "aws.eu-central-1", "wrong": "aws.us-east-1"}
    assert {write.node for write in api.writes} == {"wrong", "groundless"}
    counted = {kind: replica.count("labels_total", change=kind) for kind in ("written", "replaced", "removed")}
    assert counted == {"written": 0, "replaced": 1, "removed": 1}


def test_it_is_taken_back_when_they_stop_agreeing_and_comes_again() -> None:
    """A kubelet that claims another region loses its place, and has it back when it stops."""
    api = fleet(node=believable())
    replica = alone(api)
    replica.turns(3)
    api.put_node("node", labels={REGION: "us-east-1", PLACE: "aws.eu-central-1"})
    replica.turns(3)
    assert labels(api) == {"node": None}
    api.put_node("node", labels={REGION: "eu-central-1"})
    replica.turns(3)
    assert labels(api) == {"node": "aws.eu-central-1"}


def test_what_is_declared_can_change() -> None:
    """A newer ClusterProfile counts at once for all nodes; one that says the same costs no look at any."""
    api = fleet(frankfurt=believable(), virginia=believable("us-east-1"))
    declared = Declared()
    replica = alone(api, declared=declared)
    replica.turns(3)
    assert labels(api) == {"frankfurt": "aws.eu-central-1", "virginia": "aws.us-east-1"}
    declared.geography = geography({"providers": [{"name": "aws", "regions": ["eu-central-1"]}]})
    replica.turns(3)
    assert labels(api) == {"frankfurt": "aws.eu-central-1", "virginia": None}
    declared.geography = geography(AWS)
    replica.turns(3)
    assert labels(api)["virginia"] == "aws.us-east-1"


@pytest.mark.parametrize("unknown", ["nodes", "profile"])
def test_nothing_is_taken_back_before_anything_is_known(unknown: str) -> None:
    """Without a ClusterProfile, or with nodes that were not listed, labels stay as they are, and it says why."""
    api = fleet(groundless={"labels": {PLACE: "aws.eu-central-1"}})
    declared = Declared(None if unknown == "profile" else geography())
    replica = alone(api, declared=declared)
    replica.view.listed = unknown != "nodes"
    replica.turns(30)
    assert api.writes == []
    assert replica.labeller.hindrance()
    replica.view.listed, declared.geography = True, geography()
    replica.turns(3)
    assert labels(api) == {"groundless": None}
    assert replica.labeller.hindrance() is None


def test_what_was_judged_is_what_is_changed() -> None:
    """A node that changed since it was seen is not written; the news of it brings the right label."""
    api = fleet(node=believable())
    replica = alone(api)
    replica.hear()
    api.put_node("node", **believable("us-east-1"))  # after it was seen
    while not replica.client.requests or not replica.count("label_failures_total", status="409"):
        replica.labeller.turn()
    assert labels(api) == {"node": None}
    replica.turns(3)
    assert labels(api) == {"node": "aws.us-east-1"}


def test_a_node_of_the_same_name_is_another_node() -> None:
    """Deleted and made anew: the patch for the old one does not land on the new one."""
    api = fleet(node=believable())
    replica = alone(api)
    replica.hear()
    api.delete_node("node")
    api.put_node("node")
    replica.labeller.turn()
    assert labels(api) == {"node": None}


def test_of_two_nodes_that_claim_one_machine_the_elder_is_believed() -> None:
    """Whoever registers with another's provider id gets no place, and takes none; it has one once the other is gone."""
    api = fleet(machine=believable())
    replica = alone(api)
    replica.turns(3)
    twin = {"labels": {REGION: "eu-central-1"}, "spec": api.nodes["machine"]["spec"]}
    api.put_node("a-twin", **twin)
    replica.turns(3)
    assert labels(api) == {"a-twin": None, "machine": "aws.eu-central-1"}
    api.put_node("a-twin", labels={REGION: "eu-central-1", PLACE: "aws.eu-central-1"})  # somebody else writes it
    replica.turns(3)
    assert labels(api)["a-twin"] is None
    successor = alone(api)
    successor.turns(TERMS.lease * 2)
    assert labels(api) == {"a-twin": None, "machine": "aws.eu-central-1"}
    api.delete_node("machine")
    replica.turns(3)
    assert labels(api) == {"a-twin": "aws.eu-central-1"}


def test_twins_of_one_second_are_both_nobody() -> None:
    """Where nobody can tell who came first, neither has a place, and what was there is taken back."""
    node = believable()
    api = fleet(one=node, other=node, third={**node, "labels": {**node["labels"], PLACE: "aws.eu-central-1"}})
    alone(api).turns(3)
    assert labels(api) == {"one": None, "other": None, "third": None}


def test_serials_count_where_a_site_is_known_by_them() -> None:
    """A cloud's machines may share a serial number without meaning; at a site that is known by it they may not."""
    site = {"name": "basel", "country": "CH", "match": {"serials": ["s-1", "s-2"]}}
    declared = geography({**AWS, "sites": [site]})
    claims = Claims()
    nodes = {
        "first": ("2026-01-01T00:00:00Z", "S-1", {}),
        "second": ("2026-01-01T00:00:01Z", "s-1", {}),
        "third": ("2026-01-01T00:00:02Z", "s-2", {}),
        "cloud": ("2026-01-01T00:00:03Z", "s-3", believable()),
        "vapour": ("2026-01-01T00:00:04Z", "s-3", believable()),
    }
    made = {
        name: {
            "metadata": {"name": name, "creationTimestamp": born, "labels": more.get("labels", {})},
            "spec": more.get("spec", {}),
            "status": {"nodeInfo": {"systemUUID": serial}},
        }
        for name, (born, serial, more) in nodes.items()
    }
    for name, node in made.items():
        claims.note(name, node)
    believed = {name: judge(node, declared, claims).believed for name, node in made.items()}
    assert {name: str(place) for name, place in believed.items() if name != "second"} == {
        "first": "basel",
        "third": "basel",
        "cloud": "aws.eu-central-1",
        "vapour": "aws.eu-central-1",
    }
    assert believed["second"] == UnknownPlace(
        "`status.nodeInfo.systemUUID` `s-1` is node `first`'s, which is not younger"
    )


SAID = st.none() | st.fixed_dictionaries(
    {"born": st.integers(1, 3), "id": st.sampled_from(["", "x", "y"]), "serial": st.sampled_from(["", "s", "t"])}
)


@given(st.lists(st.tuples(st.sampled_from("abcd"), SAID), max_size=25))
def test_claims_kept_up_to_date_are_those_of_all_nodes(said: list[tuple[str, Json | None]]) -> None:
    """Noting what changes gives what looking at everything gives, and names everybody to whom it makes a difference."""
    kept, nodes = Claims(), {}
    for name, what in said:
        before = rivals(kept, nodes)
        node = None if what is None else {
            "metadata": {"name": name, "creationTimestamp": str(what["born"])},
            "spec": {"providerID": what["id"]},
            "status": {"nodeInfo": {"systemUUID": what["serial"]}},
        }  # fmt: skip
        nodes = {key: value for key, value in {**nodes, name: node}.items() if value is not None}
        concerned = kept.note(name, node)
        now = rivals(kept, nodes)
        assert now == rivals(Claims.of(nodes.values()), nodes)
        assert {other for other in nodes if before.get(other) != now[other]} <= concerned | {name}


def rivals(claims: Claims, nodes: Json) -> Json:
    return {name: (claims.rival(name, by_serial=True), claims.rival(name, by_serial=False)) for name in nodes}


def test_cost_follows_what_changes() -> None:
    """After the first look at 2,000 nodes one change costs one look and one write, and a quiet minute none."""
    api = fleet(**{f"n{number}": believable() for number in range(2000)})
    replica = alone(api)
    replica.turns(10)
    assert set(labels(api).values()) == {"aws.eu-central-1"}
    looks: list[str] = []
    node = replica.view.node
    replica.view.node = lambda name: (looks.append(name), node(name))[1]  # type: ignore[method-assign,func-returns-value]
    replica.hear()
    replica.turns(60)
    before = len(api.writes)
    quiet = len(looks)
    api.put_node("n7", labels={REGION: "us-east-1", PLACE: "aws.eu-central-1"})
    replica.turns(60)
    assert quiet <= 2000  # the news of its own writes
    assert looks[quiet:] == ["n7", "n7"]  # the change, and the news of its own write
    assert len(api.writes) == before + 1


def test_writes_keep_a_pace() -> None:
    """No more than the burst at once, and then so many a second."""
    api = fleet(**{f"n{number}": believable() for number in range(200)})
    replica = alone(api, pace=Pace(10, 20))
    replica.turns(5)
    times = [write.begun for write in api.writes]
    assert len(times) <= 20 + 5 * 10 + 1
    assert sum(time < times[0] + 0.05 for time in times) <= 21
    replica.turns(20)
    assert len(api.writes) == 200
    assert max(sum(start <= time < start + 1 for time in times) for start in times) <= 31


def test_a_refused_write_is_tried_again_later_and_later() -> None:
    """Half a second, a second, two ...: a refusal costs the API server little, and others' labels go on."""
    api = fleet(node=believable())
    replica = alone(api)
    replica.client.refuse = {"PATCH": 403}
    replica.turns(60)
    assert 5 <= replica.count("label_failures_total", status="403") <= 8
    assert replica.count("labels_waiting") == 1
    replica.client.refuse = {}
    replica.turns(65)
    assert labels(api) == {"node": "aws.eu-central-1"}
    assert replica.count("labels_waiting") == 0


def test_a_lost_answer_is_found_out_by_the_news() -> None:
    """The label was written, nobody heard of it: no second write is made once the watch has told."""
    api = fleet(node=believable())
    replica = alone(api)
    replica.labeller.turn()
    replica.client.answers_lost = True
    replica.hear()
    replica.labeller.turn()
    assert len(api.writes) == 1
    replica.client.answers_lost = False
    replica.turns(TERMS.lease * 2)
    assert len(api.writes) == 1
    assert labels(api) == {"node": "aws.eu-central-1"}


def test_a_survey_says_for_each_node_what_and_why() -> None:
    """Sorted by name: what the label says, what is believed, what would be changed."""
    api = fleet(b=believable(), a={"labels": {PLACE: "aws.us-east-1"}})
    first, second = survey(api.nodes.values(), geography())
    assert (first.node, first.labelled, first.change.kind if first.change else "") == ("a", "aws.us-east-1", "removed")
    assert str(first.change).startswith("node `a`: place `aws.us-east-1` taken back: ")
    assert (second.node, str(second.believed), str(second.change)) == (
        "b",
        "aws.eu-central-1",
        "node `b`: place `aws.eu-central-1` written",
    )


def test_a_planned_label_is_the_end_of_planning() -> None:
    """What a change makes of a node needs no further change."""
    for node in (believable(), believable("us-east-1", **{PLACE: "x"}), {"labels": {PLACE: "x"}}):
        api = fleet(node=node)
        change = judge(api.nodes["node"], geography(), Claims()).change
        assert change is not None
        api.patch_node("a", "node", change.patch(), 0, 0)
        assert judge(api.nodes["node"], geography(), Claims()).change is None
        assert labelled_place(api.nodes["node"]) == change.after


def test_work_is_taken_once_and_in_order() -> None:
    """A name that comes twice is there once; what failed comes back after its pause, or with news of it."""
    work = Work()
    work.add(["b", "a", "b"])
    assert [work.take(0), work.take(0), work.take(0)] == ["b", "a", None]
    assert work.failed("a", 0) == 0.5
    assert (work.take(0.4), work.due(0.4)) == (None, 0.5)
    work.add(["a"])
    assert work.take(0.4) == "a"
    assert work.failed("a", 1) == 1.0
    work.done("a")
    assert len(work) == 0
