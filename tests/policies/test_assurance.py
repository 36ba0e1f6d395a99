"""How well keys are kept: keyrings, profiles and classes speak of it with the same words, in the same order."""

from datetime import UTC, datetime
from itertools import product
from typing import Any, get_args

import pytest

from keymgmt.kms.settings import STRENGTH
from keymgmt.public import Assurance as Declared
from policies.checking import creation
from policies.decision import Decision
from policies.gathering import parsed
from policies.kinds.words import Assurance
from policies.loading import engine_for, rulebook_of
from policies.packs import builtin
from policies.request import Phase
from policies.snapshot import MemorySnapshot

NOW = datetime(2026, 11, 21, tzinfo=UTC)
LABELS = {"bailiwick.dev/data-class": "kept", "bailiwick.dev/jurisdiction": "eu"}
NAMESPACE = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "clinic", "labels": LABELS}}
SECRET = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "s", "namespace": "clinic", "annotations": {"bailiwick.dev/key": "vault:eu/x"}},
}
ORDER = ("", *get_args(Assurance))


def decided(asked: str, declared: str) -> Decision:
    """About a Secret of a class that asks for an assurance, under a key that has one; empty where nothing is said."""
    key = {"match": "vault:eu/*", "place": "aws.eu-central-1", **({"assurance": declared} if declared else {})}
    specs: dict[str, Any] = {
        "Jurisdiction": {"locatedIn": {"sets": ["EU"]}},
        "ClusterProfile": {"cluster": "c", "providers": [{"name": "aws"}], "keys": [key]},
        "DataClass": {"rank": 1, "requires": {"keys": {"region": True, **({"assurance": asked} if asked else {})}}},
    }
    names = {"Jurisdiction": "eu", "ClusterProfile": "c", "DataClass": "kept"}
    rules = [
        {"apiVersion": "bailiwick.dev/v1alpha1", "kind": kind, "metadata": {"name": names[kind]}, "spec": spec}
        for kind, spec in specs.items()
    ]
    loaded = parsed(rules)
    assert not loaded.problems
    engine = engine_for(rulebook_of(builtin(), loaded.kinds), "test")
    found = engine.decide(creation(SECRET, "default", "u"), Phase.FAIL, MemorySnapshot.of([NAMESPACE]), NOW)
    assert isinstance(found, Decision)
    return found


def test_one_vocabulary() -> None:
    """What a keyring declares can be declared of its keys and asked for by a class, in the order of its strength."""
    assert get_args(Assurance) == get_args(Declared) == tuple(sorted(STRENGTH, key=lambda word: STRENGTH[word]))


@pytest.mark.parametrize(("asked", "declared"), [*product(ORDER, ORDER)])
def test_a_key_is_kept_at_least_as_well_as_its_class_asks(asked: str, declared: str) -> None:
    """Software < service < hardware; what isn't declared is as software; the refusal names both words."""
    decision = decided(asked, declared)
    weaker = max(ORDER.index(declared), 1) < ORDER.index(asked)
    assert [reason.code for reason in decision.reasons] == ["key-assurance-too-low"] * weaker
    for reason in decision.reasons:
        assert reason.message.endswith(f"class `kept` asks for `{asked}`")
        assert (f"declared `{declared}`" if declared else "not declared") in reason.message
