"""The real scheduler is the judge: random fleets that lie, random pods, and nothing ends outside its jurisdiction.

`BAILIWICK_PODS` is how many pods there are (2,000; with `BAILIWICK_LONG=1` 10,000), `BAILIWICK_SEED` draws the same
ones again, `BAILIWICK_ROUND` plays one round of them.
"""

from __future__ import annotations

import json
import os
import secrets
import time
from collections import Counter
from collections.abc import Iterator
from random import Random

import pytest

from policies.geography import PLACE_LABEL
from tests.cluster.bed.cluster import Json
from tests.cluster.bed.control_plane import ControlPlane
from tests.cluster.bed.guard import guarded_cluster, written
from tests.cluster.placing.attached import CLASSES
from tests.cluster.placing.fleet import Fleet
from tests.cluster.placing.spots import PROFILE, REALMS
from tests.cluster.placing.stage import PLACEMENT, STORAGE, Played, Stage, namespaces
from tests.cluster.placing.wishes import ROGUE, drawn
from tests.policies.geography.scheduling import matches

pytestmark = pytest.mark.cluster

LONG = os.environ.get("BAILIWICK_LONG") == "1"
PODS = int(os.environ.get("BAILIWICK_PODS", "10000" if LONG else "2000"))
OF_A_ROUND = 250
MACHINES = 32
RULES = [
    *(written("Jurisdiction", realm.name, realm.spec) for realm in REALMS),
    written("ClusterProfile", "cluster", PROFILE),
    written("DataClass", "resident", {"rank": 150, "requires": {"residency": True}}),
]


@pytest.fixture(scope="module")
def stage(
    local_control_plane: ControlPlane, webhook_host: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stage]:
    """A guarded cluster with classes, and a namespace for each jurisdiction."""
    cluster = local_control_plane
    for one in CLASSES:
        cluster.request("POST", one.path, one.body).ok()
    labelling = ("--label-nodes", "--label-lease", "default/labeller")
    with guarded_cluster(cluster, webhook_host, tmp_path_factory.mktemp("state"), RULES, labelling):
        spaces, free = namespaces(cluster, "resident")
        stage = Stage(cluster, spaces, free)
        yield stage
        stage.close()
        for space in (*spaces.values(), free):
            cluster.request("DELETE", f"/api/v1/namespaces/{space}")
    for one in CLASSES:
        cluster.request("DELETE", f"{one.path}/{one.body['metadata']['name']}")


def test_no_admitted_pod_is_bound_outside(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever pods wish and machines claim: what is admitted is bound inside, and only what could leave is refused."""
    seed = int(os.environ.get("BAILIWICK_SEED", "0")) or secrets.randbelow(10**9)
    chosen = os.environ.get("BAILIWICK_ROUND")
    rounds = [int(chosen)] if chosen else list(range(-(-PODS // OF_A_ROUND)))
    tally: Counter[str] = Counter()
    found: list[str] = []
    began = time.monotonic()
    for number in rounds:
        for kind, reproduced in _round(stage, seed, number):
            tally[kind] += 1
            if reproduced:
                found.append(f"{kind}, again with BAILIWICK_SEED={seed} BAILIWICK_ROUND={number}:\n{reproduced}")
        with capsys.disabled():
            told = ", ".join(f"{kind} {count}" for kind, count in sorted(tally.items()))
            print(f"\n  seed {seed}, round {number}, {time.monotonic() - began:.0f} s: {told}", end="", flush=True)
    assert not found, "\n\n".join(found[:3])
    pods = tally["pods"]
    assert tally["admitted"] >= 0.6 * pods
    assert tally["bound"] >= 0.4 * pods
    assert tally["could leave"] + tally["could be nowhere"] + tally["for its volume"] == tally["refused"] > 0


def _round(stage: Stage, seed: int, number: int) -> Iterator[tuple[str, str]]:
    """What came of each pod of one round; with what reproduces it, where it must not be."""
    rng = Random(f"{seed}/{number}")
    fleet = Fleet.drawn(rng, number, MACHINES)
    cases = [drawn(rng, index, fleet) for index in range(OF_A_ROUND)]
    with stage.round(fleet):
        played = stage.play(rng, cases, fleet)
        stopped = set(stage.refused_bindings())
        stage.leave(number)
        # who names a node isn't scheduled: such a pod is judged by hand
        refused = [one.case for one in played if not one.admitted and "nodeName" not in one.case.spec]
        waiting = [one.case for one in played if one.admitted and not one.bound and _is_plain(one)]
        left, stayed = stage.judge(refused, [*refused, *waiting], fleet)
    for one in played:
        yield "pods", ""
        if one.admitted:
            yield "admitted", ""
            yield from _of_admitted(one, fleet, stopped)
            if one.case.number in stayed:
                yield "LOST BY THE CORRECTION", _small(one, pod=_short(one.pods[0]))
        else:
            yield "refused", ""
            yield from _of_refused(one, fleet, left, stayed)


def _is_plain(one: Played) -> bool:
    """Is where it can be bound a matter of its own wishes, and not of who came first?"""
    case, affinity = one.case, one.case.spec.get("affinity", {})
    # the last free volume or device may be elsewhere
    others = (
        bool({"topologySpreadConstraints", "volumes", "resourceClaims"} & case.spec.keys())
        or len(affinity.keys() - {"nodeAffinity"}) > 0
    )
    others = others or "schedulingGates" in case.spec  # somebody may have narrowed it while it waited
    others = others or "existing pods" in json.dumps([pod["status"] for pod in one.pods])  # that keep it away
    return case.carrier == "Pod" and case.spec.get("schedulerName") != ROGUE and not others


def _of_admitted(one: Played, fleet: Fleet, stopped: set[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    machines = {machine.name: machine for machine in fleet.machines}
    names = {one.name, *(pod["metadata"]["name"] for pod in one.pods)}
    for pod, name in stopped:
        if pod in names:
            # nothing but a label that a provisioner got wrong may have led the scheduler outside; and inside, one that
            # the webhook has not heard of yet
            if machines[name].mistaken or machines[name].inside(one.case.realm):
                yield "led astray", ""
            else:
                yield "STOPPED AT THE BINDING ALONE", _small(one, node=machines[name].node)
    if one.bound:
        yield "bound", ""
    for pod in one.pods:
        if (name := pod["spec"].get("nodeName")) and not machines[name].inside(one.case.realm):
            machine = machines[name]
            yield (
                "BOUND OUTSIDE",
                _small(one, stands=machine.spot.code, known=machine.known, node=machine.node, pod=_short(pod)),
            )


def _of_refused(one: Played, fleet: Fleet, left: set[int], stayed: set[int]) -> Iterator[tuple[str, str]]:
    if any(code in one.reply.message for code in STORAGE):
        yield "for its volume", ""
        return
    if one.reply.status != 403 or not any(code in one.reply.message for code in PLACEMENT):
        yield "REFUSED FOR SOMETHING ELSE", _small(one)
    if "nodeName" in one.case.spec:
        yield ("OVER-BLOCKED", _small(one)) if _fits_its_node(one, fleet) else ("could leave", "")
    elif one.case.number in left:
        yield "could leave", ""
    elif one.case.number not in stayed or "storage class `" in one.reply.message:  # a free volume may have come since
        yield "could be nowhere", ""  # or only where nobody had been yet
    else:
        yield "OVER-BLOCKED", _small(one)


def _fits_its_node(one: Played, fleet: Fleet) -> bool:
    """Is the node that it names inside, and was it so beyond doubt when the pod came; and would its kubelet take it?"""
    spec = one.case.spec
    (machine,) = [machine for machine in fleet.machines if machine.name == spec["nodeName"]]
    if machine.late or machine.mistaken or not machine.inside(one.case.realm):
        return False
    labels = {**machine.node["metadata"]["labels"], PLACE_LABEL: machine.label}
    node = {"metadata": {"name": machine.name, "labels": labels}}
    return spec.get("runtimeClassName", "plain") == "plain" and matches({"spec": spec}, node)


def _short(pod: Json) -> Json:
    return {"affinity": pod["spec"].get("affinity"), "conditions": pod["status"].get("conditions")}


def _small(one: Played, **more: object) -> str:
    """What is needed to see it again, without what every object has."""
    case = one.case
    shown: Json = {"jurisdiction": case.realm.spec, "kind": case.carrier, "spec": case.spec}
    shown |= {"objects": [each.body for each in case.attached], "answer": one.reply.message, **more}
    return json.dumps(shown, indent=1)
