"""Where whoever asks acts from: declared, proven by the API server, or unknown; and what that opens."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.decision import Decision
from policies.engine import RuleEngine
from policies.facts.actor import ANONYMOUS, NODE_OF_POD, NODES, actor_fact
from policies.facts.unknown import Undetermined
from policies.geography import Geography, PlaceSet, Regions
from policies.geography.placeset import UNPLACED
from policies.request import GroupKind, Operation, Phase, Request, Resource
from policies.snapshot import MemorySnapshot
from tests.policies.law import engine_under, namespace, ours, profile

NOW = datetime(2026, 11, 1, tzinfo=UTC)
SITES = [{"name": name, "country": country} for name, country in (("munich", "DE"), ("boston", "US"))]
NODE_PLACES = {"frankfurt": "aws.eu-central-1", "virginia": "aws.us-east-1"}
USERS = ("ada", "bob", "system:node:frankfurt", "system:serviceaccount:ci:bot", "system:serviceaccount:clinic:x")
GROUPS = ("ops-eu", "ops-us", NODES, ANONYMOUS)


def where_is_node(name: str) -> PlaceSet:
    return PlaceSet.of((NODE_PLACES.get(name, UNPLACED),))


def geography(groups: list[Any] = [], actors: list[Any] = []) -> Geography:  # noqa: B006  # never changed
    return Geography(Regions.builtin(), {"sites": SITES, "actorGroups": groups, "actors": actors})


def places(user: dict[str, Any], **declared: list[Any]) -> PlaceSet:
    found: PlaceSet = actor_fact(user, geography(**declared), where_is_node)["places"]
    return found


entries = st.fixed_dictionaries(
    {"name": st.just("x"), "place": st.sampled_from(["munich", "boston"])},
    optional={
        "users": st.lists(st.sampled_from([*USERS, "*"]), min_size=1, max_size=2),
        "serviceAccounts": st.lists(st.sampled_from(["ci/*", "*/x"]), min_size=1, max_size=2),
        "groups": st.lists(st.sampled_from(GROUPS), min_size=1, max_size=2),
        "extra": st.just([{"key": "office", "values": ["munich"]}]),
    },
).filter(lambda entry: len(entry) > 2)
users = st.fixed_dictionaries(
    {"username": st.sampled_from(USERS), "groups": st.lists(st.sampled_from(GROUPS), max_size=3)},
    optional={
        "extra": st.dictionaries(
            st.sampled_from(["office", NODE_OF_POD]), st.lists(st.sampled_from(["munich", "virginia"]), max_size=2)
        )
    },
)
of_groups = st.lists(
    st.builds(dict, group=st.sampled_from(GROUPS), place=st.sampled_from(["munich", "boston"])),
    max_size=2,
    unique_by=lambda entry: str(entry["group"]),
)


@given(users, of_groups, st.lists(entries, max_size=3), entries)
def test_declaring_more_never_takes_a_place_away(
    user: dict[str, Any], groups: list[Any], actors: list[Any], more: dict[str, Any]
) -> None:
    """Whoever is declared once more acts from the places of before too; only the unknown may become known."""
    before = places(user, groups=groups, actors=actors)
    after = places(user, groups=groups, actors=[*actors, more])
    assert before == PlaceSet.of((UNPLACED,)) or before <= after


@given(users, of_groups, st.lists(entries, max_size=3))
def test_nobody_is_nowhere(user: dict[str, Any], groups: list[Any], actors: list[Any]) -> None:
    """There is always a place, finite and at worst unknown; and what isn't known is said in words."""
    fact = actor_fact(user, geography(groups, actors), where_is_node)
    assert fact["places"].codes
    assert not fact["places"].cofinite
    assert bool(fact["unknown"]) is (UNPLACED in fact["places"])


@given(users)
def test_undeclared_users_are_unknown_but_for_what_a_node_proves(user: dict[str, Any]) -> None:
    """Without any declaration only nodes, and service accounts with a node in their token, are anywhere known."""
    proven = user["username"].startswith("system:serviceaccount:") and user.get("extra", {}).get(NODE_OF_POD)
    node = user["username"].startswith("system:node:") and NODES in user["groups"]
    if ANONYMOUS in user["groups"] or not (proven or node):
        assert places(user) == PlaceSet.of((UNPLACED,))
    else:
        assert UNPLACED not in places(user) or "munich" in proven  # which is no node


@pytest.mark.parametrize("extra", ["x", {"office": "munich"}, {"office": None}, {"office": [{}]}, [], None])
def test_a_strange_extra_opens_nothing(extra: Any) -> None:
    """Whatever stands in `extra` in another form than the API server's fits no declaration."""
    declared = [{"name": "a", "place": "munich", "extra": [{"key": "office", "values": ["munich"]}]}]
    assert places({"username": "ada", "extra": extra}, actors=declared) == PlaceSet.of((UNPLACED,))


def test_a_manifest_has_no_actor() -> None:
    """Where nobody asks, nobody can tell: a policy that wants to know is undetermined."""
    with pytest.raises(Undetermined, match="AdmissionReview"):
        actor_fact({}, geography(), where_is_node)


ABROAD = [
    {"name": "support", "to": {"countries": ["US"]}, "what": ["access"], "basis": "GDPR 46", "expires": "2026-11-30"},
    {"name": "traces", "to": {"countries": ["CH"]}, "what": ["telemetry"], "basis": "GDPR 45"},
]
LAW = (
    ours("Jurisdiction", "eu", {"locatedIn": {"sets": ["EU"]}, "transfers": ABROAD}),
    profile(
        "eu-central-1",
        sites=[*SITES, {"name": "zurich", "country": "CH"}],
        actorGroups=[
            {"group": "support", "place": "boston"},
            {"group": "tracing", "place": "zurich"},
            {"group": "home", "place": "munich"},
        ],
    ),
)
MEDDLING = ours(
    "SovereigntyPolicy",
    "meddling",
    {
        "matchConstraints": {
            "resourceRules": [{"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*/*"]}]
        },
        "mutations": [
            {
                "name": "command",
                "patchType": "JSONPatch",
                "jsonPatch": {"expression": "[JSONPatch{op: 'add', path: '/command', value: ['rm', '-rf', '/']}]"},
            }
        ],
    },
)


CLUSTER = MemorySnapshot.of([namespace("clinic")])


@cache
def built_in() -> RuleEngine:
    return engine_under(*LAW)


def shell(*groups: str) -> Request:
    user = {"username": "u", "groups": [*groups]}
    found = {"apiVersion": "v1", "kind": "PodExecOptions", "command": ["sh"]}
    review = {"namespace": "clinic", "name": "p", "operation": "CONNECT", "userInfo": user, "object": found}
    review |= {"resource": {"group": "", "version": "v1", "resource": "pods"}, "subResource": "exec"}
    made = Request("1", Operation.CONNECT, GroupKind("", "v1", "PodExecOptions"), Resource("", "v1", "pods"), "exec")
    return replace(made, namespace="clinic", name="p", object=found, user=user, review=review)


def decide(*groups: str, at: datetime = NOW, phase: Phase = Phase.FAIL, more: tuple[Any, ...] = ()) -> Decision:
    decision = (engine_under(*LAW, *more) if more else built_in()).decide(shell(*groups), phase, CLUSTER, at)
    assert isinstance(decision, Decision)
    return decision


def test_a_transfer_of_access_lets_people_in_until_it_ends() -> None:
    """On its last day it does, on the next it doesn't; and a transfer of something else never did."""
    assert decide("support", at=datetime(2026, 11, 30, 23, 59, tzinfo=UTC)).allowed
    assert not decide("support", at=datetime(2026, 12, 1, tzinfo=UTC)).allowed
    assert not decide("tracing").allowed


PEOPLE = {"support": "US", "tracing": "CH", "home": "DE", "nobody": ""}  # group: the country that it acts from


@given(st.sets(st.sampled_from(sorted(PEOPLE)), min_size=1), st.sampled_from([NOW, datetime(2026, 12, 1, tzinfo=UTC)]))
def test_who_gets_in_is_who_is_inside_or_comes_by_a_transfer(groups: set[str], at: datetime) -> None:
    """Against a model that knows the countries: each is in the EU, or there is a transfer of access on that day."""
    countries = {PEOPLE[group] for group in groups} - {""}
    lawful = {"DE"} | ({"US"} if at == NOW else set())
    assert decide(*sorted(groups), at=at).allowed is (bool(countries) and countries <= lawful)


def test_the_summary_says_where_somebody_acts_from_and_not_who() -> None:
    """The record's place is the declared one; an unknown place shows as such."""
    assert decide("support").summary.actor_places == ("boston",)
    assert decide("nobody").summary.actor_places == (UNPLACED,)
    assert [reason.code for reason in decide("nobody").reasons] == ["actor-outside-jurisdiction"]


def test_what_is_connected_to_is_never_changed() -> None:
    """A policy that would put another command into somebody's shell is not asked behind the mutating door."""
    decision = decide("support", phase=Phase.MUTATE, more=(MEDDLING,))
    assert (decision.allowed, decision.patch, decision.policies) == (True, (), ())
