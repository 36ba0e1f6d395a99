"""Only the facts that a policy names are extracted: seen by the functions that are called while it is judged."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from types import FrameType
from typing import Any

import pytest

from policies.checking import creation
from policies.engine import RuleEngine
from policies.gathering import engine_of, parsed
from policies.request import Phase
from policies.snapshot import MemorySnapshot
from policies.version import is_compiled

pytestmark = pytest.mark.skipif(is_compiled(), reason="machine code has no frames to be seen by: shown as Python")
NOW = datetime(2026, 11, 21, tzinfo=UTC)
READERS = {
    "images": "images_of_spec",
    "models": "models_of_pod",
    "devices": "devices_of_pod",
    "destinations": "destinations_of_pod",
    "identities": "identities_of_pod",
    "placement": "placement_of_pod",
    "malformed": "misfits_of_spec",
}
POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "p", "namespace": "n"},
    "spec": {"containers": [{"name": "c", "image": "a:b"}]},
}


def engine(expression: str) -> RuleEngine:
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    policy: dict[str, Any] = {
        "apiVersion": "bailiwick.dev/v1alpha1",
        "kind": "SovereigntyPolicy",
        "metadata": {"name": "one"},
        "spec": {
            "matchConstraints": {"resourceRules": [rule]},
            "validations": [{"expression": expression, "message": "no"}],
        },
    }
    return engine_of((parsed([policy]),), "test", packs=False)


@contextmanager
def called() -> Iterator[set[str]]:
    """The names of all functions that are called meanwhile."""
    names: set[str] = set()

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            names.add(frame.f_code.co_name)

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        yield names
    finally:
        sys.setprofile(before)


def readers(expression: str) -> set[str]:
    judge = engine(expression)
    snapshot = MemorySnapshot.of([])
    with called() as names:
        judge.decide(creation(POD, "n"), Phase.FAIL, snapshot, NOW)
    return {fact for fact, reader in READERS.items() if reader in names}


@pytest.mark.parametrize("fact", READERS)
def test_a_policy_about_one_fact_has_that_one_read(fact: str) -> None:
    """Whoever asks for images has images read, and nothing else."""
    assert readers(f"workload.{fact}.size() < 100") == {fact}


def test_a_policy_about_none_has_none_read() -> None:
    """A policy about the object itself costs no extraction."""
    assert readers("object.metadata.name != 'q'") == set()
    assert readers("workload.kind == 'Pod'") == set()


def test_a_policy_about_two_has_two_read() -> None:
    """Each fact that is named is read, unless the expression is decided before."""
    assert readers("workload.images.size() < 100 && workload.devices.size() < 100") == {"images", "devices"}
    assert readers("workload.images.size() > 100 && workload.devices.size() < 100") == {"images"}
