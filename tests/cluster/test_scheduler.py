"""The real scheduler is the judge: random fleets that lie, random pods, and nothing ends outside its jurisdiction.

`BAILIWICK_PODS` is how many pods there are (10,000 in a long run), `BAILIWICK_SEED` draws the same ones again.
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

from tests.cluster.bed.control_plane import ControlPlane
from tests.cluster.bed.guard import guarded_cluster, written
from tests.cluster.placing.attached import CLASSES
from tests.cluster.placing.fleet import Fleet
from tests.cluster.placing.spots import PROFILE, REALMS
from tests.cluster.placing.stage import Played, Stage, namespaces
from tests.cluster.placing.wishes import drawn

pytestmark = pytest.mark.cluster

LONG = os.environ.get("BAILIWICK_LONG") == "1"
PODS = int(os.environ.get("BAILIWICK_PODS", "10000" if LONG else "2000"))
OF_A_ROUND = 250
MACHINES = 32
PLACEMENT = ("place-conflict", "place-outside-jurisdiction")
RESIDENT = written("DataClass", "resident", {"rank": 150, "requires": {"residency": True}})
RULES = [
    *(written("Jurisdiction", realm.name, realm.spec) for realm in REALMS),
    written("ClusterProfile", "cluster", PROFILE),
    RESIDENT,
]


@pytest.fixture(scope="module")
def stage(
    local_control_plane: ControlPlane, webhook_host: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stage]:
    """A guarded cluster with classes, and a namespace for each jurisdiction."""
    cluster = local_control_plane
    for one in CLASSES:
        cluster.request("POST", one.path, one.body).ok()
    state = tmp_path_factory.mktemp("state")
    with guarded_cluster(cluster, webhook_host, state, RULES):
        spaces, free = namespaces(cluster, "resident")
        stage = Stage(cluster, spaces, free)
        yield stage
        stage.close()
        for space in (*spaces.values(), free):
            cluster.request("DELETE", f"/api/v1/namespaces/{space}")
    for one in CLASSES:
        cluster.request("DELETE", f"{one.path}/{one.body['metadata']['name']}")


def test_no_admitted_pod_is_bound_outside(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever pods wish and machines claim, what is admitted is bound inside, and only what could leave is refused."""
    seed = int(os.environ.get("BAILIWICK_SEED", "0")) or secrets.randbelow(10**9)
    tally: Counter[str] = Counter()
    began = time.monotonic()
    for number in range(-(-PODS // OF_A_ROUND)):
        rng = Random(f"{seed}/{number}")
        fleet = Fleet.drawn(rng, number, MACHINES)
        first = number * OF_A_ROUND
        cases = [drawn(rng, index, fleet) for index in range(first, min(first + OF_A_ROUND, PODS))]
        with stage.round(fleet):
            played = stage.play(rng, cases, fleet)
            refused = [one.case for one in played if not one.admitted]
            outside = stage.judge(refused, fleet, where="outside")
            inside = stage.judge([case for case in refused if case.number not in outside], fleet, where="inside")
        tally.update(_checked(seed, fleet, played))
        for case in refused:
            if case.number in inside:
                tally["over-blocked"] += 1
                with capsys.disabled():
                    print(
                        "OVER-BLOCKED",
                        seed,
                        number,
                        case.realm.name,
                        json.dumps(case.spec),
                        [o.reply.message for o in played if o.case is case],
                    )
        with capsys.disabled():
            print(f"round {number}: {time.monotonic() - began:.1f} s, {dict(tally)}")
    assert tally["admitted"] >= 0.6 * PODS
    assert tally["bound"] >= 0.4 * PODS


def _checked(seed: int, fleet: Fleet, played: list[Played]) -> Iterator[str]:
    machines = {machine.name: machine for machine in fleet.machines}
    for one in played:
        if not one.admitted:
            assert one.reply.status == 403, one.reply.message
            assert any(code in one.reply.message for code in PLACEMENT), one.reply.message
            yield "refused"
            continue
        yield "admitted"
        if one.bound:
            yield "bound"
        for pod in one.pods:
            if name := pod["spec"].get("nodeName"):
                machine = machines[name]
                assert machine.inside(one.case.realm), json.dumps(
                    {
                        "seed": seed,
                        "round": fleet.number,
                        "realm": one.case.realm.name,
                        "truth": machine.spot.code,
                        "node": machine.node,
                        "case": one.case.spec,
                        "pod": pod["spec"],
                    },
                    indent=1,
                )
