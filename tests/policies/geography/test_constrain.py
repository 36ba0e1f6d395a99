"""What keeps a pod inside, and what it says where nothing can: the least that does, and conflicts with both sides."""

from typing import Any

import pytest

from policies.geography import PLACE_LABEL, conflict, constrain
from tests.policies.geography.placing import AWS, CODES, FRA, REQUIRED, USA, place, pod, requiring, term

WANTED = {"key": PLACE_LABEL, "operator": "In", "values": [AWS, FRA]}
POINTER = f"/spec/affinity/nodeAffinity/{REQUIRED}"


@pytest.mark.parametrize(
    ("of", "operations"),
    [
        (
            pod(),
            [("/spec/affinity", {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": [{"matchExpressions": [WANTED]}]}}})],
        ),
        (
            pod(affinity={}),
            [("/spec/affinity/nodeAffinity", {REQUIRED: {"nodeSelectorTerms": [{"matchExpressions": [WANTED]}]}})],
        ),
        (pod(affinity={"nodeAffinity": {}}), [(POINTER, {"nodeSelectorTerms": [{"matchExpressions": [WANTED]}]})]),
        (
            requiring(term({"key": "gpu", "operator": "Exists"}), {}),
            [(f"{POINTER}/nodeSelectorTerms/0/matchExpressions/-", WANTED)],
        ),
        (
            requiring({"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["x"]}]}),
            [(f"{POINTER}/nodeSelectorTerms/0/matchExpressions", [WANTED])],
        ),
        # only the term that needs it
        (
            requiring(term(place("In", FRA)), term(place("In", FRA, USA))),
            [(f"{POINTER}/nodeSelectorTerms/1/matchExpressions/-", WANTED)],
        ),
        (requiring(), []),  # no terms match nothing, and stay so
        (pod(nodeSelector={PLACE_LABEL: FRA}), []),
        (pod(nodeName="bm-1"), []),
        (pod(affinity="fra"), []),
        ({"metadata": {}}, []),
    ],
)
def test_the_least_that_does(of: dict[str, Any], operations: list[tuple[str, Any]]) -> None:
    """The operations add the deepest field that is missing, to the terms that need it, and nothing else."""
    assert [(each["path"], each["value"]) for each in constrain(of, CODES)] == operations
    assert all(each["op"] == "add" for each in constrain(of, CODES))


def test_a_jurisdiction_without_places_fits_no_node() -> None:
    """With no admitted place the pod is made to match nothing, and the conflict says why."""
    operations = constrain(pod(), frozenset())
    expressions = operations[0]["value"]["nodeAffinity"][REQUIRED]["nodeSelectorTerms"][0]["matchExpressions"]
    assert [each["operator"] for each in expressions] == ["Exists", "DoesNotExist"]
    assert conflict(pod(), frozenset()) == "no place of this cluster is admitted"


def test_a_conflict_shows_both_sides() -> None:
    """A contradiction names what the pod asks for, where, and what is admitted."""
    assert conflict(pod(nodeSelector={PLACE_LABEL: USA}), CODES) == (
        f"`spec.nodeSelector[{PLACE_LABEL}]` asks for aws.us-east-1; admitted: aws.eu-central-1, fra"
    )
    assert conflict(requiring(), CODES) is not None
    assert conflict(pod(nodeSelector={PLACE_LABEL: FRA}), CODES) is None
    assert conflict(pod(nodeName="anything"), CODES) is None


@pytest.mark.parametrize(
    ("affinity", "told"),
    [
        ("fra", "`spec.affinity` is text: an object must stand there"),
        ({"nodeAffinity": [1]}, "`spec.affinity.nodeAffinity` is a list: an object must stand there"),
        ({"nodeAffinity": {REQUIRED: 7}}, f"`spec.affinity.nodeAffinity.{REQUIRED}` is a number: an object"),
        ({"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": {}}}}, "nodeSelectorTerms` is an object: a list must"),
        ({"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": [{}, True]}}}, "nodeSelectorTerms[1]` is a truth value: an"),
        (
            {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": [{"matchFields": "x"}]}}},
            "nodeSelectorTerms[0].matchFields` is text: a list must stand there",
        ),
    ],
)
def test_an_affinity_of_the_wrong_type_is_told(affinity: Any, told: str) -> None:
    """Fields of custom resources may hold anything: what can't be read is refused with its path."""
    assert told in (conflict(pod(affinity=affinity), CODES) or "")
