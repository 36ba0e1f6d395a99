"""The placement pack as a whole, over random pods: who is corrected, who is judged, and that both come to the same.

`BAILIWICK_LONG=1` runs ten times as many.
"""

import os
from collections.abc import Callable
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from policies.checking import creation, with_object
from policies.decision import Decision
from policies.patch import apply
from policies.request import Phase
from policies.snapshot import MemorySnapshot
from tests.policies.geography.drawn import FLEET, GEOGRAPHY, INSIDE, PODS, Object, label, truth
from tests.policies.geography.scheduling import matches
from tests.policies.law import EU, engine_under, namespace, ours

NOW = datetime(2026, 11, 1, tzinfo=UTC)
CASES = settings(
    max_examples=4_000 if os.environ.get("BAILIWICK_LONG") == "1" else 400,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


LAW = [
    EU,
    ours("DataClass", "resident", {"rank": 150, "requires": {"residency": True}}),
    ours("ClusterProfile", "cluster", {"cluster": "test", **(GEOGRAPHY.profile or {})}),
]
SNAPSHOT = MemorySnapshot.of([namespace("team", "resident"), *FLEET])
ENGINE = engine_under(*LAW)


def _decided(found: Object, phase: Phase) -> Decision:
    decision = ENGINE.decide(with_object(creation(found, "team", "u"), found), phase, SNAPSHOT, NOW)
    assert isinstance(decision, Decision)
    return decision


def admitted(found: Object) -> tuple[Object, Decision]:
    """The object as it would be stored, and what the validating door says of it."""
    corrected = _decided(found, Phase.MUTATE)
    assert corrected.allowed
    made: Object = apply(found, corrected.patch) if corrected.patch else found
    return made, _decided(made, Phase.FAIL)


def _pod(spec: Object) -> Object:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "team"}, "spec": spec}


def _carrier(version: str, kind: str, *path: str, queue: bool = False) -> Callable[[Object], Object]:
    """Something that makes pods: its template is at the path."""

    def made(spec: Object) -> Object:
        found: Any = {"spec": spec}
        for name in reversed(path):
            found = [{"name": "one", **found}] if name == "[]" else {name: found}
        labels = {"labels": {"kueue.x-k8s.io/queue-name": "q"}} if queue else {}
        return {"apiVersion": version, "kind": kind, "metadata": {"name": "w", "namespace": "team", **labels}} | found

    return made


JOBS = ("spec", "replicatedJobs", "[]", "template", "spec", "template")
JUDGED = {
    "Deployment": _carrier("apps/v1", "Deployment", "spec", "template"),
    "StatefulSet": _carrier("apps/v1", "StatefulSet", "spec", "template"),
    "CronJob": _carrier("batch/v1", "CronJob", "spec", "jobTemplate", "spec", "template"),
    "LeaderWorkerSet": _carrier(
        "leaderworkerset.x-k8s.io/v1", "LeaderWorkerSet", "spec", "leaderWorkerTemplate", "workerTemplate"
    ),
    "JobSet": _carrier("jobset.x-k8s.io/v1alpha2", "JobSet", *JOBS),
}
PLANNED = {
    "DaemonSet": _carrier("apps/v1", "DaemonSet", "spec", "template"),
    "queued Job": _carrier("batch/v1", "Job", "spec", "template", queue=True),
    "queued JobSet": _carrier("jobset.x-k8s.io/v1alpha2", "JobSet", *JOBS, queue=True),
    "queued RayCluster": _carrier("ray.io/v1", "RayCluster", "spec", "headGroupSpec", "template", queue=True),
}
KINDS = st.sampled_from(sorted(JUDGED))
PLANNERS = st.sampled_from(sorted(PLANNED))


def _spec(pod: Object) -> Object:
    spec: Object = pod["spec"]
    return spec


def _template_spec(found: Any) -> Object:
    """The pod spec in a carrier: whatever has containers."""
    if "containers" in found:
        spec: Object = found
        return spec
    inner = next(found[name] for name in BELOW if name in found)
    return _template_spec(inner[0] if isinstance(inner, list) else inner)


BELOW = ("spec", "template", "jobTemplate", "leaderWorkerTemplate", "workerTemplate", "replicatedJobs", "headGroupSpec")


@CASES
@given(PODS)
def test_an_admitted_pod_runs_inside_and_loses_no_place_there(pod: Object) -> None:
    """What is stored matches just the nodes that it matched before and that are known to be inside."""
    made, decision = admitted(_pod(_spec(pod)))
    event(f"allowed: {decision.allowed}")
    before = {each["metadata"]["name"] for each in FLEET if matches(pod, each) and label(each) in INSIDE}
    after = [each for each in FLEET if matches(made, each)]
    if decision.allowed:
        assert {each["metadata"]["name"] for each in after} == before
        assert {truth(each) for each in after} <= INSIDE
    else:
        assert not before


@CASES
@given(PODS)
def test_correcting_again_changes_nothing(pod: Object) -> None:
    """The mutating door has nothing to add to what it corrected, and says the same of it."""
    made, decision = admitted(_pod(_spec(pod)))
    again, verdict = admitted(deepcopy(made))
    assert (again, verdict.allowed) == (made, decision.allowed)


@CASES
@given(PODS, KINDS)
def test_a_template_is_judged_as_its_pods_will_be(pod: Object, kind: str) -> None:
    """Its object is left as it is, and refused exactly when its pods would be, for the same reasons."""
    _, expected = admitted(_pod(_spec(pod)))
    found = JUDGED[kind](_spec(pod))
    made, decision = admitted(found)
    assert made == found
    assert decision.allowed == expected.allowed
    assert [reason.code for reason in decision.reasons] == [reason.code for reason in expected.reasons]


@CASES
@given(PODS, PLANNERS)
def test_a_template_that_a_controller_plans_by_is_corrected(pod: Object, kind: str) -> None:
    """It becomes what its pods become, stays so when asked again, and is refused exactly when they are."""
    corrected, expected = admitted(_pod(_spec(pod)))
    made, decision = admitted(PLANNED[kind](_spec(pod)))
    assert _template_spec(made) == corrected["spec"]
    assert decision.allowed == expected.allowed
    assert admitted(deepcopy(made))[0] == made


@CASES
@given(PODS)
def test_a_contradiction_is_told_with_all_its_sides(pod: Object) -> None:
    """Whoever is refused because no place is left reads what the pod asks for, and what is admitted or also asked."""
    _, decision = admitted(_pod(_spec(pod)))
    for reason in decision.reasons:
        event(reason.code)
        assert reason.code in ("place-conflict", "place-outside-jurisdiction")
        if reason.code == "place-conflict":
            assert "`spec." in reason.message
            assert "admitted: " in reason.message or "together they allow no place" in reason.message


EMPTY: Object = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{}]}}


@pytest.mark.parametrize("kind", ["Pod", *JUDGED, *PLANNED])
def test_an_empty_term_stays_empty(kind: str) -> None:
    """A pod that asked for no node gets none: the correction would be the first thing to let it run."""
    spec = {"containers": [{"name": "c", "image": "c"}], "affinity": {"nodeAffinity": EMPTY}}
    found = {"Pod": _pod, **JUDGED, **PLANNED}[kind](spec)
    made, decision = admitted(deepcopy(found))
    assert made == found
    assert [reason.code for reason in decision.reasons] == ["place-conflict"]


MANY = 1_000
SCATTERED = [
    {"matchExpressions": [{"key": f"k{at}", "operator": "In", "values": [f"v{value}" for value in range(10)]}]}
    for at in range(MANY)
]
LARGE: Object = {
    "containers": [{"name": "c", "image": "c"}],
    "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": SCATTERED}}},
    "volumes": [{"name": f"v{at}", "persistentVolumeClaim": {"claimName": f"v{at}"}} for at in range(MANY)],
    "resourceClaims": [{"name": f"r{at}", "resourceClaimName": f"r{at}"} for at in range(MANY)],
    "tolerations": [{"key": f"k{at}", "operator": "Exists"} for at in range(MANY)],
}


@pytest.mark.parametrize("kind", ["Pod", *JUDGED, *PLANNED])
def test_a_thousand_of_everything(kind: str) -> None:
    """A thousand terms, volumes and claims: each term is corrected, and the answer is that of a small pod."""
    found = {"Pod": _pod, **JUDGED, **PLANNED}[kind](deepcopy(LARGE))
    made, decision = admitted(found)
    assert decision.allowed, decision.reasons
    if kind not in JUDGED:
        affinity = _template_spec(made)["affinity"]["nodeAffinity"]
        terms = affinity["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
        assert [len(term["matchExpressions"]) for term in terms] == [2] * MANY
    assert admitted(deepcopy(made)) == (made, decision)


def test_a_thousand_terms_that_contradict() -> None:
    """The refusal of a thousand terms that all lie outside is one that a person can read."""
    place = "bailiwick.node-restriction.kubernetes.io/place"
    outside = [
        {"matchExpressions": [{"key": place, "operator": "In", "values": [f"nowhere-{at}"]}]} for at in range(MANY)
    ]
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": outside}}
    _, decision = admitted(_pod({"containers": [], "affinity": {"nodeAffinity": required}}))
    (reason,) = decision.reasons
    assert reason.code == "place-conflict"
    assert "and 984 more" in reason.message
    assert len(reason.message) < 1_500
